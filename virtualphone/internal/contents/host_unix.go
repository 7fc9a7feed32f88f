//go:build unix

package contents

import (
	"os"
	"runtime"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

const symlinks = true

// hostAllows tells whether this computer's file system keeps rel as it is.
// macOS takes names for the same that differ in case or composition only.
func hostAllows(rel string) bool {
	if runtime.GOOS != "darwin" {
		return true
	}
	return !strings.Contains(rel, caseTwin) && !strings.ContainsFunc(rel, unicode.IsMark)
}

// setTime sets the modification time of a file, a folder or a link itself.
func setTime(path string, at time.Time) error {
	ts := []unix.Timespec{{Sec: at.Unix()}, {Sec: at.Unix()}}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: path, Err: err}
	}
	return nil
}
