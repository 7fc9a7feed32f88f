package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// askNames is how long phones have to tell their names.
const askNames = 10 * time.Second

// Options say which phone [Open] and [Await] take.
type Options struct {
	// Mux is the daemon to ask; nil is the system's own.
	Mux *usbmux.Client
	// Select is a UDID, the beginning of one, or the phone's name, in any case;
	// empty takes the only phone there is.
	Select string
	// Transport narrows to USB or Network; empty takes either, the cable first.
	Transport Transport
}

// Discover returns the phones that are attached now, each once: one that is
// there by cable and over Wi-Fi by its cable. It does not talk to them. Close
// each.
func Discover(ctx context.Context, mux *usbmux.Client) ([]*Device, error) {
	return discover(ctx, Options{Mux: mux})
}

func discover(ctx context.Context, opt Options) ([]*Device, error) {
	mux := opt.Mux
	if mux == nil {
		mux = &usbmux.Client{}
	}
	list, err := mux.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Device
	byUDID := map[UDID]int{}
	for _, at := range list {
		if at.UDID.IsZero() || opt.Transport != "" && Transport(at.Transport) != opt.Transport {
			continue
		}
		i, known := byUDID[at.UDID]
		switch {
		case !known:
			byUDID[at.UDID] = len(found)
			found = append(found, newDevice(mux, at))
		case found[i].transport != USB && Transport(at.Transport) == USB:
			found[i] = newDevice(mux, at)
		}
	}
	return found, nil
}

// Open finds one phone. It talks to phones only to compare names. The error is
// ErrNoDevice or ErrSeveral when not exactly one matches.
func Open(ctx context.Context, opt Options) (*Device, error) {
	found, err := discover(ctx, opt)
	if err != nil {
		return nil, err
	}
	match := found
	if opt.Select != "" {
		match = matching(found, func(d *Device) bool { return d.udid.HasPrefix(opt.Select) })
		if len(match) != 1 {
			learnNames(ctx, found)
			for _, fits := range []func(name, text string) bool{phonename.Is, phonename.Begins} {
				if named := matching(found, func(d *Device) bool { return fits(d.Name(), opt.Select) }); len(named) > 0 {
					match = named
					break
				}
			}
		}
	}
	if ctx.Err() == nil && len(match) == 1 {
		closeAll(found, match[0])
		return match[0], nil
	}
	defer closeAll(found, nil)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case len(match) > 1:
		learnNames(ctx, match)
		return nil, &HintError{fmt.Errorf("%w: %s", ErrSeveral, listing(match)), remedySeveral}
	case len(found) > 0:
		return nil, &HintError{fmt.Errorf("%w: %q is none of: %s", ErrNoDevice, opt.Select, listing(found)), remedyNoDevice}
	}
	return nil, &HintError{ErrNoDevice, noDeviceRemedy(opt.Transport)}
}

func closeAll(list []*Device, except *Device) {
	for _, d := range list {
		if d != except {
			d.Close()
		}
	}
}

func noDeviceRemedy(t Transport) string {
	if t == Network {
		return remedyNetworkGone
	}
	return remedyNoDevice
}

func matching(all []*Device, ok func(*Device) bool) []*Device {
	var match []*Device
	for _, d := range all {
		if ok(d) {
			match = append(match, d)
		}
	}
	return match
}

func listing(list []*Device) string {
	var names []string
	for _, d := range list {
		name := d.udid.String()
		if d.Name() != name {
			name = d.Name() + " (" + name + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// learnNames asks each phone for its name. One that does not answer keeps its
// UDID as name: it must not hide the others.
func learnNames(ctx context.Context, list []*Device) {
	ctx, cancel := context.WithTimeout(ctx, askNames)
	defer cancel()
	var wg sync.WaitGroup
	for _, d := range list {
		wg.Go(func() {
			if name, err := d.askName(ctx); err == nil {
				d.setName(name)
			}
		})
	}
	wg.Wait()
}

func (d *Device) askName(ctx context.Context) (string, error) {
	name, err := d.plainName(ctx)
	var refused lockdown.Error
	if !errors.As(err, &refused) {
		return name, err
	}
	value, err := d.Get(ctx, "", "DeviceName") // only in a session, then
	name, _ = value.(string)
	return name, err
}

func (d *Device) plainName(ctx context.Context) (string, error) {
	c, err := lockdown.Dial(ctx, d)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.GetString(ctx, "", "DeviceName")
}

var errFound = errors.New("found")

// Await is [Open] that waits, until ctx ends, for a phone that matches. A phone
// that just started may take some seconds more until lockdownd answers.
func Await(ctx context.Context, opt Options) (*Device, error) {
	mux := opt.Mux
	if mux == nil {
		mux = &usbmux.Client{}
	}
	var found *Device
	err := mux.Listen(ctx, func(ev usbmux.Event) error {
		if ev.Kind != usbmux.Attached {
			return nil
		}
		d, err := Open(ctx, opt)
		switch {
		case errors.Is(err, ErrNoDevice):
			return nil // not the one
		case err != nil:
			return err
		}
		found = d
		return errFound
	})
	if err == errFound {
		return found, nil
	}
	if ctx.Err() != nil {
		return nil, &HintError{fmt.Errorf("wait for a phone: %w: %w", ErrNoDevice, context.Cause(ctx)), noDeviceRemedy(opt.Transport)}
	}
	return nil, err
}

// AwaitGone returns nil as soon as the phone is no longer attached as it was
// when this handle last used it: it was unplugged, or restarts. A phone opened by
// [OpenDirect] is gone when nobody answers at its address.
func (d *Device) AwaitGone(ctx context.Context) error {
	if d.straight != nil {
		if err := d.straight.awaitGone(ctx); err != nil {
			return fmt.Errorf("wait for %s to go: %w", d.Name(), err)
		}
		return nil
	}
	at, _ := d.attachment()
	for {
		list, err := d.mux.List(ctx)
		if err != nil {
			return fmt.Errorf("wait for %s to go: %w", d.Name(), err)
		}
		present := false
		for _, other := range list {
			present = present || other.ID == at.ID
		}
		if !present {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to go: %w", d.Name(), context.Cause(ctx))
		case <-time.After(lookEvery):
		}
	}
}

// AwaitReady returns nil as soon as lockdownd answers: some seconds after a
// phone that starts has been attached. It gives up when the phone goes.
func (d *Device) AwaitReady(ctx context.Context) error {
	for {
		err := d.queryType(ctx)
		if err == nil || errors.Is(err, ErrNoDevice) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s answers: %w (%w)", d.Name(), context.Cause(ctx), err)
		case <-time.After(lookEvery):
		}
	}
}

func (d *Device) queryType(ctx context.Context) error {
	c, err := lockdown.Dial(ctx, d)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.QueryType(ctx)
}

// lookEvery is how often AwaitGone and AwaitReady look.
const lookEvery = time.Second
