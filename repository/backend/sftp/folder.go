package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// atOnce is how many folders are made or listed at the same time: requests are
// small, waiting for them is what costs.
const atOnce = 16

// Create makes the folders of a repository: the root, those of the types, and
// data/00 to data/ff. Those that it makes at the top only their owner may enter.
func (b *Backend) Create(ctx context.Context) error {
	err := b.run(ctx, func(ctx context.Context, c *conn) error {
		if err := c.mkdirAll(b.root); err != nil {
			return c.whyNotWritten(err, b.root, 0)
		}
		for _, t := range backend.FileTypes {
			if t.Folder() == "" {
				continue
			}
			if err := c.mkdir(path.Join(b.root, t.Folder()), true); err != nil {
				return c.whyNotWritten(err, b.root, 0)
			}
		}
		return b.createPackFolders(ctx, c)
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", b.props.Location, err)
	}
	return nil
}

func (b *Backend) createPackFolders(ctx context.Context, c *conn) error {
	data := path.Join(b.root, backend.PackFile.Folder())
	list, err := c.readDir(ctx, data)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, f := range list {
		there[f.Name()] = f.IsDir()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range 256 {
		name := fmt.Sprintf("%02x", i)
		if there[name] {
			continue
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.mkdir(path.Join(data, name), false)
		})
	}
	if err := g.Wait(); err != nil {
		return c.whyNotWritten(err, data, 0)
	}
	if err := c.syncFolder(data); err != nil {
		return err
	}
	return c.syncFolder(b.root)
}

// mkdir makes one folder; that it is there is a success.
func (c *conn) mkdir(name string, private bool) error {
	err := c.request(func() error { return c.client.Mkdir(name) })
	if err == nil && private {
		if e := c.chmod(name, 0o700); !isAnswer(e) {
			return e
		}
	}
	if err == nil || !isAnswer(err) {
		return err
	}
	if info, e := c.stat(name); e == nil && info.IsDir() {
		return nil
	}
	return err
}

// mkdirAll makes a folder and those above it that are missing.
func (c *conn) mkdirAll(name string) error {
	if info, err := c.stat(name); err == nil && info.IsDir() {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := path.Dir(name); parent != name {
		if err := c.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := c.mkdir(name, true); err != nil {
		return err
	}
	return c.syncFolder(path.Dir(name))
}

// List goes through the files of a type. Names that Load would not look for are
// passed over, as are folders, links and devices.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	if t.Folder() == "" {
		return fmt.Errorf("list %v files: only what is kept in folders can be listed", t)
	}
	err := b.run(ctx, func(ctx context.Context, c *conn) error {
		folder := path.Join(b.root, t.Folder())
		if t == backend.PackFile {
			return b.listPacks(ctx, c, folder, fn)
		}
		return c.listFolder(ctx, folder, "", fn)
	})
	if err != nil {
		return fmt.Errorf("list %v files: %w", t, err)
	}
	return nil
}

// listPacks lists the folders of data side by side.
func (b *Backend) listPacks(ctx context.Context, c *conn, data string, fn func(backend.FileInfo) error) error {
	list, err := c.readDir(ctx, data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, f := range list {
		digits := f.Name()
		if len(digits) != 2 || strings.Trim(digits, "0123456789abcdef") != "" {
			continue
		}
		g.Go(func() error {
			return c.listFolder(ctx, path.Join(data, digits), digits, func(f backend.FileInfo) error {
				mu.Lock()
				defer mu.Unlock()
				if err := ctx.Err(); err != nil {
					return err
				}
				return fn(f)
			})
		})
	}
	return g.Wait()
}

// listFolder lists the files of one folder whose names begin with prefix.
func (c *conn) listFolder(ctx context.Context, folder, prefix string, fn func(backend.FileInfo) error) error {
	list, err := c.readDir(ctx, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range list {
		if !backend.IsName(f.Name()) || !strings.HasPrefix(f.Name(), prefix) || !f.Mode().IsRegular() || f.Size() < 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(backend.FileInfo{Name: f.Name(), Size: f.Size()}); err != nil {
			return &callerError{err}
		}
	}
	return nil
}
