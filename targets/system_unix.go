//go:build unix

package targets

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFile waits until nobody else holds file. The kernel lets go of it when the
// process ends, however it does.
func lockFile(file string) (unlock func() error, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(&os.PathError{Op: "lock", Path: file, Err: err}, f.Close())
		}
	}
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) { // some file systems know no such thing
		err = nil
	}
	return errors.Join(err, f.Close())
}

// freeRoom is how many bytes we may still write to the disk of path.
func freeRoom(path string) (int64, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(path, &st)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EINTR) {
			return -1, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
