//go:build unix

package targets

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

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
