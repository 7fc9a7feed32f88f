//go:build unix

package local

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// syncFile makes a written file durable. On a Mac this is F_FULLFSYNC, which
// goes through the disk's own cache; shares that do not know it get fsync.
func syncFile(f *os.File) error {
	err := f.Sync()
	if !cannotSync(err) {
		return err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if failed := conn.Control(func(fd uintptr) { err = unix.Fsync(int(fd)) }); failed != nil {
		return failed
	}
	if cannotSync(err) { // the file system promises nothing; we cannot promise more
		return nil
	}
	return err
}

// syncRead is syncFile for a file that was opened for reading.
func syncRead(f *os.File) error { return syncFile(f) }

// syncDir makes the names in a folder durable.
func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	err = syncFile(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// cannotSync tells whether a file system does not know the operation, for this
// kind of file at least: network shares and FUSE, for folders above all.
func cannotSync(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTTY)
}

// makeReadOnly protects a file against mishaps, where the file system has
// modes; where it has none, the file is no worse.
func makeReadOnly(root *os.Root, path string) { _ = root.Chmod(path, 0o400) }

// makeWritable undoes makeReadOnly, for shares that refuse to remove files that
// are read-only.
func makeWritable(root *os.Root, path string) error { return root.Chmod(path, 0o600) }
