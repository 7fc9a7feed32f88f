package virtualphone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/muxer"
)

// link is one connection of a host to a port of the phone.
type link struct {
	conn    net.Conn
	network bool
	service string // "" is lockdownd
	cancel  context.CancelCauseFunc
}

// openPort is a service that waits for its one connection.
type openPort struct {
	service string
	config  *tls.Config // nil: no TLS
	network bool
	ln      net.Listener // on the network only
	expiry  *time.Timer
}

const (
	// portLifetime is how long a started service waits for its host.
	portLifetime = time.Minute
	// maxPorts bounds the services that wait.
	maxPorts = 256
	// lingerTime is how long the phone waits for the host to close, too.
	lingerTime = 2 * time.Second
	// The dynamic range, from which phones take service ports.
	firstPort, lastPort = 49152, 65535
)

// open finds a port for a host that comes through the muxer.
func (p *Phone) open(port uint16, network bool) (muxer.Port, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return nil, false
	}
	if port == lockdown.Port {
		return func(ctx context.Context, conn net.Conn) { p.serveLockdown(ctx, conn, network) }, true
	}
	o := p.takePortLocked(port, network)
	if o == nil {
		return nil, false
	}
	return func(ctx context.Context, conn net.Conn) { p.serveService(ctx, conn, o) }, true
}

func (p *Phone) takePortLocked(port uint16, network bool) *openPort {
	o := p.ports[port]
	if o == nil || o.network != network {
		return nil
	}
	p.closePortLocked(port)
	return o
}

func (p *Phone) closePortLocked(port uint16) {
	o := p.ports[port]
	if o == nil {
		return
	}
	delete(p.ports, port)
	o.expiry.Stop()
	if o.ln != nil {
		o.ln.Close()
	}
}

// openPort makes a port that is good for one connection.
func (p *Phone) openPort(service string, config *tls.Config, network bool) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return 0, errGone
	}
	if len(p.ports) >= maxPorts {
		return 0, lockdown.ServiceLimit
	}
	o := &openPort{service: service, config: config, network: network}
	port, err := p.freePortLocked(o)
	if err != nil {
		return 0, err
	}
	o.expiry = time.AfterFunc(portLifetime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.ports[port] == o {
			p.closePortLocked(port)
		}
	})
	p.ports[port] = o
	return port, nil
}

// freePortLocked picks a port. On the network it must be a real one, since some
// hosts connect to the phone's address themselves (protocol.md 1.4).
func (p *Phone) freePortLocked(o *openPort) (uint16, error) {
	if !o.network {
		for {
			if port := uint16(firstPort + rand.IntN(lastPort-firstPort+1)); port != lockdown.Port && p.ports[port] == nil {
				return port, nil
			}
		}
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(p.wifiHost(), "0"))
	if err != nil {
		return 0, err
	}
	port := ln.Addr().(*net.TCPAddr).AddrPort().Port()
	if p.ports[port] != nil || port == lockdown.Port {
		return 0, errors.Join(lockdown.ServiceLimit, ln.Close())
	}
	o.ln = ln
	p.wg.Go(func() { p.acceptOne(ln, port) })
	return port, nil
}

// acceptOne waits for a host that connects directly; ln is closed when a host
// came through the muxer instead, or nobody came.
func (p *Phone) acceptOne(ln net.Listener, port uint16) {
	conn, err := ln.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	p.mu.Lock()
	o := p.takePortLocked(port, true)
	p.mu.Unlock()
	if o != nil {
		p.serveService(p.ctx, conn, o)
	}
}

// run does fn with conn as a connection of the phone: it ends when the phone
// goes away.
func (p *Phone) run(ctx context.Context, l *link, fn func(ctx context.Context) error) {
	ctx, l.cancel = context.WithCancelCause(ctx)
	defer l.cancel(nil)
	p.mu.Lock()
	if !p.on {
		p.mu.Unlock()
		return
	}
	p.links[l] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
		if len(p.links) == 0 && p.quiet != nil {
			close(p.quiet)
			p.quiet = nil
		}
	}()
	if err := fn(ctx); err != nil {
		p.log.Debug("connection ended", "service", orElse(l.service, "lockdown"), "cause", err)
		return
	}
	linger(l.conn)
}

// linger says good-bye: the host reads what was sent last before it sees the
// end, even if it has sent something more itself.
func linger(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); !ok || c.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		// What comes, and how it ends, no longer matters.
		_, _ = io.Copy(io.Discard, conn)
	}
}

func (p *Phone) serveLockdown(ctx context.Context, conn net.Conn, network bool) {
	l := &link{conn: conn, network: network}
	p.run(ctx, l, func(ctx context.Context) error { return p.lockd.Serve(ctx, conn, network) })
}

func (p *Phone) serveService(ctx context.Context, conn net.Conn, o *openPort) {
	l := &link{conn: conn, network: o.network, service: o.service}
	p.run(ctx, l, func(ctx context.Context) error {
		stop := p.watch(l)
		defer stop()
		secure := conn
		if o.config != nil {
			t := tls.Server(conn, o.config)
			handshake, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			if err := t.HandshakeContext(handshake); err != nil {
				return fmt.Errorf("service TLS: %w", err)
			}
			secure = t
		}
		err := mischief.PropertyLists.At(ctx, &p.faults, "service."+o.service, secure)
		if err != nil {
			return err
		}
		p.events.add("service." + o.service)
		if err := p.table[o.service].serve(ctx, secure); err != nil {
			return err
		}
		if t, ok := secure.(*tls.Conn); ok {
			return t.CloseWrite()
		}
		return nil
	})
}

// dropLocked ends the connections that which selects.
func (p *Phone) dropLocked(which func(*link) bool, cause error) {
	for l := range p.links {
		if which(l) {
			l.cancel(cause)
			l.conn.Close()
		}
	}
}

// drop is dropLocked for callers without the lock.
func (p *Phone) drop(which func(*link) bool, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked(which, cause)
}

// awaitQuiet waits until no connection is left.
func (p *Phone) awaitQuiet(ctx context.Context) error {
	p.mu.Lock()
	if len(p.links) == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.quiet == nil {
		p.quiet = make(chan struct{})
	}
	quiet := p.quiet
	p.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
