// Package local keeps a repository in a folder of a mounted file system: an
// internal disk, one on USB, a share of a NAS.
//
//	b, err := local.Open("/disk/phone", local.Options{})
//	err = b.Create(ctx)      // only for a new repository
//	defer b.Close()
//
// # What lies there
//
// The layout is restic's default (restic-format.md 1): config, keys/, index/,
// snapshots/, locks/ and data/00 … data/ff. Folders are made with mode 0700,
// files become 0400. A file on its way is <id>-tmp-<random> in the folder where
// it will lie; no reader sees it, and what a crash left of it SweepTemp removes.
//
// # What is promised
//
// Save writes the temporary file, syncs it, renames it and syncs the folder, in
// this order; when it returns nil, a loss of power does not take the file away
// again, as far as the disk does what it is told. The config is never
// overwritten, not even by somebody who writes it at the same moment. Every
// path is resolved below the folder (os.Root): a link that leads out is refused.
//
// A folder that is missing is an empty store for readers, and an error for
// Save: only Create makes it, so that nothing is written under the mount point
// of a disk that is not mounted.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Options say how to work with the folder. The zero value is good.
type Options struct {
	// Connections is how many operations are worth running at the same time; 0 is
	// 4, enough to keep a disk busy while others wait for a sync.
	Connections int
	// Step, if not nil, is called after each step of a change, so that a test can
	// stop there. Steps of Save are "created", "written", "synced", "renamed" and
	// "dir synced"; of Remove "removed" and "dir synced". An error of Step is
	// treated as if the step had failed: Save cleans up and returns it. ErrDied
	// alone leaves everything as it is.
	Step func(step string) error
}

// ErrDied is for Options.Step: the machine stopped here, nobody cleans up.
var ErrDied = errors.New("the machine stopped")

// Backend is a repository's folder. It can be used concurrently, by several
// processes too.
type Backend struct {
	path    string // absolute
	o       Options
	publish []publisher

	mu     sync.Mutex
	root   *os.Root // nil until the folder is there
	closed bool
}

var (
	_ backend.Backend = (*Backend)(nil)
	_ backend.Creator = (*Backend)(nil)
)

// Open takes the folder at path, a path of the host. The folder need not exist
// yet; a path that is something else is an error.
func Open(path string, o Options) (*Backend, error) {
	if path == "" {
		return nil, errors.New("open repository folder: the path is empty")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open repository folder %s: %w", path, err)
	}
	if o.Connections <= 0 {
		o.Connections = 4
	}
	b := &Backend{path: abs, o: o, publish: publishers}
	if _, err := b.open(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open repository folder %s: %w", abs, explain(err))
	}
	return b, nil
}

// open gives the folder, opening it when it has come into being.
func (b *Backend) open() (*os.Root, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fs.ErrClosed
	}
	if b.root == nil {
		root, err := os.OpenRoot(b.path)
		if err != nil {
			return nil, err
		}
		b.root = root
	}
	return b.root, nil
}

// Properties gives the absolute path as the location.
func (b *Backend) Properties() backend.Properties {
	return backend.Properties{Location: b.path, Connections: b.o.Connections}
}

// Create makes the folder, its parents and all folders in it, durably.
func (b *Backend) Create(ctx context.Context) error {
	if err := b.create(ctx); err != nil {
		return fmt.Errorf("create repository folder %s: %w", b.path, explain(err))
	}
	return nil
}

func (b *Backend) create(ctx context.Context) error {
	if err := os.MkdirAll(b.path, 0o700); err != nil {
		return err
	}
	root, err := b.open()
	if err != nil {
		return err
	}
	for _, dir := range allFolders() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, dir := range []string{"data", "."} {
		if err := syncDir(root, dir); err != nil {
			return err
		}
	}
	// The folder itself is an entry of its parent, which may be none of ours to open.
	parent, err := os.OpenRoot(filepath.Dir(b.path))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return err
	}
	defer parent.Close()
	return syncDir(parent, ".")
}

// allFolders are those that Create makes, parents first.
func allFolders() []string {
	var dirs []string
	for _, t := range backend.FileTypes[1:] {
		dirs = append(dirs, t.Folder())
	}
	for i := range 256 {
		dirs = append(dirs, shard(i))
	}
	return dirs
}

// shard is the i-th of the 256 folders of packs.
func shard(i int) string { return fmt.Sprintf("data/%02x", i) }

// Close lets go of the folder. What comes after is fs.ErrClosed.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.root == nil {
		return nil
	}
	err := b.root.Close()
	b.root = nil
	if err != nil {
		return fmt.Errorf("close repository folder %s: %w", b.path, err)
	}
	return nil
}

func (b *Backend) step(name string) error {
	if b.o.Step == nil {
		return nil
	}
	return b.o.Step(name)
}

func failed(operation string, h backend.Handle, err error) error {
	return fmt.Errorf("%s %v: %w", operation, h, explain(err))
}

// explain adds what the error of a file system means for a repository.
func explain(err error) error {
	for _, e := range []error{backend.ErrFull, backend.ErrReadOnly, backend.ErrDenied} {
		if errors.Is(err, e) {
			return err
		}
	}
	switch {
	case isFull(err):
		return fmt.Errorf("%w: %w", backend.ErrFull, err)
	case isReadOnly(err):
		return fmt.Errorf("%w: %w", backend.ErrReadOnly, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", backend.ErrDenied, err)
	}
	return err
}
