package mdns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Instance is one announced service on one interface.
type Instance struct {
	Name      string       // without the service, as people see it: "Max's 3.5 inch"
	Host      string       // "printer.local."
	Interface string       // on which it was heard
	Port      uint16       // of its SRV record
	TXT       []string     // of its TXT record, "key=value"
	Addrs     []netip.Addr // sorted; link-local ones of IPv6 have the interface as zone
}

func (i Instance) equal(o Instance) bool {
	return i.Name == o.Name && i.Host == o.Host && i.Interface == o.Interface && i.Port == o.Port &&
		slices.Equal(i.TXT, o.TXT) && slices.Equal(i.Addrs, o.Addrs)
}

// Event tells of an instance that is there or changed (Here), or went.
type Event struct {
	Instance Instance
	Here     bool
}

// Browse calls fn for what it hears of a service such as "_ipp._tcp", one event
// at a time in the caller's goroutine, until ctx ends, whose cause it returns.
// An instance counts as there when it has a port and an address; it goes with its
// records, by good-bye or by age, and with its interface. The same instance on
// two networks is two.
//
// Any other error tells why nothing can be heard at all. No interface is none:
// one may come.
func Browse(ctx context.Context, service string, opt Options, fn func(Event)) error {
	b := &browser{service: fold(strings.Trim(service, ".")) + ".local.", fn: fn, nets: map[int]*network{}}
	if _, err := splitLabels(b.service); err != nil {
		return fmt.Errorf("browse for %s: %w", service, err)
	}
	opt = opt.withDefaults()
	b.links = newLinks(opt)
	defer b.links.close()
	poll := time.NewTicker(opt.poll)
	defer poll.Stop()
	wake := time.NewTimer(0)
	defer wake.Stop()
	if err := b.look(ctx, time.Now()); err != nil {
		return fmt.Errorf("browse for %s: %w", service, err)
	}
	for {
		wake.Reset(time.Until(b.next()))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-poll.C:
			if err := b.look(ctx, time.Now()); err != nil {
				b.forgetAll()
				return fmt.Errorf("browse for %s: %w", service, err)
			}
		case p := <-b.links.packets:
			// Answers come from the port; others are no multicast DNS (RFC 6762, 6).
			if n := b.nets[p.link.ifi.Index]; n != nil && b.links.current(p.link) && p.msg.response && p.from.Port() == Port {
				n.hear(p.msg, time.Now())
				b.report(n)
			}
		case <-wake.C:
			b.tick(time.Now())
		}
	}
}

type browser struct {
	service string // "_ipp._tcp.local."
	fn      func(Event)
	links   *links
	nets    map[int]*network // by interface index
}

// look follows the interfaces.
func (b *browser) look(ctx context.Context, now time.Time) error {
	fresh, gone, err := b.links.update(ctx)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	for _, l := range gone {
		b.forget(l.ifi.Index)
	}
	for _, l := range fresh {
		n := b.nets[l.ifi.Index]
		if n == nil {
			n = newNetwork(b.service)
			b.nets[l.ifi.Index] = n
		}
		n.link = l
		n.restart(now)
	}
	return err
}

func (b *browser) forget(index int) {
	n := b.nets[index]
	if n == nil {
		return
	}
	delete(b.nets, index)
	for _, was := range n.told {
		b.fn(Event{was, false})
	}
}

func (b *browser) forgetAll() {
	for index := range b.nets {
		b.forget(index)
	}
}

func (b *browser) next() time.Time {
	var at time.Time
	for _, n := range b.nets {
		at = earlier(at, n.next())
	}
	if at.IsZero() {
		return time.Now().Add(time.Hour)
	}
	return at
}

func (b *browser) tick(now time.Time) {
	for _, n := range b.nets {
		if n.expire(now) {
			b.report(n)
		}
		if m, ok := n.ask(now); ok {
			b.links.send(n.link, m)
		}
	}
}

// report tells what is new on a network.
func (b *browser) report(n *network) {
	here := n.instances()
	for key, was := range n.told {
		if _, ok := here[key]; !ok {
			delete(n.told, key)
			b.fn(Event{was, false})
		}
	}
	for key, is := range here {
		if was, ok := n.told[key]; !ok || !was.equal(is) {
			n.told[key] = is
			b.fn(Event{is, true})
		}
	}
}

// jitter keeps the computers of a network from speaking all at once.
func jitter(least, most time.Duration) time.Duration { return least + rand.N(most-least) }
