//go:build unix

package backupagent

import "golang.org/x/sys/unix"

// setLinkTime sets the modification time of a symbolic link itself.
func setLinkTime(path string, seconds int64) error {
	t := unix.Timespec{Sec: seconds}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
