package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	heartbeat  = 20 * time.Second // proxies cut what is silent for 30 to 60
	maxStreams = 20               // of one account: tabs and programs
)

// streams counts the open streams of each account.
type streams struct {
	mu   sync.Mutex
	open map[int64]int
}

func (s *streams) enter(account int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[account] >= maxStreams {
		return false
	}
	s.open[account]++
	return true
}

func (s *streams) leave(account int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[account]--; s.open[account] <= 0 {
		delete(s.open, account)
	}
}

// events sends what changes as server-sent events:
//
//	retry: 3000
//
//	event: again                  the client was away: everything may have changed
//	id: 1
//	data: {}
//
//	event: job                    or phone, target, setting
//	id: 2
//	data: {"kind":"job","udid":"…","job":{…}}
//
//	: still here                  every 20 seconds
//
// Events only say what to ask for anew, so nothing is replayed after a break: a
// client that names the last event it saw gets "again" instead. The stream ends
// with its session or token.
func (rt *router) events(w http.ResponseWriter, r *http.Request) error {
	v := visitorFrom(r.Context())
	if !rt.streams.enter(v.Account) {
		return tooMany("there are too many open pages", "Close some of them.")
	}
	defer rt.streams.leave(v.Account)

	c := long(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would wait for a full buffer
	if r.Method == http.MethodHead {
		return nil
	}
	ch := rt.o.Service.Watch(r.Context(), v.Who)
	n := 0
	send := func(kind string, data any) error {
		b, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		n++
		if _, err := fmt.Fprintf(w, "event: %s\nid: %d\ndata: %s\n\n", kind, n, b); err != nil {
			return err
		}
		return c.Flush()
	}
	if _, err := fmt.Fprint(w, "retry: 3000\n\n"); err != nil {
		return nil // gone already
	}
	if r.Header.Get("Last-Event-ID") != "" {
		_ = send("again", struct{}{}) // the next write fails too
	}
	if err := c.Flush(); err != nil {
		return nil
	}
	tick := time.NewTicker(rt.beat)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return nil
		case e, ok := <-ch:
			if !ok {
				return nil
			}
			err = send(e.Kind, wireEvent(e))
		case <-tick.C:
			if !rt.still(r) {
				return nil
			}
			if _, err = fmt.Fprint(w, ": still here\n\n"); err == nil {
				err = c.Flush()
			}
		}
		if err != nil {
			return nil // whoever listened has gone
		}
	}
}
