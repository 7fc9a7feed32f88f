package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// FS shows the backup as a file system: a directory per domain and the phone's
// tree below it, contents in clear. It is an fs.ReadDirFS, fs.StatFS and
// fs.ReadLinkFS; files are io.ReaderAt and io.Seeker. A link at the end of a path
// is followed when it is relative and stays in its domain; any other target is a
// path of the phone and does not exist here.
//
// Making one reads the index once and keeps some 100 bytes per row. ctx ends the
// reading and everything done through the file system later.
func (b *Backup) FS(ctx context.Context) (*FS, error) {
	x, err := buildFSIndex(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("index backup: %w", err)
	}
	return &FS{ctx, b, x}, nil
}

// FS is what [Backup.FS] returns. It may be used concurrently.
type FS struct {
	ctx    context.Context // fs.FS has no way to hand one in
	backup *Backup
	index  *fsIndex
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

// Skipped gives the faulty rows that the tree lacks, at most 1000.
func (f *FS) Skipped() []*RowError { return f.index.skipped }

// lookup finds what a path names. row is false for directories without a row.
func (f *FS) lookup(op, name string) (r Record, row bool, err error) {
	if !fs.ValidPath(name) {
		return Record{}, false, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return Record{}, false, nil
	}
	domain, relativePath, _ := strings.Cut(name, "/")
	id, ok := f.index.find(domain, relativePath)
	if !ok {
		if f.index.isDir(domain, relativePath) {
			return Record{Domain: domain, RelativePath: relativePath}, false, nil
		}
		return Record{}, false, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	r, ok, err = f.backup.Get(f.ctx, id)
	if err == nil && !ok {
		err = fs.ErrNotExist
	}
	if err != nil {
		return Record{}, false, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return r, true, nil
}

// maxLinks bounds how many links are followed from one to the next.
const maxLinks = 16

// resolve is lookup that follows links. It returns the path arrived at, too.
func (f *FS) resolve(op, name string) (at string, r Record, row bool, err error) {
	at = name
	for range maxLinks {
		if r, row, err = f.lookup(op, at); err != nil || !row || r.Kind() != FlagSymlink {
			return at, r, row, err
		}
		if path.IsAbs(r.File.Target) {
			return "", Record{}, false, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		at = path.Join(path.Dir(at), r.File.Target)
		if at != r.Domain && !strings.HasPrefix(at, r.Domain+"/") {
			return "", Record{}, false, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return "", Record{}, false, &fs.PathError{Op: op, Path: name, Err: errors.New("too many links")}
}

// Open opens a file or directory.
func (f *FS) Open(name string) (fs.File, error) {
	name, r, row, err := f.resolve("open", name)
	if err != nil {
		return nil, err
	}
	if !row || r.Kind() == FlagDirectory {
		return &openDir{fs: f, name: name, info: dirInfo(name, r, row)}, nil
	}
	file, err := f.backup.OpenRecord(r)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return file, nil
}

func dirInfo(name string, r Record, row bool) fileInfo {
	if row {
		return newFileInfo(r, 0)
	}
	return fileInfo{name: path.Base(name), mode: fs.ModeDir | 0o755}
}

// Stat describes what a path leads to. The size of a file is that of its content,
// for which the end of the stored file is read; when that fails, the size in the
// row.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	at, r, row, err := f.resolve("stat", name)
	if err != nil {
		return nil, err
	}
	return f.info(at, r, row), nil
}

// Lstat is Stat that describes a link itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	r, row, err := f.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return f.info(name, r, row), nil
}

func (f *FS) info(name string, r Record, row bool) fileInfo {
	if !row || r.Kind() != FlagFile {
		return dirInfo(name, r, row)
	}
	return f.fileInfo(r)
}

func (f *FS) fileInfo(r Record) fileInfo {
	file, err := f.backup.OpenDamaged(r)
	if err != nil {
		return newFileInfo(r, r.File.Size) // opening the file will say why
	}
	defer file.Close()
	return newFileInfo(r, file.Size())
}

// ReadLink gives the target of a symbolic link as the phone recorded it.
func (f *FS) ReadLink(name string) (string, error) {
	r, row, err := f.lookup("readlink", name)
	if err != nil {
		return "", err
	}
	if !row || r.Kind() != FlagSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return r.File.Target, nil
}

// ReadDir lists a directory by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	name, r, row, err := f.resolve("readdir", name)
	if err != nil {
		return nil, err
	}
	if row && r.Kind() != FlagDirectory {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	var children []child
	if name == "." {
		for _, domain := range f.index.domains {
			children = append(children, child{domain, FlagDirectory})
		}
	} else {
		children = f.index.children(r.Domain, r.RelativePath)
	}
	list := make([]fs.DirEntry, 0, len(children))
	for _, c := range children {
		list = append(list, &dirEntry{f, path.Join(name, c.name), c})
	}
	return list, nil
}

// dirEntry reads the row, and for its size the file, only when asked.
type dirEntry struct {
	fs   *FS
	path string
	child
}

func (e *dirEntry) Name() string               { return e.name }
func (e *dirEntry) IsDir() bool                { return e.kind == FlagDirectory }
func (e *dirEntry) Type() fs.FileMode          { return kindMode(e.kind) }
func (e *dirEntry) String() string             { return fs.FormatDirEntry(e) }
func (e *dirEntry) Info() (fs.FileInfo, error) { return e.fs.Lstat(e.path) }

// openDir is an open directory.
type openDir struct {
	fs   *FS
	name string
	info fileInfo
	list []fs.DirEntry // what ReadDir has not given yet
	read bool
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := d.fs.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.list, d.read = list, true
	}
	if n <= 0 || n > len(d.list) {
		if n > 0 && len(d.list) == 0 {
			return nil, io.EOF
		}
		n = len(d.list)
	}
	list := d.list[:n:n]
	d.list = d.list[n:]
	return list, nil
}
