//go:build unix

package sealed

import (
	"errors"
	"os"
)

// SyncFolder waits until the names in a folder are on the disk.
func SyncFolder(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
