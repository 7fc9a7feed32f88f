package discovery_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// startPhones runs phones without files, on Wi-Fi once that is switched on.
func startPhones(t testing.TB, change ...func(*virtualphone.Config)) *virtualphone.Server {
	t.Helper()
	cfg := virtualphone.Config{Dir: t.TempDir(), Empty: true, KDFRounds: 1, RebootTime: 10 * time.Millisecond, WiFi: true, WiFiListen: "127.0.0.1:0"}
	for _, c := range change {
		c(&cfg)
	}
	s, err := virtualphone.Start(context.Background(), cfg)
	check(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close phone: %v", err)
		}
	})
	return s
}

func muxOf(t testing.TB, s *virtualphone.Server) *usbmux.Client {
	t.Helper()
	at, err := usbmux.ParseAddress(s.Addr())
	check(t, err)
	return &usbmux.Client{Address: at}
}

func udidOf(t testing.TB, p *virtualphone.Phone) usbmux.UDID {
	t.Helper()
	udid, err := usbmux.ParseUDID(p.UDID())
	check(t, err)
	return udid
}

// pairByCable pairs, switches Wi-Fi on, and learns what there is to know.
func pairByCable(t testing.TB, s *virtualphone.Server, p *virtualphone.Phone) discovery.Known {
	t.Helper()
	ctx, mux := within(t), muxOf(t, s)
	dev, err := device.Open(ctx, device.Options{Mux: mux, Select: p.UDID(), Transport: device.USB})
	check(t, err)
	defer dev.Close()
	check(t, dev.Pair(ctx, device.PairOptions{}))
	check(t, dev.EnableWiFi(ctx, true))
	known, err := discovery.Learn(ctx, dev)
	check(t, err)
	data, err := mux.ReadPairRecord(ctx, known.UDID)
	check(t, err)
	known.Record, err = lockdown.ParsePairRecord(data)
	check(t, err)
	check(t, p.Await(ctx, "network-attached", 1))
	return known
}

// pairUnder pairs a second phone under the HostID of a first, as programs do
// that have one for each computer.
func pairUnder(t testing.TB, s *virtualphone.Server, p *virtualphone.Phone, host *lockdown.PairRecord) discovery.Known {
	t.Helper()
	ctx := within(t)
	dev, err := device.Open(ctx, device.Options{Mux: muxOf(t, s), Select: p.UDID(), Transport: device.USB})
	check(t, err)
	defer dev.Close()
	c, err := lockdown.Dial(ctx, dev)
	check(t, err)
	defer c.Close()
	key, err := c.GetData(ctx, "", "DevicePublicKey")
	check(t, err)
	record, err := lockdown.NewPairRecord(lockdown.PairIdentity{SystemBUID: host.SystemBUID, DevicePublicKey: key})
	check(t, err)
	record.HostID = host.HostID
	check(t, c.PairAndWait(ctx, record, "", nil))
	data, err := record.Marshal()
	check(t, err)
	check(t, muxOf(t, s).SavePairRecord(ctx, dev.UDID(), 0, data))
	check(t, dev.EnableWiFi(ctx, true))
	check(t, p.Await(ctx, "network-attached", 1))
	return discovery.Known{UDID: dev.UDID(), Record: record}
}

// air is a Browser of which the test is the network.
type air struct {
	ads chan func(fn func(discovery.Advert, bool))
}

func newAir() *air { return &air{make(chan func(func(discovery.Advert, bool)))} }

func (a *air) Browse(ctx context.Context, fn func(discovery.Advert, bool)) error {
	for {
		select {
		case do := <-a.ads:
			do(fn)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *air) say(ad discovery.Advert, here bool) {
	done := make(chan struct{})
	a.ads <- func(fn func(discovery.Advert, bool)) { fn(ad, here); close(done) }
	<-done
}

// advert is what a phone would say, but for its name and tags.
func advert(t testing.TB, p *virtualphone.Phone, name string, txt ...string) discovery.Advert {
	t.Helper()
	at := p.NetworkAddr().(*net.TCPAddr).AddrPort()
	return discovery.Advert{Name: name, Interface: loopback(t), Port: at.Port(), TXT: txt, Addrs: []netip.Addr{at.Addr().Unmap()}}
}

func loopback(t testing.TB) string {
	t.Helper()
	all, err := net.Interfaces()
	check(t, err)
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 {
			return ifi.Name
		}
	}
	t.Fatal("no loopback interface")
	return ""
}

// fast are times for tests.
var fast = discovery.Pace{Probe: 5 * time.Second, Recheck: 300 * time.Millisecond, Retry: 30 * time.Millisecond, Redial: 30 * time.Millisecond, Known: 100 * time.Millisecond}

// watch runs a watcher and gives its events.
func watch(t testing.TB, opt discovery.Options) (*discovery.Watcher, <-chan discovery.Event) {
	t.Helper()
	if opt.Pace == (discovery.Pace{}) {
		opt.Pace = fast
	}
	w := discovery.New(opt)
	ctx, cancel := context.WithCancel(t.Context())
	events := w.Events(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		for range events {
		}
	})
	return w, events
}

// until waits for an event that is as wanted.
func until(t testing.TB, events <-chan discovery.Event, what string, ok func(discovery.Event) bool) discovery.Event {
	t.Helper()
	limit := time.After(20 * time.Second)
	var seen []discovery.Event
	for {
		select {
		case ev := <-events:
			if seen = append(seen, ev); ok(ev) {
				return ev
			}
		case <-limit:
			t.Fatalf("%s never came; events: %+v", what, seen)
		}
	}
}

func is(kind discovery.Kind, udid usbmux.UDID) func(discovery.Event) bool {
	return func(ev discovery.Event) bool { return ev.Kind == kind && ev.Sighting.UDID == udid }
}

// eventually waits for what no event tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: never", what)
		}
	}
}

func knowing(list ...discovery.Known) func(context.Context) ([]discovery.Known, error) {
	return func(context.Context) ([]discovery.Known, error) { return list, nil }
}

// memory is a Recorder.
type memory struct {
	mu      sync.Mutex
	records map[usbmux.UDID]*lockdown.PairRecord
	saves   int
}

func (m *memory) Load(_ context.Context, udid usbmux.UDID) (*lockdown.PairRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.records[udid]; r != nil {
		return r, nil
	}
	return nil, usbmux.ErrNoPairRecord
}

func (m *memory) Save(_ context.Context, udid usbmux.UDID, record *lockdown.PairRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[usbmux.UDID]*lockdown.PairRecord{}
	}
	m.records[udid] = record
	m.saves++
	return nil
}
