package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// near is what is known of a phone since the service runs.
type near struct {
	sighting discovery.Sighting
	contact  contact // the last one that went well; its time is zero before
	err      error   // why the last try did not go well
	tried    time.Time
	talking  bool // somebody asks it now
	again    bool // it came anew meanwhile: what was asked before may have been lost with it

	locked      bool // as it last said
	lockedKnown bool
	unlocked    time.Time // when it was last seen to be unlocked
	asked       time.Time // when it was last asked
	charging    time.Time // since when it is on power
	signal      time.Time
}

// known tells whether the catalog has the phone.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// sighted takes in what the watcher says.
func (s *Service) sighted(ctx context.Context, ev discovery.Event) {
	udid := ev.Sighting.UDID.String()
	now := s.o.Now()
	s.mu.Lock()
	n := s.nearLocked(udid)
	was := n.sighting
	n.sighting = ev.Sighting
	if !was.Reachable() {
		n.err = nil // that was before it went
	}
	news := ev.Kind == discovery.Appeared || ev.Kind == discovery.Paired || ev.Sighting.Has(discovery.Cable) && !was.Has(discovery.Cable)
	if !ev.Sighting.Reachable() {
		n.sighting = discovery.Sighting{UDID: ev.Sighting.UDID}
		n.lockedKnown = false
		n.charging = time.Time{}
	}
	s.mu.Unlock()
	if ev.Sighting.Reachable() {
		err := s.update(ctx, udid, func(p *catalog.Phone) error {
			p.LastSeen = now
			if ev.Sighting.Has(discovery.Cable) {
				p.LastCable = now
			}
			return nil
		})
		if err != nil {
			s.log.Error("a phone was not noted", "phone", udid, "err", err)
		}
	}
	if news {
		s.talkTo(udid)
	}
	s.tellPhone(udid)
}

// nearLocked gives what is known of a phone; the caller holds the lock.
func (s *Service) nearLocked(udid string) *near {
	n, ok := s.near[udid]
	if !ok {
		n = &near{}
		s.near[udid] = n
	}
	return n
}

// nearOf is a copy of what is known of a phone.
func (s *Service) nearOf(udid string) near {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.near[udid]; ok {
		return *n
	}
	return near{}
}

// talkTo asks a phone about itself, beside everything else.
func (s *Service) talkTo(udid string) {
	s.mu.Lock()
	n := s.nearLocked(udid)
	busy := n.talking || !n.sighting.Reachable()
	if !busy {
		n.talking, n.tried = true, s.o.Now()
	}
	n.again = n.again || n.talking && busy
	s.mu.Unlock()
	if busy {
		return
	}
	ok := s.spawn(func(ctx context.Context) {
		err := s.talk(ctx, udid)
		s.mu.Lock()
		n := s.nearLocked(udid)
		again := n.again
		n.talking, n.again, n.err = false, false, err
		s.mu.Unlock()
		if again {
			s.talkTo(udid)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Info("a phone did not tell about itself", "phone", udid, "err", err)
		}
		s.tellPhone(udid)
		s.nudge()
	})
	if !ok {
		s.mu.Lock()
		n.talking = false
		s.mu.Unlock()
	}
}

// open opens a phone.
func (s *Service) open(ctx context.Context, udid string, via discovery.Via) (*device.Device, error) {
	id, err := usbmux.ParseUDID(udid)
	if err != nil {
		return nil, err
	}
	return s.o.Phones.Open(ctx, id, via)
}

func (s *Service) talk(ctx context.Context, udid string) error {
	d, err := s.open(ctx, udid, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	return s.met(ctx, d)
}

// met asks an open phone about itself and notes what it says.
func (s *Service) met(ctx context.Context, d *device.Device) error {
	now := s.o.Now()
	c, err := meet(ctx, d, now)
	if err != nil {
		return fmt.Errorf("ask %s about itself: %w", d.Name(), err)
	}
	udid := d.UDID().String()
	s.mu.Lock()
	n := s.nearLocked(udid)
	n.contact, n.tried = c, now
	if c.paired {
		n.note(c.info.PasswordProtected, now)
	}
	switch {
	case c.battery.External || c.battery.Charging:
		if n.charging.IsZero() {
			n.charging = now
		}
	default:
		n.charging = time.Time{}
	}
	unlocked := n.unlocked
	s.mu.Unlock()
	return s.update(ctx, udid, func(p *catalog.Phone) error {
		c.into(p)
		if !unlocked.IsZero() {
			p.LastUnlock = later(p.LastUnlock, unlocked)
		}
		return nil
	})
}

// note takes in whether the phone is locked.
func (n *near) note(locked bool, now time.Time) {
	if !locked {
		n.unlocked = now
	}
	n.locked, n.lockedKnown, n.asked = locked, true, now
}

// into notes a contact in the catalog. What a phone does not say stays.
func (c contact) into(p *catalog.Phone) {
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	reset := c.looksReset(*p)
	if !reset { // what its owner called it is told by its backups only
		set(&p.Name, c.info.Name)
	}
	set(&p.ProductType, c.info.ProductType)
	set(&p.IOS, c.info.ProductVersion)
	set(&p.Color, c.color())
	set(&p.ServiceName, c.known.ServiceName)
	set(&p.WiFiMAC, c.known.WiFiMAC)
	p.LastSeen = later(p.LastSeen, c.at)
	p.Paired, p.InSetup = c.paired, c.inSetup() || reset
	if !c.paired {
		return
	}
	p.Battery, p.Charging = c.battery.Percent, c.battery.Charging || c.battery.External
	if c.passcodeKnown {
		p.HasPasscode = &c.passcode
	}
	p.LastContact = later(p.LastContact, c.at)
	if c.usage.TotalCapacity > 0 {
		p.Capacity = int64(c.usage.TotalCapacity)
	}
	if c.backupKnown {
		on := c.backup.WillEncrypt
		p.Encrypted = &on
	}
	if c.wifiKnown {
		p.WiFiOn = c.wifi
	}
}

// update changes a phone in the catalog, and makes it if it is new there.
func (s *Service) update(ctx context.Context, udid string, fn func(*catalog.Phone) error) error {
	var now catalog.Phone
	err := s.db.UpdatePhone(ctx, udid, func(p *catalog.Phone) error {
		err := fn(p)
		now = *p
		return err
	})
	if err != nil {
		return fmt.Errorf("note phone %s: %w", udid, err)
	}
	s.remember(now)
	return nil
}

// remember keeps who may see a phone, for events.
func (s *Service) remember(p catalog.Phone) {
	u := upkeepIn(p)
	s.mu.Lock()
	s.upkeeps[p.UDID] = u
	s.mu.Unlock()
	s.rights.Store(p.UDID, rightsOf(p))
}

// sees tells whether who may see a phone, from memory. It takes no lock of ours, since
// it is asked while a job tells of itself.
func (s *Service) sees(who Who, udid string) bool {
	r, ok := s.rights.Load(udid)
	return ok && allowed(who, toSee, r.(rights)) == nil
}

// tellPhone tells watchers that something of a phone has changed.
func (s *Service) tellPhone(udid string) { s.hub.tell(Event{Kind: "phone", UDID: udid}) }

// Watch gives what changes until ctx ends.
func (s *Service) Watch(ctx context.Context, who Who) <-chan Event {
	return s.hub.watch(ctx, func(e Event) bool {
		if e.UDID == "" {
			return who.Admin && who.Phones == nil || e.Kind != "job"
		}
		return s.sees(who, e.UDID)
	})
}

// pollUnlock asks a phone whether it is unlocked.
func (s *Service) pollUnlock(udid string) {
	s.mu.Lock()
	n := s.nearLocked(udid)
	busy := n.talking || !n.sighting.Reachable()
	if !busy {
		n.talking, n.asked = true, s.o.Now()
	}
	s.mu.Unlock()
	if busy {
		return
	}
	done := func() {
		s.mu.Lock()
		again := n.again
		n.talking, n.again = false, false
		s.mu.Unlock()
		if again {
			s.talkTo(udid)
		}
	}
	if !s.spawn(func(ctx context.Context) {
		defer done()
		if err := s.askLocked(ctx, udid); err != nil && ctx.Err() == nil {
			s.log.Debug("a phone did not tell whether it is unlocked", "phone", udid, "err", err)
		}
	}) {
		done()
	}
}

func (s *Service) askLocked(ctx context.Context, udid string) error {
	ctx, cancel := context.WithTimeout(ctx, contactTime)
	defer cancel()
	d, err := s.open(ctx, udid, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	v, err := d.Get(ctx, "", "PasswordProtected")
	if err != nil {
		return err
	}
	locked, _ := v.(bool)
	now := s.o.Now()
	s.mu.Lock()
	n := s.nearLocked(udid)
	changed := !n.lockedKnown || n.locked != locked
	n.note(locked, now)
	s.mu.Unlock()
	if !changed {
		return nil
	}
	if !locked {
		err = s.update(ctx, udid, func(p *catalog.Phone) error { p.LastUnlock, p.LastContact = now, now; return nil })
	}
	s.tellPhone(udid)
	s.nudge()
	return err
}

// reachable tells whether a phone can be reached now, or what to do.
func (s *Service) reachable(ctx context.Context, udid string) error {
	if s.nearOf(udid).sighting.Reachable() {
		return nil
	}
	return hinted("plug it in, or bring it into this network and unlock it once", "%s cannot be reached", s.nameOf(ctx, udid))
}
