package mdns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Lives of announced records in seconds (RFC 6762, 10).
const (
	hostTTL   = 120
	otherTTL  = 4500
	legacyTTL = 10 // to those who only speak unicast DNS (RFC 6762, 6.7)
)

// metaQuery asks which services there are (RFC 6763, 9).
const metaQuery = "_services._dns-sd._udp.local."

// Service is what [Announce] tells of.
type Service struct {
	Type     string // "_ipp._tcp"
	Instance string // its name as people see it, up to 63 bytes, any characters
	Host     string // "printer.local."
	Port     uint16
	TXT      []string // "key=value", up to 255 bytes each
	// Addrs are the host's addresses on an interface; nil is those that the
	// interface has.
	Addrs func(net.Interface) []netip.Addr
}

// Announce answers for a service until ctx ends, and says good-bye then; it
// returns ctx's cause. changes, which may be nil, replaces what it tells; a new
// Type, Instance or Host is a good-bye to the old ones.
//
// Names are not defended against others (RFC 6762, 8.1): callers take names that
// follow from an address of hardware.
func Announce(ctx context.Context, s Service, changes <-chan Service, opt Options) error {
	opt = opt.withDefaults()
	a := &announcer{service: s, said: map[int]*saying{}}
	if err := a.check(); err != nil {
		return fmt.Errorf("announce %s: %w", s.Instance, err)
	}
	a.links = newLinks(opt)
	defer a.links.close()
	poll := time.NewTicker(opt.poll)
	defer poll.Stop()
	wake := time.NewTimer(0)
	defer wake.Stop()
	if err := a.look(ctx, time.Now()); err != nil {
		return fmt.Errorf("announce %s: %w", s.Instance, err)
	}
	for {
		wake.Reset(time.Until(a.next()))
		select {
		case <-ctx.Done():
			a.goodbye()
			return context.Cause(ctx)
		case next := <-changes:
			if err := a.change(next, time.Now()); err != nil {
				return fmt.Errorf("announce %s: %w", next.Instance, err)
			}
		case <-poll.C:
			if err := a.look(ctx, time.Now()); err != nil { // it gets better, or it does not
				opt.Log.Debug("announcement not heard", "cause", err)
			}
		case p := <-a.links.packets:
			if a.links.current(p.link) && !p.msg.response {
				a.answer(p, time.Now())
			}
		case <-wake.C:
			a.tick(time.Now())
		}
	}
}

type announcer struct {
	service Service
	links   *links
	said    map[int]*saying // by interface index
}

// part is a set of our records.
type part uint

const (
	partMeta part = 1 << iota
	partPTR
	partSRV
	partTXT
	partAddr
	partAll = partPTR | partSRV | partTXT | partAddr
)

// saying is what is to be said on an interface.
type saying struct {
	link  *link
	left  int       // announcements that are still to come
	again time.Time // the next of them
	due   part      // answers that wait
	at    time.Time // for
	last  time.Time // when something was multicast
}

func (a *announcer) typeName() string { return strings.Trim(a.service.Type, ".") + ".local." }

func (a *announcer) instance() string {
	var label strings.Builder
	appendLabel(&label, []byte(a.service.Instance))
	return label.String() + a.typeName()
}

// check finds out what cannot be said before anybody waits for it.
func (a *announcer) check() error {
	var m message
	for name := range maps.Values(map[int]string{0: a.typeName(), 1: a.instance(), 2: a.service.Host}) {
		m.questions = append(m.questions, question{name: name, typ: typeANY})
	}
	m.answers = []record{{name: a.instance(), typ: typeTXT, txt: a.service.TXT}}
	if !strings.HasSuffix(a.service.Host, ".local.") {
		return fmt.Errorf("host %q is not in the domain local", a.service.Host)
	}
	_, err := m.append(nil)
	return err
}

func (a *announcer) look(ctx context.Context, now time.Time) error {
	fresh, gone, err := a.links.update(ctx)
	for _, l := range gone {
		delete(a.said, l.ifi.Index)
	}
	for _, l := range fresh {
		a.said[l.ifi.Index] = &saying{link: l, left: 3, again: now}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return err
}

func (a *announcer) change(next Service, now time.Time) error {
	old := a.service
	a.service = next
	if err := a.check(); err != nil {
		return err
	}
	if !strings.EqualFold(old.Type, next.Type) || !strings.EqualFold(old.Instance, next.Instance) || !strings.EqualFold(old.Host, next.Host) {
		a.service = old
		a.goodbye()
		a.service = next
	}
	for _, s := range a.said {
		s.left, s.again = 3, now
	}
	return nil
}

func (a *announcer) next() time.Time {
	var at time.Time
	for _, s := range a.said {
		at = earlier(earlier(at, s.again), s.at)
	}
	if at.IsZero() {
		return time.Now().Add(time.Hour)
	}
	return at
}

// tick says what is due: new things three times, a second and two apart (RFC
// 6762, 8.3).
func (a *announcer) tick(now time.Time) {
	for _, s := range a.said {
		if !s.again.IsZero() && !now.Before(s.again) {
			a.say(s, partAll, now)
			s.left--
			s.again = now.Add(time.Second << (2 - s.left))
			if s.left == 0 {
				s.again = time.Time{}
			}
		}
		if !s.at.IsZero() && !now.Before(s.at) {
			a.say(s, s.due, now)
			s.due, s.at = 0, time.Time{}
		}
	}
}

// say multicasts some of our records, and beside them what the hearer needs next.
func (a *announcer) say(s *saying, what part, now time.Time) {
	m := message{response: true, answers: a.records(s.link, what)}
	if what&partPTR != 0 {
		m.extra = a.records(s.link, partAll&^what)
	} else if what&partSRV != 0 {
		m.extra = a.records(s.link, partAddr&^what)
	}
	if len(m.answers) > 0 {
		a.links.send(s.link, m)
		s.last = now
	}
}

func (a *announcer) goodbye() {
	for _, s := range a.said {
		m := message{response: true, answers: a.records(s.link, partAll)}
		for i := range m.answers {
			m.answers[i].ttl = 0
		}
		a.links.send(s.link, m)
	}
}

// records are ours on an interface.
func (a *announcer) records(l *link, what part) []record {
	var list []record
	if what&partMeta != 0 {
		list = append(list, record{name: metaQuery, typ: typePTR, ttl: otherTTL, target: a.typeName()})
	}
	if what&partPTR != 0 {
		list = append(list, record{name: a.typeName(), typ: typePTR, ttl: otherTTL, target: a.instance()})
	}
	if what&partSRV != 0 {
		list = append(list, record{name: a.instance(), typ: typeSRV, flush: true, ttl: hostTTL, port: a.service.Port, target: a.service.Host})
	}
	if what&partTXT != 0 {
		list = append(list, record{name: a.instance(), typ: typeTXT, flush: true, ttl: otherTTL, txt: a.service.TXT})
	}
	if what&partAddr != 0 {
		addrs := addrsOf
		if a.service.Addrs != nil {
			addrs = a.service.Addrs
		}
		for _, addr := range addrs(l.ifi) {
			typ := uint16(typeA)
			if addr = addr.Unmap().WithZone(""); addr.Is6() {
				typ = typeAAAA
			}
			list = append(list, record{name: a.service.Host, typ: typ, flush: true, ttl: hostTTL, addr: addr})
		}
	}
	return list
}

// asked tells which of our records a question wants.
func (a *announcer) asked(q question) part {
	want := func(types ...uint16) bool { return q.typ == typeANY || slices.Contains(types, q.typ) }
	var what part
	switch fold(q.name) {
	case metaQuery:
		if want(typePTR) {
			what |= partMeta
		}
	case fold(a.typeName()):
		if want(typePTR) {
			what |= partPTR
		}
	case fold(a.instance()):
		if want(typeSRV) {
			what |= partSRV
		}
		if want(typeTXT) {
			what |= partTXT
		}
	case fold(a.service.Host):
		if want(typeA, typeAAAA) {
			what |= partAddr
		}
	}
	return what
}

// answer gets a question answered: at once what only we know, and what others
// may answer too after a moment, in which the answers to several askers become
// one (RFC 6762, 6).
func (a *announcer) answer(p packet, now time.Time) {
	s := a.said[p.link.ifi.Index]
	if s == nil {
		return
	}
	var what part
	for _, q := range p.msg.questions {
		what |= a.asked(q)
	}
	for _, known := range p.msg.answers {
		if what&partPTR != 0 && known.typ == typePTR && fold(known.name) == fold(a.typeName()) &&
			fold(known.target) == fold(a.instance()) && known.ttl >= otherTTL/2 {
			what &^= partPTR
		}
	}
	if what == 0 {
		return
	}
	if p.from.Port() != Port {
		a.answerAlone(s, p, what)
		return
	}
	wait := time.Duration(0)
	if what&(partPTR|partMeta) != 0 {
		wait = jitter(20*time.Millisecond, 120*time.Millisecond)
	}
	s.due |= what
	s.at = earlier(s.at, now.Add(wait))
	if least := s.last.Add(time.Second); !s.last.IsZero() && s.at.Before(least) {
		s.at = least // nothing is multicast more than once a second
	}
}

// answerAlone answers a program that only speaks unicast DNS, in its way.
func (a *announcer) answerAlone(s *saying, p packet, what part) {
	m := message{id: p.msg.id, response: true, questions: p.msg.questions, answers: a.records(s.link, what)}
	for i := range m.answers {
		m.answers[i].flush = false
		m.answers[i].ttl = min(m.answers[i].ttl, legacyTTL)
	}
	b, err := m.append(nil)
	if err == nil {
		err = s.link.sock.SendTo(b, p.from)
	}
	if err != nil {
		a.links.opt.Log.Debug("answer not sent", "to", p.from, "cause", err)
	}
}
