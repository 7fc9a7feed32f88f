package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// FS is a tree as an fs.FS: read-only, nothing is loaded before it is asked for.
// It is also an fs.ReadDirFS, fs.StatFS and fs.ReadLinkFS; links are not
// followed. Sys of its FileInfos is the *format.Node. Opened files are io.Seeker
// and io.ReaderAt. Everything can be used concurrently; a few folders and
// recently used blobs are kept in memory.
type FS struct {
	s     *Session
	ctx   context.Context
	root  format.ID
	trees *recent[format.ID, *format.Tree]
	blobs *recent[format.ID, []byte]
}

const (
	keptTrees = 64
	keptBlobs = 32 << 20 // bytes
)

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

// FS shows a tree of the repository. Reading ends with ctx.
func (s *Session) FS(ctx context.Context, tree format.ID) *FS {
	return &FS{s: s, ctx: ctx, root: tree,
		trees: newRecent[format.ID](keptTrees, func(*format.Tree) int { return 1 }),
		blobs: newRecent[format.ID](keptBlobs, func(b []byte) int { return len(b) })}
}

// tree loads a folder, or finds it among the recent ones.
func (f *FS) tree(id format.ID) (*format.Tree, error) {
	return f.trees.get(id, func() (*format.Tree, error) { return f.s.Tree(f.ctx, id) })
}

// Node finds the entry of that name; "." has none but a folder's.
func (f *FS) Node(name string) (*format.Node, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	node := &format.Node{Name: ".", Type: format.NodeDir, Mode: fs.ModeDir | 0o755, Subtree: &f.root}
	if name == "." {
		return node, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if node.Type != format.NodeDir || node.Subtree == nil {
			return nil, fs.ErrNotExist
		}
		t, err := f.tree(*node.Subtree)
		if err != nil {
			return nil, err
		}
		found, ok := t.Find(part)
		if !ok {
			return nil, fs.ErrNotExist
		}
		node = found
	}
	return node, nil
}

func (f *FS) node(op, name string) (*format.Node, error) {
	n, err := f.Node(name)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

// Stat describes an entry.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	n, err := f.node("stat", name)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// Lstat is Stat: links are not followed.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.Stat(name) }

// ReadLink gives the target of a symbolic link.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.node("readlink", name)
	if err != nil {
		return "", err
	}
	if n.Type != format.NodeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.LinkTarget, nil
}

// ReadDir lists a folder, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.node("readdir", name)
	if err != nil {
		return nil, err
	}
	if n.Type != format.NodeDir || n.Subtree == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	t, err := f.tree(*n.Subtree)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	entries := make([]fs.DirEntry, len(t.Nodes))
	for i := range t.Nodes {
		entries[i] = fs.FileInfoToDirEntry(info{&t.Nodes[i]})
	}
	return entries, nil
}

// Open opens a file or a folder.
func (f *FS) Open(name string) (fs.File, error) {
	n, err := f.node("open", name)
	if err != nil {
		return nil, err
	}
	switch n.Type {
	case format.NodeFile:
		file, err := f.OpenNode(n)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return file, nil
	case format.NodeDir:
		return &folder{f: f, name: name, node: n}, nil
	}
	return &special{n}, nil
}

// OpenNode opens a file by its node, wherever it stands in the tree.
func (f *FS) OpenNode(n *format.Node) (*File, error) {
	file := &File{f: f, node: n, ends: make([]int64, len(n.Content))}
	for i, id := range n.Content {
		size, err := f.s.BlobSize(f.ctx, format.BlobHandle{ID: id, Type: format.DataBlob})
		if err != nil {
			return nil, err
		}
		file.size += int64(size)
		file.ends[i] = file.size
	}
	return file, nil
}

// info is a node as a FileInfo.
type info struct{ node *format.Node }

func (i info) Name() string       { return path.Base(i.node.Name) }
func (i info) Size() int64        { return int64(i.node.Size) }
func (i info) Mode() fs.FileMode  { return nodeMode(i.node) }
func (i info) ModTime() time.Time { return i.node.ModTime }
func (i info) IsDir() bool        { return i.node.Type == format.NodeDir }
func (i info) Sys() any           { return i.node }

// nodeMode trusts the type more than the mode.
func nodeMode(n *format.Node) fs.FileMode {
	mode := n.Mode &^ fs.ModeType
	switch n.Type {
	case format.NodeDir:
		mode |= fs.ModeDir
	case format.NodeSymlink:
		mode |= fs.ModeSymlink
	case format.NodeDevice:
		mode |= fs.ModeDevice
	case format.NodeChar:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case format.NodeFIFO:
		mode |= fs.ModeNamedPipe
	case format.NodeSocket:
		mode |= fs.ModeSocket
	}
	return mode
}

// File is an open file of a tree.
type File struct {
	f    *FS
	node *format.Node
	ends []int64 // where each blob ends
	size int64

	mu     sync.Mutex
	offset int64
}

// Stat describes the file.
func (f *File) Stat() (fs.FileInfo, error) { return info{f.node}, nil }

// Size is the number of bytes that can be read: the sum of the blobs.
func (f *File) Size() int64 { return f.size }

// Close does nothing.
func (f *File) Close() error { return nil }

// Read reads on from where the last one ended.
func (f *File) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.offset)
	f.offset += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek moves where Read reads.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.size
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.node.Name, Err: fs.ErrInvalid}
	}
	f.offset = offset
	return offset, nil
}

// ReadAt reads from anywhere.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.node.Name, Err: fs.ErrInvalid}
	}
	read := 0
	for read < len(p) {
		at := offset + int64(read)
		if at >= f.size {
			return read, io.EOF
		}
		i, _ := slices.BinarySearchFunc(f.ends, at, func(end, at int64) int { return cmp.Compare(end, at+1) })
		start := int64(0)
		if i > 0 {
			start = f.ends[i-1]
		}
		data, err := f.blob(i)
		if err != nil {
			return read, &fs.PathError{Op: "read", Path: f.node.Name, Err: err}
		}
		if int64(len(data)) != f.ends[i]-start {
			err := &DamageError{"data blob " + f.node.Content[i].String(), errors.New("the index has another length than the blob")}
			return read, &fs.PathError{Op: "read", Path: f.node.Name, Err: err}
		}
		read += copy(p[read:], data[at-start:])
	}
	return read, nil
}

// WriteTo writes what is left to w, reading ahead.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	written := int64(0)
	if f.offset > 0 {
		n, err := io.Copy(w, struct{ io.Reader }{io.NewSectionReader(f, f.offset, f.size-f.offset)})
		f.offset += n
		return n, err
	}
	blobs := make([]format.BlobHandle, len(f.node.Content))
	for i, id := range f.node.Content {
		blobs[i] = format.BlobHandle{ID: id, Type: format.DataBlob}
	}
	err := f.f.s.Fetch(f.f.ctx, blobs, func(_ int, data []byte) error {
		n, err := w.Write(data)
		written += int64(n)
		return err
	})
	f.offset = written
	return written, err
}

func (f *File) blob(i int) ([]byte, error) {
	id := f.node.Content[i]
	data, err := f.f.blobs.get(id, func() ([]byte, error) {
		return f.f.s.Blob(f.f.ctx, format.BlobHandle{ID: id, Type: format.DataBlob}, nil)
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// folder is an open folder.
type folder struct {
	f    *FS
	name string
	node *format.Node

	mu   sync.Mutex
	rest []fs.DirEntry
	read bool
}

func (d *folder) Stat() (fs.FileInfo, error) { return info{d.node}, nil }
func (d *folder) Close() error               { return nil }
func (d *folder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("it is a folder")}
}

func (d *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.read {
		all, err := d.f.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.rest, d.read = all, true
	}
	if n <= 0 {
		all := d.rest
		d.rest = nil
		return all, nil
	}
	if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	some := d.rest[:n]
	d.rest = d.rest[n:]
	return some, nil
}

// special is an open symbolic link, socket or the like: it has no content.
type special struct{ node *format.Node }

func (s *special) Stat() (fs.FileInfo, error) { return info{s.node}, nil }
func (s *special) Close() error               { return nil }
func (s *special) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: s.node.Name, Err: fmt.Errorf("a %s has no content", s.node.Type)}
}

// recent keeps the values used last, up to a sum of costs. Two who ask for the
// same missing value at once may both load it.
type recent[K comparable, V any] struct {
	limit int
	cost  func(V) int

	mu    sync.Mutex
	items map[K]*recentItem[K, V]
	root  recentItem[K, V] // of a ring: next is the newest
	sum   int
}

type recentItem[K comparable, V any] struct {
	key        K
	value      V
	prev, next *recentItem[K, V]
}

func newRecent[K comparable, V any](limit int, cost func(V) int) *recent[K, V] {
	r := &recent[K, V]{limit: limit, cost: cost, items: map[K]*recentItem[K, V]{}}
	r.root.prev, r.root.next = &r.root, &r.root
	return r
}

func (r *recent[K, V]) get(key K, load func() (V, error)) (V, error) {
	r.mu.Lock()
	if it, ok := r.items[key]; ok {
		r.unlink(it)
		r.link(it)
		r.mu.Unlock()
		return it.value, nil
	}
	r.mu.Unlock()
	value, err := load()
	if err != nil {
		return value, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.items[key]; !ok {
		it := &recentItem[K, V]{key: key, value: value}
		r.items[key] = it
		r.link(it)
		r.sum += r.cost(value)
		for r.sum > r.limit && r.root.prev != it {
			old := r.root.prev
			r.unlink(old)
			delete(r.items, old.key)
			r.sum -= r.cost(old.value)
		}
	}
	return value, nil
}

func (r *recent[K, V]) link(it *recentItem[K, V]) {
	it.prev, it.next = &r.root, r.root.next
	it.prev.next, it.next.prev = it, it
}

func (r *recent[K, V]) unlink(it *recentItem[K, V]) {
	it.prev.next, it.next.prev = it.next, it.prev
}
