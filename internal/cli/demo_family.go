package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/keepsake-backup/keepsake/auth"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// familyPassword is everybody's at the page of the demo, and the repository's.
const familyPassword = "demo demo demo"

// relative is one of the family, with a phone.
type relative struct {
	login, name, phone string
	passcode           string // how the owner answers when the phone asks
	encrypted          bool
	visits             []int // days ago at which the phone was backed up, the oldest first
	use                bool  // between backups
}

// family are four people with weeks behind them: one whose backups are as they
// should be, one whose phone is encrypted, one who has not been there for long, and
// one who always says no.
var family = []relative{
	{login: "anna", name: "Anna", phone: "Anna’s iPhone", passcode: "after=50ms", encrypted: true, visits: []int{24, 20, 17, 13, 9, 6, 3, 1}, use: true},
	{login: "ben", name: "Ben", phone: "Ben’s iPhone", passcode: "none", visits: []int{23, 16, 9, 2}, use: true},
	{login: "clara", name: "Clara", phone: "Clara’s iPhone", passcode: "none", visits: []int{22, 19, 15}, use: true},
	{login: "david", name: "David", phone: "David’s iPhone", passcode: "after=50ms", visits: []int{21, 12}},
}

// How far back the story begins, in days; shorter where nobody looks at it.
const (
	pastDays  = 25
	shortPast = 10
)

// familyDemo is the page of a family, in a temporary folder.
type familyDemo struct {
	a      *app
	dir    string
	past   int          // days
	offset atomic.Int64 // of the clock, while the past is made
	phones *virtualphone.Server
	people []auth.Account
}

func (d *familyDemo) now() time.Time { return time.Now().Add(time.Duration(d.offset.Load())) }

// demoPage makes the family's past and serves their page until ctx ends. With once it
// looks at the page itself and ends.
func (a *app) demoPage(ctx context.Context, listen string, once bool) (err error) {
	dir, err := os.MkdirTemp("", "keepsake-family-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &familyDemo{a: a, dir: dir, past: pastDays}
	if once {
		d.past = shortPast
	}
	d.offset.Store(int64(-time.Duration(d.past) * 24 * time.Hour))
	began := time.Now()
	err = a.work(func(say progress.Reporter) error {
		say.Phase("demo", "Making four phones")
		return d.makePhones(ctx)
	})
	if err != nil {
		return fmt.Errorf("demo: make phones: %w", err)
	}
	defer func() { err = errors.Join(err, d.phones.Close()) }()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer l.Close()
	m, err := d.open(ctx, l.Addr().(*net.TCPAddr))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	serving := make(chan error, 1)
	go func() { serving <- m.Serve(ctx, l, nil, nil) }()
	err = a.work(func(say progress.Reporter) error { return d.live(ctx, m.Service, m.Auth, say) })
	if err == nil {
		url := fmt.Sprintf("http://localhost:%d/", l.Addr().(*net.TCPAddr).Port)
		if once {
			err = d.tour(ctx, m, url, began)
		} else {
			d.invite(url, began)
			<-ctx.Done()
		}
	}
	cancel(nil)
	return errors.Join(err, <-serving)
}

func (d *familyDemo) makePhones(ctx context.Context) error {
	var err error
	// One more than there are people: it comes fresh out of its box.
	d.phones, err = virtualphone.Start(context.WithoutCancel(ctx), virtualphone.Config{Dir: filepath.Join(d.dir, "phones"), Count: len(family) + 1, Profile: "tiny", Seed: 7,
		KDFRounds: demoRounds, RebootTime: 500 * time.Millisecond, PasscodeTimeout: 20 * time.Second, Now: d.now})
	if err != nil {
		return err
	}
	for i, r := range family {
		if err := d.phones.Phones()[i].Set("name="+r.phone, "passcode="+r.passcode); err != nil {
			return err
		}
		d.phones.Phones()[i].Unplug()
	}
	fresh := d.phones.Phones()[len(family)]
	fresh.Unplug()
	return fresh.Set("setup=new", "name=iPhone")
}

func (d *familyDemo) open(ctx context.Context, at *net.TCPAddr) (*daemon.Daemon, error) {
	o, err := d.a.daemonOptions(serveFlags{noWiFi: true}, filepath.Join(d.dir, "service"), at)
	if err != nil {
		return nil, err
	}
	addr, err := usbmux.ParseAddress(d.phones.Addr())
	if err != nil {
		return nil, err
	}
	o.Mux, o.Now = &usbmux.Client{Address: addr}, d.now
	o.Pace = service.Pace{Look: 2 * time.Second, Contact: 5 * time.Second, Unlock: 2 * time.Second, Targets: 5 * time.Second}
	o.Log = slog.New(slog.DiscardHandler)
	if d.a.verbose {
		o.Log = slog.New(slog.NewTextHandler(d.a.Stderr, nil))
	}
	return daemon.Open(ctx, o)
}

// live makes the past: people, phones, and the days on which these were there.
func (d *familyDemo) live(ctx context.Context, svc *service.Service, people *auth.Keeper, say progress.Reporter) error {
	password := secret.NewText(familyPassword)
	for i, r := range family {
		var a auth.Account
		var err error
		if i == 0 {
			a, err = people.CreateFirst(ctx, r.login, r.name, password)
		} else {
			a, err = people.CreateAccount(ctx, d.people[0].ID, auth.Account{Login: r.login, Name: r.name}, password)
		}
		if err != nil {
			return err
		}
		d.people = append(d.people, a)
	}
	if _, err := svc.SetUp(ctx, d.who(0), filepath.Join(d.dir, "backups"), secret.NewRepositoryPassword(familyPassword)); err != nil {
		return err
	}
	for i := range family {
		say.Phase("pair", "Pairing "+family[i].phone)
		if err := d.pair(ctx, svc, i); err != nil {
			return fmt.Errorf("pair %s: %w", family[i].phone, err)
		}
	}
	for ago := d.past - 1; ago > 0; ago-- {
		say.Phase("past", fmt.Sprintf("Living through the past: %s ago", progress.Count(int64(ago), "day", "days")))
		d.offset.Store(int64(-time.Duration(ago) * 24 * time.Hour))
		for i, r := range family {
			for _, visit := range r.visits {
				if visit == ago {
					if err := d.visit(ctx, svc, i); err != nil {
						return fmt.Errorf("back up %s: %w", r.phone, err)
					}
				}
			}
		}
	}
	return d.present(ctx, svc, say)
}

func (d *familyDemo) who(i int) service.Who {
	return service.Who{Account: d.people[i].ID, Name: d.people[i].Name, Admin: d.people[i].Admin}
}

func (d *familyDemo) pair(ctx context.Context, svc *service.Service, i int) error {
	phone := d.phones.Phones()[i]
	phone.Plug()
	if err := d.seen(ctx, svc, phone.UDID()); err != nil {
		return err
	}
	p := schedule.Default()
	p.Automatic, p.Media = false, false // the past is made by hand
	if err := svc.SetPolicy(ctx, service.System, phone.UDID(), p); err != nil {
		return err
	}
	if err := d.done(ctx, svc)(svc.Pair(ctx, d.who(i), phone.UDID())); err != nil {
		return err
	}
	if family[i].encrypted {
		if err := d.done(ctx, svc)(svc.SetEncryption(ctx, d.who(i), phone.UDID(), secret.BackupPassword{}, secret.NewBackupPassword(demoPassword))); err != nil {
			return err
		}
	}
	phone.Unplug()
	return nil
}

// visit is a day on which a phone was there.
func (d *familyDemo) visit(ctx context.Context, svc *service.Service, i int) error {
	phone := d.phones.Phones()[i]
	if family[i].use {
		if _, err := phone.Use(ctx, 1); err != nil {
			return err
		}
	}
	phone.Plug()
	if err := d.seen(ctx, svc, phone.UDID()); err != nil {
		return err
	}
	err := d.done(ctx, svc)(svc.BackUp(ctx, d.who(i), phone.UDID(), false))
	phone.Unplug()
	return err
}

// present is how things are today: Anna's and Ben's phones are there, Clara's has not
// been for two weeks, David does not enter his passcode, and a new one was plugged in.
func (d *familyDemo) present(ctx context.Context, svc *service.Service, say progress.Reporter) error {
	say.Phase("present", "Coming back to today")
	d.offset.Store(0)
	for i := range family {
		p := schedule.Default()
		p.OnConnect, p.OnUnlock = i == 1, true
		if i == 3 {
			p.Automatic = false
		}
		if err := svc.SetPolicy(ctx, service.System, d.phones.Phones()[i].UDID(), p); err != nil {
			return err
		}
	}
	phones := d.phones.Phones()
	for _, i := range []int{0, 1, 3, len(family)} {
		phones[i].Plug()
		if err := d.seen(ctx, svc, phones[i].UDID()); err != nil {
			return err
		}
	}
	// From now on people look on, and owners take their time.
	if err := errors.Join(phones[0].Set("passcode=after=3s"), phones[3].Set("passcode=refuse")); err != nil {
		return err
	}
	id, err := svc.BackUp(ctx, d.who(3), phones[3].UDID(), false)
	if err != nil {
		return err
	}
	_, err = d.end(ctx, svc, id)
	return err
}

// seen waits until the service knows that a phone is there.
func (d *familyDemo) seen(ctx context.Context, svc *service.Service, udid string) error {
	return poll(ctx, func() (bool, error) {
		p, err := svc.Phone(ctx, service.System, udid)
		return err == nil && p.Cable && p.IOS != "", nil
	})
}

// poll asks until it is so; half a minute is too long.
func poll(ctx context.Context, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("it took too long"))
	defer cancel()
	for {
		if is, err := ok(); is || err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// end waits for the end of a job.
func (d *familyDemo) end(ctx context.Context, svc *service.Service, id int64) (j service.Job, err error) {
	err = poll(ctx, func() (bool, error) {
		j, err = svc.Job(ctx, service.System, id)
		return !j.Ended.IsZero(), err
	})
	return j, err
}

// done waits for the end of a job that has to go well.
func (d *familyDemo) done(ctx context.Context, svc *service.Service) func(int64, error) error {
	return func(id int64, err error) error {
		if err != nil {
			return err
		}
		j, err := d.end(ctx, svc, id)
		if err == nil && j.State != service.Done {
			err = fmt.Errorf("%s ended as %s: %s %s", j.Kind, j.State, j.Text, j.Error)
		}
		return err
	}
}

// invite says where the page is, and who may go there.
func (d *familyDemo) invite(url string, began time.Time) {
	a := d.a
	a.printf("The page of a family of four is at\n\n    %s\n\nSign in as anna, who looks after it, or as ben, clara or david. The password is always %q; so is\nthat of the repository, and %q that of Anna’s encrypted backups. Everything can be clicked; nothing of yours\nis touched. (Made in %s.)\n\nEnd it with Ctrl-C: then all of it is gone.\n", url, familyPassword, demoPassword, progress.Took(time.Since(began)))
	if a.json {
		a.emit(serving{"serving", url, false})
	}
	a.interruptHint = "nothing is left behind"
}

// tour looks at the page once, as somebody would who signs in, and lets a phone that
// is plugged in be backed up by itself.
func (d *familyDemo) tour(ctx context.Context, m *daemon.Daemon, url string, began time.Time) error {
	told, err := d.look(ctx, url)
	if err != nil {
		return err
	}
	d.a.printf("The page of a family of four: %s, %s. [%s]\n", progress.Count(int64(len(family)), "phone", "phones"), told, progress.Took(time.Since(began)))
	phone := d.phones.Phones()[2] // Clara's, two weeks late
	p := schedule.Default()
	if err := m.Service.SetPolicy(ctx, service.System, phone.UDID(), p); err != nil {
		return err
	}
	plugged := time.Now()
	phone.Plug()
	var id int64
	err = poll(ctx, func() (bool, error) {
		jobs, err := m.Service.Jobs(ctx, service.System, phone.UDID(), 0, 1)
		if err == nil && len(jobs) == 1 && jobs[0].Kind == service.BackupJob && jobs[0].Ended.IsZero() && !jobs[0].Started.IsZero() {
			id = jobs[0].ID
		}
		return id != 0, err
	})
	if err != nil {
		return fmt.Errorf("a phone that was plugged in is not backed up: %w", err)
	}
	took := time.Since(plugged)
	if err := d.done(ctx, m.Service)(id, nil); err != nil {
		return err
	}
	d.a.printf("Clara’s iPhone was plugged in: its backup began after %s, untouched, and is done.\n", progress.Took(took))
	return nil
}
