package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// List calls fn for each regular file of type t. Packs that lie in another
// folder than their name says are passed over, for Load would not find them.
// Files that vanish meanwhile may or may not be seen.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	if t.Folder() == "" {
		return fmt.Errorf("list %v files: there is no such folder", t)
	}
	var theirs error
	err := b.walk(ctx, []backend.FileType{t}, func(path string, entry fs.DirEntry) error {
		h := backend.Handle{Type: t, Name: entry.Name()}
		if h.Check() != nil || h.Path() != path || !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		theirs = fn(backend.FileInfo{Name: h.Name, Size: info.Size()})
		return theirs
	})
	if theirs != nil {
		return fmt.Errorf("list %v files: %w", t, theirs)
	}
	if err != nil {
		return fmt.Errorf("list %v files: %w", t, explain(err))
	}
	return nil
}

// SweepTemp removes the temporary files of Saves that never ended and have not
// been touched for olderThan; an hour is safe, a day more so. It tells how many
// it removed. Prune calls it.
func (b *Backend) SweepTemp(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	before := time.Now().Add(-olderThan)
	err := b.walk(ctx, backend.FileTypes, func(path string, entry fs.DirEntry) error {
		if !isTemp(entry.Name()) || !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(before) {
			return nil
		} else if err != nil {
			return err
		}
		root, err := b.open()
		if err != nil {
			return err
		}
		err = root.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err == nil {
			removed++
		}
		return err
	})
	if err != nil {
		return removed, fmt.Errorf("sweep temporary files of %s: %w", b.path, explain(err))
	}
	return removed, nil
}

// walk gives all entries of the folders of these types, with their paths.
func (b *Backend) walk(ctx context.Context, types []backend.FileType, fn func(path string, entry fs.DirEntry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := b.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, t := range types {
		dirs := []string{t.Folder()}
		switch t {
		case backend.ConfigFile:
			dirs = []string{"."}
		case backend.PackFile:
			dirs = dirs[:0]
			for i := range 256 {
				dirs = append(dirs, shard(i))
			}
		}
		for _, dir := range dirs {
			if err := walkDir(ctx, root, dir, fn); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// walkDir reads a folder in portions: some have a hundred thousand entries.
func walkDir(ctx context.Context, root *os.Root, dir string, fn func(path string, entry fs.DirEntry) error) error {
	f, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1000)
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			path := entry.Name()
			if dir != "." {
				path = dir + "/" + path
			}
			if err := fn(path, entry); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
