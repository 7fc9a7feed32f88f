// Package memory keeps a repository in memory, for tests: nothing is durable,
// everything is quick, and the state can be copied at any moment.
//
//	b := memory.New()
//	before := b.Clone()    // the state as it is now; b goes on
//
// Clone is what crash tests are made of: let a run die at some operation
// (package fault), then open the clone as the machine would find its disk.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Backend holds files in memory. It can be used concurrently. The zero value
// is an empty store.
type Backend struct {
	mu    sync.Mutex
	files map[backend.Handle][]byte // the slices are never changed
	ops   Ops
}

// Ops counts what a store was asked for, whether it succeeded or not.
type Ops struct {
	Save, Load, Stat, List, Remove int
	// BytesSaved are those of files that were new; BytesLoaded those that were
	// asked for.
	BytesSaved, BytesLoaded int64
}

var _ backend.Backend = (*Backend)(nil)

// New makes an empty store.
func New() *Backend { return &Backend{} }

// Clone copies the state: files, not counters. What happens to one store
// afterwards does not change the other.
func (b *Backend) Clone() *Backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	files := make(map[backend.Handle][]byte, len(b.files))
	for h, data := range b.files {
		files[h] = bytes.Clone(data)
	}
	return &Backend{files: files}
}

// Ops gives the counters.
func (b *Backend) Ops() Ops {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ops
}

// ResetOps sets the counters to zero.
func (b *Backend) ResetOps() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ops = Ops{}
}

// Handles gives all files, ordered by type and name.
func (b *Backend) Handles() []backend.Handle {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.files), func(x, y backend.Handle) int {
		if x.Type != y.Type {
			return int(x.Type) - int(y.Type)
		}
		return strings.Compare(x.Name, y.Name)
	})
}

// Bytes gives a copy of a file, nil if there is none.
func (b *Backend) Bytes(h backend.Handle) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.files[h])
}

// Put writes a file over whatever is there, for tests that damage a store; nil
// removes it.
func (b *Backend) Put(h backend.Handle, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data == nil {
		delete(b.files, h)
		return
	}
	b.putLocked(h, bytes.Clone(data))
}

func (b *Backend) putLocked(h backend.Handle, data []byte) {
	if b.files == nil {
		b.files = map[backend.Handle][]byte{}
	}
	b.files[h] = data
}

// Properties: one connection for each operation worth running at a time.
func (b *Backend) Properties() backend.Properties {
	return backend.Properties{Location: "memory", Connections: 4}
}

func (b *Backend) count(ctx context.Context, h backend.Handle, add func(*Ops)) error {
	b.mu.Lock()
	add(&b.ops)
	b.mu.Unlock()
	if err := h.Check(); err != nil {
		return err
	}
	return ctx.Err()
}

// Save keeps a copy of data.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if err := b.count(ctx, h, func(o *Ops) { o.Save++ }); err != nil {
		return fmt.Errorf("save %v: %w", h, err)
	}
	size := data.Size()
	all := make([]byte, size)
	if _, err := io.ReadFull(backend.NewReader(ctx, io.NewSectionReader(data, 0, size), size), all); err != nil {
		return fmt.Errorf("save %v: %w", h, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("save %v: %w", h, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old, there := b.files[h]
	switch {
	case there && h.Type == backend.ConfigFile:
		return fmt.Errorf("save %v: %w", h, backend.ErrExist)
	case there && len(old) == len(all):
		return nil
	}
	b.putLocked(h, all)
	b.ops.BytesSaved += size
	return nil
}

// Load passes a part of a file to fn.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if err := b.load(ctx, h, offset, length, fn); err != nil {
		return fmt.Errorf("load %v: %w", h, err)
	}
	return nil
}

func (b *Backend) load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if err := b.count(ctx, h, func(o *Ops) { o.Load++ }); err != nil {
		return err
	}
	if err := backend.CheckRange(offset, length); err != nil {
		return err
	}
	b.mu.Lock()
	data, there := b.files[h]
	b.mu.Unlock()
	size := int64(len(data))
	switch {
	case !there:
		return backend.ErrNotExist
	case offset > size || length > size-offset:
		return io.ErrUnexpectedEOF
	case length == 0:
		length = size - offset
	}
	b.mu.Lock()
	b.ops.BytesLoaded += length
	b.mu.Unlock()
	// The reader hides the slice: fn cannot change the file.
	return fn(backend.NewReader(ctx, bytes.NewReader(data[offset:offset+length]), length))
}

// Stat tells a file's size.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	if err := b.count(ctx, h, func(o *Ops) { o.Stat++ }); err != nil {
		return backend.FileInfo{}, fmt.Errorf("stat %v: %w", h, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	data, there := b.files[h]
	if !there {
		return backend.FileInfo{}, fmt.Errorf("stat %v: %w", h, backend.ErrNotExist)
	}
	return backend.FileInfo{Name: h.Name, Size: int64(len(data))}, nil
}

// List gives the files as they were when it was called, ordered by name.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	b.mu.Lock()
	b.ops.List++
	var files []backend.FileInfo
	for h, data := range b.files {
		if h.Type == t {
			files = append(files, backend.FileInfo{Name: h.Name, Size: int64(len(data))})
		}
	}
	b.mu.Unlock()
	if t.Folder() == "" {
		return fmt.Errorf("list %v files: there is no such folder", t)
	}
	slices.SortFunc(files, func(x, y backend.FileInfo) int { return strings.Compare(x.Name, y.Name) })
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %v files: %w", t, err)
		}
		if err := fn(f); err != nil {
			return fmt.Errorf("list %v files: %w", t, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("list %v files: %w", t, err)
	}
	return nil
}

// Remove deletes a file.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	if err := b.count(ctx, h, func(o *Ops) { o.Remove++ }); err != nil {
		return fmt.Errorf("remove %v: %w", h, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.files[h]; !there {
		return fmt.Errorf("remove %v: %w", h, backend.ErrNotExist)
	}
	delete(b.files, h)
	return nil
}

// Close does nothing: the files stay, so that a test can look at them.
func (b *Backend) Close() error { return nil }
