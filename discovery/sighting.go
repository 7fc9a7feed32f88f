package discovery

import (
	"net/netip"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Via is a way to a phone.
type Via int

// The ways to a phone.
const (
	Any   Via = iota // the cable if it is in, else Wi-Fi
	Cable            // only the cable
	WiFi             // only Wi-Fi
)

func (v Via) String() string {
	switch v {
	case Cable:
		return "cable"
	case WiFi:
		return "Wi-Fi"
	}
	return "any way"
}

// How is by what a phone on Wi-Fi was recognised.
type How string

// What phones on Wi-Fi are recognised by (protocol.md 5.2), the surest first.
const (
	ByMuxer   How = "muxer"   // usbmuxd has it
	ByAuthTag How = "authTag" // its tag names this computer
	ByMAC     How = "mac"     // it uses the address of its pairing
	ByName    How = "name"    // it uses the name that it told over the cable
	ByTrial   How = "trial"   // it accepted a session, nothing else told who it is
	ByAddress How = "address" // it is at an address that was given
)

// Known is a phone to look for on Wi-Fi. Only UDID is needed; Record is, too,
// unless usbmuxd or the [Recorder] has it.
type Known struct {
	UDID   usbmux.UDID
	Record *lockdown.PairRecord
	// WiFiMAC is the phone's Wi-Fi address as lockdown tells it ("aa:bb:…"); empty
	// takes the one in the record.
	WiFiMAC string
	// ServiceName is BonjourFullServiceName as the phone told it, or empty; [Learn]
	// reads it.
	ServiceName string
	// Address is where the phone may be reached without being found: a host name
	// or an IP address, with a port or, for lockdown's own, without; or empty.
	Address string
}

// Sighting is a phone that can be reached.
type Sighting struct {
	UDID        usbmux.UDID
	Cable, WiFi bool
	// Address is where it answers on Wi-Fi, How by what it was recognised there;
	// zero without Wi-Fi.
	Address netip.AddrPort
	How     How
	// Since is when it could be reached first, without a break.
	Since time.Time
	// CableSince and WiFiSince are the same of each way; zero without it.
	CableSince, WiFiSince time.Time
}

// Reachable tells whether there is any way to the phone.
func (s Sighting) Reachable() bool { return s.Cable || s.WiFi }

// Has tells whether the phone can be reached that way.
func (s Sighting) Has(via Via) bool {
	switch via {
	case Cable:
		return s.Cable
	case WiFi:
		return s.WiFi
	}
	return s.Reachable()
}

// Kind is what happened to a phone.
type Kind string

// What happens to phones.
const (
	Appeared Kind = "appeared" // it can be reached
	Changed  Kind = "changed"  // it can be reached in another way, or one way less
	Gone     Kind = "gone"     // it cannot be reached any more
	Paired   Kind = "paired"   // a program on this computer paired with it
)

// Event is something that happened to a phone. What happens faster than it is
// read is told once, with the last state.
type Event struct {
	Kind     Kind
	Sighting Sighting
}

// Advert is one phone's advertisement on one network.
type Advert struct {
	// Name of the instance, "<MAC>@<IPv6 address>", without the service.
	Name string
	// Interface is the network interface on which it was heard.
	Interface string
	// Port of the SRV record. Hosts use lockdown.Port instead (protocol.md 5.2).
	Port uint16
	// TXT are the strings of the TXT record: "identifier=…", "authTag=…".
	TXT []string
	// Addrs of the host, link-local ones with their zone.
	Addrs []netip.Addr
}
