package virtualphone_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/virtualphone"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

func TestReady(t *testing.T) {
	s := start(t, nil)
	b, err := json.Marshal(s.Ready())
	check(t, err)
	want := `{"message_type":"ready","socket":"` + s.Addr() + `","devices":[{"udid":"` + s.Phones()[0].UDID() + `"}]}`
	if string(b) != want {
		t.Errorf("got %s\nwant %s", b, want)
	}
}

// TestStateSurvives: pairings, name and identity outlive the process.
func TestStateSurvives(t *testing.T) {
	dir := t.TempDir()
	cfg := virtualphone.Config{Dir: dir, Empty: true, Seed: 5, DeviceName: "Ann’s phone", IOS: "17.3"}
	s, err := virtualphone.Start(context.Background(), cfg)
	check(t, err)
	h := pair(t, s, hosttest.Styles[0])
	udid := h.phone.UDID()
	if _, err := virtualphone.Start(context.Background(), cfg); !errors.Is(err, state.ErrInUse) {
		t.Errorf("a second process: %v", err)
	}
	check(t, s.Close())
	check(t, s.Close()) // again does no harm

	again := start(t, func(c *virtualphone.Config) { c.Dir, c.Seed = dir, 77 })
	if got := again.Phones()[0].UDID(); got != udid {
		t.Errorf("another phone: %s, was %s", got, udid)
	}
	h.s, h.phone = again, again.Phones()[0]
	l := h.session()
	if name, version := l.Value("", "DeviceName"), l.Value("", "ProductVersion"); name != "Ann’s phone" || version != "17.3" {
		t.Errorf("%v, %v", name, version)
	}
}

func TestStartRefuses(t *testing.T) {
	full := t.TempDir()
	check(t, os.WriteFile(filepath.Join(full, "holiday.jpg"), nil, 0o600))
	broken := t.TempDir()
	check(t, os.WriteFile(filepath.Join(broken, "phone.json"), []byte("{"), 0o600))
	several := t.TempDir()
	s, err := virtualphone.Start(context.Background(), virtualphone.Config{Dir: several, Empty: true, Count: 2})
	check(t, err)
	check(t, s.Close())
	for name, tt := range map[string]struct {
		cfg  virtualphone.Config
		want string
	}{
		"no folder":        {virtualphone.Config{}, "no state folder"},
		"foreign folder":   {virtualphone.Config{Dir: full}, `holds "holiday.jpg"`},
		"broken state":     {virtualphone.Config{Dir: broken}, "not the state of a virtual phone"},
		"one of several":   {virtualphone.Config{Dir: several}, "holds 2 phones"},
		"bad version":      {virtualphone.Config{Dir: t.TempDir(), IOS: "eighteen"}, "iOS version"},
		"bad profile":      {virtualphone.Config{Dir: t.TempDir(), Profile: "gigantic"}, "gigantic"},
		"address in use":   {virtualphone.Config{Dir: t.TempDir(), Empty: true, Listen: start(t, nil).Addr()}, "in use"},
		"bad address":      {virtualphone.Config{Dir: t.TempDir(), Empty: true, Listen: "nowhere"}, "nowhere"},
		"dir is no folder": {virtualphone.Config{Dir: filepath.Join(full, "holiday.jpg")}, "lock"},
	} {
		s, err := virtualphone.Start(context.Background(), tt.cfg)
		if err == nil {
			s.Close()
			t.Errorf("%s: started", name)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	single := t.TempDir()
	s, err = virtualphone.Start(context.Background(), virtualphone.Config{Dir: single, Empty: true})
	check(t, err)
	check(t, s.Close())
	if _, err := virtualphone.Start(context.Background(), virtualphone.Config{Dir: single, Empty: true, Count: 3}); err == nil {
		t.Error("a single phone became three")
	}
}

func TestContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := virtualphone.Start(ctx, virtualphone.Config{Dir: t.TempDir(), Empty: true})
	check(t, err)
	h := pair(t, s, hosttest.Styles[0])
	l := h.session()
	cancel()
	l.Gone()
	if err := s.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	check(t, s.Close())
}

// TestManyPhones: sixteen phones on one socket, each with hosts at work.
func TestManyPhones(t *testing.T) {
	const count = 16
	s := start(t, func(c *virtualphone.Config) { c.Count = count })
	devices := hosttest.Devices(t, s.Addr())
	ids, udids := map[any]bool{}, map[any]bool{}
	for _, d := range devices {
		ids[d["DeviceID"]], udids[d["Properties"].(dict)["SerialNumber"]] = true, true
	}
	if len(ids) != count || len(udids) != count {
		t.Fatalf("%d ids, %d UDIDs", len(ids), len(udids))
	}
	var wg sync.WaitGroup
	for _, p := range s.Phones() {
		wg.Go(func() {
			h := &host{t: t, s: s, phone: p, kind: usb}
			l := h.lockdown()
			h.record = l.Pair(hosttest.Styles[3])
			x := h.session()
			if got := x.Value("", "UniqueDeviceID"); got != p.UDID() {
				t.Errorf("asked %s, answered by %v", p.UDID(), got)
			}
			n := h.service("com.apple.mobile.notification_proxy")
			n.Send(dict{"Command": "PostNotification", "Name": "x"})
			await(t, p, "posted.x", 1)
			x.Stop(true)
		})
	}
	wg.Wait()
	for _, p := range s.Phones() {
		if p.Dir() != filepath.Join(filepath.Dir(p.Dir()), p.UDID()) {
			t.Errorf("%s lives in %s", p.UDID(), p.Dir())
		}
	}
}

// TestServices starts every service in one session, over TLS, and the muxer
// reaches only open ports.
func TestServices(t *testing.T) {
	s := start(t, nil)
	h := pair(t, s, hosttest.Styles[1])
	l := h.session()
	for _, name := range []string{
		"com.apple.afc", "com.apple.mobilebackup2", "com.apple.mobile.notification_proxy", "com.apple.mobile.insecure_notification_proxy",
		"com.apple.mobile.installation_proxy", "com.apple.springboardservices", "com.apple.mobile.diagnostics_relay",
		"com.apple.mobile.heartbeat", "com.apple.mobile.assertion_agent",
	} {
		port := l.Service(name, h.record.EscrowBag)
		conn, err := hosttest.TLS(t, h.dial(port), h.record.ClientCertificate)
		check(t, err)
		await(t, h.phone, "service."+name, 1)
		if _, code := hosttest.TryDial(t, s.Addr(), h.phone.UDID(), usb, port); code != 3 {
			t.Errorf("%s: a second connection to its port: result %d", name, code)
		}
		conn.Close()
	}
	for _, port := range []uint16{1, 22, 80, 62079} {
		if _, code := hosttest.TryDial(t, s.Addr(), h.phone.UDID(), usb, port); code != 3 {
			t.Errorf("port %d: result %d", port, code)
		}
	}
	// A stranger's certificate gets nowhere.
	stranger := hosttest.NewRecord(t, l.Value("", "DevicePublicKey").([]byte), hosttest.Style{Serial: 7})
	if c, err := hosttest.TLS(t, h.dial(l.Service("com.apple.afc", nil)), stranger.HostPair); err == nil {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger's certificate was accepted")
		}
	}
	got := h.service("com.apple.mobile.installation_proxy").Ask(dict{"Command": "Browse", "ClientOptions": dict{"ApplicationType": "User"}})
	if d := cmp.Diff(dict{"Status": "Complete"}, got); d != "" {
		t.Errorf("apps of an empty phone: %s", d)
	}
}

// TestSessionsAtOnce: several sessions and lockdown connections at
// once, as idevicebackup2 keeps them (protocol.md 2.7).
func TestSessionsAtOnce(t *testing.T) {
	s := start(t, nil)
	h := pair(t, s, hosttest.Styles[0])
	var open []*hosttest.Lockdown
	for range 8 {
		open = append(open, h.session())
	}
	for i, l := range open {
		if l.Value("", "DeviceClass") != "iPhone" {
			t.Error(i)
		}
	}
}
