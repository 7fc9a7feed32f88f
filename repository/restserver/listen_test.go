package restserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate makes a certificate for this computer that vouches for
// itself, and gives the rules that use it.
func writeCertificate(t testing.TB, dir string, serial int64) Rules {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "keepsake test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	r := Rules{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{r.CertFile: {Type: "CERTIFICATE", Bytes: cert}, r.KeyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// start serves h until the test or stop ends it.
func start(t *testing.T, rules Rules, h http.Handler) (l *Listener, stop func() error) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0", rules)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, h, nil) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return l, stop
}

func TestListen_rules(t *testing.T) {
	cert := writeCertificate(t, t.TempDir(), 1)
	local := cert
	local.LocalOnly = true
	for _, c := range []struct {
		address string
		rules   Rules
		want    error
	}{
		{"0.0.0.0:0", Rules{}, ErrNeedsTLS},
		{":0", Rules{}, ErrNeedsTLS},
		{"[::]:0", Rules{}, ErrNeedsTLS},
		{"192.0.2.1:0", Rules{}, ErrNeedsTLS},
		{"0.0.0.0:0", Rules{LocalOnly: true}, ErrLocalOnly},
		{"0.0.0.0:0", Rules{LocalOnly: true, Insecure: true}, ErrLocalOnly},
		{"0.0.0.0:0", local, ErrLocalOnly},
		{"127.0.0.1:0", Rules{LocalOnly: true}, nil},
		{"localhost:0", Rules{}, nil},
		{"127.0.0.1:0", cert, nil},
	} {
		l, err := Listen(t.Context(), c.address, c.rules)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s with %+v: got %v, want %v", c.address, c.rules, err, c.want)
		}
		if err == nil {
			if want := map[bool]string{true: "https://", false: "http://"}[c.rules.CertFile != ""]; !strings.HasPrefix(l.URL(), want) || strings.HasSuffix(l.URL(), ":0/") {
				t.Errorf("%s: URL %s", c.address, l.URL())
			}
			l.Close()
		}
	}
	for _, r := range []Rules{{CertFile: cert.CertFile}, {KeyFile: cert.KeyFile}, {CertFile: cert.KeyFile, KeyFile: cert.CertFile}, {CertFile: "none", KeyFile: "none"}} {
		if _, err := Listen(t.Context(), "127.0.0.1:0", r); err == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:http-nonsense", "127.0.0.1:70000"} {
		if l, err := Listen(t.Context(), address, Rules{LocalOnly: true}); err == nil {
			t.Errorf("%q is accepted as %s", address, l.URL())
			l.Close()
		}
	}
}

// TestServe_ends: requests under way are finished, and then nobody is served.
func TestServe_ends(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	l, stop := start(t, Rules{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "to the end")
	}))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	got := make(chan string, 1)
	go func() {
		resp, err := client.Get(l.URL())
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(body)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	time.Sleep(20 * time.Millisecond)
	close(leave)
	if body := <-got; body != "to the end" {
		t.Errorf("got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if resp, err := client.Get(l.URL()); err == nil {
		resp.Body.Close()
		t.Error("somebody is still there")
	}
}

func TestServe_socketGone(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", Rules{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, http.NotFoundHandler(), nil); err == nil || !strings.Contains(err.Error(), "serve 127.0.0.1") {
		t.Errorf("got %v", err)
	}
}

// TestCertificate_renewed: a new one is used without a restart; half of one is not.
func TestCertificate_renewed(t *testing.T) {
	dir := t.TempDir()
	rules := writeCertificate(t, dir, 1)
	c := &certificate{certFile: rules.CertFile, keyFile: rules.KeyFile}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		t.Helper()
		pair, err := c.get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	later := time.Now().Add(time.Minute)
	renew := func(n int64) {
		writeCertificate(t, dir, n)
		later = later.Add(time.Minute)
		if err := os.Chtimes(rules.CertFile, later, later); err != nil {
			t.Fatal(err)
		}
	}
	renew(2)
	if got := serial(); got != 1 {
		t.Errorf("within the minute: number %d", got)
	}
	c.checked = time.Time{}
	if got := serial(); got != 2 {
		t.Errorf("after it: number %d", got)
	}
	renew(3)
	if err := os.WriteFile(rules.KeyFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.checked = time.Time{}
	if got := serial(); got != 2 {
		t.Errorf("with half a key: number %d", got)
	}
}
