package restore

import (
	"context"
	"io"
	"sync"
)

// Files of one request are read ahead: while one is being sent, the next ones
// are found, fetched and encrypted. At most aheadFiles are open, each with at
// most aheadPieces pieces waiting, so that it takes 8 MiB at most.
const (
	aheadFiles  = 16
	aheadPieces = 3
	pieceSize   = 128 << 10
)

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// opener opens a file; it is called by several goroutines.
type opener func(ctx context.Context, path string) (io.ReadCloser, int64, error)

// readAhead reads the files of one request. Its methods are called by one
// goroutine. The zero value expects nothing.
type readAhead struct {
	ctx     context.Context
	cancel  context.CancelFunc
	open    opener
	queue   []string // not begun yet
	begun   []*reading
	working sync.WaitGroup
}

// start drops what was expected before.
func (a *readAhead) start(ctx context.Context, paths []string, open opener) {
	a.stop()
	if len(paths) < 2 {
		return // nothing to overlap with
	}
	a.ctx, a.cancel = context.WithCancel(ctx)
	a.open, a.queue = open, paths
	for range aheadFiles {
		a.next()
	}
}

// next begins to read one more file.
func (a *readAhead) next() {
	if len(a.queue) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(a.ctx)
	r := &reading{path: a.queue[0], ctx: ctx, cancel: cancel, opened: make(chan struct{}), pieces: make(chan piece, aheadPieces), done: a.next}
	a.queue, a.begun = a.queue[1:], append(a.begun, r)
	a.working.Go(func() { r.run(a.open) })
}

// take gives the file at path if it is the next one expected, else nil.
func (a *readAhead) take(path string) *reading {
	if len(a.begun) == 0 || a.begun[0].path != path {
		return nil
	}
	r := a.begun[0]
	a.begun = a.begun[1:]
	return r
}

// stop ends all reading and waits for that.
func (a *readAhead) stop() {
	if a.cancel == nil {
		return
	}
	a.cancel()
	a.queue, a.begun = nil, nil
	a.working.Wait()
	a.cancel = nil
}

// piece of a file; the last one of a file that cannot be read has the error.
type piece struct {
	buf *[pieceSize]byte
	n   int
	err error
}

// reading is one file being read ahead. As an io.ReadCloser it gives it.
type reading struct {
	path   string
	ctx    context.Context
	cancel context.CancelFunc
	done   func() // begins the next file

	opened  chan struct{} // closed when size and openErr are set
	size    int64
	openErr error
	pieces  chan piece // closed at the end

	at     piece // being given
	given  int
	closed bool
}

func (r *reading) run(open opener) {
	defer close(r.pieces)
	f, size, err := open(r.ctx, r.path)
	r.size, r.openErr = size, err
	close(r.opened)
	if err != nil {
		return
	}
	defer f.Close() // opened for reading only
	for {
		p := piece{buf: pieces.Get().(*[pieceSize]byte)}
		p.n, p.err = fill(f, p.buf[:])
		last := p.err != nil
		if p.err == io.EOF {
			p.err = nil
		}
		select {
		case r.pieces <- p:
		case <-r.ctx.Done():
			pieces.Put(p.buf)
			return
		}
		if last {
			return
		}
	}
}

// fill reads until p is full or r ends, and keeps the error of r as it is.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// await waits until the file is open.
func (r *reading) await(ctx context.Context) (io.ReadCloser, int64, error) {
	select {
	case <-r.opened:
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	if r.openErr != nil {
		r.cancel()
		r.done()
		return nil, 0, r.openErr
	}
	return r, r.size, nil
}

func (r *reading) Read(p []byte) (int, error) {
	for r.given == r.at.n {
		err := r.at.err
		r.release()
		if err != nil {
			r.at.err = err
			return 0, err
		}
		var ok bool
		if r.at, ok = <-r.pieces; !ok {
			if err := context.Cause(r.ctx); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
	}
	n := copy(p, r.at.buf[r.given:r.at.n])
	r.given += n
	return n, nil
}

func (r *reading) release() {
	if r.at.buf != nil {
		pieces.Put(r.at.buf)
	}
	r.at, r.given = piece{}, 0
}

// Close lets the next file begin.
func (r *reading) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.cancel()
	r.release()
	r.done()
	return nil
}
