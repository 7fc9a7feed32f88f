//go:build unix

package backup

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncFolder makes the names in the folder durable.
func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some network file systems cannot
		return err
	}
	return nil
}

// volume is the disk that a folder is on.
type volume struct {
	id   uint64
	free int64 // bytes for this user
}

func volumeOf(path string) (volume, error) {
	var fsys unix.Statfs_t
	if err := unix.Statfs(path, &fsys); err != nil {
		return volume{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return volume{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return volume{uint64(st.Dev), int64(fsys.Bavail) * int64(fsys.Bsize)}, nil
}
