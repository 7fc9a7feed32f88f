package virtualphone

import (
	"context"
	"fmt"
	"sync"
)

// events count what happened and wake who waits for it. The zero value is
// ready.
type events struct {
	mu      sync.Mutex
	counts  map[string]int
	changed chan struct{} // closed at the next event
}

func (e *events) add(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts = map[string]int{}
	}
	e.counts[name]++
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

func (e *events) look(name string) (int, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.counts[name], e.changed
}

// Await waits until the event has happened n times since Start. Events:
//
//	attached, detached            on the muxer, by cable
//	network-attached, -detached   on the muxer, by network
//	up, down                      booted; restarting
//	trust-dialog, paired, unpaired
//	passcode-prompt, and how each ended: passcode-entered, -refused, -ignored, -gone
//	lockdown.REQUEST              a request that succeeded
//	service.NAME                  a host has connected to the service
//	notify.NAME                   a notification of the phone
//	posted.NAME, observe.NAME     a notification that a host posts or observes
//	assertion, assertion-released
//	restored                      a staged restore was committed
func (p *Phone) Await(ctx context.Context, event string, n int) error {
	for {
		have, changed := p.events.look(event)
		if have >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("await %s %d times, seen %d: %w", event, n, have, context.Cause(ctx))
		}
	}
}

// Count tells how often an event of Await has happened.
func (p *Phone) Count(event string) int {
	n, _ := p.events.look(event)
	return n
}
