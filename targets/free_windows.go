package targets

import (
	"os"

	"golang.org/x/sys/windows"
)

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
