package media

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/device"
)

// Phone is what a media copy needs of a device.Device.
type Phone interface {
	UDID() device.UDID
	Name() string
	StartService(ctx context.Context, name string, opts ...device.ServiceOption) (net.Conn, error)
	KeepAwake(ctx context.Context, warn func(error)) (release func())
}

const (
	// defaultConnections keep as many files open as phones have handles for, all
	// together (protocol.md 14.2).
	defaultConnections = 4
	// itemTries is how often something is asked for when the connection breaks.
	itemTries = 2
	// maxBreaks is how many things may break the connection every time before the
	// run is given up; each is told.
	maxBreaks = 8
)

// redialPauses stand between attempts to connect again.
var redialPauses = []time.Duration{0, 300 * time.Millisecond, time.Second}

// pool is several AFC connections to one phone. A connection that breaks is made
// anew; who was using it begins again.
type pool struct {
	phone   Phone
	clients []*afc.Client // of the workers; nil until needed
	breaks  atomic.Int64  // things given up since they break the connection
}

// newPool connects once, so that what the phone has against it is known at once.
func newPool(ctx context.Context, phone Phone, size int) (*pool, error) {
	if size <= 0 {
		size = defaultConnections
	}
	p := &pool{phone: phone, clients: make([]*afc.Client, size)}
	first, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	p.clients[0] = first
	return p, nil
}

func (p *pool) dial(ctx context.Context) (*afc.Client, error) {
	conn, err := p.phone.StartService(ctx, afc.Service)
	if err != nil {
		return nil, err
	}
	return afc.New(conn), nil
}

// redial replaces a broken connection. Phones take seconds to be seen again, but
// nobody waits here for a cable to be plugged in.
func (p *pool) redial(ctx context.Context, worker int) error {
	p.drop(worker)
	var err error
	for _, pause := range redialPauses {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if p.clients[worker], err = p.dial(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (p *pool) drop(worker int) {
	if c := p.clients[worker]; c != nil {
		_ = c.Close() // it is broken, or nothing is under way on it
		p.clients[worker] = nil
	}
}

func (p *pool) close() {
	for i := range p.clients {
		p.drop(i)
	}
}

// fatalError ends a run: it is not about the phone.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// task is work on the ith of several things. do may be called again for the same
// thing. failed is told why one of them cannot be had: the phone's refusal, an
// answer that makes no sense, or a connection that breaks at it every time. Both
// are called from several goroutines.
type task struct {
	do     func(ctx context.Context, c *afc.Client, i int) error
	failed func(i int, err error)
}

// each does t for n things on up to width connections.
func (p *pool) each(ctx context.Context, n, width int, t task) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for worker := range min(width, len(p.clients), n) {
		g.Go(func() error {
			if p.clients[worker] == nil {
				c, err := p.dial(ctx)
				if err != nil && worker > 0 {
					return nil // the phone has no more connections to give: the others do it
				}
				if err != nil {
					return err
				}
				p.clients[worker] = c
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := p.one(ctx, worker, i, t); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// one does t for one thing. Errors end the run.
func (p *pool) one(ctx context.Context, worker, i int, t task) error {
	for try := 1; ; try++ {
		err := t.do(ctx, p.clients[worker], i)
		var fatal *fatalError
		var refused afc.Status
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &fatal):
			return fatal.err
		case errors.As(err, &refused):
			t.failed(i, err)
			return nil
		}
		// The connection broke, or its bytes make no sense: neither is to be used on.
		if redialed := p.redial(ctx, worker); redialed != nil {
			return fmt.Errorf("%w (connecting again: %w)", err, redialed)
		}
		if try < itemTries {
			continue
		}
		if !errors.Is(err, afc.ErrMalformed) && p.breaks.Add(1) > maxBreaks {
			return err
		}
		t.failed(i, err)
		return nil
	}
}
