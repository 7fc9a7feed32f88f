package afc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"
)

// File is an open file on the phone: an io.ReadWriteSeeker, io.ReaderAt and
// io.Closer. It works under the context it was opened with. It may be used
// concurrently.
type File struct {
	c      *Client
	ctx    context.Context
	name   string
	handle uint64

	mu     sync.Mutex
	offset int64 // of the next Read or Write; guarded by mu, as below
	real   int64 // where the phone's own offset is
	closed bool
}

// Open opens a file for reading. It waits for a free handle until ctx ends; ctx
// also bounds all that is done with the file. Close it.
func (c *Client) Open(ctx context.Context, name string) (*File, error) {
	return c.OpenFile(ctx, name, ModeRead)
}

// Create makes an empty file, or empties the one there is, for writing.
func (c *Client) Create(ctx context.Context, name string) (*File, error) {
	return c.OpenFile(ctx, name, ModeWrite)
}

// OpenFile is Open with one of the modes of FileOpen, such as
// ModeReadWriteCreate.
func (c *Client) OpenFile(ctx context.Context, name string, mode uint64) (_ *File, err error) {
	p, err := cpath(name)
	if err != nil {
		return nil, opError("open", name, err)
	}
	select {
	case c.files <- struct{}{}:
	case <-ctx.Done():
		return nil, opError("open", name, context.Cause(ctx))
	}
	reply, err := c.call(ctx, OpFileOpen, append(words(mode), p...), nil, OpFileOpenResult)
	if err != nil {
		<-c.files
		return nil, opError("open", name, err)
	}
	handle, err := u64(reply.Head)
	if err == nil && handle == 0 {
		err = fmt.Errorf("%w: handle 0", ErrMalformed)
	}
	if err != nil {
		<-c.files
		return nil, opError("open", name, err)
	}
	return &File{c: c, ctx: ctx, name: name, handle: handle}, nil
}

// WriteFile makes a file with the given contents, over the one there may be.
func (c *Client) WriteFile(ctx context.Context, name string, data []byte) error {
	f, err := c.Create(ctx, name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ReadFile returns the contents of a file of at most limit bytes.
func (c *Client) ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, err := c.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("read %s: more than %d bytes", name, limit)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Name returns the name given to Open.
func (f *File) Name() string { return f.name }

// Stat describes the file at that name now.
func (f *File) Stat() (fs.FileInfo, error) { return f.c.Stat(f.ctx, f.name) }

// Read reads up to 1 MiB.
func (f *File) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.readAt(p, f.offset)
	f.offset += int64(n)
	return n, err
}

// ReadAt reads at an offset, and leaves the place of Read as it is.
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) {
		var got int
		got, err = f.readAt(p[n:], off+int64(n))
		if n += got; err != nil {
			break
		}
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

func (f *File) readAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.seekTo(off); err != nil {
		return 0, opError("read", f.name, err)
	}
	want := min(len(p), piece)
	reply, err := f.c.call(f.ctx, OpFileRead, words(f.handle, uint64(want)), nil, OpData)
	if err == nil && len(reply.Data) > want {
		err = fmt.Errorf("%w: %d bytes, asked for %d", ErrMalformed, len(reply.Data), want)
	}
	if err != nil {
		return 0, opError("read", f.name, err)
	}
	if len(reply.Data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, reply.Data)
	f.real += int64(n)
	return n, nil
}

// seekTo moves the phone's offset to off.
func (f *File) seekTo(off int64) error {
	if f.closed {
		return fs.ErrClosed
	}
	if off < 0 {
		return fs.ErrInvalid
	}
	if off == f.real {
		return nil
	}
	if _, err := f.c.call(f.ctx, OpFileSeek, words(f.handle, io.SeekStart, uint64(off)), nil, OpStatus); err != nil {
		return err
	}
	f.real = off
	return nil
}

// Write writes at the current place. The phone has the bytes when it returns.
func (f *File) Write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.seekTo(f.offset); err != nil {
		return 0, opError("write", f.name, err)
	}
	for n < len(p) {
		part := p[n:min(len(p), n+piece)]
		if _, err := f.c.call(f.ctx, OpFileWrite, words(f.handle), part, OpStatus); err != nil {
			return n, opError("write", f.name, err)
		}
		n += len(part)
		f.offset += int64(len(part))
		f.real = f.offset
	}
	return n, nil
}

// Seek sets the place of the next Read or Write.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		info, err := f.c.Stat(f.ctx, f.name)
		if err != nil {
			return 0, err
		}
		offset += info.Size()
	default:
		return 0, opError("seek", f.name, fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, opError("seek", f.name, fs.ErrInvalid)
	}
	f.offset = offset
	return offset, nil
}

// A lock that another program holds is tried for ten seconds, as other hosts do
// (protocol.md 4.8).
const (
	lockTries = 50
	lockEvery = 200 * time.Millisecond
)

// Lock locks the file against other programs; closing it unlocks it. While
// another holds the lock, it tries for ten seconds or until ctx ends; the error
// then wraps StatusWouldBlock.
func (f *File) Lock(ctx context.Context) error {
	for try := 1; ; try++ {
		_, err := f.c.call(ctx, OpFileLock, words(f.handle, LockExclusive), nil, OpStatus)
		if !errors.Is(err, StatusWouldBlock) || try == lockTries {
			return opError("lock", f.name, err)
		}
		select {
		case <-ctx.Done():
			return opError("lock", f.name, fmt.Errorf("%w: %w", context.Cause(ctx), err))
		case <-time.After(lockEvery):
		}
	}
}

// Unlock ends Lock.
func (f *File) Unlock(ctx context.Context) error {
	_, err := f.c.call(ctx, OpFileLock, words(f.handle, LockUnlock), nil, OpStatus)
	return opError("unlock", f.name, err)
}

// closeTimeout bounds Close, which works after the file's context ended too.
const closeTimeout = 10 * time.Second

// Close gives the handle back. A second Close returns fs.ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return opError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	defer func() { <-f.c.files }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), closeTimeout)
	defer cancel()
	_, err := f.c.call(ctx, OpFileClose, words(f.handle), nil, OpStatus)
	return opError("close", f.name, err)
}

var _ interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
} = (*File)(nil)
