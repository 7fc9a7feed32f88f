package device

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/keepsake-backup/keepsake/diagnostics"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/powerassertion"
)

// ServiceOption changes [Device.StartService].
type ServiceOption func(*serviceOptions)

type serviceOptions struct{ escrow bool }

// WithEscrow sends the escrow bag of the pairing along, which lets the phone
// open protected files while it is locked; mobilebackup2 wants it (protocol.md
// 2.7). A pair record without a bag sends none.
func WithEscrow() ServiceOption { return func(o *serviceOptions) { o.escrow = true } }

// StartService starts a service and returns the stream to it, in TLS when the
// phone asks for it. Closing it ends the service and is the caller's. The error
// is ErrLocked when the phone must be unlocked first, and wraps
// lockdown.InvalidService when it has no such service.
func (d *Device) StartService(ctx context.Context, name string, opts ...ServiceOption) (net.Conn, error) {
	var o serviceOptions
	for _, opt := range opts {
		opt(&o)
	}
	var service lockdown.Service
	var record *lockdown.PairRecord
	err := d.withSession(ctx, func(ctx context.Context, c *lockdown.Client, rec *lockdown.PairRecord) (err error) {
		var escrow secret.Bytes
		if o.escrow {
			escrow = rec.EscrowBag
		}
		record = rec
		service, err = c.StartService(ctx, name, escrow)
		return err
	})
	if o.escrow && errors.Is(err, lockdown.MissingValue) {
		// The bag cannot be opened before the first unlock (protocol.md 14.1).
		err = &HintError{fmt.Errorf("%w: %w", ErrLocked, err), remedyFirstUnlock}
	}
	if err != nil {
		return nil, err
	}
	conn, err := service.Connect(ctx, d, record)
	if err != nil {
		return nil, d.fail(err)
	}
	return conn, nil
}

// PasscodeConfigured tells whether the phone has a passcode, locked or not.
// Phones that do not say give an error wrapping *diagnostics.StatusError.
func (d *Device) PasscodeConfigured(ctx context.Context) (bool, error) {
	conn, err := d.StartService(ctx, diagnostics.Service)
	if err != nil {
		return false, err
	}
	c := diagnostics.New(conn)
	defer c.Close()
	configured, err := c.PasswordConfigured(ctx)
	if err != nil {
		return false, d.fail(err)
	}
	// The answer is here; a relay that breaks off at Goodbye changes nothing.
	_ = c.Goodbye(ctx)
	return configured, nil
}

// KeepAwake holds a power assertion (package powerassertion) until ctx ends,
// the handle is closed, or release is called, which waits for its end and may
// be called twice. Work goes on without it: failures only go to warn, from
// another goroutine; warn may be nil.
func (d *Device) KeepAwake(ctx context.Context, warn func(error)) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	stop := context.AfterFunc(d.life, cancel)
	start := func(ctx context.Context) (net.Conn, error) {
		return d.StartService(ctx, powerassertion.Service)
	}
	hold := func() {
		defer close(done)
		powerassertion.Hold(ctx, start, "keepsake", warn)
	}
	if !d.background(hold) {
		close(done)
	}
	return func() {
		stop()
		cancel()
		<-done
	}
}
