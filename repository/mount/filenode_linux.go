package mount

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"path"
	"syscall"
	"unicode/utf8"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fileView is what all nodes of a mounted file system share.
type fileView struct {
	ctx  context.Context // of the mount
	fsys iofs.FS
	o    Options
}

// fileNode is an entry of a mounted file system.
type fileNode struct {
	fs.Inode
	v    *fileView
	name string // in the file system
}

var (
	_ fs.NodeLookuper   = (*fileNode)(nil)
	_ fs.NodeReaddirer  = (*fileNode)(nil)
	_ fs.NodeGetattrer  = (*fileNode)(nil)
	_ fs.NodeReadlinker = (*fileNode)(nil)
	_ fs.NodeOpener     = (*fileNode)(nil)
)

// failed is view.failed; what is not there is said so.
func (n *fileNode) failed(ctx context.Context, name string, err error) syscall.Errno {
	switch {
	case ctx.Err() != nil:
		return syscall.EINTR
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case n.v.o.Problem != nil:
		n.v.o.Problem("/"+name, err)
	}
	return syscall.EIO
}

func systemType(m iofs.FileMode) uint32 {
	switch m.Type() {
	case 0:
		return syscall.S_IFREG
	case iofs.ModeDir:
		return syscall.S_IFDIR
	case iofs.ModeSymlink:
		return syscall.S_IFLNK
	}
	return 0
}

func (n *fileNode) attr(a *fuse.Attr, info iofs.FileInfo) {
	a.Mode = systemType(info.Mode()) | 0o444
	if info.IsDir() {
		a.Mode |= 0o111
	} else {
		a.Size = uint64(max(info.Size(), 0))
	}
	if !n.v.o.OwnerRoot {
		a.Uid, a.Gid = uint32(syscall.Geteuid()), uint32(syscall.Getegid())
	}
	t := info.ModTime()
	a.Nlink, a.Blksize = 1, 64<<10
	a.Blocks = (a.Size + 511) / 512
	a.SetTimes(&t, &t, &t)
}

func (n *fileNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	info, err := iofs.Lstat(n.v.fsys, n.name)
	if err != nil {
		return n.failed(ctx, n.name, err)
	}
	n.attr(&out.Attr, info)
	return 0
}

func (n *fileNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	at := path.Join(n.name, name)
	if !iofs.ValidPath(at) {
		return nil, syscall.ENOENT
	}
	info, err := iofs.Lstat(n.v.fsys, at)
	if err != nil {
		return nil, n.failed(ctx, at, err)
	}
	kind := systemType(info.Mode())
	if kind == 0 {
		return nil, syscall.ENOENT
	}
	child := &fileNode{v: n.v, name: at}
	child.attr(&out.Attr, info)
	return n.NewInode(ctx, child, fs.StableAttr{Mode: kind, Ino: inode(&n.Inode, name)}), 0
}

func (n *fileNode) Readdir(ctx context.Context) (fs.DirStream, syscall.Errno) {
	entries, err := iofs.ReadDir(n.v.fsys, n.name)
	if err != nil {
		return nil, n.failed(ctx, n.name, err)
	}
	list := make([]fuse.DirEntry, 0, len(entries))
	for _, e := range entries {
		if kind := systemType(e.Type()); kind != 0 && utf8.ValidString(e.Name()) && len(e.Name()) <= 255 {
			list = append(list, fuse.DirEntry{Name: e.Name(), Mode: kind, Ino: inode(&n.Inode, e.Name())})
		}
	}
	return fs.NewListDirStream(list), 0
}

func (n *fileNode) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	to, err := iofs.ReadLink(n.v.fsys, n.name)
	if err != nil {
		return nil, n.failed(ctx, n.name, err)
	}
	return []byte(to), 0
}

func (n *fileNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	f, err := n.v.fsys.Open(n.name)
	if err != nil {
		return nil, 0, n.failed(ctx, n.name, err)
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, 0, n.failed(ctx, n.name, errors.Join(errors.New("it cannot be read from the middle"), f.Close()))
	}
	return &fileHandle{n, r, f}, fuse.FOPEN_KEEP_CACHE, 0
}

// fileHandle is an open file.
type fileHandle struct {
	n *fileNode
	r io.ReaderAt
	f iofs.File
}

var (
	_ fs.FileReader   = (*fileHandle)(nil)
	_ fs.FileReleaser = (*fileHandle)(nil)
)

func (h *fileHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	m, err := h.r.ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, h.n.failed(ctx, h.n.name, err)
	}
	return fuse.ReadResultData(dest[:m]), 0
}

func (h *fileHandle) Release(context.Context) syscall.Errno {
	if err := h.f.Close(); err != nil && h.n.v.o.Problem != nil {
		h.n.v.o.Problem("/"+h.n.name, err)
	}
	return 0
}
