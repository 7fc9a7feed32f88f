package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pkg/sftp"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Load reads a file or a part of it, with requests ahead of what fn has read.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.do(ctx, "load", h, func(ctx context.Context, c *conn) error {
		if err := backend.CheckRange(offset, length); err != nil {
			return &callerError{err}
		}
		f, err := c.open(b.path(h), os.O_RDONLY)
		if err != nil {
			return err
		}
		err = c.load(ctx, f, offset, length, fn)
		if e := c.closeFile(f); err == nil {
			err = e
		}
		return err
	})
}

func (c *conn) load(ctx context.Context, f *sftp.File, offset, length int64, fn func(io.Reader) error) error {
	if length == 0 {
		info, err := c.fileStat(f)
		if err != nil {
			return err
		}
		if length = info.Size() - offset; length < 0 {
			return fmt.Errorf("bytes from %d on, there are %d: %w", offset, info.Size(), io.ErrUnexpectedEOF)
		}
	}
	r := &reader{ctx: ctx, c: c, f: f, next: offset, end: offset + length}
	defer r.stop()
	err := fn(r)
	switch {
	case r.err == nil && err != nil:
		return &callerError{err}
	case err == nil || errors.Is(err, r.err):
		return r.err
	default:
		return &readError{err, r.err}
	}
}

// readError is fn's words about a reading that broke off, and the reason.
type readError struct{ said, reason error }

func (e *readError) Error() string   { return e.said.Error() + ": " + e.reason.Error() }
func (e *readError) Unwrap() []error { return []error{e.said, e.reason} }

// reader gives the bytes of f from next to end, in order.
type reader struct {
	ctx       context.Context
	c         *conn
	f         *sftp.File
	next, end int64
	asked     []*chunk // oldest first
	current   []byte   // rest of asked[0]
	err       error
}

// chunk is one request. n and err are set when done is closed.
type chunk struct {
	buf  *[chunkSize]byte
	n    int
	err  error
	done chan struct{}
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.current) == 0 {
		switch err := r.advance(); {
		case err == io.EOF:
			return 0, err
		case err != nil:
			r.err = err
			return 0, err
		}
	}
	n := copy(p, r.current)
	r.current = r.current[n:]
	return n, nil
}

// advance waits for the next chunk, and asks for more behind it.
func (r *reader) advance() error {
	if r.current != nil {
		chunks.Put(r.asked[0].buf)
		r.asked, r.current = r.asked[1:], nil
	}
	for len(r.asked) < inFlight && r.next < r.end {
		r.ask()
	}
	if len(r.asked) == 0 {
		return io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	k := r.asked[0]
	select {
	case <-k.done:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	if k.err != nil {
		return k.err
	}
	r.current = k.buf[:k.n]
	return nil
}

func (r *reader) ask() {
	k := &chunk{buf: chunks.Get().(*[chunkSize]byte), n: int(min(chunkSize, r.end-r.next)), done: make(chan struct{})}
	offset := r.next
	r.next += int64(k.n)
	r.asked = append(r.asked, k)
	go func() {
		defer close(k.done)
		defer r.c.ask()()
		n, err := r.f.ReadAt(k.buf[:k.n], offset)
		switch {
		case n == k.n:
		case err == nil || err == io.EOF:
			k.err = io.ErrUnexpectedEOF
		default:
			k.err = err
		}
	}()
}

// stop waits for the answers that are still to come.
func (r *reader) stop() {
	for _, k := range r.asked {
		<-k.done
		chunks.Put(k.buf)
	}
	r.asked, r.current = nil, nil
}
