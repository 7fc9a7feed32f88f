package lockdownd

import (
	"bytes"
	"crypto/tls"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

func TestClientCertificates(t *testing.T) {
	_, s := newPhone(t, nil)
	l := dial(t, s, false)
	r := l.Pair(hosttest.Styles[0])
	stranger := hosttest.NewRecord(t, l.Value("", "DevicePublicKey").([]byte), hosttest.Style{Serial: 99})
	for name, tt := range map[string]struct {
		cert tls.Certificate
		ok   bool
	}{
		"root": {r.RootPair, true}, "host": {r.HostPair, true}, "stranger": {stranger.HostPair, false}, "none": {tls.Certificate{}, false},
	} {
		l := dial(t, s, false)
		l.OK(dict{"Request": "StartSession", "HostID": r.HostID})
		c, err := hosttest.TLS(t, l.Conn, tt.cert)
		if err == nil { // in TLS 1.2 the phone's refusal comes with the handshake, if not: with the first read
			l.Conn = c
			l.Send(dict{"Request": "QueryType"})
			_, err = l.Body()
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServerCertificate: the phone shows the certificate that this host made.
func TestServerCertificate(t *testing.T) {
	_, s := newPhone(t, nil)
	a, b := dial(t, s, false), dial(t, s, false)
	ra, rb := a.Pair(hosttest.Styles[0]), b.Pair(hosttest.Styles[3])
	for _, x := range []struct {
		l *hosttest.Lockdown
		r *hosttest.Record
	}{{a, ra}, {b, rb}} {
		x.l.Start(x.r)
		want, err := certificateDER(x.r.Device)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x.l.Peer(), want) {
			t.Errorf("another certificate than %s's", x.r.HostID)
		}
	}
}

func TestInvalidPairRecords(t *testing.T) {
	_, s := newPhone(t, nil)
	l := dial(t, s, false)
	key := l.Value("", "DevicePublicKey").([]byte)
	good := func() dict { return hosttest.NewRecord(t, key, hosttest.Styles[0]).PairRequest() }
	for _, field := range []string{"DeviceCertificate", "HostCertificate", "RootCertificate"} {
		for name, v := range map[string][]byte{"missing": nil, "junk": []byte("junk"), "junk in PEM": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")} {
			d := good()
			d["PairRecord"].(dict)[field] = v
			if v == nil {
				delete(d["PairRecord"].(dict), field)
			}
			t.Log(field, name)
			l.Refused("InvalidPairRecord", d)
		}
	}
	d := good()
	d["PairRecord"].(dict)["DeviceCertificate"] = d["PairRecord"].(dict)["HostCertificate"] // of another key
	l.Refused("InvalidPairRecord", d)
	d = good()
	delete(d["PairRecord"].(dict), "HostID")
	l.Refused("MissingHostID", d)
}

// TestTrustDialog: protocol.md 2.8 and 11.2.
func TestTrustDialog(t *testing.T) {
	const pending, denied = "PairingDialogResponsePending", "UserDeniedPairing"
	for _, tt := range []struct {
		name    string
		set     func(*state.Settings)
		network bool
		answers []string // "" is success
	}{
		{"at once", func(s *state.Settings) {}, false, []string{"", ""}},
		{"after a while", func(s *state.Settings) { s.Trust = "after=100ms" }, false, []string{pending, pending, "wait", "", ""}},
		{"refused", func(s *state.Settings) { s.Trust = "refuse" }, false, []string{pending, denied, pending, denied}},
		{"refused later", func(s *state.Settings) { s.Trust = "refuse=100ms" }, false, []string{pending, pending, "wait", denied}},
		{"passcode after a while", func(s *state.Settings) { s.Passcode = "after=100ms" }, false, []string{pending, "wait", ""}},
		{"passcode refused", func(s *state.Settings) { s.Passcode = "refuse" }, false, []string{pending, denied}},
		{"locked", func(s *state.Settings) { s.Passcode, s.Lock = "after=1ms", state.Locked }, false, []string{"PasswordProtected"}},
		{"in set-up", func(s *state.Settings) { s.Trust, s.Setup = "refuse", state.SetupBusy }, false, []string{""}},
		{"new", func(s *state.Settings) { s.Trust, s.Setup = "refuse", state.SetupNew }, false, []string{""}},
		{"over Wi-Fi", func(s *state.Settings) {}, true, []string{"PairingProhibitedOverThisConnection"}},
		{"edited by hand", func(s *state.Settings) { s.Trust = "bogus" }, false, []string{pending, denied}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, s := newPhone(t, tt.set)
			l := dial(t, s, tt.network)
			r := hosttest.NewRecord(t, p.st.PublicKeyPEM(), hosttest.Styles[0])
			for _, want := range tt.answers {
				switch want {
				case "wait":
					for deadline := time.Now().Add(5 * time.Second); p.answered(r.HostID, s) && time.Now().Before(deadline); {
						time.Sleep(5 * time.Millisecond)
					}
				case "":
					l.OK(r.PairRequest())
				default:
					l.Refused(want, r.PairRequest())
				}
			}
		})
	}
}

// answered tells whether the owner's time with the dialog is not over yet.
func (p *phone) answered(hostID string, s *Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dialogs[hostID]
	return d != nil && time.Now().Before(d.answered)
}
