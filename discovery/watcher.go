package discovery

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Browser hears advertisements. The default is multicast DNS on the interfaces
// of this computer; tests may speak for phones themselves.
type Browser interface {
	// Browse calls fn for each advertisement that appears or changes (here) and
	// for each that ends (not here), one at a time, until ctx ends. An error tells
	// why nothing can be heard; Browse is called again some time later.
	Browse(ctx context.Context, fn func(ad Advert, here bool)) error
}

// Options of a [Watcher].
type Options struct {
	// Mux is the daemon to listen to for cables; nil is none.
	Mux *usbmux.Client
	// Known tells which phones to look for on Wi-Fi; nil is none. It is asked at
	// the start, now and then, and on [Watcher.Refresh].
	Known func(ctx context.Context) ([]Known, error)
	// Recorder keeps pair records of our own; nil keeps none. Records that usbmuxd
	// has of phones on the cable are saved with it.
	Recorder Recorder
	// NoWiFi looks for nothing on the network.
	NoWiFi bool
	// Interfaces are those to listen on for advertisements; nil is every one that
	// is up and can do multicast.
	Interfaces func() ([]net.Interface, error)
	// Browser replaces multicast DNS when not nil.
	Browser Browser
	// Now is the clock of what is reported; nil is the real one.
	Now func() time.Time
	// Log gets what happens, at debug level; nil discards it.
	Log *slog.Logger
	// Pace changes how patient the watcher is; zero fields are the defaults.
	Pace Pace
}

// Pace are the times of a [Watcher].
type Pace struct {
	Probe   time.Duration // a phone has so long to prove itself over Wi-Fi; 0 is 20 s
	Recheck time.Duration // so often it is asked whether it is still there; 0 is 5 minutes
	Retry   time.Duration // after a failed try, doubled up to Recheck each time; 0 is 15 s
	Redial  time.Duration // between tries to hear usbmuxd again; 0 is 2 s
	Known   time.Duration // between questions for Options.Known; 0 is a minute
}

func (p Pace) withDefaults() Pace {
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{{&p.Probe, 20 * time.Second}, {&p.Recheck, 5 * time.Minute}, {&p.Retry, 15 * time.Second}, {&p.Redial, 2 * time.Second}, {&p.Known, time.Minute}} {
		if *d.to <= 0 {
			*d.to = d.def
		}
	}
	return p
}

// Watcher knows which phones can be reached. Make one with [New]; its methods
// may be called from several goroutines.
type Watcher struct {
	opt     Options
	refresh chan struct{} // holds a token when Known is to be asked
	look    chan struct{} // holds a token when Wi-Fi is to be looked at

	mu        sync.Mutex
	cables    map[usbmux.DeviceID]usbmux.Device
	phones    map[usbmux.UDID]*phone
	adverts   map[advertKey]*heard
	listeners map[*listener]bool
	muxErr    error
	browseErr error
}

// phone is all that the watcher knows of one phone; guarded by Watcher.mu.
type phone struct {
	udid  usbmux.UDID
	known *Known // nil: not one of Options.Known
	traits

	cableSince time.Time // zero: not on the cable
	muxSince   time.Time // zero: usbmuxd does not have it on Wi-Fi
	wifi       *proof    // nil: not proven to be on Wi-Fi
	since      time.Time // zero: not reachable

	tries     map[string]*try // by advertKey.text, or "address"
	lastCable time.Time
	lastWiFi  time.Time
	lastProof proof // the newest, if lastWiFi is set
	hasRecord bool

	tried   time.Time
	failure Failure
	err     error
}

// New makes a watcher; [Watcher.Run] lets it watch.
func New(opt Options) *Watcher {
	opt.Pace = opt.Pace.withDefaults()
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Known == nil {
		opt.Known = func(context.Context) ([]Known, error) { return nil, nil }
	}
	if opt.Browser == nil {
		opt.Browser = multicast{interfaces: opt.Interfaces, log: opt.Log}
	}
	return &Watcher{
		opt:       opt,
		refresh:   make(chan struct{}, 1),
		look:      make(chan struct{}, 1),
		cables:    map[usbmux.DeviceID]usbmux.Device{},
		phones:    map[usbmux.UDID]*phone{},
		adverts:   map[advertKey]*heard{},
		listeners: map[*listener]bool{},
	}
}

// Run watches until ctx ends, whose cause it returns. A usbmuxd that is missing
// or restarts, and networks that come and go, are waited for.
func (w *Watcher) Run(ctx context.Context) error {
	var work sync.WaitGroup
	if w.opt.Mux != nil {
		work.Go(func() { w.listen(ctx) })
	}
	if !w.opt.NoWiFi {
		work.Go(func() { w.browse(ctx) })
		work.Go(func() { w.lookAround(ctx) })
	}
	work.Go(func() { w.keepKnown(ctx) })
	<-ctx.Done()
	work.Wait()
	return context.Cause(ctx)
}

// Refresh makes the watcher ask for the known phones anew: one was paired, or
// its Wi-Fi was switched on, or the owner wants it to be looked for now.
func (w *Watcher) Refresh() {
	w.mu.Lock()
	for _, p := range w.phones {
		for _, t := range p.tries {
			t.next = time.Time{}
		}
	}
	w.mu.Unlock()
	signal(w.refresh)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Now lists the phones that can be reached, by UDID.
func (w *Watcher) Now() []Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	var now []Sighting
	for _, p := range w.phones {
		if s := p.sighting(); s.Reachable() {
			now = append(now, s)
		}
	}
	slices.SortFunc(now, func(a, b Sighting) int { return strings.Compare(a.UDID.String(), b.UDID.String()) })
	return now
}

// Sighting tells how one phone can be reached; not at all if it is not there.
func (w *Watcher) Sighting(udid usbmux.UDID) Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.phones[udid]; p != nil {
		return p.sighting()
	}
	return Sighting{UDID: udid}
}

// Facts tells what is known about reaching one phone.
func (w *Watcher) Facts(udid usbmux.UDID) Facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := Facts{UDID: udid, Sighting: Sighting{UDID: udid}, MuxErr: w.muxErr, BrowseErr: w.browseErr, Strangers: w.strangersLocked()}
	p := w.phones[udid]
	if p == nil {
		return f
	}
	f.Sighting, f.Known, f.HasRecord = p.sighting(), p.known != nil, p.hasRecord
	f.LastCable, f.LastWiFi, f.LastHow, f.LastAddr = p.lastCable, p.lastWiFi, p.lastProof.how, p.lastProof.addr
	f.Tried, f.Failure, f.Err = p.tried, p.failure, p.err
	now := w.opt.Now()
	if !p.cableSince.IsZero() {
		f.LastCable = now
	}
	if f.Sighting.WiFi && !p.muxSince.IsZero() {
		f.LastWiFi = now
	}
	if h := w.advertOfLocked(p); h != nil {
		f.Advertised, f.Instance, f.LastHeard, f.AdvertisedOn = true, h.ad.Name, h.at, h.ad.Interface
		f.PrivateAddress = privateAddress(h.ad, p.traits)
	} else if p.lastProof.instance != "" {
		f.Instance, f.LastHeard = p.lastProof.instance, p.lastProof.heard
	}
	return f
}

func (p *phone) sighting() Sighting {
	s := Sighting{UDID: p.udid, Since: p.since, Cable: !p.cableSince.IsZero(), CableSince: p.cableSince}
	switch {
	case p.wifi != nil:
		s.WiFi, s.Address, s.How, s.WiFiSince = true, p.wifi.addr, p.wifi.how, p.wifi.since
	case !p.muxSince.IsZero():
		s.WiFi, s.How, s.WiFiSince = true, ByMuxer, p.muxSince
	}
	return s
}

func (w *Watcher) phoneLocked(udid usbmux.UDID) *phone {
	p := w.phones[udid]
	if p == nil {
		p = &phone{udid: udid, tries: map[string]*try{}}
		w.phones[udid] = p
	}
	return p
}

// changedLocked tells listeners how a phone is now; before is how it was.
func (w *Watcher) changedLocked(p *phone, before Sighting) {
	after := p.sighting()
	switch {
	case after.Reachable() && !before.Reachable():
		p.since = w.opt.Now()
		w.tellLocked(p, Appeared)
	case !after.Reachable() && before.Reachable():
		p.since = time.Time{}
		w.tellLocked(p, Gone)
	case after != before:
		w.tellLocked(p, Changed)
	}
}

// keepKnown asks for the known phones.
func (w *Watcher) keepKnown(ctx context.Context) {
	for {
		known, err := w.opt.Known(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.opt.Log.Warn("which phones to look for", "cause", err)
		default:
			w.setKnown(known, w.recordsOf(ctx, known))
		}
		select {
		case <-ctx.Done():
			return
		case <-w.refresh:
		case <-time.After(w.opt.Pace.Known):
		}
	}
}

// recordsOf finds the pair records of phones; those that have none are left out.
func (w *Watcher) recordsOf(ctx context.Context, known []Known) map[usbmux.UDID]*lockdown.PairRecord {
	records := map[usbmux.UDID]*lockdown.PairRecord{}
	for _, k := range known {
		record := k.Record
		if record == nil {
			var err error
			if record, err = w.record(ctx, k.UDID); err != nil {
				if !errors.Is(err, usbmux.ErrNoPairRecord) {
					w.opt.Log.Warn("pair record not read", "udid", k.UDID, "cause", err)
				}
				continue
			}
		}
		records[k.UDID] = record
	}
	return records
}

func (w *Watcher) setKnown(known []Known, records map[usbmux.UDID]*lockdown.PairRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.phones {
		p.known = nil
	}
	for _, k := range known {
		if k.UDID.IsZero() {
			continue
		}
		p := w.phoneLocked(k.UDID)
		p.known = &k
		p.traits, p.hasRecord = traitsOf(&k, records[k.UDID]), records[k.UDID] != nil
	}
	for udid, p := range w.phones {
		switch {
		case p.known != nil:
		case p.wifi != nil: // whoever forgot it does not want to see it there
			before := p.sighting()
			p.wifi = nil
			w.changedLocked(p, before)
		case !p.sighting().Reachable():
			delete(w.phones, udid)
		}
	}
	signal(w.look)
}
