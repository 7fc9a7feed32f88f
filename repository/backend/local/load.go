package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Load passes a part of a file to fn, once. A file that is too short is noticed
// before fn is called.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	err := b.load(ctx, h, offset, length, func(r io.Reader) error {
		if err := fn(r); err != nil {
			return &callersError{err} // not ours to explain
		}
		return nil
	})
	if theirs := (*callersError)(nil); errors.As(err, &theirs) {
		return fmt.Errorf("load %v: %w", h, theirs.err)
	} else if err != nil {
		return failed("load", h, err)
	}
	return nil
}

type callersError struct{ err error }

func (e *callersError) Error() string { return e.err.Error() }

func (b *Backend) load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if err := h.Check(); err != nil {
		return err
	}
	if err := backend.CheckRange(offset, length); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := b.open()
	if err != nil {
		return err
	}
	f, err := root.Open(h.Path())
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", h.Path())
	case offset > info.Size() || length > info.Size()-offset:
		return fmt.Errorf("the file has %d bytes, not %d: %w", info.Size(), offset+length, io.ErrUnexpectedEOF)
	case length == 0:
		length = info.Size() - offset
	}
	if offset > 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return err
		}
	}
	return fn(backend.NewReader(ctx, f, length))
}

// Stat tells the size of a file.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	size, err := b.stat(ctx, h)
	if err != nil {
		return backend.FileInfo{}, failed("stat", h, err)
	}
	return backend.FileInfo{Name: h.Name, Size: size}, nil
}

func (b *Backend) stat(ctx context.Context, h backend.Handle) (int64, error) {
	if err := h.Check(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	root, err := b.open()
	if err != nil {
		return 0, err
	}
	info, err := root.Lstat(h.Path())
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is no regular file", h.Path())
	}
	return info.Size(), nil
}

// Remove deletes a file. The removal of a pack or a lock is not synced: should
// it get lost, it costs room, or a lock that goes stale. That of an index must
// be durable before the packs it names go.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	if err := b.remove(ctx, h); err != nil {
		return failed("remove", h, err)
	}
	return nil
}

func (b *Backend) remove(ctx context.Context, h backend.Handle) error {
	if err := h.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := b.open()
	if err != nil {
		return err
	}
	final := h.Path()
	err = root.Remove(final)
	if errors.Is(err, fs.ErrPermission) && makeWritable(root, final) == nil {
		err = root.Remove(final)
	}
	if err != nil {
		return err
	}
	if err := b.step("removed"); err != nil {
		return err
	}
	if h.Type == backend.PackFile || h.Type == backend.LockFile {
		return nil
	}
	if err := syncDir(root, path.Dir(final)); err != nil {
		return err
	}
	return b.step("dir synced")
}
