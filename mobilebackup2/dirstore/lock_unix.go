//go:build unix

package dirstore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func lockFile(f *os.File, shared bool) error {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := again(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errHeld
	}
	return err
}

// removeLocked removes the file while the lock is held, so that whoever waits
// for it sees that it is gone.
func removeLocked(root *os.Root, l *folderLock) error { return cause(root.Remove(l.name)) }

func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }
