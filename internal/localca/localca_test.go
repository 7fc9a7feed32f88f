package localca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/localca"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// vault keeps secrets in the clear, for the test to look at.
type vault map[string]secret.Bytes

func (v vault) Seal(_ context.Context, name string, plain secret.Bytes) error {
	v[name] = plain
	return nil
}

func (v vault) Unseal(_ context.Context, name string) (secret.Bytes, error) {
	if b, ok := v[name]; ok {
		return b, nil
	}
	return secret.Bytes{}, fmt.Errorf("unseal %s: %w", name, fs.ErrNotExist)
}

// clock can be set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, v vault, c *clock, names ...string) *localca.CA {
	t.Helper()
	ca, err := localca.Open(t.Context(), v, localca.Options{Names: names, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func authority(t *testing.T, ca *localca.CA) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(ca.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

// conn is a connection that came to an address.
type conn struct {
	net.Conn
	at net.Addr
}

func (c conn) LocalAddr() net.Addr { return c.at }

func leaf(t *testing.T, ca *localca.CA, addr string) *x509.Certificate {
	t.Helper()
	c, err := ca.TLS().GetCertificate(&tls.ClientHelloInfo{Conn: conn{at: &net.TCPAddr{IP: net.ParseIP(addr), Port: 443}}})
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func TestServes(t *testing.T) {
	ca := open(t, vault{}, &clock{time.Now()}, "Nas.local", "203.0.113.7")
	s := httptest.NewUnstartedServer(ca.Handler())
	s.TLS = ca.TLS()
	// httptest puts a certificate of its own in; by name or not, ours is to come.
	s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return ca.TLS(), nil }
	s.StartTLS()
	defer s.Close()
	trusting := pool(authority(t, ca))
	for _, name := range []string{"", "localhost", "nas.local", "203.0.113.7", "127.0.0.1"} {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting, ServerName: name}}}
		resp, err := c.Get(s.URL + localca.CertificatePath)
		if err != nil {
			t.Errorf("as %q: %v", name, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		c.CloseIdleConnections()
		if err != nil || string(b) != string(ca.Certificate()) || resp.Header.Get("Content-Type") != "application/x-x509-ca-cert" {
			t.Errorf("as %q: %d bytes of %s, %v", name, len(b), resp.Header.Get("Content-Type"), err)
		}
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting, ServerName: "bank.example"}}}
	if resp, err := c.Get(s.URL); err == nil {
		resp.Body.Close()
		t.Error("it serves as bank.example")
	}
}

func TestTrustPage(t *testing.T) {
	ca, err := localca.Open(t.Context(), vault{}, localca.Options{Title: `Keepsake of <script>`})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	ca.Handler().ServeHTTP(w, httptest.NewRequest("GET", localca.TrustPath, nil))
	body := w.Body.String()
	_, style, _ := strings.Cut(body, "<style>")
	style, rest, found := strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if !found || !strings.Contains(w.Header().Get("Content-Security-Policy"), "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the style is not the one of the policy %q", w.Header().Get("Content-Security-Policy"))
	}
	if !strings.Contains(rest, ca.Fingerprint()) || !strings.Contains(rest, "Certificate Trust Settings") || !strings.Contains(rest, "</html>") || strings.Contains(rest, "<script") {
		t.Errorf("page: %s", rest)
	}
	for method, path := range map[string]string{"POST": localca.TrustPath, "GET": "/key"} {
		w := httptest.NewRecorder()
		ca.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code < 400 {
			t.Errorf("%s %s: %d", method, path, w.Code)
		}
	}
}

// What Apple's devices want (support.apple.com 103769), and what the name says.
func TestCertificates(t *testing.T) {
	now := time.Now()
	ca := open(t, vault{}, &clock{now}, "nas.local")
	a := authority(t, ca)
	if !a.IsCA || !a.MaxPathLenZero || !a.PermittedDNSDomainsCritical || a.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign ||
		a.NotAfter.Sub(now) < 9*365*24*time.Hour || a.Subject.CommonName != "Keepsake on nas.local" {
		t.Errorf("authority: %+v", a)
	}
	l := leaf(t, ca, "192.168.1.10")
	if l.IsCA || l.NotAfter.Sub(l.NotBefore) > 825*24*time.Hour || len(l.DNSNames) != 2 || len(l.IPAddresses) != 1 ||
		len(l.ExtKeyUsage) != 1 || l.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("server: %+v", l)
	}
	for _, name := range []string{"nas.local", "192.168.1.10", "localhost"} {
		if _, err := l.Verify(x509.VerifyOptions{DNSName: name, Roots: pool(a), CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An address that others have is never in it, even when a connection came there.
	if l := leaf(t, ca, "198.51.100.1"); len(l.IPAddresses) != 1 {
		t.Errorf("it is for %v", l.IPAddresses)
	}
}

// Even the key itself makes no certificate for anybody else's name.
func TestConstrained(t *testing.T) {
	v, now := vault{}, time.Now()
	a := authority(t, open(t, v, &clock{now}, "nas.local"))
	_, rest := pem.Decode(v["tls-authority"].Reveal())
	block, _ := pem.Decode(rest)
	stolen, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{"nas.local": true, "bank.example": false, "local": false, "other.local": false,
		"10.1.2.3": true, "fd00::1": true, "198.51.100.1": false, "2001:db8::1": false} {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = []net.IP{ip}
		} else {
			c.DNSNames = []string{name}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, a, key.Public(), stolen)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		_, err = c.Verify(x509.VerifyOptions{DNSName: name, Roots: pool(a), CurrentTime: now})
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRenews(t *testing.T) {
	c := &clock{time.Now()}
	v := vault{}
	ca := open(t, v, c, "nas.local")
	first := leaf(t, ca, "127.0.0.1")
	if again := leaf(t, ca, "127.0.0.1"); !again.Equal(first) {
		t.Error("each connection gets another certificate")
	}
	second := leaf(t, ca, "192.168.1.2")
	if second.Equal(first) || len(second.IPAddresses) != 2 {
		t.Errorf("a new address: %v", second.IPAddresses)
	}
	c.at = c.at.Add(16 * 24 * time.Hour)
	third := leaf(t, ca, "127.0.0.1")
	if third.Equal(second) || third.NotAfter.Before(c.at.Add(29*24*time.Hour)) || len(third.IPAddresses) != 2 {
		t.Errorf("after half of its time: until %v, for %v", third.NotAfter, third.IPAddresses)
	}
	c.at = c.at.Add(-40 * 24 * time.Hour) // a clock that was ahead
	if back := leaf(t, ca, "127.0.0.1"); back.NotBefore.After(c.at) && back.NotBefore.After(authority(t, ca).NotBefore) {
		t.Errorf("good from %v only, it is %v", back.NotBefore, c.at)
	}
}

func TestOpen_again(t *testing.T) {
	c := &clock{time.Now()}
	v := vault{}
	first := open(t, v, c, "nas.local", "nas")
	if !first.Made() {
		t.Error("the first one is not new")
	}
	moved, err := localca.Open(t.Context(), v, localca.Options{Names: []string{"nas"}, Also: []string{"c0ffee", "NAS.local", "not_a_host"}, Now: c.now})
	if err != nil || moved.Made() {
		t.Fatalf("another host name by itself: made %v, %v", moved.Made(), err)
	}
	if l := leaf(t, moved, "127.0.0.1"); !slices.Equal(l.DNSNames, []string{"localhost", "nas", "nas.local"}) {
		t.Errorf("it is for %v", l.DNSNames)
	}
	for name, test := range map[string]struct {
		names []string
		later time.Duration
		same  bool
	}{
		"the same":              {[]string{"nas", "NAS.local."}, 24 * time.Hour, true},
		"fewer names":           {[]string{"nas"}, 0, true},
		"in private":            {[]string{"nas", "192.168.7.7"}, 0, true},
		"another name":          {[]string{"nas", "attic"}, 0, false},
		"another address":       {[]string{"nas", "203.0.113.9"}, 0, false},
		"at its end":            {[]string{"nas"}, 3650*24*time.Hour - 59*24*time.Hour, false},
		"before it was thought": {[]string{"nas"}, -48 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			copied := vault{"tls-authority": v["tls-authority"]}
			ca := open(t, copied, &clock{c.at.Add(test.later)}, test.names...)
			if same := ca.Fingerprint() == first.Fingerprint(); same != test.same || ca.Made() == test.same {
				t.Errorf("same %v, made %v", same, ca.Made())
			}
		})
	}
}

func TestOpen_wrong(t *testing.T) {
	cert := func(v vault) []byte {
		block, _ := pem.Decode(v["tls-authority"].Reveal())
		return pem.EncodeToMemory(block)
	}
	v, other := vault{}, vault{}
	open(t, v, &clock{time.Now()})
	open(t, other, &clock{time.Now()})
	_, otherKey := pem.Decode(other["tls-authority"].Reveal())
	for name, kept := range map[string]string{
		"empty":         "",
		"no PEM":        "secret",
		"no key":        string(cert(v)),
		"another's key": string(cert(v)) + string(otherKey),
		"a broken key":  string(cert(v)) + "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
		"broken":        "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n",
	} {
		if _, err := localca.Open(t.Context(), vault{"tls-authority": secret.NewBytes([]byte(kept))}, localca.Options{}); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "*.local", "a b", "-x", "x.", "ü", strings.Repeat("a", 64), strings.Repeat("a.", 200) + "b"} {
		if _, err := localca.Open(t.Context(), vault{}, localca.Options{Names: []string{name + "."}}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if _, err := localca.Open(t.Context(), vault{}, localca.Options{Names: strings.Split(strings.Repeat("a,", 40), ",")[:40]}); err != nil {
		t.Errorf("one name forty times: %v", err)
	}
}
