package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// bare is a service over an empty catalog that does nothing by itself.
func bare(t *testing.T) *Service {
	t.Helper()
	db, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "keepsake.db"), catalog.Options{Key: secret.NewBytes(bytes.Repeat([]byte{1}, 32))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &Service{db: db, log: slog.New(slog.DiscardHandler), args: map[int64]any{}, running: map[int64]*running{}, past: map[string]past{}, upkeeps: map[string]upkeep{}, wake: make(chan struct{}, 1), ctx: t.Context()}
	s.o = Options{Now: time.Now, After: func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }}
	return s
}

// A phone with backups was somebody's: a member who holds it now does not get to see
// these by pairing it, and nobody inherits what an owner before has allowed.
func TestOwn_inherits(t *testing.T) {
	ctx := t.Context()
	const udid = "00008030-001122334455667A"
	for _, c := range []struct {
		name     string
		admin    bool
		versions int
		owned    bool
	}{{"a member, a new phone", false, 0, true}, {"a member, a phone with backups", false, 1, false}, {"an admin, a phone with backups", true, 1, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := bare(t)
			id, err := s.db.CreateAccount(ctx, catalog.Account{Login: "ben", Admin: c.admin}, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.db.UpdatePhone(ctx, udid, func(p *catalog.Phone) error { p.Granted = true; return nil }); err != nil {
				t.Fatal(err)
			}
			for range c.versions {
				if err := s.db.SaveVersion(ctx, catalog.Version{UDID: udid, ID: "v", Time: time.Now()}); err != nil {
					t.Fatal(err)
				}
			}
			if owned, err := s.own(ctx, udid, id); err != nil || owned != c.owned {
				t.Fatal(owned, err)
			}
			p, err := s.db.Phone(ctx, udid)
			if err != nil || (p.Owner == id) != c.owned || c.owned && p.Granted {
				t.Errorf("owner %d, granted %v, %v", p.Owner, p.Granted, err)
			}
			if _, err := s.may(ctx, Who{Account: id}, toOpen, udid); (err == nil) != c.owned {
				t.Errorf("to open: %v", err)
			}
		})
	}
}

// Who asks for another version is not answered with the job for the first one.
func TestEnqueued_another(t *testing.T) {
	ctx, s := t.Context(), bare(t)
	ask := func(version string) wish {
		return wish{kind: RestoreJob, udid: "A", target: "A", version: version, args: restoreArgs{request: RestoreRequest{UDID: "A", Source: "A", Version: version}}}
	}
	first, existing, err := s.enqueued(ctx, ask("1"))
	if err != nil || existing {
		t.Fatal(existing, err)
	}
	if same, existing, err := s.enqueued(ctx, ask("1")); err != nil || !existing || same != first {
		t.Errorf("the same again: %d, %v, %v", same, existing, err)
	}
	if _, _, err := s.enqueued(ctx, ask("2")); err == nil {
		t.Error("another version was answered with the job that waits")
	}
	if err := s.begin(ctx, &running{id: first}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.enqueued(ctx, ask("2")); err == nil {
		t.Error("another version was answered with the job that runs")
	}
	if r := s.running[first]; r == nil || r.args == nil {
		t.Errorf("it runs as %+v", r)
	}
}

// The end of a job is written down as soon as that can be done.
func TestWritten(t *testing.T) {
	s := bare(t)
	task := &task{Service: s}
	tries, done := 0, make(chan struct{})
	task.written(t.Context(), "the end", func() error {
		if tries++; tries < 3 {
			return errors.New("no space left on device")
		}
		close(done)
		return nil
	})
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it was given up")
	}
	s.work.Wait()
}

// What goes wrong for who came first is not the answer for whoever waited.
func TestVault_othersTrouble(t *testing.T) {
	for name, first := range map[string]func(ctx context.Context) error{
		"it only looked": func(context.Context) error { return repository.ErrNoRepository },
		"it made way":    func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			entered, waits := make(chan struct{}), make(chan struct{})
			calls := 0
			v := vault{now: time.Now, open: func(ctx context.Context, _ string, _ bool) (*repository.Repository, error) {
				if calls++; calls == 1 {
					close(entered)
					<-waits
					return nil, first(ctx)
				}
				return &repository.Repository{}, nil
			}}
			ctx, cancel := context.WithCancelCause(t.Context())
			go v.take(ctx, "A", false)
			<-entered
			got := make(chan error, 1)
			go func() {
				_, _, err := v.take(t.Context(), "A", true)
				got <- err
			}()
			for {
				v.mu.Lock()
				users := v.opened["A"].users
				v.mu.Unlock()
				if users == 2 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			cancel(errMadeWay)
			close(waits)
			if err := <-got; err != nil {
				t.Errorf("who waited: %v", err)
			}
		})
	}
}

// After a clock that was years ahead was set right, backups go on, and the page does
// not call the one of the future well.
func TestFuture(t *testing.T) {
	ctx, s := t.Context(), bare(t)
	const udid = "00008030-001122334455667A"
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s.sums = map[string]summary{}
	for id, at := range map[string]time.Time{"a": now.AddDate(0, 0, -9), "b": now.AddDate(4, 0, 0)} {
		if err := s.db.SaveVersion(ctx, catalog.Version{UDID: udid, ID: id, Time: at, Verified: at}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.db.Versions(ctx, udid)
	if err != nil {
		t.Fatal(err)
	}
	s.sums[udid] = summarise(versionsOf(list, nil), now.AddDate(4, 0, 0)) // while the clock was wrong
	sum := s.sumOf(ctx, udid, now)
	if sum.count != 2 || sum.newest != "a" || days(sum.verified, now) != 9 {
		t.Errorf("%+v", sum)
	}
	k := known{now: now, sum: sum, phone: catalog.Phone{Policy: schedule.Default(), Paired: true}, past: past{last: schedule.Attempt{At: now.AddDate(4, 0, 0), Outcome: schedule.Good}}}
	if d := schedule.Decide(k.phone.Policy, k.facts()); d.Reason == schedule.UpToDate {
		t.Errorf("%+v", d)
	}
}

// deaf is a phone that answers nobody.
type deaf struct {
	Phones
	asked chan struct{}
	lost  chan struct{}
}

func (d deaf) Open(context.Context, usbmux.UDID, discovery.Via) (*device.Device, error) {
	d.asked <- struct{}{}
	<-d.lost
	return nil, device.ErrNoDevice
}

// A phone that is plugged in again while it is still asked is asked anew at once, and
// not in a minute.
func TestSighted_again(t *testing.T) {
	s := bare(t)
	s.near = map[string]*near{}
	d := deaf{asked: make(chan struct{}, 10), lost: make(chan struct{})}
	s.o.Phones = d
	udid, err := usbmux.ParseUDID("00008030-001122334455667A")
	if err != nil {
		t.Fatal(err)
	}
	plug := discovery.Event{Kind: discovery.Appeared, Sighting: discovery.Sighting{UDID: udid, Cable: true}}
	s.sighted(t.Context(), plug)
	<-d.asked
	s.sighted(t.Context(), discovery.Event{Kind: discovery.Gone, Sighting: discovery.Sighting{UDID: udid}})
	s.sighted(t.Context(), plug)
	close(d.lost)
	select {
	case <-d.asked:
	case <-time.After(10 * time.Second):
		t.Error("it is not asked again")
	}
	s.work.Wait()
	if n := len(d.asked); n != 0 {
		t.Errorf("it is asked %d times more", n)
	}
}
