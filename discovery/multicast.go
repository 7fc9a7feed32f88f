package discovery

import (
	"context"
	"log/slog"
	"net"

	"github.com/keepsake-backup/keepsake/internal/mdns"
)

// multicast is the Browser of Options: our own multicast DNS.
type multicast struct {
	interfaces func() ([]net.Interface, error)
	log        *slog.Logger
}

func (m multicast) Browse(ctx context.Context, fn func(Advert, bool)) error {
	return mdns.Browse(ctx, serviceType, mdns.Options{Interfaces: m.interfaces, Log: m.log}, func(ev mdns.Event) {
		fn(Advert{
			Name: ev.Instance.Name, Interface: ev.Instance.Interface, Port: ev.Instance.Port,
			TXT: ev.Instance.TXT, Addrs: ev.Instance.Addrs,
		}, ev.Here)
	})
}
