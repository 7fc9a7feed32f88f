package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

const (
	placePassword  = "place password of the soak"
	backupPassword = "backup password of the soak"
)

// house is a household with a service.
type house struct {
	dir    string
	clock  *clock
	rnd    *rand.Rand
	disk   *disk
	server *virtualphone.Server
	people []*person
	log    *slog.Logger

	// The service, nil while it does not run.
	svc  *service.Service
	db   *catalog.DB
	stop func() error
	mail *mailbox

	asked      []int64           // jobs that people were promised
	twins      map[string]string // digest of the phone at each version, by its ID
	tally      map[string]int    // what happened, for the report
	wrong      map[string]int    // what was found to be wrong, and how often
	complaints []error
}

// mailbox takes messages.
type mailbox struct {
	mu   sync.Mutex
	sent []notify.Message
}

// Send implements service.Sender.
func (m *mailbox) Send(_ context.Context, msg notify.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, msg)
	return nil
}

// about counts the messages about something.
func (m *mailbox) about(what string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range m.sent {
		if strings.Contains(msg.Title+msg.Text, what) {
			n++
		}
	}
	return n
}

// family are the people, who differ in what tries the rules hardest.
func family(rnd *rand.Rand) []*person {
	evening := schedule.Window{From: 18 * 60, To: 23 * 60}
	list := []*person{
		{who: service.Who{Name: "Anna", Admin: true}, passcode: true, wifi: true, cables: 1, refuses: 1, ignores: 1},
		{who: service.Who{Name: "Ben"}, passcode: true, encrypted: true, cables: 12, refuses: 2, ignores: 1,
			policy: schedule.Policy{EveryDays: 2, Window: evening, OnConnect: true}},
		{who: service.Who{Name: "Clara"}, wifi: true, cables: 1,
			policy: schedule.Policy{EveryDays: 1, Window: schedule.Window{From: 60, To: 5 * 60}, Media: true}},
		{who: service.Who{Name: "David"}, passcode: true, wifi: true, cables: 2, refuses: 5, ignores: 3,
			travels: func(day int) bool { return day >= 6 && day < 17 }},
	}
	for i, p := range list {
		if p.policy == (schedule.Policy{}) {
			p.policy = schedule.Default()
		}
		p.policy.Automatic, p.policy.RemindAfterDays = true, 7
		if p.travels == nil {
			p.travels = func(int) bool { return false }
		}
		p.rnd = rand.New(rand.NewPCG(rnd.Uint64(), uint64(i)))
		p.now = schedule.Yes
	}
	return list
}

// newHouse starts the phones.
func newHouse(ctx context.Context, dir string, seed uint64, start time.Time, log *slog.Logger) (*house, error) {
	h := &house{dir: dir, clock: newClock(start), rnd: rand.New(rand.NewPCG(seed, 1)), disk: newDisk(), mail: &mailbox{}, log: log, twins: map[string]string{}, tally: map[string]int{}, wrong: map[string]int{}}
	h.people = family(h.rnd)
	var err error
	h.server, err = virtualphone.Start(ctx, virtualphone.Config{Dir: filepath.Join(dir, "phones"), Count: len(h.people), Seed: seed, Profile: "tiny", KDFRounds: 1,
		WiFi: true, WiFiListen: "127.0.0.1:0", Now: h.clock.Now, PasscodeTimeout: 700 * time.Millisecond, RebootTime: 50 * time.Millisecond, HeartbeatGrace: time.Hour})
	if err != nil {
		return nil, err
	}
	for i, p := range h.people {
		p.phone = h.server.Phones()[i]
		if err := p.phone.Set("name=" + p.who.Name + "'s iPhone"); err != nil {
			return nil, err
		}
		p.cable = true
	}
	return h, nil
}

// options are those of the service here and of one in a process of its own.
func (h *house) options(db *catalog.DB, mux string) (service.Options, error) {
	return serviceOptions(h.dir, db, mux, h.clock, h.disk, h.mail, h.log)
}

func serviceOptions(dir string, db *catalog.DB, mux string, c *clock, d *disk, m *mailbox, log *slog.Logger) (service.Options, error) {
	addr, err := usbmux.ParseAddress(mux)
	if err != nil {
		return service.Options{}, err
	}
	phones := discovery.New(discovery.Options{Mux: &usbmux.Client{Address: addr}, Known: service.KnownPhones(db), Recorder: service.Records{DB: db}, NoWiFi: true, Now: c.Now})
	return service.Options{Data: dir, DB: db, Places: d, Phones: phones, Now: c.Now, After: c.After, Log: log,
		Notify: func([]secret.Text) (service.Sender, error) { return m, nil },
		Ping:   func(context.Context, secret.Text, string, error) error { return nil },
		Pace:   service.Pace{Look: paceOfLooks, Contact: 20 * time.Minute, Unlock: 5 * time.Minute, Targets: 20 * time.Minute, Lock: 5 * time.Second}}, nil
}

func openCatalog(ctx context.Context, dir string, c *clock) (*catalog.DB, error) {
	return catalog.Open(ctx, filepath.Join(dir, "keepsake.db"), catalog.Options{Key: secret.NewBytes(make([]byte, 32)), Now: c.Now})
}

// open starts the service.
func (h *house) open(ctx context.Context) error {
	db, err := openCatalog(ctx, h.dir, h.clock)
	if err != nil {
		return err
	}
	opt, err := h.options(db, h.server.Addr())
	if err != nil {
		return errors.Join(err, db.Close())
	}
	svc, err := service.Open(ctx, opt)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- svc.Run(running) }()
	h.svc, h.db = svc, db
	h.stop = func() error {
		cancel()
		err := <-done
		h.svc = nil
		return err
	}
	return nil
}

// shut ends the service as systemd would.
func (h *house) shut() error {
	if h.svc == nil {
		return nil
	}
	h.tally["stops"]++
	return errors.Join(h.stop(), h.db.Close())
}

// crash ends the service without a goodbye: it cannot write down any more that it
// ends.
func (h *house) crash() error {
	h.tally["crashes"]++
	err := h.db.Close()
	return errors.Join(err, h.stop())
}

// close ends everything.
func (h *house) close() error {
	err := h.shut()
	return errors.Join(err, h.server.Close())
}

// furnish makes accounts, the place and a target, and pairs the phones.
func (h *house) furnish(ctx context.Context) error {
	for _, p := range h.people {
		id, err := h.db.CreateAccount(ctx, catalog.Account{Login: p.who.Name, Name: p.who.Name, Admin: p.who.Admin}, false)
		if err != nil {
			return err
		}
		p.who.Account = id
	}
	if _, err := h.svc.SetUp(ctx, service.System, filepath.Join(h.dir, "backups"), secret.NewRepositoryPassword(placePassword)); err != nil {
		return err
	}
	set, err := h.svc.Settings(ctx, service.System)
	if err != nil {
		return err
	}
	set.Notify = []string{"ntfy://ntfy.invalid/mailbox"} // serviceOptions has the mailbox
	if err := h.svc.SetSettings(ctx, service.System, set); err != nil {
		return err
	}
	for _, p := range h.people {
		if err := h.welcome(ctx, p); err != nil {
			return fmt.Errorf("welcome %s: %w", p.who.Name, err)
		}
	}
	if err := os.MkdirAll(h.target(), 0o700); err != nil {
		return err
	}
	if _, err := h.svc.AddTarget(ctx, service.System, "usb", h.target(), nil, secret.RepositoryPassword{}); err != nil {
		return err
	}
	return h.settle(ctx)
}

func (h *house) target() string { return filepath.Join(h.dir, "usb", "disk") }

// welcome takes a phone in: pairs it, sets it up and makes its first backup.
func (h *house) welcome(ctx context.Context, p *person) error {
	udid := p.phone.UDID()
	if err := h.until(ctx, "the phone is noticed", func() (bool, error) {
		v, err := h.svc.Phone(ctx, service.System, udid)
		return err == nil && v.Cable && v.IOS != "", nil
	}); err != nil {
		return err
	}
	if err := h.svc.SetPolicy(ctx, service.System, udid, schedule.Policy{EveryDays: 1}); err != nil {
		return err
	}
	if err := h.do(ctx)(h.svc.Pair(ctx, p.who, udid)); err != nil {
		return err
	}
	if p.passcode {
		if err := p.set("passcode=after=20ms"); err != nil {
			return err
		}
	}
	if p.wifi {
		if err := h.svc.SetWiFi(ctx, p.who, udid, true); err != nil {
			return err
		}
	}
	if p.encrypted {
		if err := h.do(ctx)(h.svc.SetEncryption(ctx, p.who, udid, secret.BackupPassword{}, secret.NewBackupPassword(backupPassword))); err != nil {
			return err
		}
		if err := h.svc.RememberPassword(ctx, p.who, udid, secret.NewBackupPassword(backupPassword)); err != nil {
			return err
		}
	}
	if err := h.do(ctx)(h.svc.BackUp(ctx, p.who, udid, false)); err != nil {
		return err
	}
	if err := h.svc.SetRetention(ctx, p.who, udid, service.Retention{Last: 3, Daily: 7, Weekly: 4}); err != nil {
		return err
	}
	return h.svc.SetPolicy(ctx, p.who, udid, p.policy)
}

// do waits for a job, which has to go well.
func (h *house) do(ctx context.Context) func(id int64, err error) error {
	return func(id int64, err error) error {
		if err != nil {
			return err
		}
		h.asked = append(h.asked, id)
		var j service.Job
		if err := h.until(ctx, fmt.Sprintf("the end of job %d", id), func() (_ bool, err error) {
			j, err = h.svc.Job(ctx, service.System, id)
			return !j.Ended.IsZero(), err
		}); err != nil {
			return err
		}
		if j.State != service.Done {
			return fmt.Errorf("%s: %s %s %s", j.Kind, j.State, j.Text, j.Error)
		}
		return nil
	}
}

// patience is how long something that has to happen soon may take, by the real
// clock on a busy machine.
const patience = 60 * time.Second

// until waits until ok.
func (h *house) until(ctx context.Context, what string, ok func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain for %s", what)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// discard is a log that nobody reads.
func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
