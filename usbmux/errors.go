package usbmux

import (
	"errors"
	"fmt"
)

// ErrNoPairRecord is returned by [Client.ReadPairRecord] when the daemon has
// none for that phone.
var ErrNoPairRecord = errors.New("no pair record")

// DaemonError says that no daemon answered at Address: it is not installed,
// not running, or not ours to use. Nothing is known about phones then.
type DaemonError struct {
	Address Address
	Err     error
}

func (e *DaemonError) Error() string {
	return fmt.Sprintf("connect to usbmuxd at %s: %v", e.Address, e.Err)
}

func (e *DaemonError) Unwrap() error { return e.Err }

// Hint tells the remedy.
func (e *DaemonError) Hint() string {
	return "install and start usbmuxd (Debian: apt install usbmuxd; macOS has it; Windows: Apple Devices or iTunes), or set USBMUXD_SOCKET_ADDRESS"
}

// ResultError is a request that the daemon refused.
type ResultError struct {
	Request string // MessageType of the request
	Code    ResultCode
}

func (e *ResultError) Error() string {
	return fmt.Sprintf("usbmuxd refused %s: %s", e.Request, e.Code)
}

func (c ResultCode) String() string {
	switch c {
	case ResultOK:
		return "ok"
	case ResultBadCommand:
		return "bad command"
	case ResultBadDevice:
		return "bad device"
	case ResultConnectionRefused:
		return "connection refused"
	case ResultBadVersion:
		return "bad version"
	case ResultInvalidArgument:
		return "invalid argument"
	}
	return fmt.Sprintf("result %d", int(c))
}
