package targets

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile waits until nobody else holds file. Windows lets go of it when the
// process ends, however it does.
func lockFile(file string) (unlock func() error, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	var o windows.Overlapped
	if err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &o); err != nil {
		return nil, errors.Join(&os.PathError{Op: "lock", Path: file, Err: err}, f.Close())
	}
	return f.Close, nil
}

// syncFolder does nothing: Windows keeps names safe by itself.
func syncFolder(string) error { return nil }

// freeRoom is how many bytes we may still write to the disk of path.
func freeRoom(path string) (int64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return -1, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return -1, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: path, Err: err}
	}
	return int64(free), nil
}
