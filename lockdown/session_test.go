package lockdown

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// testPhone is a phone's key and the record of a pairing with it, made once.
var testPhone = sync.OnceValue(func() (p struct {
	key *rsa.PrivateKey
	rec *PairRecord
}) {
	p.key = must(rsa.GenerateKey(rand.Reader, 2048))
	p.rec = must(NewPairRecord(PairIdentity{SystemBUID: "30142955-444094379208051516", DevicePublicKey: publicPEM(p.key), WiFiMACAddress: "c0:2c:5c:06:88:d6"}))
	return p
})

func publicPEM(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
}

// tcp returns the two ends of a connection on the loopback.
func tcp(t *testing.T) (a, b net.Conn) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	a = must(net.Dial("tcp", l.Addr().String()))
	b = must(l.Accept())
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// serveSession answers StartSession, shows cert, and echoes GetValue inside. It
// returns the certificate that the computer showed.
func serveSession(conn net.Conn, cert tls.Certificate) (*x509.Certificate, error) {
	f := framing.New(conn, plist.XML)
	var req Request
	if err := f.Receive(context.Background(), &req); err != nil {
		return nil, err
	}
	yes := true
	if err := f.Send(context.Background(), Response{Request: req.Request, SessionID: "S-1", EnableSessionSSL: &yes}); err != nil {
		return nil, err
	}
	tc := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12})
	if err := tc.Handshake(); err != nil {
		return nil, err
	}
	peer := tc.ConnectionState().PeerCertificates[0]
	f = framing.New(tc, plist.XML)
	for {
		var req Request
		if err := f.Receive(context.Background(), &req); err != nil {
			if err == io.EOF {
				err = nil
			}
			return peer, err
		}
		if err := f.Send(context.Background(), Response{Request: req.Request, Result: "Success", Value: req.SessionID + req.Key}); err != nil {
			return peer, err
		}
	}
}

func phoneCertificate(t *testing.T, rec *PairRecord, key *rsa.PrivateKey) tls.Certificate {
	block, _ := pem.Decode(rec.DeviceCertificate)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

func TestClient_StartSession(t *testing.T) {
	p := testPhone()
	rootOnly := *p.rec
	rootOnly.HostPrivateKey = rootOnly.EscrowBag // none
	for name, tc := range map[string]struct {
		rec  *PairRecord
		show []byte
	}{
		"host certificate":      {p.rec, p.rec.HostCertificate},
		"root, without the key": {&rootOnly, p.rec.RootCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := tcp(t)
			shown := make(chan *x509.Certificate, 1)
			go func() {
				cert, err := serveSession(theirs, phoneCertificate(t, p.rec, p.key))
				if err != nil {
					t.Errorf("phone: %v", err)
				}
				shown <- cert
			}()
			c := New(ours)
			if err := c.StartSession(t.Context(), tc.rec); err != nil {
				t.Fatal(err)
			}
			if v, err := c.GetString(t.Context(), "", "DeviceName"); err != nil || v != "DeviceName" {
				t.Errorf("in the session: got %q, %v", v, err)
			}
			if err := c.StopSession(t.Context()); err != nil {
				t.Errorf("stop: %v", err)
			}
			if err := c.StopSession(t.Context()); err != nil {
				t.Errorf("stop again: %v", err)
			}
			c.Close()
			if want := must(certificate("", tc.show)); !(<-shown).Equal(want) {
				t.Error("the computer showed another certificate")
			}
		})
	}
}

func TestClient_StartSession_withAnotherPhone(t *testing.T) {
	p := testPhone()
	thief := must(rsa.GenerateKey(rand.Reader, 2048))
	// Signed by the right root, but over another key.
	other := must(NewPairRecord(PairIdentity{SystemBUID: "B", DevicePublicKey: publicPEM(thief)}))
	ours, theirs := tcp(t)
	done := make(chan error, 1)
	go func() {
		_, err := serveSession(theirs, phoneCertificate(t, other, thief))
		theirs.Close()
		done <- err
	}()
	err := New(ours).StartSession(t.Context(), p.rec)
	var failed *TLSError
	if !errors.Is(err, ErrWrongPhone) || !errors.As(err, &failed) {
		t.Errorf("got %v", err)
	}
	if err := <-done; err == nil {
		t.Error("the other phone was given a session")
	}
}

func TestClient_StartSession_withAPhoneThatForgot(t *testing.T) {
	p := testPhone()
	ours, theirs := tcp(t)
	go func() {
		f := framing.New(theirs, plist.XML)
		var req Request
		f.Receive(context.Background(), &req)
		yes := true
		f.Send(context.Background(), Response{Request: req.Request, SessionID: "S", EnableSessionSSL: &yes})
		theirs.Read(make([]byte, 1)) // the client hello
		theirs.Close()
	}()
	var failed *TLSError
	if err := New(ours).StartSession(t.Context(), p.rec); !errors.As(err, &failed) || errors.Is(err, ErrWrongPhone) {
		t.Errorf("got %v", err)
	}
}

func TestPairRecord_TLS_endsWithItsContext(t *testing.T) {
	ours, _ := tcp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := testPhone().rec.TLS(ctx, ours); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type dialer func(port uint16) (net.Conn, error)

func (d dialer) DialPort(_ context.Context, port uint16) (net.Conn, error) { return d(port) }

func TestService_Connect(t *testing.T) {
	p := testPhone()
	refused := errors.New("refused")
	_, err := Service{Name: "s", Port: 9}.Connect(t.Context(), dialer(func(port uint16) (net.Conn, error) { return nil, refused }), p.rec)
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	for _, secure := range []bool{false, true} {
		ours, theirs := tcp(t)
		go func() {
			var phone net.Conn = theirs
			if secure {
				phone = tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{phoneCertificate(t, p.rec, p.key)}, ClientAuth: tls.RequireAnyClientCert})
			}
			io.Copy(phone, phone)
			phone.Close()
		}()
		conn, err := Service{Name: "s", Port: 9, TLS: secure}.Connect(t.Context(), dialer(func(port uint16) (net.Conn, error) {
			if port != 9 {
				t.Errorf("port %d", port)
			}
			return ours, nil
		}), p.rec)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte("hello"))
		b := make([]byte, 5)
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != "hello" {
			t.Errorf("TLS %v: got %q, %v", secure, b, err)
		}
		if _, encrypted := conn.(*tls.Conn); encrypted != secure {
			t.Errorf("TLS is %v, want %v", encrypted, secure)
		}
		conn.Close()
	}
}

func TestService_Connect_closesOnFailure(t *testing.T) {
	ours, theirs := tcp(t)
	go theirs.Close()
	_, err := Service{Name: "s", Port: 9, TLS: true}.Connect(t.Context(), dialer(func(uint16) (net.Conn, error) { return ours, nil }), testPhone().rec)
	var failed *TLSError
	if !errors.As(err, &failed) {
		t.Errorf("got %v", err)
	}
	if _, err := ours.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("connection is open still: %v", err)
	}
}
