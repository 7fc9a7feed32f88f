package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// The groups (RFC 6762, 3).
var (
	group4 = net.IPv4(224, 0, 0, 251)
	group6 = net.ParseIP("ff02::fb")
)

// hops is what packets of this protocol are sent with (RFC 6762, 11).
const hops = 255

// afterError keeps a socket that has nothing but errors from being read all day.
const afterError = 20 * time.Millisecond

// sockets are those of one interface, one for each version of IP that it has.
type sockets struct {
	v4 *ipv4.PacketConn
	v6 *ipv6.PacketConn
	// to4 and to6 are where the group is.
	to4, to6 *net.UDPAddr
	index    int
	// marked tells whether the system says on which interface a packet came, and
	// to which address. Where it does not, a socket only hears its own interface.
	marked4, marked6 bool
}

// openSocket joins the groups on an interface. One version of IP is enough.
func openSocket(ctx context.Context, ifi net.Interface) (socket, error) {
	s := &sockets{
		index: ifi.Index,
		to4:   &net.UDPAddr{IP: group4, Port: Port},
		to6:   &net.UDPAddr{IP: group6, Port: Port, Zone: ifi.Name},
	}
	var has4, has6 bool
	for _, a := range addrsOf(ifi) {
		has4, has6 = has4 || a.Is4(), has6 || a.Is6()
	}
	var failed []error
	if has4 {
		failed = append(failed, s.open4(ctx, ifi))
	}
	if has6 {
		failed = append(failed, s.open6(ctx, ifi))
	}
	if s.v4 == nil && s.v6 == nil {
		if !has4 && !has6 {
			return nil, errors.New("the interface has no address")
		}
		return nil, errors.Join(failed...)
	}
	return s, nil
}

func listen(ctx context.Context, network string) (net.PacketConn, error) {
	return (&net.ListenConfig{Control: share}).ListenPacket(ctx, network, ":"+strconv.Itoa(Port))
}

func (s *sockets) open4(ctx context.Context, ifi net.Interface) error {
	conn, err := listen(ctx, "udp4")
	if err != nil {
		return err
	}
	c := ipv4.NewPacketConn(conn)
	err = errors.Join(c.JoinGroup(&ifi, &net.UDPAddr{IP: group4}), c.SetMulticastInterface(&ifi), c.SetMulticastTTL(hops), c.SetMulticastLoopback(true))
	if err != nil {
		return errors.Join(fmt.Errorf("join group: %w", err), conn.Close())
	}
	s.marked4 = c.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true) == nil
	s.v4 = c
	return nil
}

func (s *sockets) open6(ctx context.Context, ifi net.Interface) error {
	conn, err := listen(ctx, "udp6")
	if err != nil {
		return err
	}
	c := ipv6.NewPacketConn(conn)
	err = errors.Join(c.JoinGroup(&ifi, &net.UDPAddr{IP: group6}), c.SetMulticastInterface(&ifi), c.SetMulticastHopLimit(hops), c.SetMulticastLoopback(true))
	if err != nil {
		return errors.Join(fmt.Errorf("join group: %w", err), conn.Close())
	}
	s.marked6 = c.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true) == nil
	s.v6 = c
	return nil
}

func (s *sockets) Send(b []byte) error {
	var err4, err6 error
	if s.v4 != nil {
		_, err4 = s.v4.WriteTo(b, nil, s.to4)
	}
	if s.v6 != nil {
		_, err6 = s.v6.WriteTo(b, nil, s.to6)
	}
	return errors.Join(err4, err6)
}

func (s *sockets) SendTo(b []byte, to netip.AddrPort) error {
	addr := net.UDPAddrFromAddrPort(to)
	switch {
	case to.Addr().Is4() && s.v4 != nil:
		_, err := s.v4.WriteTo(b, nil, addr)
		return err
	case to.Addr().Is6() && s.v6 != nil:
		_, err := s.v6.WriteTo(b, nil, addr)
		return err
	}
	return fmt.Errorf("no socket reaches %s", to)
}

// Receive passes on what was sent to the group on this interface. Nothing else
// counts: what comes to our own address may come from anywhere in the world.
func (s *sockets) Receive(fn func(b []byte, from netip.AddrPort)) {
	var work sync.WaitGroup
	if s.v4 != nil {
		work.Go(func() { s.receive4(fn) })
	}
	if s.v6 != nil {
		work.Go(func() { s.receive6(fn) })
	}
	work.Wait()
}

func (s *sockets) receive4(fn func([]byte, netip.AddrPort)) {
	buf := make([]byte, maxPacket+1)
	for {
		n, cm, from, err := s.v4.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as an ICMP message about a packet of ours
			time.Sleep(afterError)
		case s.marked4 && (cm == nil || cm.IfIndex != s.index || !cm.Dst.Equal(group4)):
		default:
			fn(buf[:n], sender(from))
		}
	}
}

func (s *sockets) receive6(fn func([]byte, netip.AddrPort)) {
	buf := make([]byte, maxPacket+1)
	for {
		n, cm, from, err := s.v6.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(afterError)
		case s.marked6 && (cm == nil || cm.IfIndex != s.index || !cm.Dst.Equal(group6)):
		default:
			fn(buf[:n], sender(from))
		}
	}
}

func sender(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		at := u.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}

func (s *sockets) Close() error {
	var err4, err6 error
	if s.v4 != nil {
		err4 = s.v4.Close()
	}
	if s.v6 != nil {
		err6 = s.v6.Close()
	}
	return errors.Join(err4, err6)
}
