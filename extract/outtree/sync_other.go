//go:build !linux

package outtree

import (
	"errors"
	"os"
)

// syncAll waits until files are on the disk.
func syncAll(root *os.Root, names []string) error {
	for _, name := range names {
		f, err := root.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
