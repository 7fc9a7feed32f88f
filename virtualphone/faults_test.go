package virtualphone_test

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
)

// TestFaultPoints: each point of the package comment's table, by one fault.
func TestFaultPoints(t *testing.T) {
	s := start(t, func(c *virtualphone.Config) { c.HeartbeatInterval = 10 * time.Millisecond })
	h := pair(t, s, hosttest.Styles[0])
	afcInfo := func(c *hosttest.Plists) {
		b := append([]byte("CFA6LPAA"), make([]byte, 32)...)
		binary.LittleEndian.PutUint64(b[8:], 42)
		binary.LittleEndian.PutUint64(b[16:], 42)
		b[32] = 0x0A
		_, err := c.Write(append(b, '/', 0))
		check(t, err)
	}
	gone := func(service string, request dict) func() {
		return func() { c := h.service(service); c.Send(request); c.Gone() }
	}
	for _, tt := range []struct {
		spec string
		do   func()
	}{
		{"cut@mux.ReadBUID", func() {
			c := h.dialMux()
			hosttest.MuxSend(t, c, dict{"MessageType": "ReadBUID"})
			(&hosttest.Plists{T: t, Conn: c}).Gone()
		}},
		{"refuse@mux.Connect*2", func() {
			for range 2 {
				if _, code := hosttest.TryDial(t, s.Addr(), h.phone.UDID(), usb, lockdown); code != 3 {
					t.Errorf("result %d", code)
				}
			}
			h.session()
		}},
		{"refuse@lockdown.StartSession", func() {
			h.lockdown().Refused("InvalidHostID", dict{"Request": "StartSession", "HostID": h.record.HostID})
		}},
		{"refuse@lockdown.GetValue=PasswordProtected", func() { h.lockdown().NoValue("PasswordProtected", "", "DeviceName") }},
		{"stall@lockdown.QueryType", func() {
			l := h.lockdown()
			l.Send(dict{"Request": "QueryType"})
			l.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if n, err := l.Read(make([]byte, 1)); n > 0 || err == nil || err == io.EOF {
				t.Errorf("%d bytes, %v; want silence", n, err)
			}
		}},
		{"cut@service.com.apple.afc", func() { h.service("com.apple.afc").Gone() }},
		{"huge@service.com.apple.mobile.heartbeat", func() {
			var n uint32
			check(t, binary.Read(h.service("com.apple.mobile.heartbeat"), binary.BigEndian, &n))
			if n != 0xFFFFFFFF {
				t.Errorf("%x", n)
			}
		}},
		{"cut@afc.info", func() { c := h.service("com.apple.afc"); afcInfo(c); c.Gone() }},
		{"cut@notification.PostNotification", gone("com.apple.mobile.notification_proxy", dict{"Command": "PostNotification", "Name": "x"})},
		{"cut@installation.Browse", gone("com.apple.mobile.installation_proxy", dict{"Command": "Browse"})},
		{"cut@springboard.getIconPNGData", gone("com.apple.springboardservices", dict{"command": "getIconPNGData"})},
		{"cut@diagnostics.MobileGestalt", gone("com.apple.mobile.diagnostics_relay", dict{"Request": "MobileGestalt"})},
		{"cut@assertion.CommandCreateAssertion", gone("com.apple.mobile.assertion_agent", dict{"CommandKey": "CommandCreateAssertion"})},
		{"cut@heartbeat.Marco:2", func() {
			c := h.service("com.apple.mobile.heartbeat")
			c.Receive()
			c.Send(dict{"Command": "Polo"})
			c.Gone()
		}},
	} {
		faults, err := virtualphone.ParseFaults(tt.spec)
		check(t, err)
		h.phone.AddFaults(faults...)
		t.Log(tt.spec)
		tt.do()
		h.phone.ClearFaults()
	}
	h.session().Value("", "SerialNumber") // nothing of it lasts
}
