package mdns

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Port is where everybody listens (RFC 6762, 3).
const Port = 5353

// pollEvery is how often the interfaces are looked at: no system tells of their
// changes in the way of another.
const pollEvery = 3 * time.Second

// Options of [Browse] and [Announce].
type Options struct {
	// Interfaces to use, asked again and again since they come and go; nil is
	// [Networks].
	Interfaces func() ([]net.Interface, error)
	// Log gets what happens, at debug level; nil discards it.
	Log *slog.Logger

	// open replaces the sockets, in tests.
	open func(ctx context.Context, ifi net.Interface) (socket, error)
	// poll replaces pollEvery.
	poll time.Duration
	// print replaces fingerprint.
	print func(ifi net.Interface) string
}

func (o Options) withDefaults() Options {
	if o.Interfaces == nil {
		o.Interfaces = Networks
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.open == nil {
		o.open = openSocket
	}
	if o.poll == 0 {
		o.poll = pollEvery
	}
	if o.print == nil {
		o.print = fingerprint
	}
	return o
}

// Networks lists the interfaces that are up and can do multicast, but for those
// that lead nowhere (loopback) or to one other computer (point to point, as VPNs
// are).
func Networks() ([]net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var list []net.Interface
	for _, ifi := range all {
		const want, unwanted = net.FlagUp | net.FlagMulticast, net.FlagLoopback | net.FlagPointToPoint
		if ifi.Flags&want == want && ifi.Flags&unwanted == 0 {
			list = append(list, ifi)
		}
	}
	return list, nil
}

// Loopback is for Options.Interfaces when only this computer is to hear, as in
// tests.
func Loopback() ([]net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 && ifi.Flags&net.FlagUp != 0 {
			return []net.Interface{ifi}, nil
		}
	}
	return nil, nil
}

// Named gives Options.Interfaces that are these, as far as they are there.
func Named(names ...string) func() ([]net.Interface, error) {
	return func() ([]net.Interface, error) {
		var list []net.Interface
		for _, name := range names {
			// One that is not there now may come later.
			if ifi, err := net.InterfaceByName(name); err == nil && ifi.Flags&net.FlagUp != 0 {
				list = append(list, *ifi)
			}
		}
		return list, nil
	}
}

// addrsOf lists the addresses of an interface, link-local ones without their
// zone, which means nothing to others.
func addrsOf(ifi net.Interface) []netip.Addr {
	list, err := ifi.Addrs()
	if err != nil { // it went away
		return nil
	}
	var addrs []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, p.Addr().Unmap().WithZone(""))
		}
	}
	return addrs
}

// fingerprint changes when the sockets on an interface have to be made anew.
func fingerprint(ifi net.Interface) string {
	return fmt.Sprint(ifi.Index, ifi.Flags, addrsOf(ifi))
}
