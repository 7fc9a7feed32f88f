package cache

import (
	"context"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// flight is a copy being made; nobody else makes it meanwhile.
type flight struct {
	done    chan struct{}
	saving  bool // of a file that is not in the repository yet
	dropped bool // not to be kept; guarded by Cache.mu
}

// begin starts a flight, or gives the one under way.
func (c *Cache) begin(h backend.Handle, saving bool) (f *flight, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[h]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{}), saving: saving}
	c.flights[h] = f
	return f, true
}

func (c *Cache) end(h backend.Handle, f *flight) {
	c.mu.Lock()
	delete(c.flights, h)
	c.mu.Unlock()
	close(f.done)
}

// wait waits until the copy is made, or was not.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
