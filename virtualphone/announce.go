package virtualphone

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/mdns"
)

// mobdev is the service under which phones announce themselves (protocol.md 5.2).
const mobdev = "_apple-mobdev2._tcp"

// airing is an announcement on the air.
type airing struct {
	stop    context.CancelFunc
	changes chan mdns.Service // holds the newest
	addr    *net.TCPAddr      // of lockdownd
}

// announceLocked begins to announce the phone, whose lockdownd listens at addr.
func (p *Phone) announceLocked(addr *net.TCPAddr) {
	if p.srv.cfg.Announce == nil {
		return
	}
	ctx, stop := context.WithCancel(p.ctx)
	a := &airing{stop: stop, changes: make(chan mdns.Service, 1), addr: addr}
	p.airing = a
	first := p.service(addr)
	p.log.Debug("announced", "instance", first.Instance, "port", first.Port)
	p.wg.Go(func() {
		err := mdns.Announce(ctx, first, a.changes, mdns.Options{Interfaces: p.srv.cfg.Announce, Log: p.log})
		if ctx.Err() == nil {
			p.log.Error("Wi-Fi announcement", "cause", err)
		}
	})
}

// fallSilentLocked says good-bye.
func (p *Phone) fallSilentLocked() {
	if p.airing != nil {
		p.airing.stop()
		p.airing = nil
	}
}

// reannounceLocked says what has changed.
func (p *Phone) reannounceLocked() {
	if p.airing == nil {
		return
	}
	select {
	case <-p.airing.changes: // nobody took the last one yet: it is old
	default:
	}
	p.airing.changes <- p.service(p.airing.addr)
}

// service is what the phone says of itself. The port is the real one, though
// hosts are known to ignore it: several phones may share one address here.
func (p *Phone) service(addr *net.TCPAddr) mdns.Service {
	a := p.st.Announcement()
	s := mdns.Service{
		Type: mobdev, Instance: a.Instance, Port: uint16(addr.Port),
		Host: strings.ReplaceAll(a.MAC, ":", "") + ".local.",
	}
	if announcesTags(p.st.Settings().IOS) {
		s.TXT = append(s.TXT, "identifier="+a.Identifier)
		for i, host := range a.HostIDs {
			key := "authTag"
			if i > 0 {
				key = fmt.Sprintf("authTag#%d", i)
			}
			s.TXT = append(s.TXT, key+"="+authTag(host, a.Identifier))
		}
	}
	if own, ok := netip.AddrFromSlice(addr.IP); ok && !own.IsUnspecified() {
		s.Addrs = func(net.Interface) []netip.Addr { return []netip.Addr{own.Unmap()} }
	}
	return s
}

// announcesTags tells whether that iOS announces tags of its hosts: from 26.4.
func announcesTags(ios string) bool {
	var major, minor int
	// A version without a second number is of the first release.
	if n, err := fmt.Sscanf(ios, "%d.%d", &major, &minor); n == 0 && err != nil {
		return false
	}
	return major > 26 || major == 26 && minor >= 4
}

// authTag names a host to itself and to nobody else (protocol.md 5.2): base64 of
// the first 8 bytes of HMAC-SHA256(K, identifier), K = HKDF-SHA512(hostID, 32 bytes).
func authTag(hostID, identifier string) string {
	key, err := hkdf.Key(sha512.New, []byte(hostID), nil, "", 32)
	if err != nil {
		return "" // only in FIPS mode, of hosts with short names
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(identifier))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)[:8])
}
