package daemon_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/keepsake-backup/keepsake/client"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/localca"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

func options(t *testing.T, data string) daemon.Options {
	return daemon.Options{Data: data, NoWiFi: true, Origins: []string{"https://localhost:1"}, Version: "1.2.3",
		Hash: &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 16},
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func open(t *testing.T, o daemon.Options) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// running serves on loopback until stop is called.
func running(t *testing.T, d *daemon.Daemon, conf *tls.Config) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- d.Serve(ctx, l, conf, func() { close(ready) }) }()
	<-ready
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Errorf("end: %v", err)
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// local waits until commands can find the service.
func local(t *testing.T, data string) daemon.Local {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		l, err := daemon.FindLocal(data)
		if err == nil {
			return l
		}
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// asked speaks to the service as commands do.
func asked(t *testing.T, l daemon.Local) (version string) {
	t.Helper()
	hc, err := l.HTTP()
	if err != nil {
		t.Fatal(err)
	}
	if hc != nil {
		defer hc.CloseIdleConnections()
	}
	c, err := client.New(l.Address, client.Options{Token: l.Token, HTTP: hc})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.Version
}

func TestOwnAuthority(t *testing.T) {
	data := filepath.Join(t.TempDir(), "service")
	d := open(t, options(t, data))
	if _, err := d.Auth.CreateFirst(t.Context(), "anna", "Anna", secret.NewText("a long password")); err != nil {
		t.Fatal(err)
	}
	ca, err := d.UseCA(t.Context(), []string{"nas.local"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	address, stop := running(t, d, ca.TLS())
	l := local(t, data)
	if l.Address != "https://"+address || asked(t, l) != "1.2.3" {
		t.Errorf("commands find %s", l.Address)
	}
	if info, err := os.Stat(filepath.Join(data, "service.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("service.json: %v, %v", info, err)
	}
	// A stranger gets the certificate, how to trust it, and not the page.
	hc, err := l.HTTP()
	if err != nil {
		t.Fatal(err)
	}
	defer hc.CloseIdleConnections()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for path, want := range map[string]int{localca.CertificatePath: 200, localca.TrustPath: 200, "/": 303, "/trust/": 303, "/healthz": 200} {
		resp, err := hc.Get("https://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("%s: %s", path, resp.Proto)
		}
		if err != nil || resp.StatusCode != want || (path == localca.CertificatePath && !bytes.Equal(b, ca.Certificate())) {
			t.Errorf("%s: %s, %v", path, resp.Status, err)
		}
	}
	kept, err := os.ReadFile(filepath.Join(data, "tls", "ca.crt"))
	if err != nil || !bytes.Equal(kept, ca.PEM()) {
		t.Errorf("the certificate in the folder: %v", err)
	}
	fromPlain(t, hc, address)
	stop()
	if _, err := daemon.FindLocal(data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("commands still find the service: %v", err)
	}
	keyIsSealed(t, data)
	d = open(t, options(t, data))
	defer d.Close()
	if again, err := d.UseCA(t.Context(), []string{"nas.local"}, nil); err != nil || again.Fingerprint() != ca.Fingerprint() {
		t.Errorf("after a restart it is another authority: %v", err)
	}
}

// fromPlain comes without TLS, as people do who type no "https".
func fromPlain(t *testing.T, hc *http.Client, address string) {
	t.Helper()
	resp, err := hc.Get("http://" + address + "/phones/a%2Fb?x=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, want := resp.Header.Get("Location"), "https://"+address+"/phones/a%2Fb?x=1"; resp.StatusCode != http.StatusTemporaryRedirect || got != want {
		t.Errorf("without TLS: %s, to %q", resp.Status, got)
	}
	if resp, err = hc.Post("http://"+address+"/signin", "application/x-www-form-urlencoded", strings.NewReader("login=anna")); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
		t.Errorf("a form without TLS: %s", resp.Status)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("SSH-2.0-nothing\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err == nil && bytes.Contains(b, []byte("https")) {
		t.Errorf("no request is answered with %q", b)
	}
}

// keyIsSealed looks for the authority's key in all files of the folder.
func keyIsSealed(t *testing.T, data string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("PRIVATE KEY")) {
			t.Errorf("%s has a private key in it", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// certificate writes a certificate that signs itself, as a family may have one.
func certificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"home.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(time.Duration(serial) * time.Second) // also where clocks of files are coarse
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificateFiles(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	o := options(t, filepath.Join(dir, "service"))
	o.Now = func() time.Time { return now }
	d := open(t, o)
	if _, err := d.UseFiles(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	cert, key := certificate(t, dir, 1)
	conf, err := d.UseFiles(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c, err := conf.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("serial %d", got)
	}
	certificate(t, dir, 2)
	if got := serial(); got != 1 {
		t.Errorf("it looks at the files all the time: %d", got)
	}
	now = now.Add(2 * time.Minute)
	if got := serial(); got != 2 {
		t.Errorf("a new certificate is not taken: %d", got)
	}
	if err := os.WriteFile(key, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	if got := serial(); got != 2 {
		t.Errorf("in the middle of a renewal: %d", got)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Commands on this computer reach a page whose certificate is for another name.
func TestCertificateFiles_local(t *testing.T) {
	dir := t.TempDir()
	o := options(t, filepath.Join(dir, "service"))
	d := open(t, o)
	if _, err := d.Auth.CreateFirst(t.Context(), "anna", "Anna", secret.NewText("a long password")); err != nil {
		t.Fatal(err)
	}
	conf, err := d.UseFiles(certificate(t, dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	running(t, d, conf)
	if got := asked(t, local(t, o.Data)); got != "1.2.3" {
		t.Errorf("version %q", got)
	}
}

func TestOpen_refused(t *testing.T) {
	data := filepath.Join(t.TempDir(), "service")
	d := open(t, options(t, data))
	hint := func(err error) string {
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			return h.Hint()
		}
		return ""
	}
	if _, err := daemon.Open(t.Context(), options(t, data)); err == nil || !strings.Contains(hint(err), "runs there already") {
		t.Errorf("twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(data, "key"), filepath.Join(data, "lost")); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Open(t.Context(), options(t, data)); err == nil || !strings.Contains(hint(err), "your copy") {
		t.Errorf("without its key: %v", err)
	}
	if err := os.WriteFile(filepath.Join(data, "key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Open(t.Context(), options(t, data)); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("with half a key: %v", err)
	}
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Open(t.Context(), options(t, data)); err == nil || !strings.Contains(hint(err), "chmod 700") {
		t.Errorf("open to others: %v", err)
	}
	if _, err := daemon.Open(t.Context(), options(t, filepath.Join(data, "no", "such"))); err == nil {
		t.Error("made a folder in a folder that is not there")
	}
}
