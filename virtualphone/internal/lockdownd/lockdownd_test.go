package lockdownd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite golden files")

type dict = hosttest.Dict

// phone is a phone with two services.
type phone struct {
	st *state.Phone
	fault.Set

	mu     sync.Mutex
	events map[string]int
	opened []string
	config *tls.Config
}

func (p *phone) State() *state.Phone { return p.st }
func (p *phone) Now() time.Time      { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
func (p *phone) Notify(name string)  { p.Event("notify." + name) }
func (p *phone) Held() int64         { return 89_000_000 }
func (p *phone) SettingsChanged()    { p.Event("changed") }
func (p *phone) Event(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events[name]++
}

func (p *phone) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[name]
}

func (p *phone) OpenService(name string, config *tls.Config, network bool) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened, p.config = append(p.opened, name), config
	return 51999, nil
}

var testServices = map[string]Service{
	"com.apple.afc":                                {},
	"com.apple.mobilebackup2":                      {NeedsEscrow: true},
	"com.apple.mobile.notification_proxy":          {BeforeUnlock: true},
	"com.apple.mobile.insecure_notification_proxy": {Sessionless: true, BeforeUnlock: true},
}

// sharedKey spares each test the making of a key.
var sharedKey = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := state.Begin(dir); err != nil {
		return nil, err
	}
	if _, err := state.Create(dir, state.NewIdentity(1), state.DefaultSettings(1)); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "device.pem"))
})

func newPhone(t testing.TB, change func(*state.Settings)) (*phone, *Server) {
	t.Helper()
	key, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := state.Begin(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "device.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	s := state.DefaultSettings(1)
	if change != nil {
		change(&s)
	}
	st, err := state.Create(dir, state.NewIdentity(1), s)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{st: st, events: map[string]int{}}
	return p, New(p, testServices, slog.New(slog.DiscardHandler))
}

// dial connects to s over loopback.
func dial(t testing.TB, s *Server, network bool) *hosttest.Lockdown {
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
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		done <- s.Serve(ctx, conn, network)
		conn.Close()
	}()
	t.Cleanup(func() {
		host.Close()
		cancel()
		<-done
	})
	return hosttest.NewLockdown(t, host)
}

func TestBeforePairing(t *testing.T) {
	p, s := newPhone(t, nil)
	l := dial(t, s, false)
	if got := l.OK(dict{"Request": "QueryType"}); got["Type"] != "com.apple.mobile.lockdown" {
		t.Errorf("QueryType: %v", got)
	}
	id := p.st.Identity()
	for key, want := range map[string]any{
		"DevicePublicKey": p.st.PublicKeyPEM(), "WiFiAddress": id.WiFiAddress, "ProductVersion": "18.6",
		"DeviceClass": "iPhone", "UniqueDeviceID": id.UDID, "ProductType": "iPhone13,2",
	} {
		if d := cmp.Diff(want, l.Value("", key)); d != "" {
			t.Errorf("%s: %s", key, d)
		}
	}
	all := l.Value("", "").(dict)
	if len(all) != len(before) {
		t.Errorf("%d values without a session, want %d", len(all), len(before))
	}
	for _, secret := range []string{"PhoneNumber", "InternationalMobileEquipmentIdentity", "SerialNumber"} {
		if _, there := all[secret]; there {
			t.Errorf("%s is shown to anybody", secret)
		}
		l.NoValue("GetProhibited", "", secret)
	}
	l.NoValue("GetProhibited", "com.apple.mobile.backup", "WillEncrypt")
	l.NoValue("GetProhibited", "", "NoSuchKey")
	l.Refused("SetProhibited", dict{"Request": "SetValue", "Key": "DeviceName", "Value": "x"})
	l.OK(dict{"Request": "SetValue", "Key": "UntrustedHostBUID", "Value": "B"})
	l.Refused("RemoveProhibited", dict{"Request": "RemoveValue", "Key": "ActivationStateAcknowledged"})
	l.Refused("SessionInactive", dict{"Request": "StartService", "Service": "com.apple.afc"})
	l.Refused("SessionInactive", dict{"Request": "StopSession", "SessionID": "x"})
	l.Refused("MissingService", dict{"Request": "StartService"})
	l.Refused("MissingHostID", dict{"Request": "StartSession"})
	l.Refused("InvalidHostID", dict{"Request": "StartSession", "HostID": "nobody"})
	l.Refused("MissingPairRecord", dict{"Request": "Pair"})
	l.Refused("InvalidHostID", dict{"Request": "ValidatePair", "PairRecord": dict{"HostID": "nobody"}})
	l.Refused("InvalidHostID", dict{"Request": "Unpair", "PairRecord": dict{"HostID": "nobody"}})
	l.Refused("InvalidRequest", dict{"Request": "MakeCoffee"})
	l.Service("com.apple.mobile.insecure_notification_proxy", nil)
	if p.config != nil {
		t.Error("the insecure service would speak TLS")
	}
	l.Label = "" // some clients leave it out
	l.OK(dict{"Request": "QueryType"})
	l.Binary = true
	l.OK(dict{"Request": "QueryType"})
	l.OK(dict{"Request": "Goodbye"})
	l.Gone()
}

// TestClientStyles: protocol.md 7, rows "TLS client certificate", "TLS
// versions", "EnableSessionSSL", "EscrowBag on Pair", "Request echo",
// "StopSession reply".
func TestClientStyles(t *testing.T) {
	for _, style := range hosttest.Styles {
		t.Run(style.Name, func(t *testing.T) {
			p, s := newPhone(t, nil)
			l := dial(t, s, false)
			r := l.Pair(style)
			l.OK(dict{"Request": "ValidatePair", "PairRecord": dict{"HostID": r.HostID, "HostCertificate": r.Host}})
			l.Start(r)
			if v := l.Version(); v != tls.VersionTLS12 {
				t.Errorf("TLS version %x", v)
			}
			all := l.Value("", "").(dict)
			for _, key := range []string{"UniqueDeviceID", "SerialNumber", "ProductVersion", "ProductType", "DeviceName", "BuildVersion"} {
				if v, _ := all[key].(string); v == "" {
					t.Errorf("%s is missing", key)
				}
			}
			l.Refused("SessionActive", dict{"Request": "StartSession", "HostID": r.HostID})
			l.Refused("InvalidSessionID", dict{"Request": "StopSession", "SessionID": "x"})
			l.Refused("MissingSessionID", dict{"Request": "StopSession"})
			l.Refused("InvalidService", dict{"Request": "StartService", "Service": "com.example.none"})
			if port := l.Service("com.apple.mobilebackup2", r.EscrowBag); port != 51999 || p.config == nil {
				t.Errorf("port %d, TLS %v", port, p.config != nil)
			}
			l.Stop(true)
			l.NoValue("GetProhibited", "", "PhoneNumber")
			l.Start(r) // again on the same connection
			l.Value("", "PhoneNumber")
			l.Stop(false)
			l.Start(r)
			l.OK(dict{"Request": "Unpair", "PairRecord": dict{"HostID": r.HostID}})
			l.Stop(true)
			l.Refused("InvalidHostID", dict{"Request": "StartSession", "HostID": r.HostID})
			if p.count("paired") != 1 || p.count("unpaired") != 1 {
				t.Errorf("events: %v", p.events)
			}
		})
	}
}

// TestLockedServices: protocol.md 14.1.
func TestLockedServices(t *testing.T) {
	const afc, backup, note = "com.apple.afc", "com.apple.mobilebackup2", "com.apple.mobile.notification_proxy"
	for _, tt := range []struct {
		lock    state.Lock
		service string
		bag     string // "", "right", "wrong"
		want    string
	}{
		{state.Unlocked, afc, "", ""},
		{state.Unlocked, backup, "", ""},
		{state.Unlocked, backup, "right", ""},
		{state.Unlocked, backup, "wrong", "EscrowLocked"},
		{state.Locked, afc, "", ""},
		{state.Locked, afc, "right", ""},
		{state.Locked, backup, "", "PasswordProtected"},
		{state.Locked, backup, "right", ""},
		{state.Locked, backup, "wrong", "EscrowLocked"},
		{state.Restricted, backup, "right", ""},
		{state.BeforeFirstUnlock, afc, "", "PasswordProtected"},
		{state.BeforeFirstUnlock, backup, "right", "MissingValue"},
		{state.BeforeFirstUnlock, note, "", ""},
	} {
		p, s := newPhone(t, nil)
		l := dial(t, s, false)
		r := l.Pair(hosttest.Styles[0])
		if err := p.st.Update(func(set *state.Settings) error { set.Lock, set.Passcode = tt.lock, "after=1s"; return nil }); err != nil {
			t.Fatal(err)
		}
		l.Start(r)
		d := dict{"Request": "StartService", "Service": tt.service}
		switch tt.bag {
		case "right":
			d["EscrowBag"] = r.EscrowBag
		case "wrong":
			d["EscrowBag"] = make([]byte, 32)
		}
		t.Log(tt)
		if tt.want == "" {
			l.OK(d)
		} else {
			l.Refused(tt.want, d)
		}
		if got := l.Value("", "PasswordProtected"); got != (tt.lock != state.Unlocked) {
			t.Errorf("PasswordProtected is %v", got)
		}
	}
}

// TestSetupValues: protocol.md 11.1.
func TestSetupValues(t *testing.T) {
	for _, tt := range []struct {
		setup      state.Setup
		activation string
		brick      bool
		done       any
	}{
		{state.SetupNew, "Unactivated", true, nil},
		{state.SetupBusy, "Activated", false, nil},
		{state.SetupDone, "Activated", false, true},
	} {
		_, s := newPhone(t, func(set *state.Settings) { set.Setup = tt.setup })
		l := dial(t, s, false)
		l.Start(l.Pair(hosttest.Styles[0]))
		if got := l.Value("", "ActivationState"); got != tt.activation {
			t.Errorf("%s: ActivationState %v", tt.setup, got)
		}
		if got := l.Value("", "BrickState"); got != tt.brick {
			t.Errorf("%s: BrickState %v", tt.setup, got)
		}
		for _, domain := range []string{"com.apple.purplebuddy", "com.apple.PurpleBuddy"} {
			if got := l.Value(domain, "").(dict)["SetupDone"]; got != tt.done {
				t.Errorf("%s: %s SetupDone %v", tt.setup, domain, got)
			}
		}
	}
}

func TestSetValue(t *testing.T) {
	p, s := newPhone(t, nil)
	l := dial(t, s, false)
	l.Start(l.Pair(hosttest.Styles[0]))
	const wireless = "com.apple.mobile.wireless_lockdown"
	set := func(domain, key string, v any) dict {
		d := dict{"Request": "SetValue", "Key": key, "Value": v}
		if domain != "" {
			d["Domain"] = domain
		}
		return d
	}
	for _, tt := range []struct {
		domain, key string
		value       any
	}{
		{"", "DeviceName", "Ann’s 📱"}, {"", "ActivationStateAcknowledged", true}, {wireless, "EnableWifiConnections", true},
		{"", "TimeZone", "Europe/Paris"}, {"", "Uses24HourClock", false}, {"com.apple.international", "Language", "de"},
	} {
		l.OK(set(tt.domain, tt.key, tt.value))
		if got := l.Value(tt.domain, tt.key); got != tt.value {
			t.Errorf("%s: %v", tt.key, got)
		}
	}
	if p.count("changed") != 6 || p.count("notify.com.apple.mobile.lockdown.device_name_changed") != 1 {
		t.Errorf("events: %v", p.events)
	}
	l.OK(set("", "TimeIntervalSince1970", 1e9))
	if got := l.Value("", "TimeIntervalSince1970"); got != 1e9 {
		t.Errorf("clock: %v", got)
	}
	for _, tt := range []dict{
		set("", "DeviceName", true), set("", "DeviceName", ""), set(wireless, "EnableWifiConnections", "yes"), set("", "SerialNumber", "X"),
		set("", "TimeIntervalSince1970", "now"), set("", "TimeIntervalSince1970", -1.0), set("", "TimeIntervalSince1970", 1e300),
	} {
		l.Refused("SetProhibited", tt)
	}
	l.Refused("MissingKey", dict{"Request": "SetValue", "Value": 1})
	l.Refused("MissingValue", dict{"Request": "SetValue", "Key": "DeviceName"})
	l.OK(dict{"Request": "RemoveValue", "Domain": wireless, "Key": "EnableWifiConnections"})
	if got := l.Value(wireless, "EnableWifiConnections"); got != false {
		t.Errorf("removed: %v", got)
	}
	l.Refused("RemoveProhibited", dict{"Request": "RemoveValue", "Key": "DeviceName"})
	l.Refused("MissingKey", dict{"Request": "RemoveValue"})
	l.NoValue("MissingValue", "com.apple.mobile.backup", "WillEncrypt")
	l.NoValue("MissingValue", "com.example", "X")
	if got := l.Value("com.example", "").(dict); len(got) != 0 {
		t.Errorf("an unknown domain holds %v", got)
	}
}

func TestFaults(t *testing.T) {
	p, s := newPhone(t, nil)
	for _, tt := range []struct {
		spec string
		want func(l *hosttest.Lockdown)
	}{
		{"cut@lockdown.QueryType", func(l *hosttest.Lockdown) { l.Send(dict{"Request": "QueryType"}); l.Gone() }},
		{"refuse@lockdown.QueryType=PasswordProtected", func(l *hosttest.Lockdown) { l.Refused("PasswordProtected", dict{"Request": "QueryType"}) }},
		{"refuse@lockdown.StartSession", func(l *hosttest.Lockdown) { l.Refused("InvalidHostID", dict{"Request": "StartSession"}) }},
		{"refuse@lockdown.Pair", func(l *hosttest.Lockdown) { l.Refused("UserDeniedPairing", dict{"Request": "Pair"}) }},
		{"delay@lockdown.QueryType=1ms", func(l *hosttest.Lockdown) { l.OK(dict{"Request": "QueryType"}) }},
		{"garbage@lockdown.QueryType", func(l *hosttest.Lockdown) {
			l.Send(dict{"Request": "QueryType"})
			if b, err := l.Body(); err != nil || bytes.Contains(b, []byte("plist")) {
				t.Errorf("garbage: %q, %v", b, err)
			}
			if b, err := l.Body(); err != nil || !bytes.Contains(b, []byte("QueryType")) {
				t.Errorf("after garbage: %q, %v", b, err)
			}
		}},
		{"huge@lockdown.QueryType", func(l *hosttest.Lockdown) {
			l.Send(dict{"Request": "QueryType"})
			var n uint32
			if err := binary.Read(l.Conn, binary.BigEndian, &n); err != nil || n != 0xFFFFFFFF {
				t.Errorf("huge: %x, %v", n, err)
			}
		}},
	} {
		faults, err := fault.Parse(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		p.Add(faults...)
		tt.want(dial(t, s, false))
		p.Clear()
	}
}

// TestDropped: what makes lockdownd hang up.
func TestDropped(t *testing.T) {
	_, s := newPhone(t, nil)
	for name, b := range map[string][]byte{
		"4 GiB":            {255, 255, 255, 255},
		"over 1 MiB":       {0, 16, 0, 1},
		"no property list": {0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'},
		"cut short":        {0, 0, 1, 0, '<'},
	} {
		l := dial(t, s, false)
		if _, err := l.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := l.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		l.Gone()
	}
}

// TestGolden holds the bytes of the replies.
func TestGolden(t *testing.T) {
	_, s := newPhone(t, nil)
	l := dial(t, s, false)
	var out bytes.Buffer
	say := func(what string, d dict) {
		t.Helper()
		l.Send(d)
		b, err := l.Body()
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("# " + what + "\n" + string(b))
	}
	say("QueryType", dict{"Request": "QueryType"})
	say("GetValue", dict{"Request": "GetValue", "Key": "ProductVersion"})
	say("GetValue, forbidden", dict{"Request": "GetValue", "Domain": "com.apple.mobile.backup", "Key": "WillEncrypt"})
	say("StartSession, not paired", dict{"Request": "StartSession", "HostID": "X"})
	say("StartService without a session", dict{"Request": "StartService", "Service": "com.apple.afc"})
	say("StartService", dict{"Request": "StartService", "Service": "com.apple.mobile.insecure_notification_proxy"})
	r := l.Pair(hosttest.Styles[0])
	l.Start(r)
	say("GetValue, whole domain", dict{"Request": "GetValue", "Domain": "com.apple.mobile.wireless_lockdown"})
	say("GetValue, missing", dict{"Request": "GetValue", "Domain": "com.apple.mobile.backup", "Key": "WillEncrypt"})
	say("SetValue", dict{"Request": "SetValue", "Key": "DeviceName", "Value": "x"})
	say("StartService with TLS", dict{"Request": "StartService", "Service": "com.apple.mobilebackup2", "EscrowBag": r.EscrowBag})
	say("Unpair", dict{"Request": "Unpair", "PairRecord": dict{"HostID": r.HostID}})
	say("StopSession", dict{"Request": "StopSession", "SessionID": l.Session})
	path := filepath.Join("testdata", "replies.golden")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Error(d)
	}
}

func FuzzServe(f *testing.F) {
	frame := func(body string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	head := `<?xml version="1.0"?><plist version="1.0">`
	for _, body := range []string{
		`<dict><key>Request</key><string>GetValue</string></dict></plist>`,
		`<dict><key>Request</key><string>SetValue</string><key>Key</key><string>UntrustedHostBUID</string><key>Value</key><array/></dict></plist>`,
		`<dict><key>Request</key><string>Pair</string><key>PairRecord</key><dict><key>HostID</key><string>a</string><key>RootCertificate</key><data>AAAA</data></dict></dict></plist>`,
		`<dict><key>Request</key><integer>3</integer></dict></plist>`,
	} {
		f.Add(frame(head + body))
	}
	_, s := newPhone(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = s.Serve(context.Background(), &memConn{r: bytes.NewReader(b)}, false) // no panic, no hang
	})
}

type memConn struct {
	net.Conn
	r io.Reader
}

func (c *memConn) Read(p []byte) (int, error)       { return c.r.Read(p) }
func (c *memConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
