//go:build unix && !linux

package dirstore

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFile hands the file to the drive. On macOS the drive may still hold it in
// its cache; syncDrive empties that once for all files.
func syncFile(f *os.File) error {
	return again(func() error { return unix.Fsync(int(f.Fd())) })
}

func syncFolder(root *os.Root, p string) error {
	f, err := root.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFile(f)
}

func syncDrive(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync() // F_FULLFSYNC on macOS
}
