package device

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/keepsake-backup/keepsake/heartbeat"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

const (
	// directTimeout lets a sleeping phone answer its first packet.
	directTimeout = 20 * time.Second
	// heartbeatRetry follows a heartbeat that ended.
	heartbeatRetry = 5 * time.Second
)

// DialPort opens a port of the phone: through usbmuxd, and where that does not
// connect to phones on Wi-Fi, by TCP to the address it announced (protocol.md
// 1.4). It makes a Device a lockdown.Dialer.
func (d *Device) DialPort(ctx context.Context, port uint16) (net.Conn, error) {
	if d.straight != nil {
		conn, err := d.straight.dial(ctx, port)
		if err != nil && ctx.Err() == nil {
			return nil, &HintError{fmt.Errorf("%s: %w: %w", d.Name(), ErrNoDevice, err), remedyNetworkGone}
		}
		return conn, err
	}
	at, direct := d.attachment()
	if direct {
		return dialDirect(ctx, at.Addr, port)
	}
	conn, err := d.mux.Connect(ctx, at.ID, port)
	var refused *usbmux.ResultError
	if err == nil || !errors.As(err, &refused) {
		return conn, err
	}
	if refused.Code == usbmux.ResultBadDevice {
		fresh, findErr := d.reattach(ctx)
		if findErr != nil {
			return nil, findErr
		}
		if fresh.ID != at.ID {
			at = fresh
			if conn, err = d.mux.Connect(ctx, at.ID, port); err == nil {
				return conn, nil
			}
		}
	}
	if d.transport != Network || !at.Addr.IsValid() {
		return nil, err
	}
	conn, directErr := dialDirect(ctx, at.Addr, port)
	if directErr != nil {
		return nil, errors.Join(err, directErr)
	}
	d.goDirect()
	return conn, nil
}

// reattach looks the phone up again: it was plugged in anew, or restarted.
func (d *Device) reattach(ctx context.Context) (usbmux.Device, error) {
	list, err := d.mux.List(ctx)
	if err != nil {
		return usbmux.Device{}, err
	}
	for _, at := range list {
		if at.UDID == d.udid && Transport(at.Transport) == d.transport {
			d.mu.Lock()
			d.at = at
			d.mu.Unlock()
			return at, nil
		}
	}
	return usbmux.Device{}, &HintError{fmt.Errorf("%s: %w", d.Name(), ErrNoDevice), noDeviceRemedy(d.transport)}
}

// dialDirect takes the announced port, if there is one, for lockdownd's.
func dialDirect(ctx context.Context, addr netip.AddrPort, port uint16) (net.Conn, error) {
	if port == lockdown.Port && addr.Port() != 0 {
		port = addr.Port()
	}
	return (&net.Dialer{Timeout: directTimeout}).DialContext(ctx, "tcp", netip.AddrPortFrom(addr.Addr(), port).String())
}

// goDirect remembers to connect past usbmuxd, and starts the heartbeat that a
// computer owes a phone then.
func (d *Device) goDirect() {
	d.mu.Lock()
	first := !d.direct
	d.direct = true
	d.mu.Unlock()
	if first {
		d.background(d.beat)
	}
}

// beat answers heartbeats until the handle is closed, or the phone makes clear
// that there will be none. That is no error: what depends on it fails by itself.
func (d *Device) beat() {
	for {
		conn, err := d.StartService(d.life, heartbeat.Service)
		if err == nil {
			err = heartbeat.Run(d.life, conn)
		}
		if errors.Is(err, ErrNotPaired) || errors.Is(err, lockdown.InvalidService) {
			return
		}
		select {
		case <-d.life.Done():
			return
		case <-time.After(heartbeatRetry):
		}
	}
}
