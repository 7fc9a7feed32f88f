package retry

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Save stores data; a new attempt reads it from its beginning.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("save %v: %w", h, err)
	}
	return b.repeat(ctx, "save", h, func(ctx context.Context, w *watchdog, n int) error {
		c := &content{Content: data, w: w}
		err := b.next.Save(ctx, h, c)
		if err == nil {
			return nil
		}
		if c.broken.Load() {
			return &finalError{err}
		}
		if n > 1 && errors.Is(err, backend.ErrExist) && h.Type == backend.ConfigFile {
			return b.ours(ctx, w, h, data, err)
		}
		return err
	})
}

// ours looks whether the config that is there is the one an attempt before
// saved, of which we heard nothing.
func (b *Backend) ours(ctx context.Context, w *watchdog, h backend.Handle, data backend.Content, exists error) error {
	want := make([]byte, data.Size())
	if _, err := io.ReadFull(io.NewSectionReader(data, 0, data.Size()), want); err != nil {
		return &finalError{fmt.Errorf("save %v: %w", h, err)}
	}
	same := false
	err := b.load(ctx, w, h, 0, 0, func(r io.Reader) error {
		got, err := io.ReadAll(io.LimitReader(r, data.Size()+1))
		same = bytes.Equal(got, want)
		return err
	})
	switch {
	case err != nil:
		return err
	case !same:
		return exists
	}
	return nil
}

// content tells the watchdog of its progress, and whether it broke itself.
type content struct {
	backend.Content
	w      *watchdog
	broken atomic.Bool
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	c.w.pause()
	defer c.w.resume()
	n, err := c.Content.ReadAt(p, off)
	if err != nil && (err != io.EOF || off+int64(n) < c.Size()) {
		c.broken.Store(true)
	}
	return n, err
}

// Load reads a file; a new attempt calls fn again, which then reads from the
// beginning. An error of fn's own ends it.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	err := h.Check()
	if err == nil {
		err = backend.CheckRange(offset, length)
	}
	if err != nil {
		return fmt.Errorf("load %v: %w", h, err)
	}
	return b.repeat(ctx, "load", h, func(ctx context.Context, w *watchdog, _ int) error {
		err := b.load(ctx, w, h, offset, length, fn)
		if errors.Is(err, io.ErrUnexpectedEOF) && b.isShort(ctx, h, offset, length) {
			return &finalError{err}
		}
		return err
	})
}

func (b *Backend) load(ctx context.Context, w *watchdog, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	own := false // fn's error is not the reader's
	err := b.next.Load(ctx, h, offset, length, func(r io.Reader) error {
		w.pause()
		defer w.resume()
		in := &reader{r: r, w: w}
		err := fn(in)
		own = err != nil && !in.broken
		return err
	})
	if err != nil && own {
		return &finalError{err}
	}
	return err
}

// isShort tells a file that ends too early from a connection that did.
func (b *Backend) isShort(ctx context.Context, h backend.Handle, offset, length int64) bool {
	info, err := b.next.Stat(ctx, h)
	return err == nil && (offset > info.Size || length > info.Size-offset)
}

// reader is read by fn, which holds the floor between two reads.
type reader struct {
	r      io.Reader
	w      *watchdog
	broken bool
}

func (r *reader) Read(p []byte) (int, error) {
	r.w.resume()
	defer r.w.pause()
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.broken = true
	}
	return n, err
}

// Stat tells a file's size.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	if err := h.Check(); err != nil {
		return backend.FileInfo{}, fmt.Errorf("stat %v: %w", h, err)
	}
	var info backend.FileInfo
	err := b.repeat(ctx, "stat", h, func(ctx context.Context, _ *watchdog, _ int) (err error) {
		info, err = b.next.Stat(ctx, h)
		return err
	})
	return info, err
}

// List lists files. It remembers their names, 32 bytes each, for the case that
// it has to begin again.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	if t.Folder() == "" {
		return fmt.Errorf("list %v files: there is no such folder", t)
	}
	listed := map[[32]byte]struct{}{}
	return b.repeat(ctx, "list", backend.Handle{Type: t}, func(ctx context.Context, w *watchdog, _ int) error {
		own := false
		err := b.next.List(ctx, t, func(f backend.FileInfo) error {
			w.pause()
			defer w.resume()
			var id [32]byte
			if n, err := hex.Decode(id[:], []byte(f.Name)[:min(len(f.Name), 64)]); n != len(id) || err != nil {
				own = true
				return fmt.Errorf("there is a name that is none: %q", f.Name)
			}
			if _, twice := listed[id]; twice {
				return nil
			}
			listed[id] = struct{}{}
			err := fn(f)
			own = err != nil
			return err
		})
		if err != nil && own {
			return &finalError{err}
		}
		return err
	})
}

// Remove deletes a file.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("remove %v: %w", h, err)
	}
	return b.repeat(ctx, "remove", h, func(ctx context.Context, _ *watchdog, n int) error {
		err := b.next.Remove(ctx, h)
		if n > 1 && errors.Is(err, backend.ErrNotExist) {
			return nil // an attempt before did it
		}
		return err
	})
}
