package usbmux

// DefaultAddress is where Apple's service listens on this system (protocol.md
// 1.5).
func DefaultAddress() Address { return Address{"tcp", "127.0.0.1:27015"} }
