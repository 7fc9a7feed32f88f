package friendly

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
)

// maxKept is how many bytes of made files are kept, and the most of one of them.
const maxKept = 64 << 20

// ErrTooLarge is wrapped by errors about files that would have to be made whole in
// memory and are too large for that.
var ErrTooLarge = errors.New("it is larger than 64 MiB, and this folder makes it in memory: export it instead")

// maker makes files and keeps those that were used last.
type maker struct {
	limit int64
	turns chan struct{} // so many are made at once

	mu   sync.Mutex
	made map[*making]*list.Element // of *product
	used *list.List                // the last used first
	sum  int64
}

// product is a file that is being made, or was.
type product struct {
	of   *making
	done chan struct{}
	data []byte
	err  error
}

func newMaker(limit int64) *maker {
	return &maker{limit: limit, turns: make(chan struct{}, 2), made: map[*making]*list.Element{}, used: list.New()}
}

// bytes gives a file's content, made now unless it is kept.
func (m *maker) bytes(ctx context.Context, of *making) ([]byte, error) {
	if of.size.Load() == tooLarge {
		return nil, ErrTooLarge
	}
	m.mu.Lock()
	if e, ok := m.made[of]; ok {
		m.used.MoveToFront(e)
		m.mu.Unlock()
		p := e.Value.(*product)
		<-p.done
		return p.data, p.err
	}
	p := &product{of: of, done: make(chan struct{})}
	m.made[of] = m.used.PushFront(p)
	m.mu.Unlock()
	m.turns <- struct{}{}
	p.data, p.err = produce(ctx, of, m.limit)
	<-m.turns
	m.keep(p)
	close(p.done)
	return p.data, p.err
}

// size tells how long a file is.
func (m *maker) size(ctx context.Context, of *making) (int64, error) {
	if n := of.size.Load(); n >= 0 {
		return n, nil
	}
	data, err := m.bytes(ctx, of)
	return int64(len(data)), err
}

// keep counts what was made, forgets failures, and what is too much.
func (m *maker) keep(p *product) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.err != nil {
		m.drop(m.made[p.of])
		return
	}
	m.sum += int64(cap(p.data))
	for e := m.used.Back(); e != nil && m.sum > m.limit; {
		before := e.Prev()
		if old := e.Value.(*product); old == p || finished(old) {
			m.sum -= int64(cap(old.data))
			m.drop(e)
		}
		e = before
	}
}

func (m *maker) drop(e *list.Element) { delete(m.made, m.used.Remove(e).(*product).of) }

func finished(p *product) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// produce makes a file.
func produce(ctx context.Context, of *making, limit int64) ([]byte, error) {
	w := &bounded{limit: limit}
	err := of.write(ctx, w)
	switch {
	case w.over:
		of.size.Store(tooLarge)
		return nil, ErrTooLarge
	case err != nil:
		return nil, fmt.Errorf("make the file: %w", err)
	}
	of.size.Store(int64(w.b.Len()))
	return w.b.Bytes(), nil
}

// bounded takes so many bytes.
type bounded struct {
	b     bytes.Buffer
	limit int64
	over  bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.over = b.over || int64(b.b.Len()+len(p)) > b.limit; b.over {
		return 0, ErrTooLarge
	}
	return b.b.Write(p)
}
