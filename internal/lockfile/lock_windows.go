package lockfile

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// The lock covers a byte far behind the contents, so that others can read them.
const offset = 1 << 30

func lock(f *os.File) error {
	const flags = windows.LOCKFILE_FAIL_IMMEDIATELY | windows.LOCKFILE_EXCLUSIVE_LOCK
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: offset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}
