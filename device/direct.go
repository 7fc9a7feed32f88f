package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Direct says how to reach a phone on the network without any usbmuxd: by TCP,
// with a pair record that was made over a cable (protocol.md 5.3).
type Direct struct {
	// UDID of the phone; what answers must be it.
	UDID UDID
	// Record of the pairing. The handle does not change it.
	Record *lockdown.PairRecord
	// Addrs are where lockdownd may listen, the likeliest first; port 0 is
	// lockdown.Port. Link-local addresses carry their zone.
	Addrs []netip.AddrPort
	// Locate, if not nil, gives addresses anew when the phone can no longer be
	// reached where it was: it woke up with another one. It may wait a little.
	Locate func(ctx context.Context) ([]netip.AddrPort, error)
	// NoHeartbeat is for a handle that only asks something and is closed again.
	NoHeartbeat bool
	// Dial replaces the dialer when not nil.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// OpenDirect opens a phone past usbmuxd. It knocks at all addresses at once, and
// starts a session where somebody answers until it is the phone of the UDID, and from then on answers the phone's
// heartbeat until the handle is closed. A phone that stops advertising itself,
// or misses a heartbeat, does not close the handle nor any stream.
//
// The error tells of each address that answered why it is not the phone: it wraps
// ErrNotPaired where the phone refused the record, lockdown.ErrWrongPhone where
// another device answered, ErrNoDevice where nobody did.
func OpenDirect(ctx context.Context, way Direct) (*Device, error) {
	switch {
	case way.UDID.IsZero():
		return nil, errors.New("open phone on the network: no UDID")
	case way.Record == nil:
		return nil, &HintError{fmt.Errorf("open %s on the network: %w", way.UDID, ErrNotPaired), remedyPair}
	case len(way.Addrs) == 0:
		return nil, &HintError{fmt.Errorf("open %s on the network: %w: no address is known", way.UDID, ErrNoDevice), remedyNetworkGone}
	}
	answering, err := way.answering(ctx)
	if err != nil {
		return nil, &HintError{fmt.Errorf("open %s on the network: %w: %w", way.UDID, ErrNoDevice, err), remedyNetworkGone}
	}
	var tried []error
	for _, addr := range answering {
		d, err := openAt(ctx, way, addr)
		if err == nil {
			return d, nil
		}
		tried = append(tried, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(tried...)
}

// stragglers is how long addresses have to answer after the first of them did.
const stragglers = time.Second

// answering lists, in their order, the addresses where somebody accepts a
// connection: one that leads nowhere must not use up the time of the others. If
// nobody does, the error says why. A single address is not asked before it is
// used.
func (way Direct) answering(ctx context.Context) (list []netip.AddrPort, err error) {
	if len(way.Addrs) == 1 {
		return way.Addrs, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		i   int
		err error
	}
	answers := make(chan answer, len(way.Addrs)) // nobody waits for the late ones
	s := &straight{way: way}
	for i, addr := range way.Addrs {
		go func() {
			conn, err := s.dialOne(ctx, orPort(addr))
			if err == nil {
				conn.Close()
			} else {
				err = fmt.Errorf("at %s: %w", orPort(addr), err)
			}
			answers <- answer{i, err}
		}()
	}
	var failed []error
	open := make([]bool, len(way.Addrs))
	var late <-chan time.Time
wait:
	for range way.Addrs {
		select {
		case a := <-answers:
			if a.err != nil {
				failed = append(failed, a.err)
				continue
			}
			open[a.i] = true
			if late == nil {
				late = time.After(stragglers)
			}
		case <-late:
			break wait
		}
	}
	for i, addr := range way.Addrs {
		if open[i] {
			list = append(list, addr)
		}
	}
	if len(list) == 0 {
		return nil, errors.Join(failed...)
	}
	return list, nil
}

// openAt proves who is there: the phone's key by the session, its UDID by what
// it says there.
func openAt(ctx context.Context, way Direct, addr netip.AddrPort) (*Device, error) {
	d := newDevice(nil, usbmux.Device{UDID: way.UDID, Transport: usbmux.ConnectionNetwork, Addr: addr})
	d.straight = &straight{way: way, at: orPort(addr)}
	said, err := d.Get(ctx, "", "UniqueDeviceID")
	if err == nil {
		err = d.sameUDID(said)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("at %s: %w", orPort(addr), err)
	}
	if !way.NoHeartbeat {
		d.goDirect()
	}
	return d, nil
}

// sameUDID compares what the phone says to be with what it was opened as.
func (d *Device) sameUDID(said any) error {
	text, _ := said.(string)
	if udid, err := ParseUDID(text); err != nil || udid != d.udid {
		return d.fail(fmt.Errorf("%w: it says to be %q", lockdown.ErrWrongPhone, text))
	}
	return nil
}

// Address is where a handle from [OpenDirect] last reached lockdownd; the zero
// value for phones behind usbmuxd.
func (d *Device) Address() netip.AddrPort {
	if d.straight == nil {
		return netip.AddrPort{}
	}
	return d.straight.address()
}

// straight is the way to a phone past usbmuxd.
type straight struct {
	way Direct

	mu sync.Mutex
	at netip.AddrPort // of lockdownd, the last that answered
}

func (s *straight) address() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *straight) moveTo(at netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
}

// dial opens a port at the phone's address. Only for lockdownd it looks further
// when nobody is there: service ports belong to the address that named them, and
// who answers at another one is checked by the session.
func (s *straight) dial(ctx context.Context, port uint16) (net.Conn, error) {
	at := s.address()
	if port != lockdown.Port {
		return s.dialOne(ctx, netip.AddrPortFrom(at.Addr(), port))
	}
	conn, err := s.dialOne(ctx, at)
	if err == nil || s.way.Locate == nil || ctx.Err() != nil {
		return conn, err
	}
	others, locateErr := s.way.Locate(ctx)
	if locateErr != nil {
		return nil, errors.Join(err, locateErr)
	}
	others = slices.Clone(others)
	// The phone keeps its port when it changes its address.
	slices.SortStableFunc(others, func(a, b netip.AddrPort) int {
		return cmp.Compare(differs(orPort(a), at), differs(orPort(b), at))
	})
	for _, other := range others {
		other = orPort(other)
		if other == at {
			continue
		}
		conn, otherErr := s.dialOne(ctx, other)
		if otherErr == nil {
			s.moveTo(other)
			return conn, nil
		}
		err = errors.Join(err, otherErr)
	}
	return nil, err
}

func differs(a, b netip.AddrPort) int {
	if a.Port() == b.Port() {
		return 0
	}
	return 1
}

func (s *straight) dialOne(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	if s.way.Dial == nil {
		return dialDirect(ctx, at, at.Port())
	}
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	return s.way.Dial(ctx, "tcp", at.String())
}

// awaitGone returns nil when lockdownd's port cannot be reached.
func (s *straight) awaitGone(ctx context.Context) error {
	for {
		conn, err := s.dialOne(ctx, s.address())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return nil
		}
		conn.Close()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

func orPort(a netip.AddrPort) netip.AddrPort {
	if a.Port() == 0 {
		return netip.AddrPortFrom(a.Addr(), lockdown.Port)
	}
	return a
}
