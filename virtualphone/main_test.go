package virtualphone_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/virtualphone"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if template != "" {
			os.RemoveAll(template)
		}
		os.Exit(code)
	}))
}

// template is the state of a small phone with contents.
var (
	template     string
	makeTemplate = sync.OnceValue(func() (err error) {
		if template, err = os.MkdirTemp("", "virtualphone"); err != nil {
			return err
		}
		s, err := virtualphone.Start(context.Background(), virtualphone.Config{Dir: template, Profile: "tiny", Seed: 3, KDFRounds: 10})
		if err != nil {
			return err
		}
		return s.Close()
	})
)

// tinyPhone is a folder of its own with the state of a small phone.
func tinyPhone(t testing.TB) string {
	t.Helper()
	check(t, makeTemplate())
	dir := filepath.Join(t.TempDir(), "phone")
	check(t, copyTree(template, dir))
	return dir
}

// copyTree copies files, links and times.
func copyTree(from, to string) error {
	return exec.Command("cp", "-a", from, to).Run()
}

type dict = hosttest.Dict

const (
	usb      = "USB"
	network  = "Network"
	lockdown = 62078
)

// start runs phones without files unless the test says otherwise.
func start(t testing.TB, change func(*virtualphone.Config)) *virtualphone.Server {
	t.Helper()
	cfg := virtualphone.Config{
		Dir: t.TempDir(), Empty: true, KDFRounds: 10, RebootTime: 10 * time.Millisecond, WiFiListen: "127.0.0.1:0",
	}
	if change != nil {
		change(&cfg)
	}
	s, err := virtualphone.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// host is a paired host of one phone.
type host struct {
	t      testing.TB
	s      *virtualphone.Server
	phone  *virtualphone.Phone
	record *hosttest.Record
	kind   string
}

func pair(t testing.TB, s *virtualphone.Server, style hosttest.Style) *host {
	t.Helper()
	h := &host{t: t, s: s, phone: s.Phones()[0], kind: usb}
	l := h.lockdown()
	h.record = l.Pair(style)
	l.Close()
	return h
}

func (h *host) dial(port uint16) net.Conn {
	h.t.Helper()
	return hosttest.Dial(h.t, h.s.Addr(), h.phone.UDID(), h.kind, port)
}

// lockdown connects, without a session.
func (h *host) lockdown() *hosttest.Lockdown {
	h.t.Helper()
	return hosttest.NewLockdown(h.t, h.dial(lockdown))
}

// session connects and starts one.
func (h *host) session() *hosttest.Lockdown {
	h.t.Helper()
	l := h.lockdown()
	l.Start(h.record)
	return l
}

// service starts one and connects to it.
func (h *host) service(name string) *hosttest.Plists {
	h.t.Helper()
	l := h.session()
	defer l.Close()
	conn, err := hosttest.TLS(h.t, h.dial(l.Service(name, h.record.EscrowBag)), h.record.ClientCertificate)
	if err != nil {
		h.t.Fatalf("TLS of %s: %v", name, err)
	}
	return &hosttest.Plists{T: h.t, Conn: conn}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func await(t testing.TB, p *virtualphone.Phone, event string, n int) {
	t.Helper()
	if err := p.Await(within(t), event, n); err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dialMux connects to the muxer without a request.
func (h *host) dialMux() net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.s.Addr())
	check(h.t, err)
	h.t.Cleanup(func() { conn.Close() })
	check(h.t, conn.SetDeadline(time.Now().Add(hosttest.Timeout)))
	return conn
}
