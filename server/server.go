package server

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Options are what a server needs and how it is reached.
type Options struct {
	Service Service
	Auth    Auth
	// Version is of the build, such as "v0.5.0".
	Version string
	// HSTS tells browsers to come by TLS only from now on. Not for certificates of
	// our own authority: whoever has lost its trust could not come any more.
	HSTS bool
	// Hosts are the names, without port, that requests may be for, besides loopback's:
	// those of the certificate and of the configuration. IP addresses always may be:
	// an address cannot be rebound by DNS.
	Hosts []string
	// Plain allows requests without TLS from other computers. Passwords then cross the
	// network for all to read: for tests, and for networks that are encrypted anyway.
	Plain bool
	// TrustedProxies may say for whom they ask, by X-Forwarded-For, -Proto and -Host.
	TrustedProxies []netip.Prefix
	// SetUpCode is wanted for the first account from anywhere but loopback.
	SetUpCode secret.Text
	// MetricsOpen gives /metrics to anyone who can reach the server.
	MetricsOpen bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets what happens; nil discards it.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// New is the handler of everything that a service serves. See NewHTTP for the
// server around it. It fails only by a mistake of ours in a route or a template.
func New(o Options) (http.Handler, error) {
	rt, err := newRouter(o.withDefaults())
	if err != nil {
		return nil, err
	}
	return rt.handler(), nil
}
