package lockdown

import (
	"context"
	"fmt"
	"net"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Service is a started service: good for one connection, opened soon.
type Service struct {
	Name string
	Port uint16
	TLS  bool // the connection begins with a TLS handshake
}

// StartService starts a service by its name; a session is needed. The escrow
// bag of the pair record lets the phone open protected files while locked, the
// zero value sends none. A phone that was not unlocked since it started answers
// an escrow bag with MissingValue (protocol.md 14.1).
func (c *Client) StartService(ctx context.Context, name string, escrow secret.Bytes) (Service, error) {
	resp, err := c.call(ctx, serviceIdle, Request{Request: ReqStartService, Service: name, EscrowBag: escrow.Reveal()})
	if err == nil && resp.Port == 0 {
		err = fmt.Errorf("%w: reply without Port", plist.ErrMalformed)
	}
	if err != nil {
		return Service{}, fmt.Errorf("start service %s: %w", name, err)
	}
	// This reply came through the session's TLS: an absent EnableServiceSSL is
	// the phone's own word for a plain service.
	return Service{name, resp.Port, resp.EnableServiceSSL != nil && *resp.EnableServiceSSL}, nil
}

// Connect opens the stream to the service, in TLS when it asks for it.
func (s Service) Connect(ctx context.Context, d Dialer, r *PairRecord) (net.Conn, error) {
	conn, err := d.DialPort(ctx, s.Port)
	if err != nil {
		return nil, fmt.Errorf("connect to service %s: %w", s.Name, err)
	}
	if !s.TLS {
		return conn, nil
	}
	tc, err := r.TLS(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to service %s: %w", s.Name, err)
	}
	return tc, nil
}
