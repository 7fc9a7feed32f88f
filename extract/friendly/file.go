package friendly

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// info describes a file or folder.
type info struct {
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.time }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

// entry is a node in a listing.
type entry struct {
	fsys *FS
	node *node
}

func (e entry) Name() string               { return e.node.name }
func (e entry) IsDir() bool                { return e.node.dir != nil }
func (e entry) String() string             { return fs.FormatDirEntry(e) }
func (e entry) Info() (fs.FileInfo, error) { return e.fsys.statNode(e.node) }

func (e entry) Type() fs.FileMode {
	if e.IsDir() {
		return fs.ModeDir
	}
	return 0
}

func (f *FS) statNode(n *node) (fs.FileInfo, error) {
	if n.dir != nil {
		return f.folderInfo(found{name: n.name, dir: n.dir}), nil
	}
	i, err := f.statFile(n)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func (f *FS) statFile(n *node) (info, error) {
	if n.file != nil {
		size, err := f.made.size(context.Background(), n.file)
		return f.describe(n, size, time.Time{}), err
	}
	behind, err := fs.Stat(f.src.FS, path.Join(n.in, n.base))
	if err != nil {
		return info{}, err
	}
	return f.describe(n, behind.Size(), behind.ModTime()), nil
}

// describe is the info of a file; fallback is its time if the list of the kind has
// told none.
func (f *FS) describe(n *node, size int64, fallback time.Time) info {
	i := info{name: n.name, size: size, mode: 0o444, time: fallback}
	if n.time != 0 {
		i.time = time.Unix(0, n.time)
	}
	if i.time.IsZero() {
		i.time = f.moment()
	}
	return i
}

func (f *FS) openFile(n *node) (fs.File, error) {
	if n.file != nil {
		data, err := f.made.bytes(context.Background(), n.file)
		if err != nil {
			return nil, err
		}
		return &madeFile{bytes.NewReader(data), f.describe(n, int64(len(data)), time.Time{})}, nil
	}
	behind, err := f.src.FS.Open(path.Join(n.in, n.base))
	if err != nil {
		return nil, err
	}
	return &streamed{behind, f, n}, nil
}

// madeFile is an open file that was made.
type madeFile struct {
	*bytes.Reader
	info info
}

func (m *madeFile) Stat() (fs.FileInfo, error) { return m.info, nil }
func (m *madeFile) Close() error               { return nil }

// streamed is an open file of the source.
type streamed struct {
	fs.File
	fsys *FS
	node *node
}

// Stat implements fs.File. The size is that of the content, which is known by now.
func (s *streamed) Stat() (fs.FileInfo, error) {
	behind, err := s.File.Stat()
	if err != nil {
		return nil, err
	}
	return s.fsys.describe(s.node, behind.Size(), behind.ModTime()), nil
}

var errForward = errors.New("the source can only be read from the front")

// Seek implements io.Seeker.
func (s *streamed) Seek(offset int64, whence int) (int64, error) {
	if in, ok := s.File.(io.Seeker); ok {
		return in.Seek(offset, whence)
	}
	return 0, errForward
}

// ReadAt implements io.ReaderAt.
func (s *streamed) ReadAt(p []byte, off int64) (int, error) {
	if in, ok := s.File.(io.ReaderAt); ok {
		return in.ReadAt(p, off)
	}
	return 0, errForward
}

// WriteTo implements io.WriterTo, the source's own way where it has one.
func (s *streamed) WriteTo(w io.Writer) (int64, error) {
	if in, ok := s.File.(io.WriterTo); ok {
		return in.WriteTo(w)
	}
	return io.Copy(w, struct{ io.Reader }{s.File})
}

// openFolder is an open folder.
type openFolder struct {
	fsys *FS
	path string
	info info
	rest []fs.DirEntry
	read bool
}

func (o *openFolder) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFolder) Close() error               { return nil }

func (o *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.path, Err: errors.New("it is a folder")}
}

// ReadDir implements fs.ReadDirFile.
func (o *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if !o.read {
		list, err := o.fsys.ReadDir(o.path)
		if err != nil {
			return nil, err
		}
		o.rest, o.read = list, true
	}
	if n <= 0 {
		list := o.rest
		o.rest = nil
		return list, nil
	}
	if len(o.rest) == 0 {
		return nil, io.EOF
	}
	list := o.rest[:min(n, len(o.rest))]
	o.rest = o.rest[len(list):]
	return list, nil
}
