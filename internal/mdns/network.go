package mdns

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bounds of what one network may make us remember: anybody there can make
// records up.
const (
	maxEntries  = 1024
	maxHostAddr = 16
	maxLife     = 24 * time.Hour
)

const (
	firstAsk = time.Second
	// longestAsk is the longest pause between questions (RFC 6762, 5.2).
	longestAsk = time.Hour
	// goodbyeLife is what is left of a record that was taken back (RFC 6762, 10.1).
	goodbyeLife = time.Second
	// knownBytes of what is known go into a question: it stays one packet.
	knownBytes = 1000
)

// refreshAt are the parts of a record's life at which it is asked for (RFC 6762,
// 5.2).
var refreshAt = [...]int{80, 85, 90, 95}

// entry is a record that lives.
type entry struct {
	rec   record
	heard time.Time
	life  time.Duration
	asked int  // how many of refreshAt have passed
	dying bool // it was taken back: nobody needs to ask for it
}

func (e *entry) end() time.Time { return e.heard.Add(e.life) }

// refresh is when it is to be asked for; zero never.
func (e *entry) refresh() time.Time {
	if e.dying || e.asked >= len(refreshAt) {
		return time.Time{}
	}
	return e.heard.Add(e.life * time.Duration(refreshAt[e.asked]) / 100)
}

// network is what is known of one interface.
type network struct {
	service string
	link    *link
	entries map[string]*entry // by name, type and, where several may be, data
	told    map[string]Instance

	nextAsk time.Time // for the service
	pause   time.Duration
	// lacking are questions about what is missing of instances, and when they were
	// asked last.
	nextLack  time.Time
	lackPause time.Duration
}

func newNetwork(service string) *network {
	return &network{service: service, entries: map[string]*entry{}, told: map[string]Instance{}}
}

// restart asks as if nothing had been asked before.
func (n *network) restart(now time.Time) {
	n.nextAsk, n.pause = now.Add(jitter(20*time.Millisecond, 120*time.Millisecond)), firstAsk
}

func fold(name string) string { return strings.ToLower(name) }

func keyOf(rec record) string {
	key := fold(rec.name) + "\x00" + string(rune(rec.typ)) + "\x00"
	switch rec.typ {
	case typePTR:
		return key + fold(rec.target)
	case typeA, typeAAAA:
		return key + rec.addr.String()
	}
	return key // one of each
}

// hear takes in an answer: first who is there, then what belongs to them.
func (n *network) hear(m message, now time.Time) {
	all := slices.Concat(m.answers, m.extra)
	for _, rec := range all {
		if rec.typ == typePTR && fold(rec.name) == n.service && strings.HasSuffix(fold(rec.target), "."+n.service) {
			n.put(rec, now)
		}
	}
	for _, rec := range all {
		if (rec.typ == typeSRV || rec.typ == typeTXT) && strings.HasSuffix(fold(rec.name), "."+n.service) {
			n.put(rec, now)
		}
	}
	hosts := n.hosts()
	for _, rec := range all {
		if (rec.typ == typeA || rec.typ == typeAAAA) && hosts[fold(rec.name)] {
			n.put(rec, now)
		}
	}
	// Several addresses, each with the flush bit, belong together: those of this
	// message are older than nobody.
	for _, rec := range all {
		if rec.flush {
			n.flush(rec, now)
		}
	}
	n.missNothing(now)
}

// missNothing sees to it that somebody asks for what is missing of an instance.
func (n *network) missNothing(now time.Time) {
	if n.nextLack.IsZero() && len(n.lacks()) > 0 {
		n.nextLack, n.lackPause = now.Add(jitter(20*time.Millisecond, 120*time.Millisecond)), firstAsk
	}
}

// put remembers a record, or takes it back.
func (n *network) put(rec record, now time.Time) {
	key := keyOf(rec)
	old := n.entries[key]
	switch {
	case rec.ttl == 0 && old != nil:
		n.kill(old, now)
		return
	case rec.ttl == 0, old == nil && n.full(rec):
		return
	}
	n.entries[key] = &entry{rec: rec, heard: now, life: min(time.Duration(rec.ttl)*time.Second, maxLife)}
}

func (n *network) full(rec record) bool {
	if len(n.entries) >= maxEntries {
		return true
	}
	if rec.typ != typeA && rec.typ != typeAAAA {
		return false
	}
	return len(n.addrs(rec.name)) >= maxHostAddr
}

func (n *network) kill(e *entry, now time.Time) {
	if left := e.end().Sub(now); left > goodbyeLife {
		e.heard, e.life = now, goodbyeLife
	}
	e.dying = true
}

// flush ends what a record replaces: all of its name and type that are older
// than a second (RFC 6762, 10.2).
func (n *network) flush(rec record, now time.Time) {
	name := fold(rec.name)
	for _, e := range n.entries {
		if e.rec.typ == rec.typ && fold(e.rec.name) == name && now.Sub(e.heard) > time.Second && !e.dying {
			n.kill(e, now)
		}
	}
}

// expire removes what has lived; it tells whether there was any.
func (n *network) expire(now time.Time) bool {
	any := false
	for key, e := range n.entries {
		if !now.Before(e.end()) {
			delete(n.entries, key)
			any = true
		}
	}
	if any {
		n.missNothing(now)
	}
	return any
}

func (n *network) find(name string, typ uint16) *entry {
	return n.entries[keyOf(record{name: name, typ: typ})]
}

// targets are the names of the instances.
func (n *network) targets() []string {
	var list []string
	for _, e := range n.entries {
		if e.rec.typ == typePTR {
			list = append(list, e.rec.target)
		}
	}
	slices.Sort(list)
	return list
}

func (n *network) hosts() map[string]bool {
	hosts := map[string]bool{}
	for _, e := range n.entries {
		if e.rec.typ == typeSRV {
			hosts[fold(e.rec.target)] = true
		}
	}
	return hosts
}

func (n *network) addrs(host string) []netip.Addr {
	host = fold(host)
	var list []netip.Addr
	for _, e := range n.entries {
		if (e.rec.typ == typeA || e.rec.typ == typeAAAA) && fold(e.rec.name) == host {
			a := e.rec.addr
			if a.Is6() && a.IsLinkLocalUnicast() && n.link != nil {
				a = a.WithZone(n.link.ifi.Name)
			}
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// instances are those that are complete.
func (n *network) instances() map[string]Instance {
	list := map[string]Instance{}
	for _, target := range n.targets() {
		srv := n.find(target, typeSRV)
		if srv == nil {
			continue
		}
		i := Instance{
			Name: instanceName(target, n.service), Host: srv.rec.target, Port: srv.rec.port,
			Interface: n.link.ifi.Name, Addrs: n.addrs(srv.rec.target),
		}
		if txt := n.find(target, typeTXT); txt != nil {
			i.TXT = txt.rec.txt
		}
		if len(i.Addrs) > 0 {
			list[fold(target)] = i
		}
	}
	return list
}

// instanceName is the label before the service, without its backslashes.
func instanceName(target, service string) string {
	labels, err := splitLabels(target[:len(target)-len(service)])
	if err != nil {
		return strings.TrimSuffix(target[:len(target)-len(service)], ".")
	}
	return strings.Join(labels, ".")
}

// lacks are the questions about what is missing of instances.
func (n *network) lacks() []question {
	var list []question
	for _, target := range n.targets() {
		srv := n.find(target, typeSRV)
		if srv == nil {
			list = append(list, question{name: target, typ: typeSRV})
		} else if len(n.addrs(srv.rec.target)) == 0 {
			list = append(list, question{name: srv.rec.target, typ: typeA}, question{name: srv.rec.target, typ: typeAAAA})
		}
		if n.find(target, typeTXT) == nil {
			list = append(list, question{name: target, typ: typeTXT})
		}
	}
	return list
}

// next is when something is to be done.
func (n *network) next() time.Time {
	at := earlier(n.nextAsk, n.nextLack)
	for _, e := range n.entries {
		at = earlier(earlier(at, e.end()), e.refresh())
	}
	return at
}

// ask is the question that is due, if any.
func (n *network) ask(now time.Time) (m message, ok bool) {
	add := func(q question) {
		if !slices.Contains(m.questions, q) && len(m.questions) < 16 {
			m.questions = append(m.questions, q)
		}
	}
	if !now.Before(n.nextAsk) {
		add(question{name: n.service, typ: typePTR})
		n.nextAsk = now.Add(n.pause)
		n.pause = min(n.pause*2, longestAsk)
	}
	if !n.nextLack.IsZero() && !now.Before(n.nextLack) {
		lacks := n.lacks()
		for _, q := range lacks {
			add(q)
		}
		n.nextLack = now.Add(n.lackPause)
		n.lackPause = min(n.lackPause*2, longestAsk)
		if len(lacks) == 0 {
			n.nextLack = time.Time{}
		}
	}
	for _, e := range n.entries {
		if at := e.refresh(); !at.IsZero() && !now.Before(at) {
			e.asked++
			add(question{name: e.rec.name, typ: e.rec.typ})
		}
	}
	m.answers = n.knownAnswers(m.questions, now)
	return m, len(m.questions) > 0
}

// knownAnswers are what need not be repeated to us: the instances that have more
// than half of their lives before them (RFC 6762, 7.1).
func (n *network) knownAnswers(asked []question, now time.Time) []record {
	if !slices.Contains(asked, question{name: n.service, typ: typePTR}) {
		return nil
	}
	var list []record
	size := 0
	for _, target := range n.targets() {
		e := n.entries[keyOf(record{name: n.service, typ: typePTR, target: target})]
		left := e.end().Sub(now)
		if size += len(target); left <= e.life/2 || e.dying || size > knownBytes {
			continue
		}
		rec := e.rec
		rec.ttl, rec.flush = uint32(left/time.Second), false
		list = append(list, rec)
	}
	return list
}
