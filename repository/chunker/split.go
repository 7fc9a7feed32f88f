package chunker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Buffers lends memory. Split holds one buffer at a time, and two while it
// moves a chunk that outgrew its buffer to a longer one.
type Buffers interface {
	// Get gives a buffer of at least n bytes; it may wait for one until ctx ends.
	Get(ctx context.Context, n int) ([]byte, error)
	// Put takes back a buffer that Get gave, as Get gave it.
	Put(buf []byte)
}

// grower are Buffers that know that who waits for a longer buffer holds another
// one meanwhile: when many do, there may never be one. Grow gives n bytes, or the
// most that will ever be asked for instead.
type grower interface {
	Grow(ctx context.Context, n, most int) ([]byte, error)
}

const (
	// readAhead is how much is read behind what the rule has looked at, when it
	// looks at content. What lies behind the cut is copied.
	readAhead = 256 << 10
	// firstBuffer is what a file of unknown size begins with: most files of a
	// phone are shorter.
	firstBuffer = 64 << 10
	// probeSize is how much is read to see whether a file ends where it should.
	probeSize = 512
	// emptyReads is how often a reader may return nothing before that is an error.
	emptyReads = 100
)

// spares are for the bytes behind a cut while there is no buffer.
var spares = sync.Pool{New: func() any { return new([readAhead]byte) }}

// Split reads r to its end, cuts it with c and gives the chunks to emit in
// order. It returns how many bytes it gave; without an error that is all of r.
//
// sizeHint is how long r should be, in bytes, or negative if nobody knows. It
// only governs the lengths of buffers: a file that grew or shrank is read to
// its real end.
//
// emit takes over the buffer behind each chunk, even if it fails; the chunk
// begins where the buffer begins. Every other buffer goes back to Put, whatever
// happens. An error of r, of Get or of emit ends the splitting and is returned
// wrapped; ctx is looked at before every reading.
func Split(ctx context.Context, r io.Reader, c Chunker, sizeHint int64, buffers Buffers, emit func(chunk []byte) error) (int64, error) {
	spare := spares.Get().(*[readAhead]byte)
	defer spares.Put(spare)
	s := splitter{ctx: ctx, r: r, c: c, hint: sizeHint, buffers: buffers, spare: spare[:]}
	s.planner, _ = c.(planner)
	var done int64
	for {
		chunk, err := s.next()
		if err != nil {
			return done, fmt.Errorf("split: %w", err)
		}
		if chunk == nil {
			return done, nil
		}
		n := int64(len(chunk))
		if err := emit(chunk); err != nil {
			return done, fmt.Errorf("split: %w", err)
		}
		done += n
	}
}

// planner is a Chunker of this package, which knows how its chunks grow.
type planner interface {
	plan(have int) int // how many bytes to have before the next question
	usual() int        // a length that few chunks pass
}

type splitter struct {
	ctx     context.Context
	r       io.Reader
	c       Chunker
	planner planner
	buffers Buffers
	hint    int64

	read    int64  // bytes so far
	end     bool   // r has ended
	spare   []byte // memory of pending
	pending []byte // read, but in no buffer
	buf     []byte // as Get gave it
	filled  int
}

// next reads one chunk, in a buffer that is then its owner's, or nil at the end.
func (s *splitter) next() (chunk []byte, err error) {
	// Without this an empty file, and each that ends with a whole piece, would
	// ask for a buffer to read nothing into.
	if len(s.pending) == 0 && s.read == s.hint {
		if err := s.probe(); err != nil {
			return nil, err
		}
	}
	if len(s.pending) == 0 && s.end {
		return nil, nil
	}
	defer func() {
		if chunk == nil && s.buf != nil {
			s.buffers.Put(s.buf)
			s.buf = nil
		}
	}()
	s.c.Reset()
	if err := s.begin(s.firstLength()); err != nil {
		return nil, err
	}
	for {
		if n := s.c.Next(s.buf[:s.filled], s.end); n != 0 {
			return s.take(n), nil
		}
		if s.end {
			return nil, nil // the reader had nothing after all
		}
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// take ends the chunk after n bytes and saves what lies behind.
func (s *splitter) take(n int) []byte {
	s.pending = append(s.spare[:0], s.buf[n:s.filled]...)
	chunk := s.buf[:n]
	s.buf = nil
	return chunk
}

// more reads what the rule wants to see next.
func (s *splitter) more() error {
	if s.filled == s.room() {
		if s.read == s.hint {
			if err := s.probe(); err != nil || s.end && len(s.pending) == 0 {
				return err
			}
		}
		if err := s.grow(); err != nil || s.end || s.filled >= s.c.Max() {
			return err
		}
	}
	want := s.filled + readAhead
	if s.planner != nil {
		want = s.planner.plan(s.filled)
	}
	return s.fill(min(want, s.room()))
}

// room is how much of the buffer may be filled: no more than a chunk.
func (s *splitter) room() int { return min(len(s.buf), s.c.Max()) }

// left is how much is still to come, by the hint; negative if that is unknown
// or proved wrong.
func (s *splitter) left() int64 {
	if s.hint < 0 {
		return -1
	}
	return s.hint - s.read
}

// firstLength is the buffer to begin a chunk with.
func (s *splitter) firstLength() int {
	have, usual := len(s.pending), s.c.Max()
	if s.planner != nil {
		usual = s.planner.usual()
	}
	switch left := s.left(); {
	case s.end:
		return have
	case left > 0:
		return int(min(left+int64(have), int64(max(usual, have))))
	case s.read <= firstBuffer:
		return max(min(firstBuffer, s.c.Max()), have)
	}
	return max(usual, have)
}

// begin gets a buffer and puts what was pending into it.
func (s *splitter) begin(n int) error {
	buf, err := s.buffers.Get(s.ctx, n)
	if err != nil {
		return err
	}
	s.buf = buf
	s.filled = copy(buf, s.pending)
	s.pending = nil
	return nil
}

// grow moves the unfinished chunk, and what is pending, to a longer buffer.
func (s *splitter) grow() error {
	have := s.filled + len(s.pending)
	n := int64(max(8*len(s.buf), have))
	if left := s.left(); s.end {
		n = int64(have)
	} else if left > 0 {
		n = left + int64(have)
	}
	most := max(s.c.Max(), have)
	get := s.buffers.Get
	if g, ok := s.buffers.(grower); ok {
		get = func(ctx context.Context, n int) ([]byte, error) { return g.Grow(ctx, n, most) }
	}
	buf, err := get(s.ctx, int(min(n, int64(most))))
	if err != nil {
		return err
	}
	copy(buf, s.buf[:s.filled])
	copy(buf[s.filled:], s.pending)
	s.buffers.Put(s.buf)
	s.buf, s.filled, s.pending = buf, have, nil
	return nil
}

// probe reads a few bytes to see whether there are any.
func (s *splitter) probe() error {
	n, err := s.readFull(s.spare[:probeSize], 1)
	s.pending = s.spare[:n]
	return err
}

// fill reads until the buffer holds to bytes or r ends.
func (s *splitter) fill(to int) error {
	n, err := s.readFull(s.buf[s.filled:to], to-s.filled)
	s.filled += n
	return err
}

// readFull reads at least least bytes into p unless r ends.
func (s *splitter) readFull(p []byte, least int) (n int, err error) {
	for empty := 0; n < least && !s.end; {
		if s.ctx.Err() != nil {
			return n, context.Cause(s.ctx)
		}
		k, err := s.r.Read(p[n:])
		if k < 0 || k > len(p)-n {
			return n, errors.New("the reader counts more bytes than it was asked for")
		}
		n += k
		s.read += int64(k)
		switch {
		case err == io.EOF:
			s.end = true
		case err != nil:
			return n, err
		case k > 0:
			empty = 0
		default:
			if empty++; empty >= emptyReads {
				return n, io.ErrNoProgress
			}
		}
	}
	return n, nil
}
