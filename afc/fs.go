package afc

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
)

// FS shows the files below root as a read-only fs.FS, which also has ReadDir,
// Stat and ReadFile. It works under ctx. Symbolic links show as such and are
// followed by the phone when opened.
func (c *Client) FS(ctx context.Context, root string) fs.FS { return &tree{c, ctx, root} }

type tree struct {
	c    *Client
	ctx  context.Context
	root string
}

// maxReadFile bounds ReadFile of the fs.FS in bytes: larger files are streamed.
const maxReadFile = 1 << 30

func (t *tree) path(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return path.Join("/", t.root, name), nil
}

func pathError(op, name string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	p, err := t.path("open", name)
	if err != nil {
		return nil, err
	}
	info, err := t.c.Stat(t.ctx, p)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	info.name = path.Base(name)
	if info.IsDir() {
		return &openDir{t: t, name: name, info: info}, nil
	}
	f, err := t.c.Open(t.ctx, p)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &openFile{f, info}, nil
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	p, err := t.path("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := t.c.Stat(t.ctx, p)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	info.name = path.Base(name)
	return info, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *tree) ReadFile(name string) ([]byte, error) {
	p, err := t.path("read", name)
	if err != nil {
		return nil, err
	}
	data, err := t.c.ReadFile(t.ctx, p, maxReadFile)
	return data, pathError("read", name, err)
}

// ReadDir implements fs.ReadDirFS, sorted by name. A file that went meanwhile
// is left out.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := t.path("readdir", name)
	if err != nil {
		return nil, err
	}
	names, err := t.c.ReadDir(t.ctx, p)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	slices.Sort(names)
	var entries []fs.DirEntry
	for _, n := range names {
		info, err := t.c.Stat(t.ctx, path.Join(p, n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return entries, pathError("readdir", name, err)
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	return entries, nil
}

// openFile is File with the description from the time it was opened.
type openFile struct {
	*File
	info *Info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

type openDir struct {
	t       *tree
	name    string
	info    *Info
	read    bool
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: StatusIsDir}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		entries, err := d.t.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.entries, d.read = entries, true
	}
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	part := d.entries[:n:n]
	d.entries = d.entries[n:]
	return part, nil
}
