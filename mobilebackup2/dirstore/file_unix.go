//go:build unix

package dirstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// handle is an open folder. Files in it are reached by one name relative to it
// and never through a symbolic link, so what os.Root checked when the folder
// was opened stays true, at one system call a file.
type handle struct {
	f  *os.File // keeps fd alive
	fd int
}

func openDir(root *os.Root, p string) (*handle, error) {
	f, err := root.OpenFile(p, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, cause(err)
	}
	return &handle{f, int(f.Fd())}, nil
}

func (h *handle) close() { h.f.Close() }

// sync makes the names in the folder durable.
func (h *handle) sync() error { return again(func() error { return unix.Fsync(h.fd) }) }

func again(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}

func (h *handle) openat(name string, flags int, perm uint32) (fd int, err error) {
	if name == "" || name == ".." || strings.ContainsAny(name, "/\x00") {
		return -1, fs.ErrInvalid
	}
	err = again(func() error {
		fd, err = unix.Openat(h.fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
		return err
	})
	return fd, err
}

func (h *handle) create(name string) (*file, error) {
	fd, err := h.openat(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, filePerm)
	if err != nil {
		return nil, err
	}
	return &file{fd: fd}, nil
}

func (h *handle) openRead(name string) (io.ReadCloser, int64, error) {
	// O_NONBLOCK: a FIFO in the folder must not hang us; it means nothing for files.
	fd, err := h.openat(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		unix.Close(fd)
		return nil, 0, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		unix.Close(fd)
		return nil, 0, syscall.EISDIR
	default:
		unix.Close(fd)
		return nil, 0, fs.ErrInvalid
	}
	return &file{fd: fd, left: st.Size}, st.Size, nil
}

func (h *handle) remove(name string) error {
	return again(func() error { return unix.Unlinkat(h.fd, name, 0) })
}

func (h *handle) stat(name string) (mobilebackup2.Entry, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(h.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return mobilebackup2.Entry{}, err
	}
	e := mobilebackup2.Entry{Name: name, ModTime: time.Unix(st.Mtim.Unix()), Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR}
	if !e.Dir {
		e.Size = st.Size
	}
	return e, nil
}

func renameAt(_ *os.Root, src *dir, from string, dst *dir, to string) error {
	return again(func() error { return unix.Renameat(src.handle.fd, from, dst.handle.fd, to) })
}

// inTheWay tells whether a rename failed because of what stands at its target.
func inTheWay(err error) bool {
	return errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)
}

func isTooMany(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

func readDir(root *os.Root, p string) ([]mobilebackup2.Entry, error) {
	h, err := openDir(root, p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var list []mobilebackup2.Entry
	for {
		names, err := h.f.Readdirnames(1024)
		for _, name := range names {
			if strings.HasPrefix(name, tempPrefix) {
				continue
			}
			e, err := h.stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // gone since the names were read
			}
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// file is an open file, without what os.File adds for pipes and sockets: two
// system calls and a finalizer are much when files are small.
type file struct {
	fd   int
	left int64 // to be read
}

func (f *file) write(p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(f.fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p = p[n:]
	}
	return nil
}

// Read gives the end of the file together with its last bytes.
func (f *file) Read(p []byte) (n int, err error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), f.left)]
	if len(p) == 0 {
		return 0, nil
	}
	err = again(func() error {
		n, err = unix.Read(f.fd, p)
		return err
	})
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.ErrUnexpectedEOF // it became shorter meanwhile
	}
	if f.left -= int64(n); f.left == 0 {
		err = io.EOF
	}
	return n, err
}

func (f *file) sync() error { return again(func() error { return unix.Fsync(f.fd) }) }

// Close closes the file that openRead opened.
func (f *file) Close() error { return f.close() }

// close does not repeat after EINTR: the descriptor is gone in any case.
func (f *file) close() error {
	if err := unix.Close(f.fd); err != nil && err != unix.EINTR {
		return err
	}
	return nil
}

func freeSpace(top *handle) (int64, error) {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(top.fd, &st) }); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
