//go:build !windows

package discovery

import (
	"errors"
	"syscall"
)

// isRefused tells that a computer answered that nobody listens there.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
