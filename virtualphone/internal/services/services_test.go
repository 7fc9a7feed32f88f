package services

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type dict = hosttest.Dict

// dial serves one connection and returns the host's end.
func dial(t testing.TB, serve func(context.Context, net.Conn) error) *hosttest.Plists {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	host, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, conn)
		conn.Close()
	}()
	t.Cleanup(func() { host.Close(); cancel(); <-done })
	return &hosttest.Plists{T: t, Conn: host}
}

func newNotifications() (*Notifications, func() string) {
	var mu sync.Mutex
	var log []string
	add := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, s)
	}
	n := &Notifications{
		Hub: &Hub{}, Faults: &fault.Set{},
		Posted: func(s string) { add("posted " + s) }, Observed: func(s string) { add("observed " + s) },
	}
	return n, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(log, ", ")
	}
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// TestNotifications: protocol.md 4.8, and row "notification posts" of 7: one
// connection for all posts, or one for each.
func TestNotifications(t *testing.T) {
	n, log := newNotifications()
	observer := dial(t, n.Serve)
	observer.Send(dict{"Command": "ObserveNotification", "Name": "a"})
	observer.Send(dict{"Command": "ObserveNotification", "Name": "b"})
	await(t, "observing", func() bool { return n.Hub.Observers("a") == 1 && n.Hub.Observers("b") == 1 })
	poster := dial(t, n.Serve)
	poster.Binary = true
	poster.Send(dict{"Command": "PostNotification", "Name": "a"})
	want := func(name string) {
		t.Helper()
		if d := cmp.Diff(any(dict{"Command": "RelayNotification", "Name": name}), observer.Receive()); d != "" {
			t.Error(d)
		}
	}
	want("a")
	dial(t, n.Serve).Send(dict{"Command": "PostNotification", "Name": "unheard"})
	dial(t, n.Serve).Send(dict{"Command": "PostNotification", "Name": "b"})
	want("b")
	n.Hub.Post("a") // by the phone
	want("a")
	if got := observer.Ask(dict{"Command": "Shutdown"}); got["Command"] != "ProxyDeath" {
		t.Errorf("Shutdown: %v", got)
	}
	observer.Gone()
	await(t, "the end", func() bool { return n.Hub.Observers("a") == 0 })
	if got := log(); !strings.Contains(got, "observed b") || !strings.Contains(got, "posted a") {
		t.Error(got)
	}
}

func TestNotificationGolden(t *testing.T) {
	n, _ := newNotifications()
	h := dial(t, n.Serve)
	h.Send(dict{"Command": "ObserveNotification", "Name": "com.apple.itunes-client.syncCancelRequest"})
	await(t, "observing", func() bool { return n.Hub.Observers("com.apple.itunes-client.syncCancelRequest") == 1 })
	n.Hub.Post("com.apple.itunes-client.syncCancelRequest")
	got, err := h.Body()
	want := head + `	<dict>
		<key>Command</key>
		<string>RelayNotification</string>
		<key>Name</key>
		<string>com.apple.itunes-client.syncCancelRequest</string>
	</dict>
</plist>
`
	if d := cmp.Diff(want, string(got)); d != "" || err != nil {
		t.Error(d, err)
	}
}

const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`

func TestLazyObserverIsDropped(t *testing.T) {
	n, _ := newNotifications()
	h := dial(t, n.Serve)
	h.Send(dict{"Command": "ObserveNotification", "Name": "a"})
	await(t, "observing", func() bool { return n.Hub.Observers("a") == 1 })
	await(t, "dropping", func() bool {
		for range 1000 {
			n.Hub.Post("a")
		}
		return n.Hub.Observers("a") == 0
	})
}

func manyApps() []App {
	apps := []App{{BundleID: "com.apple.mobilesafari", Name: "Safari", System: true, Icon: []byte("icon")}}
	for i := range 45 {
		apps = append(apps, App{BundleID: "com.example." + string(rune('A'+i)), Name: "App", Version: "1", ShortVersion: "1.0"})
	}
	apps[1].SINF, apps[1].Metadata, apps[1].Icon = []byte("sinf"), []byte("meta"), []byte("png")
	return apps
}

// TestBrowse: protocol.md 4.10, in batches.
func TestBrowse(t *testing.T) {
	a := &Apps{List: func() ([]App, error) { return manyApps(), nil }, Faults: &fault.Set{}}
	h := dial(t, a.ServeInstallation)
	h.Send(dict{"Command": "Browse", "ClientOptions": dict{
		"ApplicationType": "User", "ReturnAttributes": []string{"CFBundleIdentifier", "ApplicationSINF", "iTunesMetadata"},
	}})
	var list []any
	batches := 0
	for {
		m := h.Receive().(dict)
		if m["Status"] == "Complete" {
			break
		}
		if m["Status"] != "BrowsingApplications" || m["CurrentIndex"] != uint64(len(list)) || m["CurrentAmount"] != uint64(len(m["CurrentList"].([]any))) {
			t.Fatalf("%v", m)
		}
		list = append(list, m["CurrentList"].([]any)...)
		batches++
	}
	if len(list) != 45 || batches != 3 {
		t.Errorf("%d apps in %d batches", len(list), batches)
	}
	if d := cmp.Diff(any(dict{"CFBundleIdentifier": "com.example.A", "ApplicationSINF": []byte("sinf"), "iTunesMetadata": []byte("meta")}), list[0]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(any(dict{"CFBundleIdentifier": "com.example.B"}), list[1]); d != "" {
		t.Error(d)
	}
	got := h.Ask(dict{"Command": "Lookup", "ClientOptions": dict{"BundleIDs": []string{"com.apple.mobilesafari"}, "ReturnAttributes": []string{"ApplicationType"}}})
	if d := cmp.Diff(dict{"Status": "Complete", "LookupResult": dict{"com.apple.mobilesafari": dict{"ApplicationType": "System"}}}, got); d != "" {
		t.Error(d)
	}
	if got := h.Ask(dict{"Command": "Install"}); got["Error"] == nil {
		t.Errorf("Install: %v", got)
	}
	h.Send(dict{"Command": "Browse"}) // everything, default attributes
	if m := h.Receive().(dict); m["CurrentList"].([]any)[0].(dict)["CFBundleDisplayName"] != "Safari" {
		t.Errorf("%v", m)
	}
}

func TestBrowseNothing(t *testing.T) {
	a := &Apps{List: func() ([]App, error) { return nil, nil }, Faults: &fault.Set{}}
	if got := dial(t, a.ServeInstallation).Ask(dict{"Command": "Browse"}); got["Status"] != "Complete" {
		t.Error(got)
	}
	a.List = func() ([]App, error) { return nil, errors.New("disk on fire") }
	h := dial(t, a.ServeInstallation)
	h.Send(dict{"Command": "Browse"})
	h.Gone()
}

func TestSpringBoard(t *testing.T) {
	a := &Apps{List: func() ([]App, error) { return manyApps(), nil }, Faults: &fault.Set{}}
	h := dial(t, a.ServeSpringBoard)
	h.Binary = true
	h.Send(dict{"command": "getIconPNGData", "bundleId": "com.example.A"})
	b, err := h.Body()
	if err != nil || !bytes.HasPrefix(b, []byte("bplist00")) {
		t.Errorf("the answer to a binary list is %q, %v", b, err)
	}
	h.Binary = false
	if got := h.Ask(dict{"command": "getIconPNGData", "bundleId": "com.example.A"}); !cmp.Equal(got, dict{"pngData": []byte("png")}) {
		t.Error(got)
	}
	if got := h.Ask(dict{"command": "getIconPNGData", "bundleId": "nobody"}); got["Error"] == nil {
		t.Error(got)
	}
	h.Send(dict{"command": "getIconState", "formatVersion": "2"})
	if got := h.Receive().([]any); len(got) != 2 {
		t.Error(got)
	}
	if got := h.Ask(dict{"command": "dance"}); got["Error"] == nil {
		t.Error(got)
	}
}

func TestDiagnostics(t *testing.T) {
	restarted := make(chan bool, 1)
	d := &Diagnostics{
		Gestalt: func(key string) (any, bool) { return true, key == "PasswordConfigured" },
		Restart: func() { restarted <- true }, Faults: &fault.Set{},
	}
	h := dial(t, d.Serve)
	got := h.Ask(dict{"Request": "MobileGestalt", "MobileGestaltKeys": []string{"PasswordConfigured"}})
	want := dict{"Status": "Success", "Diagnostics": dict{"MobileGestalt": dict{"PasswordConfigured": true, "Status": "Success"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := h.Ask(dict{"Request": "Sleep"}); got["Status"] != "Success" {
		t.Error(got)
	}
	if got := h.Ask(dict{"Request": "Restart"}); got["Status"] != "Success" || !<-restarted {
		t.Error(got)
	}
	if got := h.Ask(dict{"Request": "Dance"}); got["Status"] != "UnknownRequest" {
		t.Error(got)
	}
	if got := h.Ask(dict{"Request": "Goodbye"}); got["Status"] != "Success" {
		t.Error(got)
	}
	h.Gone()
}

func TestHeartbeat(t *testing.T) {
	polos := make(chan bool, 10)
	hb := &Heartbeat{Interval: 20 * time.Millisecond, Polo: func() { polos <- true }, Faults: &fault.Set{}}
	h := dial(t, hb.Serve)
	for range 3 {
		if got := h.Receive().(dict); got["Command"] != "Marco" || got["Interval"] != uint64(1) {
			t.Fatal(got)
		}
		h.Send(dict{"Command": "Polo"})
		<-polos
	}
}

func TestAssertion(t *testing.T) {
	var mu sync.Mutex
	held := map[string]time.Duration{}
	a := &Assertion{Faults: &fault.Set{}, Hold: func(kind string, timeout time.Duration) func() {
		mu.Lock()
		defer mu.Unlock()
		held[kind] = timeout
		return func() {
			mu.Lock()
			defer mu.Unlock()
			delete(held, kind)
		}
	}}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(held)
	}
	h := dial(t, a.Serve)
	create := func(kind string, timeout any) dict {
		return dict{"CommandKey": "CommandCreateAssertion", "AssertionTypeKey": kind, "AssertionNameKey": "test", "AssertionTimeoutKey": timeout}
	}
	h.Binary = true
	if got := h.Ask(create("AMDPowerAssertionTypeWirelessSync", 1200.0)); !cmp.Equal(got, dict{"CommandKey": "CommandCreateAssertion"}) {
		t.Error(got)
	}
	h.Binary = false
	h.Ask(create("PreventUserIdleSystemSleep", 300))
	h.Ask(create("PreventSystemSleep", 1e18))
	mu.Lock()
	if d := cmp.Diff(map[string]time.Duration{
		"AMDPowerAssertionTypeWirelessSync": 20 * time.Minute, "PreventUserIdleSystemSleep": 5 * time.Minute, "PreventSystemSleep": MaxAssertion,
	}, held); d != "" {
		t.Error(d)
	}
	mu.Unlock()
	for _, bad := range []dict{create("", 1), create("x", 0), create("x", -1), create("x", "1"), {"CommandKey": "CommandDance"}} {
		if got := h.Ask(bad); got["Error"] == nil {
			t.Errorf("%v: %v", bad, got)
		}
	}
	h.Close()
	await(t, "release", func() bool { return count() == 0 })
}

func TestFaults(t *testing.T) {
	set := &fault.Set{}
	d := &Diagnostics{Gestalt: func(string) (any, bool) { return nil, false }, Faults: set}
	for _, tt := range []struct {
		spec string
		want func(h *hosttest.Plists)
	}{
		{"refuse@diagnostics.Goodbye=NotNow", func(h *hosttest.Plists) {
			if got := h.Ask(dict{"Request": "Goodbye"}); got["Error"] != "NotNow" {
				t.Error(got)
			}
		}},
		{"cut@diagnostics.Goodbye", func(h *hosttest.Plists) { h.Send(dict{"Request": "Goodbye"}); h.Gone() }},
	} {
		faults, err := fault.Parse(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		set.Add(faults...)
		tt.want(dial(t, d.Serve))
		set.Clear()
	}
}

func FuzzLoop(f *testing.F) {
	frame := func(body string) []byte { return append([]byte{0, 0, 0, byte(len(body))}, body...) }
	f.Add(frame(`<plist version="1.0"><dict><key>Command</key><string>Browse</string></dict></plist>`))
	f.Add(frame(`<plist version="1.0"><dict><key>Request</key><string>MobileGestalt</string></dict></plist>`))
	f.Add(frame(`<plist version="1.0"><dict><key>CommandKey</key><integer>7</integer></dict></plist>`))
	set := &fault.Set{}
	apps := &Apps{List: func() ([]App, error) { return manyApps(), nil }, Faults: set}
	diagnostics := &Diagnostics{Gestalt: func(string) (any, bool) { return 1, true }, Restart: func() {}, Faults: set}
	assertion := &Assertion{Hold: func(string, time.Duration) func() { return func() {} }, Faults: set}
	n, _ := newNotifications()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, serve := range []func(context.Context, net.Conn) error{
			apps.ServeInstallation, apps.ServeSpringBoard, diagnostics.Serve, assertion.Serve, n.Serve,
		} {
			_ = serve(context.Background(), &memConn{r: bytes.NewReader(b)}) // no panic, no hang
		}
	})
}

type memConn struct {
	net.Conn
	r io.Reader
}

func (c *memConn) Read(p []byte) (int, error)       { return c.r.Read(p) }
func (c *memConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *memConn) Close() error                     { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
