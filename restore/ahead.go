package restore

import (
	"context"
	"io"
	"sync"
)

// Files of one request are read ahead: while one is being sent, the next ones
// are found, fetched and encrypted. At most aheadFiles are open, each with at
// most aheadPieces pieces waiting: 16 MiB. A file that is larger than its pieces
// begins when it is its turn, since file systems do their best for one large file
// at a time, and may take much memory for each.
const (
	aheadFiles  = 16
	aheadPieces = 8
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
	r := &reading{path: a.queue[0], ctx: ctx, cancel: cancel, opened: make(chan struct{}), turn: make(chan struct{}), pieces: make(chan piece, aheadPieces), done: a.next}
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
	close(r.turn)
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
	buf *[pieceSize]byte // nil if n is 0
	n   int
	err error
}

func (p piece) free() {
	if p.buf != nil {
		pieces.Put(p.buf)
	}
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
	turn    chan struct{} // closed when the file is wanted
	pieces  chan piece    // closed at the end

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
	if size > aheadPieces*pieceSize {
		select {
		case <-r.turn:
		case <-r.ctx.Done():
			return
		}
	}
	out := &piecer{r: r}
	_, err = io.Copy(out, f)
	out.end(err)
}

// piecer cuts what is written to it into pieces.
type piecer struct {
	r    *reading
	half piece
}

func (w *piecer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if w.half.buf == nil {
			w.half.buf = pieces.Get().(*[pieceSize]byte)
		}
		m := copy(w.half.buf[w.half.n:], p)
		w.half.n += m
		n, p = n+m, p[m:]
		if w.half.n == pieceSize {
			if err := w.pass(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// ReadFrom reads into the pieces themselves.
func (w *piecer) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		if w.half.buf == nil {
			w.half.buf = pieces.Get().(*[pieceSize]byte)
		}
		m, err := r.Read(w.half.buf[w.half.n:])
		w.half.n, n = w.half.n+m, n+int64(m)
		if w.half.n == pieceSize {
			if err := w.pass(); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// end passes what is left and, unless nil, the error that reading ended with.
func (w *piecer) end(err error) {
	w.half.err = err
	if w.half.n > 0 || err != nil {
		_ = w.pass() // fails only when nobody wants the file any more
		return
	}
	w.half.free()
}

func (w *piecer) pass() error {
	p := w.half
	w.half = piece{}
	select {
	case w.r.pieces <- p:
		return nil
	case <-w.r.ctx.Done():
		p.free()
		return context.Cause(w.r.ctx)
	}
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
	r.at.free()
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
