package usbmux

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Address is where a usbmuxd listens. The zero value is no address; a [Client]
// then uses [DefaultAddress].
type Address struct {
	Network string // "unix" or "tcp"
	Addr    string // a path, or host:port
}

// IsZero tells whether a is no address.
func (a Address) IsZero() bool { return a == Address{} }

// String returns a in the form that ParseAddress and the reference library
// read: UNIX:/path or host:port.
func (a Address) String() string {
	if a.Network == "unix" {
		return "UNIX:" + a.Addr
	}
	return a.Addr
}

// ParseAddress reads the value of USBMUXD_SOCKET_ADDRESS: UNIX:/path, /path,
// host:port or [v6]:port; empty text is the default of this system. Clients
// disagree about that variable (protocol.md 1.5): only host:port works in all.
func ParseAddress(s string) (Address, error) {
	if s == "" {
		return DefaultAddress(), nil
	}
	path := s
	if len(s) >= 5 && strings.EqualFold(s[:5], "UNIX:") {
		path = s[5:]
		if path == "" {
			return Address{}, fmt.Errorf("parse usbmuxd address %q: empty path", s)
		}
		return Address{"unix", path}, nil
	}
	if strings.HasPrefix(path, "/") {
		return Address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, fmt.Errorf("parse usbmuxd address %q: want UNIX:/path, /path or host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return Address{}, fmt.Errorf("parse usbmuxd address %q: want a host and a port from 1 to 65535", s)
	}
	return Address{"tcp", s}, nil
}
