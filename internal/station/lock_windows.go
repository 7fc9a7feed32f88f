package station

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile waits until the file is ours alone. The lock ends when f is closed,
// or with the process.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{})
}

// private: what others may do is not in these bits on Windows; the folder of a
// user is that user's.
func private(string, fs.FileInfo) error { return nil }
