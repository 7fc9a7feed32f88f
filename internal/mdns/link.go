package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// socket sends to and hears the group on one interface.
type socket interface {
	// Send multicasts a message.
	Send(b []byte) error
	// SendTo answers one asker alone.
	SendTo(b []byte, to netip.AddrPort) error
	// Receive calls fn for each packet, from several goroutines, until Close.
	Receive(fn func(b []byte, from netip.AddrPort))
	Close() error
}

// link is an interface in use.
type link struct {
	ifi  net.Interface
	sock socket
	mark string // fingerprint when the socket was made
}

// packet is a message that came over a link.
type packet struct {
	link *link
	msg  message
	from netip.AddrPort
}

// links keeps the sockets in line with the interfaces, and gathers what they
// hear. All of it but the reading happens in the caller's goroutine.
type links struct {
	opt     Options
	open    map[int]*link // by interface index
	packets chan packet
	done    chan struct{} // closed by close
	readers sync.WaitGroup
}

func newLinks(opt Options) *links {
	return &links{
		opt: opt, open: map[int]*link{}, packets: make(chan packet, 64),
		done: make(chan struct{}),
	}
}

// update looks at the interfaces. It returns the links that are new, made anew
// ones included, and those that are gone; and an error when there are interfaces
// and none can be used.
func (s *links) update(ctx context.Context) (fresh, gone []*link, err error) {
	now, err := s.opt.Interfaces()
	if err != nil {
		return nil, nil, err
	}
	here := map[int]bool{}
	var failed []error
	for _, ifi := range now {
		here[ifi.Index] = true
		mark := s.opt.print(ifi)
		old := s.open[ifi.Index]
		if old != nil && old.mark == mark {
			continue
		}
		sock, err := s.opt.open(ctx, ifi)
		if err != nil {
			s.opt.Log.Debug("no multicast", "interface", ifi.Name, "cause", err)
			failed = append(failed, fmt.Errorf("%s: %w", ifi.Name, err))
			here[ifi.Index] = false
			continue
		}
		if old != nil {
			s.shut(old)
		}
		l := &link{ifi, sock, mark}
		s.open[ifi.Index] = l
		s.read(l)
		fresh = append(fresh, l)
	}
	for index, l := range s.open {
		if !here[index] {
			s.shut(l)
			delete(s.open, index)
			gone = append(gone, l)
		}
	}
	if len(s.open) == 0 {
		err = errors.Join(failed...)
	}
	return fresh, gone, err
}

func (s *links) read(l *link) {
	s.readers.Go(func() {
		l.sock.Receive(func(b []byte, from netip.AddrPort) {
			msg, err := parse(b)
			if err != nil && len(msg.answers)+len(msg.extra) == 0 {
				return // others may speak as they like
			}
			select {
			case s.packets <- packet{l, msg, from}:
			case <-s.done:
			}
		})
	})
}

func (s *links) shut(l *link) {
	if err := l.sock.Close(); err != nil {
		s.opt.Log.Debug("close multicast socket", "interface", l.ifi.Name, "cause", err)
	}
}

// close ends all readers.
func (s *links) close() {
	close(s.done)
	for _, l := range s.open {
		s.shut(l)
	}
	s.readers.Wait()
}

// current tells whether a packet is of a link that is still in use.
func (s *links) current(l *link) bool { return s.open[l.ifi.Index] == l }

// send multicasts, best effort: a network that is just going down is no error,
// and what got lost is said again.
func (s *links) send(l *link, m message) {
	b, err := m.append(nil)
	if err == nil {
		err = l.sock.Send(b)
	}
	if err != nil {
		s.opt.Log.Debug("multicast not sent", "interface", l.ifi.Name, "cause", err)
	}
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
