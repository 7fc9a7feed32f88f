package export

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncsAll: flush needs no file to be synced before it.
const syncsAll = true

// flush writes the file system of the folder out; since Linux 5.8 it reports
// errors of earlier writes too. dir is to be one descriptor for the whole run,
// for each is told of an error once.
func flush(dir *os.File) error {
	for {
		if err := unix.Syncfs(int(dir.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// forgetPages lets the next reading of f come from the disk, as far as the
// system obeys.
func forgetPages(f *os.File) error {
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
