//go:build unix

package repository

import (
	"errors"
	"syscall"
)

// processLives tells whether there is a process with that number.
func processLives(pid int) bool {
	if pid <= 0 {
		return true // none that could be looked for
	}
	err := syscall.Kill(pid, 0)
	return err == nil || !errors.Is(err, syscall.ESRCH)
}
