package discovery

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused tells that a computer answered that nobody listens there.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
