package usbmux

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// maxNetworkAddress is the length from which the reference library refuses a
// NetworkAddress, in bytes; daemons pad to 128.
const maxNetworkAddress = 200

// ParseNetworkAddress decodes the NetworkAddress of a network device: a
// sockaddr in the layout of the daemon's system (protocol.md 1.3).
//
//	          Linux, Windows            macOS, BSD
//	0         family, u16 LE            u8 length (16 or 28)
//	1         (2 = IPv4; IPv6 = 10      u8 family (2 = IPv4, 30 = IPv6)
//	          or, on Windows, 23)
//	2         port, u16 BE (usually 0)
//	4         IPv4 address              | IPv6 flow information
//	8                                   | IPv6 address, 16 bytes
//	24                                  | scope, u32 LE
//
// The port is 0 when the daemon gives none. The zone of a link-local address
// is the number of the network interface.
func ParseNetworkAddress(b []byte) (netip.AddrPort, error) {
	if len(b) < 8 || len(b) >= maxNetworkAddress || b[0] == 0 {
		return netip.AddrPort{}, fmt.Errorf("parse network address: %d bytes that are no sockaddr", len(b))
	}
	family := b[1] // BSD: the first byte is the length
	if family == 0 {
		family = b[0]
	}
	port := binary.BigEndian.Uint16(b[2:])
	const inet, inet6Linux, inet6Windows, inet6Darwin = 2, 10, 23, 30
	switch family {
	case inet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), nil
	case inet6Linux, inet6Windows, inet6Darwin:
		if len(b) < 28 {
			return netip.AddrPort{}, fmt.Errorf("parse network address: %d bytes are too few for IPv6", len(b))
		}
		addr := netip.AddrFrom16([16]byte(b[8:24]))
		if scope := binary.LittleEndian.Uint32(b[24:]); scope != 0 && addr.IsLinkLocalUnicast() {
			addr = addr.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
		return netip.AddrPortFrom(addr, port), nil
	}
	return netip.AddrPort{}, fmt.Errorf("parse network address: unknown address family %d", family)
}
