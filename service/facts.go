package service

import (
	"errors"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/schedule"
)

// zone is that of the clock on the wall.
func (s *Service) zone() *time.Location { return s.o.Now().Location() }

// known is what is decided upon about a phone, taken at one moment.
type known struct {
	phone  catalog.Phone
	near   near
	past   past
	sum    summary
	owner  string
	job    *Job // that has the phone, or waits for it
	beside *Job // another one that runs for it
	place  string
	busy   bool
	now    time.Time
	off    []schedule.Span
	away   schedule.Away
}

// facts are what the schedule wants to know.
func (k *known) facts() schedule.Facts {
	p, n := k.phone, k.near
	f := schedule.Facts{
		Now: k.now, Phone: nameOr(p), Owner: k.owner, Off: k.off, Running: k.job != nil, Busy: k.busy, Place: k.place,
		Paired: p.Paired, InSetup: p.InSetup, Battery: -1, ChargingAt: n.charging, UnlockedAt: later(p.LastUnlock, n.unlocked),
		Asks: device.AsksForPasscode(p.IOS), Signal: later(p.LastSignal, n.signal),
		LastGood: goodAt(k.sum.last, k.past.last, k.now), Last: k.past.last, LastMedia: goodAt(k.sum.media, k.past.media, k.now), LastCopy: k.past.media, Prompts: k.past.prompts, Away: k.away,
	}
	if !n.contact.at.IsZero() {
		c := n.contact
		f.Battery, f.Charging = c.battery.Percent, c.battery.Charging || c.battery.External
		if c.passcodeKnown {
			f.Passcode = schedule.NoPasscode
			if c.passcode {
				f.Passcode = schedule.HasPasscode
			}
		}
	}
	f.Reach, f.ConnectedAt, f.CableAt = reach(n)
	if n.sighting.Reachable() {
		f.Away.InSight, f.Away.Hindrance = true, hindranceIn(n.err)
	}
	return f
}

// goodAt is when something went well last: what it made, or, where there was nothing
// to make, the attempt.
func goodAt(newest time.Time, last schedule.Attempt, now time.Time) time.Time {
	if last.Outcome == schedule.Good && !toCome(last.At, now) {
		return later(newest, last.At)
	}
	return newest
}

// reach is how a phone can be reached. One that has not told about itself yet is
// not there: what is decided then would be guessed.
func reach(n near) (schedule.Reach, time.Time, time.Time) {
	sight := n.sighting
	if !sight.Reachable() || n.contact.at.Before(sight.Since) {
		return schedule.Nowhere, time.Time{}, time.Time{}
	}
	if sight.Has(discovery.Cable) {
		return schedule.Cable, sight.Since, sight.CableSince
	}
	return schedule.WiFi, sight.Since, time.Time{}
}

// hindranceIn is why a phone that is there did not tell about itself.
func hindranceIn(err error) schedule.Hindrance {
	switch {
	case err == nil:
		return schedule.NoHindrance
	case errors.Is(err, device.ErrLocked):
		return schedule.Locked
	case errors.Is(err, device.ErrNotPaired):
		return schedule.Untrusted
	}
	return schedule.Other
}

// nameOr is what sentences call a phone.
func nameOr(p catalog.Phone) string {
	if p.Name != "" {
		return p.Name
	}
	return "iPhone"
}
