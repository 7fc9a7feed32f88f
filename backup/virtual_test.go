package backup_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// reporter remembers what it is told.
type reporter struct {
	mu     sync.Mutex
	phases []string
	said   []string
	bytes  int64
}

func (r *reporter) Phase(name, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phases = append(r.phases, name)
}

func (r *reporter) Update(c progress.Counters) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes = max(r.bytes, c.Bytes)
}

func (r *reporter) Say(kind progress.Kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, string(kind)+": "+text)
}

func (r *reporter) Close() {}

func (r *reporter) heard(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(strings.Join(r.said, "\n"), part)
}

// start gives a virtual phone and a paired handle on it.
func start(t *testing.T, cfg virtualphone.Config, faults string) (*virtualphone.Phone, *device.Device) {
	t.Helper()
	var err error
	if cfg.Faults, err = virtualphone.ParseFaults(faults); err != nil {
		t.Fatal(err)
	}
	_, phone, dev := serve(t, cfg)
	return phone, dev
}

// serve is start for those who need to connect by themselves.
func serve(t testing.TB, cfg virtualphone.Config) (*virtualphone.Server, *virtualphone.Phone, *device.Device) {
	t.Helper()
	cfg.Dir = t.TempDir()
	if cfg.Profile == "" {
		cfg.Profile = "tiny"
	}
	cfg.KDFRounds = 1
	s, err := virtualphone.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close phone: %v", err)
		}
	})
	return s, s.Phones()[0], open(t, s)
}

func open(t testing.TB, s *virtualphone.Server) *device.Device {
	t.Helper()
	addr, err := usbmux.ParseAddress(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.Open(t.Context(), device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Pair(t.Context(), device.PairOptions{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func folder(dir string, p *virtualphone.Phone) string { return filepath.Join(dir, p.UDID()) }
