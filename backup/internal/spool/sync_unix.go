//go:build unix

package spool

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// syncFolder makes the names in the folder durable.
func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("make spool durable: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some network file systems cannot
		return fmt.Errorf("make spool durable: %w", err)
	}
	return nil
}
