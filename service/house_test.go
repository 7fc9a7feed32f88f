package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/targets"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const placePassword = "correct horse battery staple"

var (
	anna  = service.Who{Account: 1, Name: "Anna", Admin: true}
	ben   = service.Who{Account: 2, Name: "Ben"}
	never = time.Time{}
)

// folders are places on this computer, with keys that cost nothing.
type folders struct{}

func initOptions() repository.InitOptions {
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	return o
}

func (folders) Look(_ context.Context, where string) (service.Place, error) {
	f := folder{dir: where}
	if _, err := os.Stat(filepath.Join(where, "config")); err == nil {
		f.shared = true
		return f, nil
	}
	entries, err := os.ReadDir(where)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, e := range entries {
		udid, err := device.ParseUDID(e.Name())
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(where, e.Name(), "config")); err == nil {
			f.members = append(f.members, udid)
		}
	}
	return f, nil
}

func (folders) Keeper(book *targets.Book, password func(context.Context, string) (secret.RepositoryPassword, error), _ func(context.Context, string) (map[string]string, error)) *targets.Keeper {
	return &targets.Keeper{Book: book, Init: initOptions(),
		Open: func(_ context.Context, _ targets.Target, where string, _ bool) (backend.Backend, error) {
			return local.Open(where, local.Options{})
		},
		Password: func(ctx context.Context, t targets.Target) (secret.RepositoryPassword, bool, error) {
			p, err := password(ctx, t.Name)
			return p, false, err
		},
		Mounts: func() ([]string, error) { return nil, nil },
	}
}

type folder struct {
	dir     string
	shared  bool
	members []device.UDID
}

func (f folder) String() string         { return f.dir }
func (f folder) Shared() bool           { return f.shared }
func (f folder) Members() []device.UDID { return f.members }
func (f folder) Empty() bool            { return !f.shared && len(f.members) == 0 }
func (f folder) Free() int64            { return 1 << 40 }

func (f folder) Prove(ctx context.Context, password secret.RepositoryPassword) error {
	var udid device.UDID
	if !f.shared {
		udid = f.members[0]
	}
	r, err := f.Open(ctx, udid, password)
	if err != nil {
		return err
	}
	return r.Close()
}

func (f folder) at(udid device.UDID) string {
	if f.shared {
		return f.dir
	}
	return filepath.Join(f.dir, udid.String())
}

func (f folder) Open(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, error) {
	be, err := local.Open(f.at(udid), local.Options{})
	if err != nil {
		return nil, err
	}
	return repository.Open(ctx, be, password, repository.Options{})
}

func (f folder) OpenOrMake(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, bool, error) {
	if _, err := os.Stat(filepath.Join(f.at(udid), "config")); err == nil {
		r, err := f.Open(ctx, udid, password)
		return r, false, err
	}
	be, err := local.Open(f.at(udid), local.Options{})
	if err != nil {
		return nil, false, err
	}
	r, err := repository.Init(ctx, be, password, initOptions())
	return r, true, err
}

func (f folder) Sheet(_ context.Context, shown, _ secret.RepositoryPassword) ([]byte, error) {
	return fmt.Appendf(nil, "<p>%s %t", f.dir, !shown.IsZero()), nil
}

// mailbox takes messages.
type mailbox struct {
	mu   sync.Mutex
	sent []notify.Message
	err  error
}

func (m *mailbox) Send(_ context.Context, msg notify.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, msg)
	return m.err
}

func (m *mailbox) messages() []notify.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]notify.Message(nil), m.sent...)
}

// clock is the real one, and can be put forward.
type clock struct {
	mu     sync.Mutex
	ahead  time.Duration
	alarms []chan time.Time
}

func newClock() *clock { return &clock{} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// forward puts it forward: all alarms go off.
func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	for _, alarm := range c.alarms {
		ring(alarm)
	}
	c.alarms = nil
}

func ring(alarm chan time.Time) {
	select {
	case alarm <- time.Now():
	default:
	}
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	alarm := make(chan time.Time, 1)
	c.alarms = append(c.alarms, alarm)
	if len(c.alarms) > 1000 {
		c.alarms = c.alarms[500:] // nobody waits for those any more
	}
	time.AfterFunc(d, func() { ring(alarm) })
	return alarm
}

// house is a service with virtual phones.
type house struct {
	*service.Service
	t      testing.TB
	server *virtualphone.Server
	db     *catalog.DB
	data   string
	place  string
	clock  *clock
	mail   *mailbox
	pings  chan error
	stop   func()
	opt    service.Options
}

// newHouse starts phones and a service over them: Anna and Ben have accounts. The
// phones are plugged in and belong to nobody yet.
func newHouse(t testing.TB, cfg virtualphone.Config, change func(*service.Options)) *house {
	t.Helper()
	cfg.Dir, cfg.KDFRounds = t.TempDir(), 1
	if cfg.Profile == "" {
		cfg.Profile = "tiny"
	}
	if cfg.RebootTime == 0 {
		cfg.RebootTime = 50 * time.Millisecond
	}
	h := &house{t: t, data: t.TempDir(), place: filepath.Join(t.TempDir(), "backups"), clock: newClock(), mail: &mailbox{}, pings: make(chan error, 100)}
	var err error
	if h.server, err = virtualphone.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.server.Close(); err != nil {
			t.Error(err)
		}
	})
	h.opt = service.Options{Data: h.data, Places: folders{}, Now: h.clock.Now, After: h.clock.After,
		Notify: func([]secret.Text) (service.Sender, error) { return h.mail, nil },
		Ping:   func(_ context.Context, _ secret.Text, _ string, err error) error { h.pings <- err; return nil },
		Pace:   service.Pace{Look: 200 * time.Millisecond, Targets: 200 * time.Millisecond, Unlock: 100 * time.Millisecond, Lock: 10 * time.Second},
		Log:    slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	if change != nil {
		change(&h.opt)
	}
	h.open()
	for _, a := range []catalog.Account{{Login: "anna", Name: "Anna", Admin: true}, {Login: "ben", Name: "Ben"}} {
		if _, err := h.db.CreateAccount(t.Context(), a, false); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// open opens the catalog and the service, and runs it.
func (h *house) open() {
	h.t.Helper()
	db, err := catalog.Open(h.t.Context(), filepath.Join(h.data, "keepsake.db"), catalog.Options{Key: secret.NewBytes(make([]byte, 32)), Now: h.clock.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.db = db
	addr, err := usbmux.ParseAddress(h.server.Addr())
	if err != nil {
		h.t.Fatal(err)
	}
	h.opt.DB = db
	h.opt.Phones = discovery.New(discovery.Options{Mux: &usbmux.Client{Address: addr}, Known: service.KnownPhones(db), Recorder: service.Records{DB: db}, NoWiFi: true})
	if h.Service, err = service.Open(h.t.Context(), h.opt); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.Service.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("run: %v", err)
		}
		if err := db.Close(); err != nil {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(h.stop)
}

// again ends the service and opens it anew.
func (h *house) again() {
	h.t.Helper()
	h.stop()
	h.open()
}

// setUp makes the place.
func (h *house) setUp() {
	h.t.Helper()
	if _, err := h.SetUp(h.t.Context(), anna, h.place, secret.NewRepositoryPassword(placePassword)); err != nil {
		h.t.Fatal(err)
	}
}

// await waits until ok says that it is so.
func (h *house) await(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			jobs, _ := h.Jobs(h.t.Context(), anna, "", 0, 20)
			for _, j := range jobs {
				h.t.Logf("job %d %s %s %s: %q %q %s", j.ID, j.Kind, j.State, j.UDID, j.Text, j.Error, j.Trigger)
			}
			h.t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// phone is what who sees of the nth phone.
func (h *house) phone(who service.Who, n int) service.Phone {
	h.t.Helper()
	p, err := h.Phone(h.t.Context(), who, h.udid(n))
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) udid(n int) string { return h.server.Phones()[n].UDID() }

// ended waits for a job, and until the page says no more that it runs, which is a moment
// after its end is written down; and gives it.
func (h *house) ended(id int64) service.Job {
	h.t.Helper()
	var j service.Job
	h.await(fmt.Sprintf("the end of job %d", id), func() bool {
		var err error
		if j, err = h.Job(h.t.Context(), service.System, id); err != nil {
			h.t.Fatal(err)
		}
		o, err := h.Overview(h.t.Context(), service.System)
		if err != nil {
			h.t.Fatal(err)
		}
		return !j.Ended.IsZero() && !slices.ContainsFunc(o.Running, func(r service.Job) bool { return r.ID == id })
	})
	return j
}

// done is ended for a job that has to go well.
func (h *house) done(id int64, err error) service.Job {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	j := h.ended(id)
	if j.State != service.Done {
		for _, l := range j.Log {
			h.t.Logf("%s: %s", l.Kind, l.Text)
		}
		h.t.Fatalf("%s: %s %q %q %q", j.Kind, j.State, j.Text, j.Error, j.Hint)
	}
	return j
}

// known waits until a phone has told about itself.
func (h *house) known(n int) {
	h.t.Helper()
	h.await("the phone tells about itself", func() bool {
		p, err := h.Phone(h.t.Context(), service.System, h.udid(n))
		return err == nil && p.IOS != "" && p.Cable
	})
}

// pair pairs a phone for who, and asks for no backups by itself.
func (h *house) pair(who service.Who, n int) {
	h.t.Helper()
	h.known(n)
	policy := h.phone(anna, n).Policy
	policy.Automatic, policy.Media = false, false
	if err := h.SetPolicy(h.t.Context(), service.System, h.udid(n), policy); err != nil {
		h.t.Fatal(err)
	}
	h.done(h.Pair(h.t.Context(), who, h.udid(n)))
}

// automatic lets backups of a phone start by themselves.
func (h *house) automatic(n int) {
	h.t.Helper()
	policy := h.phone(service.System, n).Policy
	policy.Automatic = true
	if err := h.SetPolicy(h.t.Context(), service.System, h.udid(n), policy); err != nil {
		h.t.Fatal(err)
	}
}

// jobs of a kind, newest first.
func (h *house) jobs(kind service.JobKind, n int) (list []service.Job) {
	h.t.Helper()
	all, err := h.Jobs(h.t.Context(), service.System, h.udid(n), 0, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, j := range all {
		if j.Kind == kind {
			list = append(list, j)
		}
	}
	return list
}
