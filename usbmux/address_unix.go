//go:build !windows

package usbmux

// DefaultAddress is where usbmuxd listens on this system (protocol.md 1.5).
func DefaultAddress() Address { return Address{"unix", "/var/run/usbmuxd"} }
