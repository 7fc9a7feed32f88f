//go:build !windows

package mdns

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// share lets the system's own responder have the port, too.
func share(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return errors.Join(controlErr, err)
}
