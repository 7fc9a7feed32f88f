package device

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/lockdown"
)

// withSession runs fn with the session, opening it when there is none. When the
// phone turns out to have ended the session meanwhile, or the connection broke,
// fn is run once more with a new one: it must bear that.
func (d *Device) withSession(ctx context.Context, fn func(context.Context, *lockdown.Client, *lockdown.PairRecord) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.life, func() { cancel(ErrClosed) })()
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.endTurn()
	for {
		fresh := d.session == nil
		rec, err := d.pairRecord(ctx)
		if err == nil && fresh {
			d.session, err = d.openSession(ctx, rec)
		}
		if err != nil {
			return d.fail(err)
		}
		if err = fn(ctx, d.session, rec); err == nil || sessionSurvives(err) {
			return d.fail(err)
		}
		d.session.Close()
		d.session = nil
		if fresh || ctx.Err() != nil {
			return d.fail(err)
		}
	}
}

func (d *Device) takeTurn(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		if d.life.Err() == nil {
			return nil
		}
		<-d.turn
		return d.fail(ErrClosed)
	case <-ctx.Done():
		return d.fail(context.Cause(ctx))
	case <-d.life.Done():
		return d.fail(ErrClosed)
	}
}

func (d *Device) endTurn() { <-d.turn }

// sessionSurvives tells whether err is an answer of the phone within a session
// that goes on.
func sessionSurvives(err error) bool {
	var refused lockdown.Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused {
	case lockdown.SessionInactive, lockdown.InvalidSessionID, lockdown.MissingSessionID, lockdown.InvalidConnection, lockdown.InvalidHostID:
		return false
	}
	return true
}

func (d *Device) openSession(ctx context.Context, rec *lockdown.PairRecord) (*lockdown.Client, error) {
	c, err := lockdown.Dial(ctx, d)
	if err != nil {
		return nil, err
	}
	err = c.StartSession(ctx, rec)
	if err == nil {
		return c, nil
	}
	c.Close()
	var broken *lockdown.TLSError
	if errors.As(err, &broken) {
		// A phone that forgot us breaks off the handshake (protocol.md 2.6).
		err = &HintError{fmt.Errorf("%s: %w: %w", d.Name(), ErrNotPaired, err), remedyPair}
	}
	d.setRecord(nil) // another program may have paired anew
	return nil, err
}

// pairRecord reads the phone's pair record from the daemon, once; a handle past
// usbmuxd was given it.
func (d *Device) pairRecord(ctx context.Context) (*lockdown.PairRecord, error) {
	d.mu.Lock()
	rec := d.record
	d.mu.Unlock()
	if rec != nil {
		return rec, nil
	}
	if d.straight != nil {
		return d.straight.way.Record, nil
	}
	data, err := d.mux.ReadPairRecord(ctx, d.udid)
	if err != nil {
		return nil, err
	}
	rec, err = lockdown.ParsePairRecord(data)
	if err != nil {
		return nil, &HintError{fmt.Errorf("%s: %w: %w", d.Name(), ErrNotPaired, err), remedyPair}
	}
	d.setRecord(rec)
	return rec, nil
}

func (d *Device) setRecord(rec *lockdown.PairRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record = rec
}

// dropSession forgets the session and the pair record, when pairing changed or
// may have.
func (d *Device) dropSession(ctx context.Context) error {
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.endTurn()
	if d.session != nil {
		d.session.Close()
		d.session = nil
	}
	d.setRecord(nil)
	return nil
}

// Get reads one value, or with an empty key a whole domain as a map[string]any;
// the empty domain is the phone's own. The error wraps lockdown.MissingValue for
// what is not there.
func (d *Device) Get(ctx context.Context, domain, key string) (value any, err error) {
	err = d.withSession(ctx, func(ctx context.Context, c *lockdown.Client, _ *lockdown.PairRecord) error {
		value, err = c.Get(ctx, domain, key)
		return err
	})
	return value, err
}

// Values reads a whole domain; the empty one is the phone's own values.
func (d *Device) Values(ctx context.Context, domain string) (values map[string]any, err error) {
	err = d.withSession(ctx, func(ctx context.Context, c *lockdown.Client, _ *lockdown.PairRecord) error {
		values, err = c.GetDomain(ctx, domain)
		return err
	})
	return values, err
}

// Set writes one value.
func (d *Device) Set(ctx context.Context, domain, key string, value any) error {
	return d.withSession(ctx, func(ctx context.Context, c *lockdown.Client, _ *lockdown.PairRecord) error {
		return c.Set(ctx, domain, key, value)
	})
}

// optional reads a value that phones may not have or not tell: then ok is false.
func (d *Device) optional(ctx context.Context, domain, key string) (value any, ok bool, err error) {
	err = d.withSession(ctx, func(ctx context.Context, c *lockdown.Client, _ *lockdown.PairRecord) error {
		value, err = c.Get(ctx, domain, key)
		if ok = err == nil; !ok && sessionSurvives(err) {
			return nil
		}
		return err
	})
	return value, ok, err
}

// optionalValues is optional for a whole domain; absent ones are empty.
func (d *Device) optionalValues(ctx context.Context, domain string) (lockdown.Values, error) {
	value, _, err := d.optional(ctx, domain, "")
	values, _ := value.(map[string]any)
	return values, err
}
