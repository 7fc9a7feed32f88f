package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// slept is how much later than planned a look tells that this computer slept.
const slept = 5 * time.Minute

// Run watches phones, decides and works until ctx ends, and closes the service: it
// returns when everything that it had started has ended.
func (s *Service) Run(ctx context.Context) error {
	defer s.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching := make(chan error, 1)
	go func() { watching <- s.o.Phones.Run(ctx) }()
	defer func() { cancel(); <-watching }()
	events := s.o.Phones.Events(ctx)
	s.resume()
	for ctx.Err() == nil {
		next, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("looking at the phones failed", "err", err)
		}
		select {
		case <-ctx.Done():
		case ev, ok := <-events:
			if !ok {
				events = nil // the watcher ends with ctx
				continue
			}
			s.sighted(ctx, ev)
		case <-s.wake:
		case <-s.o.After(max(next.Sub(s.o.Now()), time.Millisecond)):
		}
	}
	return nil
}

// step looks at everything once, starts what is to be started, and says when to
// look again.
func (s *Service) step(ctx context.Context) (next time.Time, err error) {
	now := s.o.Now()
	next = now.Add(s.o.Pace.Look)
	if err := s.beat(ctx, now); err != nil {
		return next, err
	}
	s.vault.tidy(false)
	s.views.tidyIdle()
	phones, err := s.db.Phones(ctx)
	if err != nil {
		return next, fmt.Errorf("read phones: %w", err)
	}
	s.lookForPlace(ctx)
	s.lookForTargets()
	var errs []error
	for _, p := range phones {
		until, err := s.attend(ctx, p)
		errs = append(errs, err)
		if until.After(now) && until.Before(next) {
			next = until
		}
	}
	errs = append(errs, s.upkeepAll(ctx, phones), s.dispatch(ctx))
	return next, errors.Join(errs...)
}

// attend decides what to do about a phone now.
func (s *Service) attend(ctx context.Context, p catalog.Phone) (until time.Time, err error) {
	k := s.known(ctx, p)
	until = s.keepTalking(k)
	if p.Owner == 0 || s.ready() != nil {
		return until, nil
	}
	f := k.facts()
	d := schedule.Decide(p.Policy, f)
	switch {
	case d.Start:
		_, err = s.enqueue(ctx, wish{kind: BackupJob, udid: p.UDID, trigger: triggers[d.Reason], account: 0})
		return until, err
	case d.Reason == schedule.WaitHour && p.Policy.OnUnlock:
		until = earlier(until, s.watchUnlock(k))
	}
	until = earlier(until, d.Until)
	if k.job != nil || d.Reason == schedule.QueueFull {
		return until, nil
	}
	m := schedule.DecideMedia(p.Policy, f)
	if m.Start && k.near.contact.paired {
		_, err = s.enqueue(ctx, wish{kind: MediaJob, udid: p.UDID, trigger: "nightly copy of music and pictures"})
	}
	return earlier(until, m.Until), err
}

// triggers say why a backup was started.
var triggers = map[schedule.Reason]string{
	schedule.StartRequest: "Back Up Now",
	schedule.StartSignal:  "its owner's signal",
	schedule.StartCable:   "it was plugged in",
	schedule.StartUnlock:  "it was unlocked",
	schedule.StartCharger: "it was put on its charger",
	schedule.StartWindow:  "one was due",
	schedule.StartHour:    "one was due, and at this hour the passcode is usually entered",
	schedule.StartLate:    "one was overdue",
	schedule.StartCatchUp: "one was due while Keepsake was off",
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// keepTalking asks a phone that is near about itself now and then.
func (s *Service) keepTalking(k *known) (until time.Time) {
	if !k.near.sighting.Reachable() || k.job != nil && k.job.State == Running {
		return time.Time{}
	}
	pause := s.o.Pace.Contact
	if k.near.err != nil {
		pause = min(pause, time.Minute)
	}
	due := k.near.tried.Add(pause)
	if !due.After(k.now) {
		s.talkTo(k.phone.UDID)
		due = k.now.Add(pause)
	}
	return due
}

// watchUnlock asks a phone whether it is unlocked, while a backup waits for that.
func (s *Service) watchUnlock(k *known) (until time.Time) {
	if !k.near.sighting.Reachable() {
		return time.Time{}
	}
	pause := s.o.Pace.Unlock
	if !k.near.sighting.Has(discovery.Cable) {
		pause *= 3 // it costs the phone charge
	}
	due := k.near.asked.Add(pause)
	if !due.After(k.now) {
		s.pollUnlock(k.phone.UDID)
		due = k.now.Add(pause)
	}
	return due
}

// known gathers what is known of a phone at this moment.
func (s *Service) known(ctx context.Context, p catalog.Phone) *known {
	k := &known{phone: p, now: s.o.Now(), owner: s.ownerName(ctx, p.Owner), away: s.awayOf(p)}
	parallel := s.parallel(ctx)
	k.sum = s.sumOf(ctx, p.UDID, k.now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.near[p.UDID]; ok {
		k.near = *n
	}
	k.past, k.off = s.past[p.UDID], s.pulse.Off
	if s.placeErr != nil {
		k.place = s.placeErr.Error()
	}
	transfers := 0
	for _, r := range s.running {
		if lanes[r.kind].transfer {
			transfers++
		}
		if r.udid != p.UDID {
			continue
		}
		if j := r.live.snapshot(); lanes[r.kind].phone {
			k.job = &j
		} else {
			k.beside = &j
		}
	}
	k.busy = transfers >= parallel
	if j, ok := s.queue[p.UDID]; ok && k.job == nil && lanes[j.Kind].phone {
		k.job = &j
	}
	return k
}

// awayOf is what the watcher knows about reaching a phone.
func (s *Service) awayOf(p catalog.Phone) schedule.Away {
	a := schedule.Away{EverPaired: p.Paired || !p.LastContact.IsZero(), LastContact: p.LastContact}
	id, err := usbmux.ParseUDID(p.UDID)
	if err != nil {
		return a
	}
	f := s.o.Phones.Facts(id)
	a.WiFiOff = !p.WiFiOn && a.EverPaired
	a.Hindrance = schedule.Hindrance(f.Failure)
	a.PrivateAddress = f.PrivateAddress
	if f.MuxErr != nil {
		a.NoCable = f.MuxErr.Error()
	}
	if f.BrowseErr != nil {
		a.NoNetwork = f.BrowseErr.Error()
	}
	return a
}
