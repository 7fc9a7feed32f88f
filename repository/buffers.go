package repository

import (
	"context"
	"math/bits"
	"sync"

	"golang.org/x/sync/semaphore"
)

// buffers hands out memory for pieces of files and counts it: when the budget is
// used up, Get waits, and with it whoever reads the source. Sizes are powers of
// two from 16 KiB; returned memory is kept for the next one who needs as much.
type buffers struct {
	budget int64
	room   *semaphore.Weighted

	beyond chan struct{} // holds one while somebody has more than the budget

	mu    sync.Mutex
	extra *byte        // the beginning of what goes beyond
	free  [32][][]byte // by the exponent of the size
	idle  int64        // bytes in free
	given int64        // bytes in use
}

const smallestBuffer = 14 // exponent

func newBuffers(budget int64) *buffers {
	return &buffers{budget: budget, room: semaphore.NewWeighted(budget), beyond: make(chan struct{}, 1)}
}

// Get gives n bytes, waiting for room. More than the whole budget at once gets
// the whole budget's share, so that it comes through alone.
func (b *buffers) Get(ctx context.Context, n int) ([]byte, error) {
	class := max(smallestBuffer, bits.Len(uint(max(n, 1)-1)))
	size := int64(1) << class
	if err := b.room.Acquire(ctx, min(size, b.budget)); err != nil {
		return nil, context.Cause(ctx)
	}
	return b.take(n), nil
}

// Grow is Get for one who holds a buffer already and must not wait for others who
// do, too. When there is no room it gives most bytes, than which nobody needs
// more, beyond the budget; to one at a time.
func (b *buffers) Grow(ctx context.Context, n, most int) ([]byte, error) {
	class := max(smallestBuffer, bits.Len(uint(max(n, 1)-1)))
	if b.room.TryAcquire(min(int64(1)<<class, b.budget)) {
		return b.take(n), nil
	}
	select {
	case b.beyond <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	buf := make([]byte, max(n, most, 1))
	b.mu.Lock()
	b.extra = &buf[0]
	b.mu.Unlock()
	return buf, nil
}

// take gives n bytes for which there is room.
func (b *buffers) take(n int) []byte {
	class := max(smallestBuffer, bits.Len(uint(max(n, 1)-1)))
	size := int64(1) << class
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given += size
	if list := b.free[class]; len(list) > 0 {
		buf := list[len(list)-1]
		b.free[class] = list[:len(list)-1]
		b.idle -= size
		return buf[:n]
	}
	b.shrink(b.budget - b.given)
	return make([]byte, n, size)
}

// Put takes back what Get gave.
func (b *buffers) Put(buf []byte) {
	size := int64(cap(buf))
	class := bits.Len(uint(size)) - 1
	b.mu.Lock()
	if b.extra != nil && b.extra == &buf[:1][0] {
		b.extra = nil
		b.mu.Unlock()
		<-b.beyond
		return
	}
	b.given -= size
	b.free[class] = append(b.free[class], buf[:0])
	b.idle += size
	b.shrink(b.budget - b.given)
	b.mu.Unlock()
	b.room.Release(min(size, b.budget))
}

// shrink gives idle memory back until at most keep bytes of it are left, large
// pieces first.
func (b *buffers) shrink(keep int64) {
	for class := len(b.free) - 1; class >= 0 && b.idle > max(keep, 0); class-- {
		list := b.free[class]
		for len(list) > 0 && b.idle > max(keep, 0) {
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			b.idle -= 1 << class
		}
		b.free[class] = list
	}
}
