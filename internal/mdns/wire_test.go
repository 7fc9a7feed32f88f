package mdns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a network in memory: everybody on it hears everybody.
type wire struct {
	mu    sync.Mutex
	ends  map[*end]bool
	log   []message // all that was multicast
	times []time.Time
}

type end struct {
	w    *wire
	in   chan []byte
	done chan struct{}
	once sync.Once
	from netip.AddrPort
}

func newWire() *wire { return &wire{ends: map[*end]bool{}} }

func (w *wire) open(context.Context, net.Interface) (socket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &end{w: w, in: make(chan []byte, 256), done: make(chan struct{}), from: netip.MustParseAddrPort("192.0.2.1:5353")}
	w.ends[e] = true
	return e, nil
}

func (e *end) Send(b []byte) error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	m, err := parse(b)
	if err != nil {
		return err
	}
	e.w.log, e.w.times = append(e.w.log, m), append(e.w.times, time.Now())
	for other := range e.w.ends {
		other.in <- b
	}
	return nil
}

func (e *end) SendTo(b []byte, _ netip.AddrPort) error { return e.Send(b) }

func (e *end) Receive(fn func([]byte, netip.AddrPort)) {
	for {
		select {
		case b := <-e.in:
			fn(b, e.from)
		case <-e.done:
			return
		}
	}
}

func (e *end) Close() error {
	e.once.Do(func() { close(e.done) })
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	delete(e.w.ends, e)
	return nil
}

// say speaks as somebody else on the wire.
func (w *wire) say(t *testing.T, m message) {
	t.Helper()
	b, err := m.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := range w.ends {
		e.in <- b
	}
}

// count tells how many messages were like that.
func (w *wire) count(like func(message) bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, m := range w.log {
		if like(m) {
			n++
		}
	}
	return n
}

// room is a test's network, with interfaces that come and go, in time that only
// passes when everybody waits.
type room struct {
	*wire
	t    *testing.T
	opt  Options
	mu   sync.Mutex
	ifis []net.Interface
}

func newRoom(t *testing.T) *room {
	r := &room{wire: newWire(), t: t, ifis: []net.Interface{{Index: 7, Name: "wlan9"}}}
	r.opt = Options{
		open:  r.open,
		print: func(net.Interface) string { return "" },
		Interfaces: func() ([]net.Interface, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.Clone(r.ifis), nil
		},
	}
	return r
}

func (r *room) interfaces(list ...net.Interface) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ifis = list
}

// heardBy collects what a browser tells.
type heardBy struct {
	mu     sync.Mutex
	events []Event
}

func (h *heardBy) take() []Event {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.events
	h.events = nil
	return list
}

func (r *room) browse() (h *heardBy, stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	h = &heardBy{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := Browse(ctx, "_apple-mobdev2._tcp", r.opt, func(ev Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, ev)
		})
		if err != context.Canceled {
			r.t.Error(err)
		}
	}()
	return h, func() { cancel(); <-ended }
}

func (r *room) one(h *heardBy, here bool) Instance {
	r.t.Helper()
	list := h.take()
	if len(list) != 1 || list[0].Here != here {
		r.t.Fatalf("told %+v, want one with here=%v", list, here)
	}
	return list[0].Instance
}

func (r *room) none(h *heardBy) {
	r.t.Helper()
	if list := h.take(); len(list) > 0 {
		r.t.Fatalf("told %+v", list)
	}
}

func asksPTR(m message) bool {
	return !m.response && slices.Contains(m.questions, question{name: "_apple-mobdev2._tcp.local.", typ: typePTR})
}

// TestBrowseLife: found in one packet, kept by age, asked for before its end,
// gone with it.
func TestBrowseLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		h, stop := r.browse()
		defer stop()
		time.Sleep(time.Second)
		r.none(h)
		r.say(t, phoneAnswer)
		i := r.one(h, true)
		if i.Name != "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f" || i.Port != 62078 || i.Interface != "wlan9" || len(i.Addrs) != 2 || i.Addrs[1].Zone() != "wlan9" {
			t.Errorf("%+v", i)
		}
		r.say(t, phoneAnswer)
		r.none(h) // nothing new
		time.Sleep(119 * time.Second)
		r.none(h)
		asked := func(q question) int {
			return r.count(func(m message) bool { return !m.response && slices.Contains(m.questions, q) })
		}
		if n := asked(question{name: phoneName, typ: typeSRV}); n != len(refreshAt) {
			t.Errorf("its SRV record was asked for %d times before its end", n)
		}
		time.Sleep(2 * time.Second)
		if was := r.one(h, false); was.Name != i.Name {
			t.Errorf("gone: %+v", was)
		}
		time.Sleep(time.Minute)
		if asked(question{name: phoneName, typ: typeSRV}) <= len(refreshAt) {
			t.Error("nobody asks for what is missing of an instance")
		}
		r.say(t, phoneAnswer)
		r.one(h, true)
	})
}

// TestBrowseGoodbye: a record that is taken back lives a second more, unless it
// is said again.
func TestBrowseGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		h, stop := r.browse()
		defer stop()
		time.Sleep(time.Second)
		r.say(t, phoneAnswer)
		r.one(h, true)
		bye := message{response: true, answers: []record{phoneAnswer.answers[0]}}
		bye.answers[0].ttl = 0
		r.say(t, bye)
		time.Sleep(900 * time.Millisecond)
		r.none(h)
		r.say(t, phoneAnswer)
		time.Sleep(10 * time.Second)
		r.none(h)
		r.say(t, bye)
		time.Sleep(1100 * time.Millisecond)
		r.one(h, false)
	})
}

// TestBrowseFlush: a phone that changes its address has the new one only.
func TestBrowseFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		h, stop := r.browse()
		defer stop()
		time.Sleep(time.Second)
		r.say(t, phoneAnswer)
		r.one(h, true)
		time.Sleep(5 * time.Second)
		moved := message{response: true, answers: []record{{name: "iPhone.local.", typ: typeA, flush: true, ttl: 120, addr: netip.MustParseAddr("192.168.1.10")}}}
		r.say(t, moved)
		time.Sleep(1100 * time.Millisecond)
		list := h.take()
		if n := len(list); n != 2 || len(list[1].Instance.Addrs) != 2 || list[1].Instance.Addrs[0] != netip.MustParseAddr("192.168.1.10") {
			t.Errorf("%+v", list)
		}
	})
}

// TestBrowsePieces: an instance whose records come one by one.
func TestBrowsePieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		h, stop := r.browse()
		defer stop()
		time.Sleep(time.Second)
		for _, rec := range slices.Concat(phoneAnswer.answers, phoneAnswer.extra[:2]) {
			r.say(t, message{response: true, answers: []record{rec}})
			time.Sleep(time.Second)
			r.none(h)
		}
		if r.count(func(m message) bool { return slices.Contains(m.questions, question{name: "iPhone.local.", typ: typeA}) }) == 0 {
			t.Error("nobody asked for the address")
		}
		r.say(t, message{response: true, answers: phoneAnswer.extra[2:3]})
		r.one(h, true)
	})
}

// TestBrowseInterfaces: the same phone on two networks is two, and goes with
// each.
func TestBrowseInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		r.interfaces(net.Interface{Index: 1, Name: "a"}, net.Interface{Index: 2, Name: "b"})
		h, stop := r.browse()
		defer stop()
		time.Sleep(time.Second)
		r.say(t, phoneAnswer)
		if list := h.take(); len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		r.interfaces(net.Interface{Index: 2, Name: "b"})
		time.Sleep(2 * pollEvery)
		if was := r.one(h, false); was.Interface != "a" {
			t.Errorf("%+v", was)
		}
		r.interfaces()
		time.Sleep(2 * pollEvery)
		r.one(h, false)
	})
}

// TestQuestions become rarer, and tell what is known.
func TestQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		h, stop := r.browse()
		defer stop()
		time.Sleep(10 * time.Minute)
		if n := r.count(asksPTR); n != 10 {
			t.Errorf("%d questions in ten minutes", n)
		}
		known := slices.Clone(phoneAnswer.extra)
		for i := range known {
			known[i].ttl = 4500
		}
		r.say(t, message{response: true, answers: phoneAnswer.answers, extra: known})
		r.one(h, true)
		time.Sleep(30 * time.Minute)
		if r.count(func(m message) bool { return asksPTR(m) && len(m.answers) == 1 && m.answers[0].target == phoneName }) == 0 {
			t.Error("no question told what is known already")
		}
	})
}

// TestAnnounce: said three times, found by a browser, not repeated to those who
// know, taken back at the end.
func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t)
		own := []netip.Addr{netip.MustParseAddr("192.168.1.9"), netip.MustParseAddr("fe80::9%eth0")}
		s := Service{Type: "_apple-mobdev2._tcp", Instance: "Max' 3.5", Host: "host.local.", Port: 1, Addrs: func(net.Interface) []netip.Addr { return own }}
		ctx, bye := context.WithCancel(t.Context())
		ended, changes := make(chan error, 1), make(chan Service)
		go func() { ended <- Announce(ctx, s, changes, r.opt) }()
		time.Sleep(10 * time.Second)
		full := func(m message) bool { return m.response && len(m.answers) == 5 && m.answers[0].ttl > 0 }
		if n := r.count(full); n != 3 {
			t.Errorf("announced %d times", n)
		}
		h, stop := r.browse()
		defer stop()
		time.Sleep(2 * time.Second)
		if i := r.one(h, true); i.Name != "Max' 3.5" || i.Port != 1 || len(i.Addrs) != 2 {
			t.Errorf("%+v", i)
		}
		answers := r.count(func(m message) bool { return m.response })
		time.Sleep(10 * time.Second)
		if n := r.count(func(m message) bool { return m.response }); n != answers {
			t.Errorf("%d answers to who knew", n-answers)
		}
		s.TXT = []string{"a=b"}
		changes <- s
		if i := r.one(h, true); !slices.Equal(i.TXT, s.TXT) {
			t.Errorf("%+v", i)
		}
		r.say(t, message{questions: []question{{name: metaQuery, typ: typePTR}}})
		time.Sleep(2 * time.Second)
		if r.count(func(m message) bool { return len(m.answers) == 1 && m.answers[0].name == metaQuery }) != 1 {
			t.Error("nobody said which services there are")
		}
		s.Instance = "renamed"
		changes <- s
		time.Sleep(2 * time.Second)
		if list := h.take(); len(list) != 2 || !list[0].Here || list[1].Here || list[1].Instance.Name != "Max' 3.5" {
			t.Errorf("%+v", list)
		}
		bye()
		<-ended
		time.Sleep(2 * time.Second)
		r.one(h, false)
	})
}

func TestAnnounceRefuses(t *testing.T) {
	for _, s := range []Service{
		{Type: "_a._tcp", Instance: "x", Host: "host"},
		{Type: "_a._tcp", Instance: "", Host: "host.local."},
		{Type: "_a._tcp", Instance: "x", Host: "host.local.", TXT: []string{string(make([]byte, 256))}},
	} {
		if err := Announce(t.Context(), s, nil, Options{Interfaces: func() ([]net.Interface, error) { return nil, nil }}); err == nil {
			t.Errorf("%+v was announced", s)
		}
	}
}

// TestFlood: made-up records do not fill the memory.
func TestFlood(t *testing.T) {
	n := newNetwork("_apple-mobdev2._tcp.local.")
	n.link = &link{}
	now := time.Now()
	for i := range 4 {
		var m message
		for k := range maxRecords / 2 {
			name := fmt.Sprintf("%d-%d.%s", i, k, n.service)
			m.answers = append(m.answers, record{name: n.service, typ: typePTR, ttl: 1 << 31, target: name}, record{name: name, typ: typeSRV, ttl: 1, target: "h.local."})
			m.extra = append(m.extra, record{name: "h.local.", typ: typeA, ttl: 1, addr: netip.AddrFrom4([4]byte{10, byte(i), byte(k >> 8), byte(k)})})
		}
		n.hear(m, now)
	}
	if len(n.entries) > maxEntries || len(n.addrs("h.local.")) > maxHostAddr {
		t.Errorf("%d records, %d addresses of a host", len(n.entries), len(n.addrs("h.local.")))
	}
}
