package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameExclusive is renameat2 with RENAME_NOREPLACE. temp and final are names,
// not paths.
func renameExclusive(root *os.Root, temp, final string) error {
	return withFolder(root, func(dir int) error {
		if err := unix.Renameat2(dir, temp, dir, final, unix.RENAME_NOREPLACE); err != nil {
			return &os.LinkError{Op: "renameat2", Old: temp, New: final, Err: err}
		}
		return nil
	})
}
