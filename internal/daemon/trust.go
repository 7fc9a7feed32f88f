package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/keepsake-backup/keepsake/internal/localca"
)

// trust is what commands on this computer are told to trust when the page is
// served by TLS: its address in service.json is none that a certificate is for.
type trust struct {
	ca    *localca.CA // our own, nil if there is another certificate
	roots []byte      // PEM
	name  string      // the server's
}

// UseCA gives the certificates of an authority of our own, for the page at names and,
// if it can, at more of them (localca.Options). Its certificate, not its key, is left in the folder as tls/ca.crt. Call it, or
// UseFiles, before Serve.
func (d *Daemon) UseCA(ctx context.Context, names, also []string) (*localca.CA, error) {
	ca, err := localca.Open(ctx, d.DB, localca.Options{Names: names, Also: also, Now: d.opt.Now})
	if err != nil {
		return nil, err
	}
	if err := d.root.Mkdir("tls", 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keep certificate: %w", err)
	}
	if err := d.root.WriteFile("tls/ca.crt", ca.PEM(), 0o600); err != nil {
		return nil, fmt.Errorf("keep certificate: %w", err)
	}
	d.trust = trust{ca, ca.PEM(), "localhost"}
	return ca, nil
}

// UseFiles gives a certificate that somebody else has made, from two files in PEM,
// which are read again when they have changed: such certificates are renewed in place.
func (d *Daemon) UseFiles(certFile, keyFile string) (*tls.Config, error) {
	files := &certificateFiles{cert: certFile, key: keyFile, now: d.opt.Now, log: d.opt.Log}
	if files.now == nil {
		files.now = time.Now
	}
	chain, leaf, err := files.load()
	if err != nil {
		return nil, err
	}
	d.trust = trust{roots: chain, name: leaf.Subject.CommonName}
	if len(leaf.DNSNames) > 0 {
		d.trust.name = leaf.DNSNames[0]
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get}, nil
}

// maxLocalRoots bounds the certificates in service.json, in bytes.
const maxLocalRoots = 64 << 10

// HTTP is a client that trusts the service's own certificate and nobody else's; nil if
// the service is not served by TLS.
func (l Local) HTTP() (*http.Client, error) {
	if l.roots == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(l.roots)) {
		return nil, errors.New("trust the service: its certificate is damaged")
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: l.serverName, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}, nil
}
