package sftp

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/pkg/sftp"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// The requests, each counted as an answer that the server owes.

func (c *conn) request(f func() error) error {
	defer c.ask()()
	return f()
}

func (c *conn) stat(name string) (info fs.FileInfo, err error) {
	err = c.request(func() error { info, err = c.client.Stat(name); return err })
	return info, err
}

func (c *conn) fileStat(f *sftp.File) (info fs.FileInfo, err error) {
	err = c.request(func() error { info, err = f.Stat(); return err })
	return info, err
}

func (c *conn) statVFS(name string) (v *sftp.StatVFS, err error) {
	err = c.request(func() error { v, err = c.client.StatVFS(name); return err })
	return v, err
}

func (c *conn) open(name string, flags int) (f *sftp.File, err error) {
	err = c.request(func() error { f, err = c.client.OpenFile(name, flags); return err })
	return f, err
}

func (c *conn) readDir(ctx context.Context, name string) (list []fs.FileInfo, err error) {
	c.listing.Store(0)
	err = c.request(func() error { list, err = c.client.ReadDirContext(ctx, name); return err })
	return list, err
}

func (c *conn) sync(f *sftp.File) error      { return c.request(f.Sync) }
func (c *conn) closeFile(f *sftp.File) error { return c.request(f.Close) }

func (c *conn) chmod(name string, mode os.FileMode) error {
	return c.request(func() error { return c.client.Chmod(name, mode) })
}

func (c *conn) rename(from, to string) error {
	return c.request(func() error { return c.client.Rename(from, to) })
}

func (c *conn) posixRename(from, to string) error {
	return c.request(func() error { return c.client.PosixRename(from, to) })
}

func (c *conn) link(from, to string) error {
	return c.request(func() error { return c.client.Link(from, to) })
}

// remove deletes a file. Where files that are only to be read cannot be deleted
// (servers on Windows) it makes it writable and tries again.
func (c *conn) remove(name string) error {
	remove := func() error { return c.client.Remove(name) }
	err := c.request(remove)
	if err == nil || errors.Is(err, fs.ErrNotExist) || !isAnswer(err) || c.chmod(name, 0o600) != nil {
		return err
	}
	return c.request(remove)
}

// isAnswer tells whether err is what the server said (nil too), not the end of
// the connection.
func isAnswer(err error) bool {
	var status *sftp.StatusError
	return err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, io.EOF) || errors.As(err, &status)
}

// Stat asks for the size of a file.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	var size int64
	err := b.do(ctx, "stat", h, func(_ context.Context, c *conn) error {
		info, err := c.stat(b.path(h))
		switch {
		case err != nil:
			return err
		case !info.Mode().IsRegular() || info.Size() < 0:
			return permanent{errors.New("there is something else than a file under this name")}
		}
		size = info.Size()
		return nil
	})
	if err != nil {
		return backend.FileInfo{}, err
	}
	return backend.FileInfo{Name: h.Name, Size: size}, nil
}

// Remove deletes a file.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	return b.do(ctx, "remove", h, func(_ context.Context, c *conn) error { return c.remove(b.path(h)) })
}
