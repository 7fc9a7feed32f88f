package virtualphone_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/keepsake-backup/keepsake/virtualphone"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
)

// TestClientDifferences: the rows of protocol.md 7 about the muxer, lockdownd
// and the small services, each as the clients named there do it. The rows about
// backups are tested in package backupagent.
func TestClientDifferences(t *testing.T) {
	s := start(t, func(c *virtualphone.Config) { c.WiFi = true })
	h := pair(t, s, hosttest.Styles[0])
	check(t, h.phone.Set("wifi=on"))
	for _, row := range []struct {
		topic string
		test  func(t *testing.T, h *host)
	}{
		{"StopSession reply: Result is Success", func(t *testing.T, h *host) {
			l := h.session()
			if got := l.Request(dict{"Request": "StopSession", "SessionID": l.Session}); got["Result"] != "Success" {
				t.Error(got)
			}
		}},
		{"Request echo: always, in refusals too", func(t *testing.T, h *host) {
			for _, name := range []string{"QueryType", "GetValue", "Pair", "ValidatePair", "Unpair", "StartSession", "StopSession", "StartService", "Dance"} {
				if got := h.lockdown().Request(dict{"Request": name}); got["Request"] != name {
					t.Errorf("%s: %v", name, got)
				}
			}
		}},
		{"EscrowBag on Pair: 32 bytes, the same again", func(t *testing.T, h *host) {
			l := h.lockdown()
			r := l.Pair(hosttest.Styles[3])
			if again := l.OK(r.PairRequest())["EscrowBag"].([]byte); len(r.EscrowBag) != 32 || string(again) != string(r.EscrowBag) {
				t.Errorf("%d and %d bytes", len(r.EscrowBag), len(again))
			}
		}},
		{"TLS client certificate: root or host", func(t *testing.T, h *host) {
			for _, cert := range []tls.Certificate{h.record.RootPair, h.record.HostPair} {
				x := *h.record
				x.ClientCertificate = cert
				l := h.lockdown()
				l.Start(&x)
				l.Value("", "SerialNumber")
			}
		}},
		{"TLS versions: 1.2 for whoever offers more", func(t *testing.T, h *host) {
			l := h.session()
			if l.Version() != tls.VersionTLS12 {
				t.Errorf("%x", l.Version())
			}
		}},
		{"EnableSessionSSL: always true", func(t *testing.T, h *host) {
			if got := h.lockdown().OK(dict{"Request": "StartSession", "HostID": h.record.HostID}); got["EnableSessionSSL"] != true {
				t.Error(got)
			}
		}},
		{"network device: direct TCP and mux Connect", func(t *testing.T, h *host) {
			conn, err := net.Dial("tcp", h.phone.NetworkAddr().String())
			check(t, err)
			defer conn.Close()
			direct := hosttest.NewLockdown(t, conn)
			direct.Start(h.record)
			w := *h
			w.kind = network
			if direct.Value("", "UniqueDeviceID") != w.session().Value("", "UniqueDeviceID") {
				t.Error("two phones")
			}
		}},
		{"lockdown sessions: many at once, or one for long", func(t *testing.T, h *host) {
			a, b := h.session(), h.session()
			for range 5 {
				c := h.session()
				c.Value("", "DeviceName")
				c.Stop(true)
				a.Value("", "DeviceName")
			}
			b.Value("", "DeviceName")
		}},
		{"installation_proxy and springboardservices are there", func(t *testing.T, h *host) {
			if got := h.service("com.apple.mobile.installation_proxy").Ask(dict{"Command": "Browse", "ClientOptions": dict{"ApplicationType": "User"}}); got["Status"] != "Complete" {
				t.Error(got)
			}
			h.service("com.apple.springboardservices").Ask(dict{"command": "getIconPNGData", "bundleId": "x"})
		}},
		{"AFC packet number: echoed, from 0 or 1", func(t *testing.T, h *host) {
			c := h.service("com.apple.afc")
			for _, n := range []uint64{0, 1, 1 << 40} {
				b := append([]byte("CFA6LPAA"), make([]byte, 32)...)
				binary.LittleEndian.PutUint64(b[8:], 40)
				binary.LittleEndian.PutUint64(b[16:], 40)
				binary.LittleEndian.PutUint64(b[24:], n)
				b[32] = 0x0B
				_, err := c.Write(b)
				check(t, err)
				_, err = io.ReadFull(c, b)
				check(t, err)
				if got := binary.LittleEndian.Uint64(b[24:]); got != n {
					t.Errorf("%d echoed as %d", n, got)
				}
				_, err = io.CopyN(io.Discard, c, int64(binary.LittleEndian.Uint64(b[8:]))-40)
				check(t, err)
			}
		}},
		{"notification posts: one connection for each, or for all", func(t *testing.T, h *host) {
			all := h.service("com.apple.mobile.notification_proxy")
			for i := range 3 {
				all.Send(dict{"Command": "PostNotification", "Name": "row"})
				one := h.service("com.apple.mobile.notification_proxy")
				one.Binary = true
				one.Send(dict{"Command": "PostNotification", "Name": "row"})
				one.Close()
				await(t, h.phone, "posted.row", 2*i+2)
			}
		}},
		{"all-values GetValue: the mandatory keys, before and after the session", func(t *testing.T, h *host) {
			l := h.lockdown()
			early := l.Value("", "").(dict)
			for _, key := range []string{"UniqueDeviceID", "UniqueChipID", "DevicePublicKey", "ProductType", "ProductVersion", "BuildVersion", "DeviceClass", "DeviceName", "WiFiAddress"} {
				if early[key] == nil {
					t.Errorf("%s is missing before the session", key)
				}
			}
			l.Start(h.record)
			all := l.Value("", "").(dict)
			for _, key := range []string{"UniqueDeviceID", "SerialNumber", "ProductVersion", "ProductType", "DeviceName", "BuildVersion"} {
				if s, _ := all[key].(string); s == "" {
					t.Errorf("%s is missing", key)
				}
			}
			for _, key := range allValues {
				if _, there := all[key]; !there {
					t.Errorf("%s, seen in real dumps, is missing", key)
				}
			}
		}},
	} {
		t.Run(row.topic, func(t *testing.T) {
			x := *h
			x.t = t
			row.test(t, &x)
		})
	}
}

// allValues are the keys of real dumps (protocol.md 2.4).
var allValues = []string{
	"ActivationState", "ActivationStateAcknowledged", "BasebandStatus", "BluetoothAddress", "BoardId", "BrickState", "BuildVersion", "CPUArchitecture",
	"ChipID", "DeviceClass", "DeviceColor", "DeviceName", "DieID", "EthernetAddress", "FirmwareVersion", "HardwareModel", "HardwarePlatform", "HasSiDP",
	"HostAttached", "MLBSerialNumber", "ModelNumber", "NonVolatileRAM", "PartitionType", "PasswordProtected", "ProductName", "ProductType", "ProductVersion",
	"ProductionSOC", "ProtocolVersion", "RegionInfo", "SerialNumber", "SIMStatus", "SoftwareBehavior", "SupportedDeviceFamilies", "TelephonyCapability",
	"TimeIntervalSince1970", "TimeZone", "TimeZoneOffsetFromUTC", "TrustedHostAttached", "UniqueChipID", "UniqueDeviceID", "UseRaptorCerts",
	"Uses24HourClock", "WiFiAddress", "IntegratedCircuitCardIdentity", "InternationalMobileEquipmentIdentity", "MobileEquipmentIdentifier", "PhoneNumber",
}
