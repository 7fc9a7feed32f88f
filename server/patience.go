package server

import (
	"maps"
	"sync"
	"time"
)

// pause is for how long a refusal to look at passwords is repeated without asking
// again. Each question is a change of the catalog: a flood of guesses would keep
// everything else from being written.
const pause = time.Second

const maxPauses = 10_000

// patience remembers who was told to wait a moment ago.
type patience struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// waits tells whether who has to wait still.
func (p *patience) waits(who string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.until[who])
}

// told notes that who was told to wait.
func (p *patience) told(who string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.until) >= maxPauses {
		maps.DeleteFunc(p.until, func(_ string, until time.Time) bool { return !now.Before(until) })
	}
	if len(p.until) < maxPauses {
		p.until[who] = now.Add(pause)
	}
}
