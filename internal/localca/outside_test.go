package localca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write puts b into a file of its own.
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Phones do not verify with Go's code: what others make of a real connection.
func TestServes_curl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatalf("%v: Debian package curl", err)
	}
	ca := open(t, vault{}, &clock{time.Now()}, "nas.local")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return ca.TLS(), nil }}
	s.StartTLS()
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	trusted := write(t, "ca.pem", ca.PEM())
	stranger := write(t, "other.pem", open(t, vault{}, &clock{time.Now()}, "nas.local").PEM())
	for name, test := range map[string]struct {
		host, roots string
		more        []string
		exit        int // curl(1), EXIT CODES
	}{
		"by address":           {"127.0.0.1", trusted, nil, 0},
		"by name":              {"nas.local", trusted, nil, 0},
		"localhost":            {"localhost", trusted, nil, 0},
		"TLS 1.2":              {"nas.local", trusted, []string{"--tls-max", "1.2"}, 0},
		"another's name":       {"bank.example", trusted, nil, 60},
		"of another authority": {"nas.local", stranger, nil, 60},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "10", "--cacert", test.roots,
				"--resolve", test.host + ":" + port + ":127.0.0.1", "--write-out", "%{http_code}"}, test.more...)
			out, err := exec.CommandContext(t.Context(), curl, append(args, "https://"+test.host+":"+port+"/")...).CombinedOutput()
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != test.exit || test.exit == 0 && string(out) != "204" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// OpenSSL's strict rules are those of RFC 5280, to which other verifiers hold, too.
func TestCertificates_openssl(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not here: Debian package openssl")
		return
	}
	ca := open(t, vault{}, &clock{time.Now()}, "nas.local", "203.0.113.7")
	trusted := write(t, "ca.pem", ca.PEM())
	l := leaf(t, ca, "fd00::10")
	server := write(t, "server.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Raw}))
	for _, test := range []struct {
		option, name string
		good         bool
	}{
		{"-verify_hostname", "nas.local", true}, {"-verify_hostname", "localhost", true}, {"-verify_hostname", "bank.example", false},
		{"-verify_ip", "203.0.113.7", true}, {"-verify_ip", "fd00::10", true}, {"-verify_ip", "192.168.1.1", false},
	} {
		out, err := exec.CommandContext(t.Context(), openssl, "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", "sslserver",
			"-CAfile", trusted, test.option, test.name, server).CombinedOutput()
		if (err == nil) != test.good {
			t.Errorf("%s: %v: %s", test.name, err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), openssl, "x509", "-in", trusted, "-noout", "-text").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"X509v3 Basic Constraints: critical", "CA:TRUE, pathlen:0", "X509v3 Name Constraints: critical", "X509v3 Key Usage: critical", "prime256v1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("authority lacks %q:\n%s", want, out)
		}
	}
}

// Two authorities of the same name must not be taken for each other, nor two
// certificates of one: serial numbers are random and long.
func TestSerialNumbers(t *testing.T) {
	c := &clock{time.Now()}
	seen := map[string]bool{}
	for range 4 {
		ca := open(t, vault{}, c, "nas.local")
		for _, n := range []string{authority(t, ca).SerialNumber.Text(16), leaf(t, ca, "127.0.0.1").SerialNumber.Text(16), leaf(t, ca, "10.0.0.1").SerialNumber.Text(16)} {
			if seen[n] || len(n) < 24 {
				t.Errorf("serial number %s", n)
			}
			seen[n] = true
		}
	}
}

// A stolen key vouches for nobody else in the eyes of OpenSSL either.
func TestConstrained_openssl(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not here: Debian package openssl")
		return
	}
	v, now := vault{}, time.Now()
	ca := open(t, v, &clock{now}, "nas.local")
	trusted := write(t, "ca.pem", ca.PEM())
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
	for name, good := range map[string]bool{"nas.local": true, "bank.example": false, "other.local": false, "10.1.2.3": true, "198.51.100.1": false, "2001:db8::1": false} {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = []net.IP{ip}
		} else {
			c.DNSNames = []string{name}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, authority(t, ca), key.Public(), stolen)
		if err != nil {
			t.Fatal(err)
		}
		server := write(t, "server.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		out, err := exec.CommandContext(t.Context(), openssl, "verify", "-no-CApath", "-no-CAstore", "-CAfile", trusted, server).CombinedOutput()
		if (err == nil) != good || !good && !strings.Contains(string(out), "permitted subtree violation") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// Nothing older than TLS 1.2 is spoken, to a client that would.
func TestTLS_old(t *testing.T) {
	ca := open(t, vault{}, &clock{time.Now()}, "nas.local")
	l, err := tls.Listen("tcp", "127.0.0.1:0", ca.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for version, good := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		served := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				err = errors.Join(c.SetDeadline(time.Now().Add(10*time.Second)), c.(*tls.Conn).Handshake(), c.Close())
			}
			served <- err
		}()
		dialer := &net.Dialer{Timeout: 10 * time.Second}
		c, err := tls.DialWithDialer(dialer, "tcp", l.Addr().String(), &tls.Config{RootCAs: pool(authority(t, ca)), ServerName: "nas.local",
			MinVersion: tls.VersionTLS10, MaxVersion: version})
		if err == nil {
			c.Close()
		}
		if theirs := <-served; (err == nil) != good || (!good && theirs == nil) {
			t.Errorf("%s: %v, %v", tls.VersionName(version), err, theirs)
		}
	}
}
