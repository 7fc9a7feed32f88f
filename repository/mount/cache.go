package mount

import (
	"container/list"
	"context"
	"sync"
)

// cache keeps the values used last, up to a sum of costs, and loads each once
// however many want it. It can be used concurrently.
type cache[K comparable, V any] struct {
	limit int64
	cost  func(V) int64

	mu    sync.Mutex
	items map[K]*list.Element // of *cached[K, V]
	used  *list.List          // the one used last in front; those being loaded too
	sum   int64
}

type cached[K comparable, V any] struct {
	key    K
	loaded chan struct{} // closed when the rest is set
	value  V
	err    error
	cost   int64
}

func newCache[K comparable, V any](limit int64, cost func(V) int64) *cache[K, V] {
	return &cache[K, V]{limit: limit, cost: cost, items: map[K]*list.Element{}, used: list.New()}
}

// get gives the value of key. load is called by one caller; the others wait for
// it, no longer than ctx. Errors are not kept.
func (c *cache[K, V]) get(ctx context.Context, key K, load func() (V, error)) (V, error) {
	c.mu.Lock()
	if e, ok := c.items[key]; ok {
		c.used.MoveToFront(e)
		c.mu.Unlock()
		it := e.Value.(*cached[K, V])
		select {
		case <-it.loaded:
			return it.value, it.err
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
	}
	it := &cached[K, V]{key: key, loaded: make(chan struct{})}
	e := c.used.PushFront(it)
	c.items[key] = e
	c.mu.Unlock()

	it.value, it.err = load()
	c.mu.Lock()
	if it.err != nil {
		c.removeLocked(e)
	} else {
		it.cost = c.cost(it.value)
		c.sum += it.cost
		c.shrinkLocked(e)
	}
	c.mu.Unlock()
	close(it.loaded)
	return it.value, it.err
}

// shrinkLocked drops what was used longest ago, but never keep.
func (c *cache[K, V]) shrinkLocked(keep *list.Element) {
	for e := c.used.Back(); e != nil && c.sum > c.limit; {
		next := e.Prev()
		if it := e.Value.(*cached[K, V]); e != keep && it.cost > 0 { // else it is being loaded
			c.removeLocked(e)
		}
		e = next
	}
}

func (c *cache[K, V]) removeLocked(e *list.Element) {
	it := e.Value.(*cached[K, V])
	c.used.Remove(e)
	delete(c.items, it.key)
	c.sum -= it.cost
}
