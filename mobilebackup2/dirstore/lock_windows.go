package dirstore

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// The lock covers a byte far behind the contents, so that others can read them.
const lockOffset = 1 << 30

func lockFile(f *os.File, shared bool) error {
	var flags uint32 = windows.LOCKFILE_FAIL_IMMEDIATELY
	if !shared {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: lockOffset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}

// removeLocked leaves an open file alone: Windows would refuse.
func removeLocked(_ *os.Root, l *folderLock) error {
	l.marker = marker{}
	return l.write()
}

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }
