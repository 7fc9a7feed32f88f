package backup

import (
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// syncFolder does nothing: Windows keeps names by itself.
func syncFolder(*os.Root) error { return nil }

// volume is the disk that a folder is on.
type volume struct {
	id   uint64
	free int64 // bytes for this user
}

func volumeOf(path string) (volume, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return volume{}, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return volume{}, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: path, Err: err}
	}
	h := fnv.New64()
	h.Write([]byte(strings.ToUpper(filepath.VolumeName(path))))
	return volume{h.Sum64(), int64(min(free, 1<<62))}, nil
}
