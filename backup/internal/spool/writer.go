package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// Writer takes one file.
type Writer struct {
	s    *Spool
	list int    // 1: outside of the limit
	buf  []byte // less than a chunk, or a full one that found no room
	out  []byte

	mu      sync.Mutex // guards what is below, which a Follower reads
	extents []Extent   // those of before are never changed
	taken   int        // extents that the Follower has released
	behind  bool       // there is a Follower
	done    bool
	failed  error
	more    chan struct{} // closed and made anew when there is more
}

// Create begins a file. End it with Close or Abort before the next one.
func (s *Spool) Create() *Writer {
	return &Writer{s: s, more: make(chan struct{})}
}

// CreateList begins a file that the limit does not count: the phone's list of its
// files, which waits until the end and without which nothing does any good.
func (s *Spool) CreateList() *Writer {
	w := s.Create()
	w.list = 1
	return w
}

// Write takes bytes. With ErrFull the first n were taken, and the rest may be
// written again when there is room.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(w.buf) == ChunkSize {
			if err := w.chunk(); err != nil {
				return n, err
			}
		}
		if w.buf == nil {
			w.buf = chunks.Get().(*[ChunkSize]byte)[:0]
		}
		k := copy(w.buf[len(w.buf):ChunkSize], p)
		w.buf = w.buf[:len(w.buf)+k]
		n, p = n+k, p[k:]
	}
	return n, nil
}

var chunks = sync.Pool{New: func() any { return new([ChunkSize]byte) }}

// ReadFrom takes everything that r gives, without a copy between.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		if len(w.buf) == ChunkSize {
			if err := w.chunk(); err != nil {
				return n, err
			}
		}
		if w.buf == nil {
			w.buf = chunks.Get().(*[ChunkSize]byte)[:0]
		}
		k, err := r.Read(w.buf[len(w.buf):ChunkSize])
		w.buf = w.buf[:len(w.buf)+k]
		n += int64(k)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, &SourceError{err}
		}
	}
}

// SourceError is an error of the reader that a file came from, not of the spool.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// chunk writes what is buffered.
func (w *Writer) chunk() error {
	if len(w.buf) == 0 {
		return nil
	}
	e, err := w.s.append(w)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.extents); n > 0 && w.extents[n-1].Segment == e.Segment && w.taken < n {
		w.extents[n-1].Length += e.Length
	} else {
		w.extents = append(w.extents, e)
	}
	w.buf = w.buf[:0]
	w.tell()
	return nil
}

// tell wakes the Follower.
func (w *Writer) tell() {
	close(w.more)
	w.more = make(chan struct{})
}

// append writes the buffered chunk of w behind the current segment.
func (s *Spool) append(w *Writer) (Extent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := int64(len(w.buf) + overhead)
	if w.list == 0 && s.used[0]+size > s.opt.Limit {
		return Extent{}, ErrFull
	}
	g, err := s.room(w)
	if err != nil {
		return Extent{}, fmt.Errorf("begin segment of spool: %w", full(err))
	}
	w.out = s.aead.Seal(w.out[:0], nil, w.buf, place(g.number, g.size))
	if _, err := g.file.WriteAt(w.out, g.size); err != nil {
		// What was written of it stands behind the end and is written over.
		return Extent{}, errors.Join(fmt.Errorf("write to spool: %w", full(err)), s.settle(g))
	}
	e := Extent{g.number, g.size, int64(len(w.buf))}
	if !w.holds(g.number) {
		g.holds++
	}
	g.live += e.Length
	g.size += size
	g.dirty = true
	s.used[w.list] += size
	s.peak = max(s.peak, s.used[0]+s.used[1])
	return e, nil
}

// holds tells whether the last extent of w is in that segment.
func (w *Writer) holds(segment uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.extents)
	return n > 0 && w.extents[n-1].Segment == segment && w.taken < n
}

// room gives the segment to write to.
func (s *Spool) room(w *Writer) (*segment, error) {
	if g := s.current[w.list]; g != nil && g.size < s.opt.Segment {
		return g, nil
	}
	if g := s.current[w.list]; g != nil {
		s.current[w.list] = nil
		if err := g.file.Close(); err != nil {
			return nil, err
		}
		g.file = nil
	}
	f, err := s.root.OpenFile(segmentName(s.next, w.list), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return nil, err
	}
	g := &segment{number: s.next, list: w.list, file: f, dirty: true}
	s.next++
	s.segments[g.number], s.current[w.list] = g, g
	return g, nil
}

// settle cuts off what stands behind the end, and removes an empty segment.
func (s *Spool) settle(g *segment) error {
	if g.holds == 0 {
		return s.dropIfDead(g)
	}
	return g.file.Truncate(g.size)
}

// full marks the error of a disk without room.
func full(err error) error {
	if devicelink.NoSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// Close writes the rest and gives the places of the file: none for an empty one,
// and none if a Follower takes it. With ErrFull it may be called again.
func (w *Writer) Close() ([]Extent, error) {
	if err := w.chunk(); err != nil {
		return nil, err
	}
	w.end(nil)
	if w.behind {
		return nil, nil
	}
	return w.extents, nil
}

// ErrAborted is what a Follower hears when its file is given up.
var ErrAborted = errors.New("the file does not come to its end")

// Abort gives up the file and its room. The Follower hears ErrAborted and cause.
func (w *Writer) Abort(cause error) error {
	w.end(fmt.Errorf("%w: %w", ErrAborted, cause))
	w.mu.Lock()
	extents := w.extents[w.taken:]
	w.extents = nil
	w.taken = 0
	w.mu.Unlock()
	w.s.rewind(extents, w.list)
	return w.s.Release(extents)
}

// rewind lets the next file stand where the last one did not come to its end.
func (s *Spool) rewind(extents []Extent, list int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.current[list]
	if len(extents) == 0 || g == nil {
		return
	}
	last := extents[len(extents)-1]
	if last.Segment != g.number || last.Offset+last.onDisk() != g.size {
		return
	}
	if err := g.file.Truncate(last.Offset); err != nil {
		return // the room comes back with the segment
	}
	s.used[list] -= g.size - last.Offset
	g.size = last.Offset
}

func (w *Writer) end(err error) {
	if w.buf != nil {
		chunks.Put((*[ChunkSize]byte)(w.buf[:ChunkSize]))
		w.buf = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done, w.failed = true, err
	w.tell()
}

// Buffered tells how many bytes were taken and are in no segment yet.
func (w *Writer) Buffered() int { return len(w.buf) }

// Follow reads the file while it is written, and releases what it has read,
// segment by segment, so that a file may be longer than the spool. Of the whole
// file nothing is left then. Reading ends with ctx.
func (w *Writer) Follow(ctx context.Context) *Follower {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = true
	return &Follower{w: w, ctx: ctx}
}

// Follower reads behind a Writer.
type Follower struct {
	w     *Writer
	ctx   context.Context
	index int   // of the extent
	pos   int64 // in it
	r     reader
	data  []byte // of the chunk at hand
}

// Read waits for what is not written yet.
func (f *Follower) Read(p []byte) (int, error) {
	for len(f.data) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.data)
	f.data = f.data[n:]
	return n, nil
}

// next gets the next chunk.
func (f *Follower) next() error {
	w := f.w
	w.mu.Lock()
	for {
		if w.failed != nil {
			w.mu.Unlock()
			return w.failed
		}
		if f.index < len(w.extents) {
			e := w.extents[f.index]
			if f.pos < e.Length {
				w.mu.Unlock()
				return f.load(e)
			}
			if f.index+1 < len(w.extents) || w.done {
				w.taken = f.index + 1
				w.mu.Unlock()
				f.r.close()
				if err := w.s.Release([]Extent{e}); err != nil {
					return err
				}
				f.index, f.pos = f.index+1, 0
				w.mu.Lock()
				continue
			}
		} else if w.done {
			w.mu.Unlock()
			return io.EOF
		}
		more := w.more
		w.mu.Unlock()
		select {
		case <-more:
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
		w.mu.Lock()
	}
}

func (f *Follower) load(e Extent) error {
	n := min(e.Length-f.pos, ChunkSize)
	data, err := f.r.chunk(f.w.s, e.Segment, e.Offset+f.pos/ChunkSize*sealed, int(n))
	if err != nil {
		return err
	}
	f.data, f.pos = data, f.pos+n
	return nil
}

// Close ends reading.
func (f *Follower) Close() error {
	f.r.close()
	return nil
}
