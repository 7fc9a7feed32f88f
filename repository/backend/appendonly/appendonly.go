// Package appendonly makes a backend that takes files and gives none away:
// nothing that is stored is removed or replaced, except locks, without which
// nobody could work.
//
//	b := appendonly.New(store)
//
// It is for a program that backs up and must not be able to destroy what was
// backed up, be it by a mistake. Against a thief who holds the store's own
// credentials it is no help, and even in front of them it does not stop someone
// from adding snapshots until a policy drops the good ones
// (restic-format.md 14).
package appendonly

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Backend is another backend that can only be added to. It can be used
// concurrently.
type Backend struct{ next backend.Backend }

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Unwrapper = (*Backend)(nil)
)

// New stands before next. Closing it closes next.
func New(next backend.Backend) *Backend { return &Backend{next} }

// Unwrap gives the backend behind, which is not append-only.
func (b *Backend) Unwrap() backend.Backend { return b.next }

// Properties are those of the backend behind.
func (b *Backend) Properties() backend.Properties { return b.next.Properties() }

// Save stores a new file. Where one is with another size, it is
// backend.ErrReadOnly and stays. Of two who save different files under one name
// at the same moment, which nobody does whose names are hashes, both may succeed.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	switch info, err := b.next.Stat(ctx, h); {
	case err == nil && h.Type == backend.ConfigFile:
		return fmt.Errorf("save %v: %w", h, backend.ErrExist)
	case err == nil && info.Size != data.Size():
		return fmt.Errorf("save %v: it is there with %d bytes instead of %d, and this repository is only added to: %w", h, info.Size, data.Size(), backend.ErrReadOnly)
	case err == nil:
		return nil
	case !errors.Is(err, backend.ErrNotExist):
		return fmt.Errorf("save %v: %w", h, err)
	}
	return b.next.Save(ctx, h, data)
}

// Load reads a file.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.next.Load(ctx, h, offset, length, fn)
}

// Stat tells a file's size.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	return b.next.Stat(ctx, h)
}

// List lists files.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	return b.next.List(ctx, t, fn)
}

// Remove deletes a lock. Everything else is backend.ErrReadOnly, whether it is
// there or not.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("remove %v: %w", h, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("remove %v: %w", h, err)
	}
	if h.Type != backend.LockFile {
		return fmt.Errorf("remove %v: this repository is only added to: %w", h, backend.ErrReadOnly)
	}
	return b.next.Remove(ctx, h)
}

// Close closes the backend behind.
func (b *Backend) Close() error { return b.next.Close() }
