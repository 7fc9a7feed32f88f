package discovery

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

const (
	// maxAdverts bounds how many advertisements are remembered: a network may hold
	// an office, or somebody who makes them up.
	maxAdverts = 512
	// maxProbes bounds how many sessions are tried at once.
	maxProbes = 4
	// trialPatience is how much more seldom strangers are tried again.
	trialPatience = 12
)

// advertKey is what makes an advertisement the same one.
type advertKey struct{ name, iface string }

// heard is an advertisement on the air.
type heard struct {
	ad Advert
	at time.Time
}

// proof is a phone that has shown over Wi-Fi to be itself.
type proof struct {
	addr     netip.AddrPort
	how      How
	key      advertKey // zero: found without an advertisement
	instance string
	heard    time.Time
	since    time.Time
	checked  time.Time
}

// try is how often a candidate has failed. Times are of the real clock, which
// nobody injects: they are about packets.
type try struct {
	next  time.Time
	fails int
}

// candidate is a place where a phone may be.
type candidate struct {
	key   advertKey // zero: not advertised
	how   How
	ad    Advert
	addrs []netip.AddrPort
	given string // Known.Address, to be resolved
}

// text names a candidate in phone.tries.
func (c candidate) text() string {
	if c.key != (advertKey{}) {
		return c.key.iface + " " + c.key.name
	}
	return string(c.how)
}

// browse hears advertisements, again and again.
func (w *Watcher) browse(ctx context.Context) {
	for {
		err := w.opt.Browser.Browse(ctx, w.heardOf)
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		w.browseErr = err
		w.adverts = map[advertKey]*heard{}
		w.mu.Unlock()
		w.opt.Log.Debug("advertisements cannot be heard", "cause", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.opt.Pace.Retry):
		}
	}
}

func (w *Watcher) heardOf(ad Advert, here bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.browseErr = nil
	key := advertKey{ad.Name, ad.Interface}
	old := w.adverts[key]
	switch {
	case !here:
		delete(w.adverts, key)
		w.opt.Log.Debug("advertisement gone", "instance", ad.Name, "interface", ad.Interface)
	case old == nil && len(w.adverts) >= maxAdverts:
		return
	default:
		w.adverts[key] = &heard{ad, w.opt.Now()}
		w.opt.Log.Debug("advertisement", "instance", ad.Name, "interface", ad.Interface, "addresses", ad.Addrs, "port", ad.Port)
	}
	c := candidate{key: key}
	for _, p := range w.phones {
		switch {
		case here: // news: whatever failed may work now
			delete(p.tries, c.text())
		case p.wifi != nil && p.wifi.key == key: // not gone for that: look
			p.wifi.checked = time.Time{}
		}
	}
	signal(w.look)
}

// lookAround proves what may be a phone, and looks after those that were.
func (w *Watcher) lookAround(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	slots := make(chan struct{}, maxProbes)
	busy := map[usbmux.UDID]bool{} // guarded by w.mu
	for {
		next := time.Now().Add(w.opt.Pace.Recheck)
		w.mu.Lock()
		for _, p := range w.phones {
			if busy[p.udid] {
				continue
			}
			c, due, at := w.nextTryLocked(p, time.Now())
			if !due {
				if !at.IsZero() && at.Before(next) {
					next = at
				}
				continue
			}
			busy[p.udid] = true
			work.Go(func() {
				defer signal(w.look)
				defer func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					delete(busy, p.udid)
				}()
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
				case <-ctx.Done():
					return
				}
				w.prove(ctx, p, c)
			})
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-w.look:
		case <-time.After(time.Until(next)):
		}
	}
}

// nextTryLocked picks what is to be tried of a phone now, or else when there
// will be something.
func (w *Watcher) nextTryLocked(p *phone, now time.Time) (c candidate, due bool, at time.Time) {
	if p.known == nil || !p.muxSince.IsZero() {
		return c, false, at
	}
	if p.wifi != nil {
		if at = p.wifi.checked.Add(w.opt.Pace.Recheck); now.Before(at) {
			return c, false, at
		}
		return candidate{key: p.wifi.key, how: p.wifi.how, addrs: []netip.AddrPort{p.wifi.addr}}, true, at
	}
	list := w.candidatesLocked(p)
	if len(list) == 0 {
		p.failure, p.err = NotFound, errNowhere
		if !p.hasRecord {
			p.failure, p.err = NoRecord, usbmux.ErrNoPairRecord
		}
	}
	for _, c := range list {
		t := p.tries[c.text()]
		if t == nil || !now.Before(t.next) {
			return c, true, now
		}
		if at.IsZero() || t.next.Before(at) {
			at = t.next
		}
	}
	return candidate{}, false, at
}

// candidatesLocked lists where a phone may be, the surest first.
func (w *Watcher) candidatesLocked(p *phone) []candidate {
	byHow := map[How][]candidate{}
	for key, h := range w.adverts {
		how := match(h.ad, p.traits)
		if how == "" && w.claimedLocked(p, key, h.ad) {
			continue
		}
		if how == "" {
			how = ByTrial
		}
		if w.provenLocked(p, h.ad) {
			continue // it is another phone
		}
		byHow[how] = append(byHow[how], candidate{key: key, how: how, ad: h.ad, addrs: addresses(h.ad)})
	}
	var list []candidate
	for _, how := range []How{ByAuthTag, ByMAC, ByName} {
		list = append(list, byHow[how]...)
	}
	if p.known.Address != "" {
		list = append(list, candidate{how: ByAddress, given: p.known.Address})
	}
	if p.lastProof.addr.IsValid() { // multicast may be lost, the phone not
		list = append(list, candidate{how: p.lastProof.how, addrs: []netip.AddrPort{p.lastProof.addr}})
	}
	return append(list, byHow[ByTrial]...)
}

// claimedLocked tells whether an advertisement is another known phone's.
func (w *Watcher) claimedLocked(p *phone, key advertKey, ad Advert) bool {
	for _, other := range w.phones {
		if other != p && other.known != nil && (match(ad, other.traits) != "" || other.wifi != nil && other.wifi.key == key) {
			return true
		}
	}
	return false
}

// provenLocked tells whether another phone has shown to be behind that instance,
// on whichever interface.
func (w *Watcher) provenLocked(p *phone, ad Advert) bool {
	for _, other := range w.phones {
		if other != p && other.wifi != nil && other.wifi.instance == ad.Name {
			return true
		}
	}
	return false
}

// advertOfLocked finds the advertisement that is, or may be, a phone's.
func (w *Watcher) advertOfLocked(p *phone) *heard {
	if p.wifi != nil {
		if h := w.adverts[p.wifi.key]; h != nil {
			return h
		}
	}
	var best *heard
	for _, h := range w.adverts {
		if match(h.ad, p.traits) == "" || w.provenLocked(p, h.ad) {
			continue
		}
		if best == nil || h.at.After(best.at) {
			best = h
		}
	}
	return best
}

func (w *Watcher) strangersLocked() int {
	n := 0
	for key, h := range w.adverts {
		if !w.claimedLocked(nil, key, h.ad) {
			n++
		}
	}
	return n
}

// prove tries one candidate and writes down what came of it.
func (w *Watcher) prove(ctx context.Context, p *phone, c candidate) {
	timed, cancel := context.WithTimeout(ctx, w.opt.Pace.Probe)
	addr, err := w.visit(timed, p.udid, c)
	cancel()
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failedLocked(p, c, err)
		return
	}
	if p.known == nil || w.phones[p.udid] != p {
		return // nobody wants to know any more
	}
	w.provedLocked(p, c, addr)
}

// visit opens a session with whoever is there and ends it.
func (w *Watcher) visit(ctx context.Context, udid usbmux.UDID, c candidate) (netip.AddrPort, error) {
	record, err := w.record(ctx, udid)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if c.given != "" {
		if c.addrs, err = resolve(ctx, c.given); err != nil {
			return netip.AddrPort{}, err
		}
	}
	phone, err := device.OpenDirect(ctx, device.Direct{UDID: udid, Record: record, Addrs: c.addrs, NoHeartbeat: true})
	if err != nil {
		return netip.AddrPort{}, err
	}
	return phone.Address(), phone.Close()
}

func (w *Watcher) provedLocked(p *phone, c candidate, addr netip.AddrPort) {
	before, now := p.sighting(), w.opt.Now()
	next := proof{addr: addr, how: c.how, key: c.key, instance: c.ad.Name, heard: now, since: now, checked: time.Now()}
	if p.wifi != nil {
		next.since = p.wifi.since
		if next.instance == "" {
			next.instance = p.wifi.instance
		}
	}
	p.wifi = &next
	p.lastWiFi, p.lastProof = now, next
	p.tried, p.failure, p.err = now, NoFailure, nil
	p.hasRecord = true
	clear(p.tries)
	w.changedLocked(p, before)
}

func (w *Watcher) failedLocked(p *phone, c candidate, err error) {
	before := p.sighting()
	failure := failureOf(err)
	w.opt.Log.Debug("not proven", "udid", p.udid, "how", c.how, "instance", c.key.name, "failure", failure, "cause", err)
	// What a stranger says to a phone's session is nothing about the phone.
	stranger := c.how == ByTrial || c.how == ByAuthTag && errors.Is(err, lockdown.ErrWrongPhone)
	if !stranger {
		p.tried, p.failure, p.err = w.opt.Now(), failure, err
	}
	if p.wifi != nil {
		p.wifi = nil // and at once look where else it is
		clear(p.tries)
		w.changedLocked(p, before)
	}
	t := p.tries[c.text()]
	if t == nil {
		t = &try{}
		p.tries[c.text()] = t
	}
	wait, most := w.opt.Pace.Retry<<min(t.fails, 16), w.opt.Pace.Recheck
	if c.how == ByTrial {
		most *= trialPatience
	}
	t.fails++
	t.next = time.Now().Add(min(wait, most))
}
