//go:build !linux

package export

import (
	"os"
	"runtime"
)

// syncsAll is false where no call writes out a whole file system: each file is
// synced as it is written.
const syncsAll = false

// flush makes the names in the folder durable. Windows has no such call for
// folders; its journal keeps them.
func flush(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return dir.Sync()
}

func forgetPages(*os.File) error { return nil }
