package mdns

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// share lets the system's own responder have the port, too.
func share(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
	})
	return errors.Join(controlErr, err)
}
