package service

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func everything(Event) bool { return true }

// TestWatch_slow: who does not read misses what came between, and never the last.
func TestWatch_slow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hub
		ctx, cancel := context.WithCancel(t.Context())
		events := h.watch(ctx, everything)
		for i := range 1000 {
			h.tell(Event{Kind: "job", UDID: "A", Job: &Job{ID: 7, Files: int64(i)}})
			h.tell(Event{Kind: "phone", UDID: "A"})
		}
		synctest.Wait()
		var last Event
		n := 0
	read:
		for {
			select {
			case e := <-events:
				n++
				if e.Job != nil {
					last = e
				}
				synctest.Wait()
			default:
				break read
			}
		}
		if last.Job == nil || last.Job.Files != 999 || n > 4 {
			t.Errorf("%d events, the last is %+v", n, last.Job)
		}
		cancel()
		if _, open := <-events; open {
			t.Error("the channel is open after the watcher ended")
		}
		h.close()
	})
}

func TestWatch_sees(t *testing.T) {
	var h hub
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	events := h.watch(ctx, func(e Event) bool { return e.UDID == "A" })
	h.tell(Event{Kind: "phone", UDID: "B"})
	h.tell(Event{Kind: "phone", UDID: "A"})
	if e := <-events; e.UDID != "A" {
		t.Errorf("got %+v", e)
	}
	h.close()
	if _, open := <-events; open {
		t.Error("the channel is open after the hub was closed")
	}
	if _, open := <-h.watch(ctx, everything); open {
		t.Error("a closed hub gives events")
	}
}

// TestWatch_bounded: what waits for a watcher does not grow without end.
func TestWatch_bounded(t *testing.T) {
	w := &watcher{sees: everything, wake: make(chan struct{}, 1), pending: map[eventKey]Event{}}
	for i := range 3 * maxPending {
		w.put(Event{Kind: "job", Job: &Job{ID: int64(i)}})
	}
	if len(w.order) != maxPending || len(w.pending) != maxPending {
		t.Errorf("%d, %d wait", len(w.order), len(w.pending))
	}
}
