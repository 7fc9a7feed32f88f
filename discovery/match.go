package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// serviceType is what phones announce (protocol.md 5.2).
const serviceType = "_apple-mobdev2._tcp"

// errNowhere: nothing that is advertised may be the phone.
var errNowhere = errors.New("no advertisement on the network is this phone's, and no address is known")

// traits are what an advertisement can be matched with.
type traits struct {
	hostID string // of the pairing, "" without
	mac    string // lower case
	name   string // BonjourFullServiceName
}

func traitsOf(k *Known, record *lockdown.PairRecord) traits {
	t := traits{mac: strings.ToLower(k.WiFiMAC), name: k.ServiceName}
	if record != nil {
		t.hostID = record.HostID
		if t.mac == "" {
			t.mac = strings.ToLower(record.WiFiMACAddress)
		}
	}
	return t
}

// match tells by what an advertisement may be a phone's; "" by nothing.
func match(ad Advert, t traits) How {
	mac, _ := splitName(ad.Name)
	switch {
	case hasTag(ad.TXT, t.hostID):
		return ByAuthTag
	case t.mac != "" && strings.EqualFold(mac, t.mac):
		return ByMAC
	case t.name != "" && sameService(t.name, ad.Name):
		return ByName
	}
	return ""
}

// splitName takes "<MAC>@<address>" apart; the address is invalid when it is
// none.
func splitName(instance string) (mac string, addr netip.Addr) {
	mac, text, ok := strings.Cut(instance, "@")
	if !ok {
		return "", netip.Addr{}
	}
	text, _, _ = strings.Cut(text, "%")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return mac, netip.Addr{}
	}
	return mac, addr
}

// sameService compares the name that a phone told with an instance. Phones and
// muxers write it with and without the last dot, and escape as they like.
func sameService(full, instance string) bool {
	full = strings.TrimSuffix(full, ".")
	full, ok := cutSuffixFold(full, "."+serviceType+".local")
	return ok && strings.EqualFold(strings.ReplaceAll(full, `\`, ""), instance)
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// privateAddress tells that an advertisement carries another MAC than the
// phone's own.
func privateAddress(ad Advert, t traits) bool {
	mac, _ := splitName(ad.Name)
	return mac != "" && t.mac != "" && !strings.EqualFold(mac, t.mac)
}

// maxAddrs bounds how many addresses of one advertisement are tried.
const maxAddrs = 8

// addresses lists where the phone of an advertisement may listen. Clients ignore
// the port of the SRV record, which real phones do not mean (protocol.md 5.2):
// it comes second, for phones made of software, several of which share one
// computer. On the loopback interface, where only those are, it comes first.
//
// An advertisement must not send us to ourselves: loopback addresses count only
// when they were heard on the loopback interface.
func addresses(ad Advert) []netip.AddrPort {
	var hosts []netip.Addr
	add := func(a netip.Addr) {
		a = a.Unmap()
		if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
			a = a.WithZone(ad.Interface)
		}
		usable := a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && (!a.IsLoopback() || isLoopback(ad.Interface))
		if usable && !slices.Contains(hosts, a) && len(hosts) < maxAddrs {
			hosts = append(hosts, a)
		}
	}
	for _, a := range ad.Addrs {
		add(a)
	}
	if _, a := splitName(ad.Name); a.IsValid() {
		add(a)
	}
	slices.SortStableFunc(hosts, func(a, b netip.Addr) int { return addrRank(a) - addrRank(b) })
	var list []netip.AddrPort
	for _, host := range hosts {
		ports := []uint16{lockdown.Port}
		if ad.Port != 0 && ad.Port != lockdown.Port && ad.Port != usbmux.SwapPort(lockdown.Port) {
			ports = append(ports, ad.Port)
		}
		if host.IsLoopback() {
			slices.Reverse(ports)
		}
		for _, port := range ports {
			list = append(list, netip.AddrPortFrom(host, port))
		}
	}
	return list
}

// addrRank prefers what changes least: an IPv4 lease, the address that follows
// from the hardware, then the temporary addresses of IPv6.
func addrRank(a netip.Addr) int {
	switch {
	case a.Is4():
		return 0
	case a.IsLinkLocalUnicast():
		return 1
	}
	return 2
}

// isLoopback tells whether an interface is the loopback one. One that is gone is
// not.
func isLoopback(name string) bool {
	ifi, err := net.InterfaceByName(name)
	return err == nil && ifi.Flags&net.FlagLoopback != 0
}

// resolve finds the addresses behind Known.Address.
func resolve(ctx context.Context, given string) ([]netip.AddrPort, error) {
	if at, err := netip.ParseAddrPort(given); err == nil {
		return []netip.AddrPort{at}, nil
	}
	if a, err := netip.ParseAddr(strings.Trim(given, "[]")); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a, lockdown.Port)}, nil
	}
	host, port := given, uint16(lockdown.Port)
	if h, p, err := net.SplitHostPort(given); err == nil {
		n, err := net.DefaultResolver.LookupPort(ctx, "tcp", p)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("address %q: no port: %q", given, p)
		}
		host, port = h, uint16(n)
	}
	hosts, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", given, err)
	}
	var list []netip.AddrPort
	for _, a := range hosts[:min(len(hosts), maxAddrs)] {
		list = append(list, netip.AddrPortFrom(a.Unmap(), port))
	}
	return list, nil
}
