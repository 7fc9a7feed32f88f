package local

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func isFull(err error) bool {
	for _, e := range []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

func syncFile(f *os.File) error { return f.Sync() }

// syncRead does nothing: Windows syncs only what is open for writing.
func syncRead(*os.File) error { return nil }

// syncDir does nothing: Windows has no such call, NTFS journals its names.
func syncDir(*os.Root, string) error { return nil }

// makeReadOnly does nothing: the attribute would stand in the way of removal.
func makeReadOnly(*os.Root, string) {}

func makeWritable(root *os.Root, path string) error { return root.Chmod(path, 0o600) }
