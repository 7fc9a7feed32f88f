package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Open opens a phone the given way; the caller closes it. Over Wi-Fi it goes
// through usbmuxd if that has the phone there, and else straight to it: then the
// handle answers the phone's heartbeat until it is closed, and finds the phone
// again when it changes its address. A phone that was not seen is looked for at
// every place where it may be.
//
// Errors are those of package device: ErrNoDevice, ErrNotPaired, ErrLocked …
func (w *Watcher) Open(ctx context.Context, udid usbmux.UDID, via Via) (*device.Device, error) {
	var missed error
	if via != WiFi {
		phone, err := w.openMux(ctx, udid, device.USB)
		if err == nil {
			return phone, nil
		}
		missed = err
	}
	if via != Cable {
		phone, err := w.openWiFi(ctx, udid)
		if err == nil {
			return phone, nil
		}
		if missed == nil || errors.Is(missed, device.ErrNoDevice) {
			missed = err // which says more than that it is on no cable
		}
	}
	return nil, missed
}

// openMux opens a phone that usbmuxd has told us of. One that it does not have
// is not asked for: Open must not wait for a daemon that is not there.
func (w *Watcher) openMux(ctx context.Context, udid usbmux.UDID, over device.Transport) (*device.Device, error) {
	w.mu.Lock()
	p := w.phones[udid]
	here := p != nil && (over == device.USB && !p.cableSince.IsZero() || over == device.Network && !p.muxSince.IsZero())
	w.mu.Unlock()
	if !here {
		return nil, &device.HintError{Err: fmt.Errorf("%s by %s: %w", udid, over, device.ErrNoDevice), Remedy: remedyOf(over)}
	}
	return device.Open(ctx, device.Options{Mux: w.opt.Mux, Select: udid.String(), Transport: over})
}

func remedyOf(over device.Transport) string {
	if over == device.USB {
		return "connect the phone with a cable and unlock it"
	}
	return "wake the phone and check that it is on the same Wi-Fi, or connect it with a cable"
}

func (w *Watcher) openWiFi(ctx context.Context, udid usbmux.UDID) (*device.Device, error) {
	if w.opt.Mux != nil {
		if phone, err := w.openMux(ctx, udid, device.Network); err == nil {
			return phone, nil
		}
	}
	places, err := w.places(ctx, udid)
	if err != nil {
		return nil, err
	}
	record, err := w.record(ctx, udid)
	if errors.Is(err, usbmux.ErrNoPairRecord) {
		return nil, &device.HintError{Err: fmt.Errorf("%w: %w", device.ErrNotPaired, err), Remedy: "connect the phone with a cable and pair it first"}
	}
	if err != nil {
		return nil, err
	}
	phone, err := device.OpenDirect(ctx, device.Direct{
		UDID: udid, Record: record, Addrs: places,
		Locate: func(ctx context.Context) ([]netip.AddrPort, error) { return w.places(ctx, udid) },
	})
	w.opened(udid, phone, err)
	if err != nil {
		return nil, err
	}
	return phone, nil
}

// places lists every address where a phone may be, the proven one first.
func (w *Watcher) places(ctx context.Context, udid usbmux.UDID) ([]netip.AddrPort, error) {
	w.mu.Lock()
	p := w.phones[udid]
	var list []netip.AddrPort
	var given string
	if p != nil && p.known != nil {
		if p.wifi != nil {
			list = append(list, p.wifi.addr)
		}
		given = p.known.Address
		for _, c := range w.candidatesLocked(p) {
			list = append(list, c.addrs...)
		}
	}
	w.mu.Unlock()
	var failed error
	if given != "" {
		more, err := resolve(ctx, given)
		list, failed = append(list, more...), err
	}
	var unique []netip.AddrPort
	for _, at := range list {
		if !slices.Contains(unique, at) {
			unique = append(unique, at)
		}
	}
	if len(unique) == 0 {
		return nil, &device.HintError{Err: errors.Join(fmt.Errorf("%s on Wi-Fi: %w: %w", udid, device.ErrNoDevice, errNowhere), failed), Remedy: remedyOf(device.Network)}
	}
	return unique, nil
}

// opened writes down what an Open over Wi-Fi has shown.
func (w *Watcher) opened(udid usbmux.UDID, phone *device.Device, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.phones[udid]
	if p == nil || p.known == nil {
		return
	}
	p.tried, p.failure, p.err = w.opt.Now(), failureOf(err), err
	switch {
	case err == nil && p.wifi != nil && p.wifi.addr == phone.Address():
		p.lastWiFi = p.tried
	case err == nil || p.wifi != nil: // it is elsewhere, or not there: find out
		clear(p.tries)
		if p.wifi != nil {
			p.wifi.checked = time.Time{}
		}
		signal(w.look)
	}
}
