package sealed

import (
	"container/list"
	"sync"
)

// Cache keeps opened blocks in memory, those that were asked for last. Its methods
// may be called concurrently; nil keeps nothing.
type Cache struct {
	limit int

	mu     sync.Mutex
	recent *list.List // of *kept, the newest first
	blocks map[place]*list.Element
}

type place struct {
	file  [16]byte
	block int64
}

type kept struct {
	place
	data []byte
}

// NewCache makes a cache of at most so many blocks.
func NewCache(blocks int) *Cache {
	return &Cache{limit: blocks, recent: list.New(), blocks: map[place]*list.Element{}}
}

func (c *Cache) get(file [16]byte, block int64) []byte {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.blocks[place{file, block}]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*kept).data
}

func (c *Cache) put(file [16]byte, block int64, data []byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := place{file, block}
	if c.blocks[at] != nil {
		return
	}
	c.blocks[at] = c.recent.PushFront(&kept{at, data})
	for c.recent.Len() > c.limit {
		c.removeLocked(c.recent.Back())
	}
}

// drop forgets the blocks of a file.
func (c *Cache) drop(file [16]byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.recent.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*kept).file == file {
			c.removeLocked(e)
		}
		e = next
	}
}

func (c *Cache) removeLocked(e *list.Element) {
	delete(c.blocks, e.Value.(*kept).place)
	c.recent.Remove(e)
}
