package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameExclusive is renameatx_np with RENAME_EXCL. temp and final are names,
// not paths.
func renameExclusive(root *os.Root, temp, final string) error {
	return withFolder(root, func(dir int) error {
		if err := unix.RenameatxNp(dir, temp, dir, final, unix.RENAME_EXCL); err != nil {
			return &os.LinkError{Op: "renameatx_np", Old: temp, New: final, Err: err}
		}
		return nil
	})
}
