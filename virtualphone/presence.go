package virtualphone

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/muxer"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// What phones say of themselves on USB.
const (
	usbProductID = 0x12A8
	usbSpeed     = 480_000_000 // bit/s
)

// attachLocked brings what the muxer announces in line with the phone: on the
// cable when it is in, unless USB Restricted Mode keeps a new link from being
// made (protocol.md 14.1); on the network when a host has switched that on.
func (p *Phone) attachLocked() {
	set := p.st.Settings()
	if p.on && p.plugged && p.usbID == 0 && set.Lock != state.Restricted {
		p.usbID = p.srv.mux.Attach(muxer.Attachment{
			Properties: usbmux.Properties{
				ConnectionType: usbmux.ConnectionUSB, ConnectionSpeed: usbSpeed,
				ProductID: usbProductID, SerialNumber: p.UDID(),
			},
			Open: func(port uint16) (muxer.Port, bool) { return p.open(port, false) },
		})
		p.events.add("attached")
	}
	wifi := p.on && p.srv.cfg.WiFi && set.WiFiConnections && set.Lock != state.BeforeFirstUnlock
	switch {
	case wifi && p.wifiID == 0:
		p.joinNetworkLocked()
	case !wifi && p.wifiID != 0:
		p.leaveNetworkLocked()
	}
}

func (p *Phone) detachLocked() {
	p.unplugLocked()
	p.leaveNetworkLocked()
	for port := range p.ports {
		p.closePortLocked(port)
	}
}

func (p *Phone) unplugLocked() {
	if p.usbID == 0 {
		return
	}
	p.srv.mux.Detach(p.usbID)
	p.usbID = 0
	p.events.add("detached")
	p.dropLocked(func(l *link) bool { return !l.network }, errGone)
}

// Unplug pulls the cable: connections over it break.
func (p *Phone) Unplug() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plugged = false
	p.unplugLocked()
}

// Plug puts the cable in. A phone in USB Restricted Mode stays invisible.
func (p *Phone) Plug() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plugged = true
	p.attachLocked()
}

// joinNetworkLocked opens lockdownd's port to the network and announces the
// phone there.
func (p *Phone) joinNetworkLocked() {
	ln, err := net.Listen("tcp", p.srv.cfg.WiFiListen)
	if err != nil { // another phone, or another process, is there
		if ln, err = net.Listen("tcp", net.JoinHostPort(p.wifiHost(), "0")); err != nil {
			p.log.Error("Wi-Fi not available", "cause", err)
			return
		}
	}
	p.wifiLn = ln
	addr := ln.Addr().(*net.TCPAddr)
	p.wg.Go(func() { p.acceptLockdown(ln) })
	p.wifiID = p.srv.mux.Attach(muxer.Attachment{
		Properties: usbmux.Properties{
			ConnectionType: usbmux.ConnectionNetwork, SerialNumber: p.UDID(),
			NetworkAddress: sockaddr(addr, p.srv.cfg.BSDAddress || runtime.GOOS == "darwin" || runtime.GOOS == "freebsd"), EscapedFullServiceName: p.st.Announcement().FullName(), InterfaceIndex: 1,
		},
		Open: func(port uint16) (muxer.Port, bool) { return p.open(port, true) },
	})
	p.announceLocked(addr)
	p.events.add("network-attached")
}

// wifiHost is where the phone listens on the network; "" is everywhere.
func (p *Phone) wifiHost() string {
	host, _, err := net.SplitHostPort(p.srv.cfg.WiFiListen)
	if err != nil { // then nothing was opened there
		return "127.0.0.1"
	}
	return host
}

func (p *Phone) leaveNetworkLocked() {
	if p.wifiID == 0 {
		return
	}
	p.srv.mux.Detach(p.wifiID)
	p.wifiID = 0
	p.fallSilentLocked()
	p.wifiLn.Close()
	p.wifiLn = nil
	p.events.add("network-detached")
	p.dropLocked(func(l *link) bool { return l.network }, errGone)
}

// NetworkAddr is where lockdownd listens on the network, or nil.
func (p *Phone) NetworkAddr() net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wifiLn == nil {
		return nil
	}
	return p.wifiLn.Addr()
}

func (p *Phone) acceptLockdown(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.log.Error("Wi-Fi", "cause", err)
			}
			return
		}
		p.wg.Go(func() {
			defer conn.Close()
			p.serveLockdown(p.ctx, conn, true)
		})
	}
}

// sockaddr is a NetworkAddress in the layout of Linux and Windows or of BSD
// (protocol.md 1.3), padded to 128 bytes. The port is 0, as real muxers send it, when it is
// lockdownd's own.
func sockaddr(addr *net.TCPAddr, bsd bool) []byte {
	const inet, length, padded = 2, 16, 128
	b := make([]byte, padded)
	if bsd {
		b[0], b[1] = length, inet
	} else {
		binary.LittleEndian.PutUint16(b, inet)
	}
	if addr.Port != lockdown.Port {
		binary.BigEndian.PutUint16(b[2:], uint16(addr.Port))
	}
	ip := addr.IP.To4()
	if ip == nil || ip.IsUnspecified() { // everywhere: hosts of the muxer are on this computer
		ip = net.IPv4(127, 0, 0, 1).To4()
	}
	copy(b[4:8], ip)
	return b
}

// Reboot restarts the phone and returns when it is back: all connections drop,
// it leaves the muxer, a staged restore is committed, and after
// Config.RebootTime it is there again. A phone that was locked then waits for
// its first unlock. When ctx ends first, the phone restarts all the same.
func (p *Phone) Reboot(ctx context.Context) error {
	return p.restart(ctx, func(context.Context) error { return nil })
}

// restart does work while the phone is off.
func (p *Phone) restart(ctx context.Context, work func(context.Context) error) error {
	done := p.restartSoon(work)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// restartSoon is restart for services, whose own connection has to end on the
// way: it does not wait. The channel gets the outcome.
func (p *Phone) restartSoon(work func(context.Context) error) <-chan error {
	done := make(chan error, 1)
	p.wg.Go(func() {
		err := p.goDownAndUp(work)
		if err != nil {
			p.log.Error("restart", "cause", err)
		}
		done <- err
	})
	return done
}

func (p *Phone) goDownAndUp(work func(context.Context) error) error {
	p.mu.Lock()
	if !p.on {
		p.mu.Unlock()
		return errors.New("restart phone: it is restarting already")
	}
	p.on = false
	p.detachLocked()
	p.dropLocked(func(*link) bool { return true }, errGone)
	p.mu.Unlock()
	p.events.add("down")
	if err := p.awaitQuiet(p.ctx); err != nil {
		return err
	}
	workErr := work(p.ctx)
	pause := time.NewTimer(p.srv.cfg.RebootTime)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	p.bootUp(p.ctx)
	return workErr
}

// bootUp commits what a restore has staged and appears.
func (p *Phone) bootUp(ctx context.Context) {
	if err := p.commitRestore(ctx); err != nil {
		// A phone whose restore cannot be committed comes up with its old files.
		p.log.Error("restore not committed", "cause", err)
	}
	if set := p.st.Settings(); p.bootCount() > 0 && set.Lock != state.Unlocked {
		if err := p.st.Update(func(s *state.Settings) error { s.Lock = state.BeforeFirstUnlock; return nil }); err != nil {
			p.log.Error("lock state not saved", "cause", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	p.boots++
	p.on = true
	p.attachLocked()
	p.events.add("up")
}

// awaitUp waits until the phone is on, when it restarts.
func (p *Phone) awaitUp(ctx context.Context) error {
	for {
		p.mu.Lock()
		on := p.on
		p.mu.Unlock()
		if on {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
	}
}

func (p *Phone) bootCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.boots
}
