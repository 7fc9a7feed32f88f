package virtualphone_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
)

// listen opens a Listen connection and returns the next event's reader.
func listen(t *testing.T, s *virtualphone.Server) func() (kind string, id any) {
	t.Helper()
	conn, reply := hosttest.Mux(t, s.Addr(), dict{"MessageType": "Listen"})
	if reply["Number"] != uint64(0) {
		t.Fatalf("Listen: %v", reply)
	}
	return func() (string, any) {
		t.Helper()
		e := hosttest.MuxReceive(t, conn)
		return e["MessageType"].(string), e["DeviceID"]
	}
}

func TestUnplugAndPlug(t *testing.T) {
	s := start(t, nil)
	h := pair(t, s, hosttest.Styles[0])
	next := listen(t, s)
	kind, first := next()
	if kind != "Attached" {
		t.Fatal(kind)
	}
	l, n := h.session(), h.service("com.apple.mobile.notification_proxy")
	h.phone.Unplug()
	h.phone.Unplug() // no second event
	l.Gone()
	n.Gone()
	if kind, id := next(); kind != "Detached" || id != first {
		t.Errorf("%s %v", kind, id)
	}
	if got := hosttest.Devices(t, s.Addr()); len(got) != 0 {
		t.Errorf("still there: %v", got)
	}
	h.phone.Plug()
	h.phone.Plug()
	if kind, id := next(); kind != "Attached" || id == first {
		t.Errorf("%s %v", kind, id)
	}
	h.session().Value("", "SerialNumber")
}

func TestReboot(t *testing.T) {
	s := start(t, nil)
	h := pair(t, s, hosttest.Styles[0])
	l := h.session()
	stale := l.Service("com.apple.afc", nil)
	n := h.service("com.apple.mobile.notification_proxy")
	next := listen(t, s)
	next()
	check(t, h.phone.Reboot(within(t)))
	l.Gone()
	n.Gone()
	for _, want := range []string{"Detached", "Attached"} {
		if kind, _ := next(); kind != want {
			t.Errorf("%s, want %s", kind, want)
		}
	}
	if _, code := hosttest.TryDial(t, s.Addr(), h.phone.UDID(), usb, stale); code != 3 {
		t.Errorf("a port from before the restart: result %d", code)
	}
	h.session() // the pairing is still good

	d := h.service("com.apple.mobile.diagnostics_relay")
	d.Ask(dict{"Request": "Restart"})
	await(t, h.phone, "up", 3)

	// A caller who does not wait does not keep the phone from coming back.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.phone.Reboot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Reboot: %v", err)
	}
	await(t, h.phone, "up", 4)
	h.session()
}

// TestLockStates: protocol.md 14.1.
func TestLockStates(t *testing.T) {
	s := start(t, nil)
	h := pair(t, s, hosttest.Styles[0])
	p := h.phone
	if err := p.Set("lock=locked"); err == nil {
		t.Error("a phone without a passcode was locked")
	}
	check(t, p.Set("passcode=after=1ms", "lock=restricted"))
	h.session() // the link was there before
	p.Unplug()
	p.Plug()
	if got := hosttest.Devices(t, s.Addr()); len(got) != 0 {
		t.Errorf("USB Restricted Mode shows %v", got)
	}
	check(t, p.Set("lock=unlocked")) // its owner unlocks it
	h.session()

	check(t, p.Set("lock=locked"))
	l := h.session()
	l.Service("com.apple.afc", nil)
	l.Refused("PasswordProtected", dict{"Request": "StartService", "Service": "com.apple.mobilebackup2"})
	check(t, p.Reboot(within(t)))
	l = h.session()
	l.Refused("MissingValue", dict{"Request": "StartService", "Service": "com.apple.mobilebackup2", "EscrowBag": h.record.EscrowBag})
	l.Refused("PasswordProtected", dict{"Request": "StartService", "Service": "com.apple.afc"})
	check(t, p.Set("lock=unlocked"))
	l.Service("com.apple.afc", nil)

	got := h.service("com.apple.mobile.diagnostics_relay").Ask(dict{"Request": "MobileGestalt", "MobileGestaltKeys": []string{"PasswordConfigured"}})
	if got["Diagnostics"].(dict)["MobileGestalt"].(dict)["PasswordConfigured"] != true {
		t.Errorf("PasswordConfigured: %v", got)
	}
}

// TestSetup: the states of protocol.md 11.10, and their notifications.
func TestSetup(t *testing.T) {
	s := start(t, func(c *virtualphone.Config) { c.Trust = &virtualphone.Prompt{Kind: 2} })
	p := s.Phones()[0]
	check(t, p.Set("setup=new"))
	h := pair(t, s, hosttest.Styles[0]) // no dialog, though the owner would refuse
	l := h.session()
	if got := l.Value("", "ActivationState"); got != "Unactivated" {
		t.Error(got)
	}
	n := h.service("com.apple.mobile.notification_proxy")
	n.Send(dict{"Command": "ObserveNotification", "Name": "com.apple.purplebuddy.setupdone"})
	await(t, p, "observe.com.apple.purplebuddy.setupdone", 1)
	check(t, p.Set("setup=setup"))
	check(t, p.FinishSetup())
	if got := n.Receive().(dict)["Name"]; got != "com.apple.purplebuddy.setupdone" {
		t.Error(got)
	}
	if got := l.Value("com.apple.purplebuddy", "SetupDone"); got != true {
		t.Error(got)
	}
	if p.Count("notify.com.apple.mobile.lockdown.activation_state") != 2 {
		t.Error("no notification of the activation")
	}
}

func TestEraseOfAnEmptyPhone(t *testing.T) {
	s := start(t, nil)
	h := pair(t, s, hosttest.Styles[0])
	udid := h.phone.UDID()
	check(t, h.phone.Set("name=Old name", "find-my=on"))
	check(t, h.phone.Erase(within(t)))
	if h.phone.UDID() != udid {
		t.Error("another phone")
	}
	l := h.lockdown()
	l.Refused("InvalidHostID", dict{"Request": "StartSession", "HostID": h.record.HostID})
	if got := l.Value("", "DeviceName"); got != "iPhone" {
		t.Errorf("named %v", got)
	}
	h.record = l.Pair(hosttest.Styles[0])
	if got := h.session().Value("", "ActivationState"); got != "Activated" {
		t.Error(got)
	}
	if got := h.phone.Status(); got.Setup != "setup" || got.Pairings != 1 {
		t.Errorf("%+v", got)
	}
}

// TestWiFi: protocol.md 1.4 and 5.
func TestWiFi(t *testing.T) {
	s := start(t, func(c *virtualphone.Config) { c.WiFi = true })
	h := pair(t, s, hosttest.Styles[3])
	p := h.phone
	if len(hosttest.Devices(t, s.Addr())) != 1 {
		t.Error("on the network before any host asked for it")
	}
	l := h.session()
	l.OK(dict{"Request": "SetValue", "Domain": "com.apple.mobile.wireless_lockdown", "Key": "EnableWifiConnections", "Value": true})
	await(t, p, "network-attached", 1)
	devices := hosttest.Devices(t, s.Addr())
	if len(devices) != 2 {
		t.Fatalf("%v", devices)
	}
	props := devices[1]["Properties"].(dict)
	port := p.NetworkAddr().(*net.TCPAddr).Port
	addr := props["NetworkAddress"].([]byte)
	if len(addr) != 128 || addr[0] != 2 || addr[1] != 0 || int(addr[2])<<8|int(addr[3]) != port || string(addr[4:8]) != "\x7f\x00\x00\x01" {
		t.Errorf("NetworkAddress %x", addr[:16])
	}
	if props["EscapedFullServiceName"] != l.Value("com.apple.mobile.wireless_lockdown", "BonjourFullServiceName") {
		t.Errorf("%v", props)
	}

	// Directly, as libimobiledevice does.
	conn, err := net.Dial("tcp", p.NetworkAddr().String())
	check(t, err)
	defer conn.Close()
	d := hosttest.NewLockdown(t, conn)
	d.Refused("PairingProhibitedOverThisConnection", hosttest.NewRecord(t, d.Value("", "DevicePublicKey").([]byte), hosttest.Styles[0]).PairRequest())
	d.Start(h.record)
	service, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(d.Service("com.apple.mobile.diagnostics_relay", nil)))))
	check(t, err)
	defer service.Close()
	c, err := hosttest.TLS(t, service, h.record.ClientCertificate)
	check(t, err)
	if got := (&hosttest.Plists{T: t, Conn: c}).Ask(dict{"Request": "Goodbye"}); got["Status"] != "Success" {
		t.Error(got)
	}

	// Through the muxer, as pymobiledevice3 does; the cable may come out.
	w := *h
	w.kind = network
	p.Unplug()
	n := w.service("com.apple.mobile.notification_proxy")
	wl := w.session()
	if _, code := hosttest.TryDial(t, s.Addr(), p.UDID(), network, 80); code != 3 {
		t.Errorf("port 80: result %d", code)
	}
	// A port opened for the network is not one for the cable.
	wport := wl.Service("com.apple.afc", nil)
	p.Plug()
	if _, code := hosttest.TryDial(t, s.Addr(), p.UDID(), usb, wport); code != 3 {
		t.Errorf("a network port by cable: result %d", code)
	}
	wl.OK(dict{"Request": "SetValue", "Domain": "com.apple.mobile.wireless_lockdown", "Key": "EnableWifiConnections", "Value": false})
	n.Gone()
	await(t, p, "network-detached", 1)
	if _, err := net.DialTimeout("tcp", conn.RemoteAddr().String(), time.Second); err == nil {
		t.Error("lockdownd still listens on the network")
	}
	h.session()
}

// TestHeartbeatKeepsWiFi: without one, services on the network die
// (protocol.md 5.4); by cable they do not.
func TestHeartbeatKeepsWiFi(t *testing.T) {
	s := start(t, func(c *virtualphone.Config) {
		c.WiFi, c.HeartbeatInterval, c.HeartbeatGrace = true, 20*time.Millisecond, 150*time.Millisecond
	})
	h := pair(t, s, hosttest.Styles[3])
	check(t, h.phone.Set("wifi=on"))
	w := *h
	w.kind = network
	lonely, cable := w.service("com.apple.mobile.notification_proxy"), h.service("com.apple.mobile.notification_proxy")
	lonely.Gone()
	cable.Send(dict{"Command": "PostNotification", "Name": "alive"})
	await(t, h.phone, "posted.alive", 1)

	beat := w.service("com.apple.mobile.heartbeat")
	kept := w.service("com.apple.mobile.notification_proxy")
	for begin := time.Now(); time.Since(begin) < 400*time.Millisecond; {
		if got := beat.Receive().(dict); got["Command"] != "Marco" {
			t.Fatal(got)
		}
		beat.Send(dict{"Command": "Polo"})
	}
	kept.Send(dict{"Command": "PostNotification", "Name": "kept"})
	await(t, h.phone, "posted.kept", 1)
	kept.Gone() // the beats have ended
}

// TestSleepAfter: protocol.md 12.4.
func TestSleepAfter(t *testing.T) {
	s := start(t, func(c *virtualphone.Config) { c.SleepAfter = 100 * time.Millisecond })
	h := pair(t, s, hosttest.Styles[0])
	a := h.service("com.apple.mobile.assertion_agent")
	a.Ask(dict{
		"CommandKey": "CommandCreateAssertion", "AssertionTypeKey": "AMDPowerAssertionTypeWirelessSync",
		"AssertionNameKey": "test", "AssertionTimeoutKey": 60,
	})
	n := h.service("com.apple.mobile.notification_proxy")
	time.Sleep(300 * time.Millisecond)
	n.Send(dict{"Command": "PostNotification", "Name": "awake"})
	await(t, h.phone, "posted.awake", 1)
	a.Close()
	await(t, h.phone, "assertion-released", 1)
	n.Gone()
}
