//go:build !windows

package archiver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lstat describes an entry without following a link.
func lstat(path string) (meta, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Lstat(path, &st) })
	if err != nil {
		return meta{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return metaOf(&st), nil
}

// stat describes what a path leads to.
func stat(path string) (meta, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Stat(path, &st) })
	if err != nil {
		return meta{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return metaOf(&st), nil
}

func metaOf(st *unix.Stat_t) meta {
	return meta{
		mode: modeOf(uint32(st.Mode)), size: st.Size, uid: st.Uid, gid: st.Gid,
		mtime: time.Unix(st.Mtim.Unix()), ctime: time.Unix(st.Ctim.Unix()),
		device: uint64(st.Dev), rdev: uint64(st.Rdev),
	}
}

// modeOf turns the system's bits into Go's.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	switch bits & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFREG:
	default:
		mode |= fs.ModeIrregular
	}
	if bits&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// file is an open file. It is no os.File because that asks the system four
// questions more for each.
type file struct {
	fd   int
	path string
}

// open opens what should be a regular file or a folder. A link is not followed
// and nothing that blocks is waited for, whatever has been put there meanwhile.
func open(path string) (*file, meta, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		return err
	})
	if err != nil {
		return nil, meta{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := &file{fd, path}
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return nil, meta{}, errors.Join(&fs.PathError{Op: "stat", Path: path, Err: err}, f.Close())
	}
	return f, metaOf(&st), nil
}

// largestRead is what one call asks for; some systems refuse more than 1 GiB.
const largestRead = 1 << 30

func (f *file) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(len(p), largestRead)]
	var n int
	err := retry(func() (err error) {
		n, err = unix.Read(f.fd, p)
		return err
	})
	switch {
	case err != nil:
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: err}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (f *file) Close() error {
	if err := unix.Close(f.fd); err != nil && err != unix.EINTR {
		return &fs.PathError{Op: "close", Path: f.path, Err: err}
	}
	return nil
}

// list reads the names of an open folder and closes it.
func (f *file) list(each func(name string, t fs.FileMode)) error {
	d := os.NewFile(uintptr(f.fd), f.path)
	defer d.Close()
	for {
		entries, err := d.ReadDir(4096)
		for _, e := range entries {
			each(e.Name(), e.Type())
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list folder: %w", err)
		}
	}
}

// retry repeats what a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
