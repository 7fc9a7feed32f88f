package service

import (
	"context"
	"sync"
)

// maxPending bounds what is kept for a watcher that does not read.
const maxPending = 1024

// hub passes events on to whoever watches. It never waits for a watcher: what is
// not read yet is replaced by a newer event about the same thing, so that the
// last one of each thing always arrives.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   bool
	pumps    sync.WaitGroup
}

// watcher is one that watches.
type watcher struct {
	sees func(Event) bool
	wake chan struct{}

	mu      sync.Mutex
	order   []eventKey
	pending map[eventKey]Event
	ended   bool
}

// eventKey is what an event is about.
type eventKey struct {
	kind, udid string
	job        int64
}

func keyOf(e Event) eventKey {
	k := eventKey{kind: e.Kind, udid: e.UDID}
	if e.Job != nil {
		k.job = e.Job.ID
	}
	return k
}

// watch gives the events that sees lets through, until ctx ends or the hub is
// closed; then the channel is closed.
func (h *hub) watch(ctx context.Context, sees func(Event) bool) <-chan Event {
	out := make(chan Event)
	w := &watcher{sees: sees, wake: make(chan struct{}, 1), pending: map[eventKey]Event{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(out)
		return out
	}
	if h.watchers == nil {
		h.watchers = map[*watcher]struct{}{}
	}
	h.watchers[w] = struct{}{}
	h.pumps.Go(func() {
		defer close(out)
		w.pump(ctx, out)
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	})
	return out
}

// tell gives an event to all who may see it.
func (h *hub) tell(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if w.sees(e) {
			w.put(e)
		}
	}
}

// close ends all watching, and waits for it.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for w := range h.watchers {
		w.end()
	}
	h.mu.Unlock()
	h.pumps.Wait()
}

func (w *watcher) put(e Event) {
	w.mu.Lock()
	k := keyOf(e)
	if _, waits := w.pending[k]; !waits {
		w.order = append(w.order, k)
		if len(w.order) > maxPending {
			delete(w.pending, w.order[0])
			w.order = w.order[1:]
		}
	}
	w.pending[k] = e
	w.mu.Unlock()
	w.ring()
}

func (w *watcher) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.ring()
}

func (w *watcher) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next takes the event that has waited longest.
func (w *watcher) next() (e Event, ok, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || len(w.order) == 0 {
		return Event{}, false, w.ended
	}
	k := w.order[0]
	w.order = w.order[1:]
	e = w.pending[k]
	delete(w.pending, k)
	return e, true, false
}

func (w *watcher) pump(ctx context.Context, out chan<- Event) {
	for {
		e, ok, ended := w.next()
		if ended {
			return
		}
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
			continue
		}
		if !w.deliver(ctx, out, e) {
			return
		}
	}
}

// deliver hands one event over. While it waits for the watcher, a newer event
// about the same thing takes its place.
func (w *watcher) deliver(ctx context.Context, out chan<- Event, e Event) bool {
	for {
		select {
		case out <- e:
			return true
		case <-ctx.Done():
			return false
		case <-w.wake:
			w.mu.Lock()
			if w.ended {
				w.mu.Unlock()
				return false
			}
			if newer, ok := w.pending[keyOf(e)]; ok {
				e = newer
				delete(w.pending, keyOf(e))
				w.order = dropKey(w.order, keyOf(e))
			}
			w.mu.Unlock()
		}
	}
}

func dropKey(order []eventKey, k eventKey) []eventKey {
	for i, o := range order {
		if o == k {
			return append(order[:i], order[i+1:]...)
		}
	}
	return order
}
