package mount

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	iofs "io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

// view is what all nodes of a mount share.
type view struct {
	ctx     context.Context // of the mount
	s       Source
	o       Options
	started time.Time
	trees   *cache[format.ID, *format.Tree]
	blobs   *cache[format.ID, []byte]
}

func (v *view) tree(ctx context.Context, id format.ID) (*format.Tree, error) {
	return v.trees.get(ctx, id, func() (*format.Tree, error) { return v.s.Tree(v.ctx, id) })
}

func (v *view) blob(ctx context.Context, id format.ID) ([]byte, error) {
	return v.blobs.get(ctx, id, func() ([]byte, error) {
		return v.s.Blob(v.ctx, format.BlobHandle{ID: id, Type: format.DataBlob}, nil)
	})
}

// failed tells what could not be read, and what the reader is told.
func (v *view) failed(ctx context.Context, i *fs.Inode, err error) syscall.Errno {
	if ctx.Err() != nil {
		return syscall.EINTR
	}
	if v.o.Problem != nil {
		v.o.Problem("/"+i.Path(nil), err)
	}
	return syscall.EIO
}

// inode numbers an entry. The number of an entry is always the same in one
// mount: programs that walk folders rely on it.
func inode(parent *fs.Inode, name string) uint64 {
	h := fnv.New64a()
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], parent.StableAttr().Ino)
	h.Write(number[:])
	h.Write([]byte(name))
	return max(h.Sum64()>>1, 2) // the upper half is go-fuse's own
}

// shelfNode is a folder above the snapshots.
type shelfNode struct {
	fs.Inode
	v     *view
	shelf *shelf
}

var (
	_ fs.NodeLookuper  = (*shelfNode)(nil)
	_ fs.NodeReaddirer = (*shelfNode)(nil)
	_ fs.NodeGetattrer = (*shelfNode)(nil)
)

func (n *shelfNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.v.folderAttr(&out.Attr, n.shelf.time)
	return 0
}

func (v *view) folderAttr(a *fuse.Attr, t time.Time) {
	if t.IsZero() {
		t = v.started
	}
	a.Mode = syscall.S_IFDIR | 0o555
	a.Nlink = 1 // how many folders are in it is not known
	a.SetTimes(&t, &t, &t)
}

func (n *shelfNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	var list []fuse.DirEntry
	for _, name := range n.shelf.names() {
		mode := uint32(syscall.S_IFDIR)
		if _, ok := n.shelf.entries[name].(latest); ok {
			mode = syscall.S_IFLNK
		}
		list = append(list, fuse.DirEntry{Name: name, Mode: mode, Ino: inode(&n.Inode, name)})
	}
	return fs.NewListDirStream(list), 0
}

func (n *shelfNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	stable := fs.StableAttr{Mode: syscall.S_IFDIR, Ino: inode(&n.Inode, name)}
	var child fs.InodeEmbedder
	switch e := n.shelf.entries[name].(type) {
	case *shelf:
		child = &shelfNode{v: n.v, shelf: e}
		n.v.folderAttr(&out.Attr, e.time)
	case *version:
		node := format.Node{Type: format.NodeDir, Mode: iofs.ModeDir | 0o555, Subtree: &e.tree, ModTime: e.time, AccessTime: e.time, ChangeTime: e.time}
		child = &treeNode{v: n.v, node: node}
		n.v.attr(&out.Attr, &node)
	case latest:
		node := format.Node{Type: format.NodeSymlink, Mode: iofs.ModeSymlink | 0o777, LinkTarget: string(e), ModTime: n.shelf.time, AccessTime: n.shelf.time, ChangeTime: n.shelf.time}
		child = &treeNode{v: n.v, node: node}
		n.v.attr(&out.Attr, &node)
		stable.Mode = syscall.S_IFLNK
	default:
		return nil, syscall.ENOENT
	}
	return n.NewInode(ctx, child, stable), 0
}

// treeNode is an entry of a snapshot.
type treeNode struct {
	fs.Inode
	v    *view
	node format.Node // a copy: the folder it comes from need not stay in memory
}

var (
	_ fs.NodeLookuper    = (*treeNode)(nil)
	_ fs.NodeReaddirer   = (*treeNode)(nil)
	_ fs.NodeGetattrer   = (*treeNode)(nil)
	_ fs.NodeReadlinker  = (*treeNode)(nil)
	_ fs.NodeOpener      = (*treeNode)(nil)
	_ fs.NodeGetxattrer  = (*treeNode)(nil)
	_ fs.NodeListxattrer = (*treeNode)(nil)
)

var systemTypes = map[format.NodeType]uint32{
	format.NodeFile: syscall.S_IFREG, format.NodeDir: syscall.S_IFDIR, format.NodeSymlink: syscall.S_IFLNK, format.NodeDevice: syscall.S_IFBLK,
	format.NodeChar: syscall.S_IFCHR, format.NodeFIFO: syscall.S_IFIFO, format.NodeSocket: syscall.S_IFSOCK,
}

func (v *view) attr(a *fuse.Attr, n *format.Node) {
	a.Mode = systemTypes[n.Type] | uint32(n.Mode.Perm())
	for _, bit := range []struct {
		goBit iofs.FileMode
		bit   uint32
	}{{iofs.ModeSetuid, syscall.S_ISUID}, {iofs.ModeSetgid, syscall.S_ISGID}, {iofs.ModeSticky, syscall.S_ISVTX}} {
		if n.Mode&bit.goBit != 0 {
			a.Mode |= bit.bit
		}
	}
	if !v.o.OwnerRoot {
		a.Uid, a.Gid = n.UID, n.GID
	}
	switch n.Type {
	case format.NodeFile:
		a.Size = n.Size
	case format.NodeSymlink:
		a.Size = uint64(len(n.LinkTarget))
	case format.NodeDevice, format.NodeChar:
		a.Rdev = uint32(n.Device)
	}
	a.Nlink, a.Blksize = 1, 64<<10
	a.Blocks = (a.Size + 511) / 512
	a.SetTimes(&n.AccessTime, &n.ModTime, &n.ChangeTime)
}

func (n *treeNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.v.attr(&out.Attr, &n.node)
	return 0
}

func (n *treeNode) load(ctx context.Context) (*format.Tree, syscall.Errno) {
	if n.node.Subtree == nil {
		return nil, syscall.ENOTDIR
	}
	t, err := n.v.tree(ctx, *n.node.Subtree)
	if err != nil {
		return nil, n.v.failed(ctx, &n.Inode, err)
	}
	return t, 0
}

// shown leaves out what no system call could name.
func shown(n *format.Node) bool { return treewalk.ValidName(n.Name) && systemTypes[n.Type] != 0 }

func (n *treeNode) Readdir(ctx context.Context) (fs.DirStream, syscall.Errno) {
	t, errno := n.load(ctx)
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(t.Nodes))
	for i := range t.Nodes {
		if c := &t.Nodes[i]; shown(c) {
			list = append(list, fuse.DirEntry{Name: c.Name, Mode: systemTypes[c.Type], Ino: inode(&n.Inode, c.Name)})
		}
	}
	return fs.NewListDirStream(list), 0
}

func (n *treeNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	t, errno := n.load(ctx)
	if errno != 0 {
		return nil, errno
	}
	c, ok := t.Find(name)
	if !ok || !shown(c) {
		return nil, syscall.ENOENT
	}
	n.v.attr(&out.Attr, c)
	child := &treeNode{v: n.v, node: *c}
	return n.NewInode(ctx, child, fs.StableAttr{Mode: systemTypes[c.Type], Ino: inode(&n.Inode, name)}), 0
}

func (n *treeNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	return []byte(n.node.LinkTarget), 0
}

func (n *treeNode) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	for _, x := range n.node.Xattrs {
		if x.Name == name {
			return fit(dest, x.Value)
		}
	}
	return 0, syscall.ENODATA
}

func (n *treeNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	var names []byte
	for _, x := range n.node.Xattrs {
		names = append(append(names, x.Name...), 0)
	}
	return fit(dest, names)
}

// fit answers as the system call does: with the size if there is no room.
func fit(dest, data []byte) (uint32, syscall.Errno) {
	if len(dest) < len(data) {
		return uint32(len(data)), syscall.ERANGE
	}
	return uint32(copy(dest, data)), 0
}

// openFile is a file that somebody has open.
type openFile struct {
	n    *treeNode
	ends []int64 // where each blob ends
}

var _ fs.FileReader = (*openFile)(nil)

func (n *treeNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&(syscall.O_WRONLY|syscall.O_RDWR) != 0 {
		return nil, 0, syscall.EROFS
	}
	f := &openFile{n, make([]int64, len(n.node.Content))}
	at := int64(0)
	for i, id := range n.node.Content {
		size, err := n.v.s.BlobSize(ctx, format.BlobHandle{ID: id, Type: format.DataBlob})
		if err != nil {
			return nil, 0, n.v.failed(ctx, &n.Inode, err)
		}
		at += int64(size)
		f.ends[i] = at
	}
	if uint64(at) != n.node.Size {
		return nil, 0, n.v.failed(ctx, &n.Inode, errors.New("its blobs do not add up to its size"))
	}
	return f, fuse.FOPEN_KEEP_CACHE, 0
}

// Read reads from as many blobs as dest needs.
func (f *openFile) Read(ctx context.Context, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	read := 0
	for read < len(dest) {
		at := offset + int64(read)
		i, _ := slices.BinarySearch(f.ends, at+1)
		if i == len(f.ends) {
			break
		}
		data, err := f.n.v.blob(ctx, f.n.node.Content[i])
		if err != nil {
			return nil, f.n.v.failed(ctx, &f.n.Inode, err)
		}
		from := int64(len(data)) - (f.ends[i] - at)
		if from < 0 || from >= int64(len(data)) {
			return nil, f.n.v.failed(ctx, &f.n.Inode, errors.New("a blob is shorter than the index says"))
		}
		if read == 0 && int64(len(dest)) <= int64(len(data))-from {
			return fuse.ReadResultData(data[from : from+int64(len(dest))]), 0 // as it lies there
		}
		read += copy(dest[read:], data[from:])
	}
	return fuse.ReadResultData(dest[:read]), 0
}
