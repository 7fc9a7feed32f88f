package discovery

import (
	"context"

	"github.com/keepsake-backup/keepsake/usbmux"
)

// listener is one reader of events. What it has not read yet is kept by phone,
// so that a slow one costs nothing and misses nothing but the in-between.
type listener struct {
	wake    chan struct{}
	order   []usbmux.UDID // guarded by Watcher.mu, as all below
	pending map[usbmux.UDID]Event
	told    map[usbmux.UDID]bool // it was told that the phone is reachable
}

// Events gives a channel of its own to each caller: first an Appeared for every
// phone that can be reached already, then what happens. It is closed when ctx
// ends.
func (w *Watcher) Events(ctx context.Context) <-chan Event {
	l := &listener{wake: make(chan struct{}, 1), pending: map[usbmux.UDID]Event{}, told: map[usbmux.UDID]bool{}}
	out := make(chan Event)
	w.mu.Lock()
	w.listeners[l] = true
	for _, p := range w.phones {
		if s := p.sighting(); s.Reachable() {
			l.add(Event{Appeared, s})
		}
	}
	w.mu.Unlock()
	go func() {
		defer close(out)
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.listeners, l)
		}()
		for {
			ev, ok := w.next(l)
			if !ok {
				select {
				case <-l.wake:
					continue
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (w *Watcher) tellLocked(p *phone, kind Kind) {
	ev := Event{kind, p.sighting()}
	w.opt.Log.Debug("phone "+string(kind), "udid", p.udid, "cable", ev.Sighting.Cable, "wifi", ev.Sighting.WiFi, "how", ev.Sighting.How)
	for l := range w.listeners {
		l.add(ev)
	}
}

func (l *listener) add(ev Event) {
	udid := ev.Sighting.UDID
	old, waits := l.pending[udid]
	if !waits {
		l.order = append(l.order, udid)
	}
	if waits && old.Kind == Paired && ev.Kind == Changed {
		ev.Kind = Paired // the news that must not get lost
	}
	l.pending[udid] = ev
	signal(l.wake)
}

// next takes an event out of the queue, in terms of what the listener was told:
// what came and went meanwhile is nothing.
func (w *Watcher) next(l *listener) (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(l.order) > 0 {
		udid := l.order[0]
		l.order = l.order[1:]
		ev := l.pending[udid]
		delete(l.pending, udid)
		told, here := l.told[udid], ev.Sighting.Reachable()
		l.told[udid] = here
		switch {
		case here && !told && ev.Kind != Paired:
			ev.Kind = Appeared
		case here && ev.Kind != Paired:
			ev.Kind = Changed
		case !here && !told && ev.Kind != Paired:
			delete(l.told, udid)
			continue
		case !here && ev.Kind != Paired:
			ev.Kind = Gone
		}
		return ev, true
	}
	return Event{}, false
}
