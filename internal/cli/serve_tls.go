package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/keepsake-backup/keepsake/client"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/localca"
)

// serveTLS says how the page is encrypted, and its address for people: by the
// certificate that was given, or by one of our own.
func (a *app) serveTLS(ctx context.Context, f serveFlags, d *daemon.Daemon, at *net.TCPAddr) (*tls.Config, string, error) {
	host := at.IP.String()
	if at.IP.IsUnspecified() || at.IP.IsLoopback() {
		host = "localhost"
	}
	if hosts := f.hosts(); at.IP.IsUnspecified() && len(hosts) > 0 {
		host = hosts[0]
	}
	where := net.JoinHostPort(host, fmt.Sprint(at.Port))
	if !f.secured(at) {
		return nil, "http://" + where + "/", nil
	}
	url := "https://" + where
	if f.cert != "" {
		conf, err := d.UseFiles(f.cert, f.key)
		return conf, url + "/", err
	}
	names := append([]string(nil), f.names...)
	if !at.IP.IsUnspecified() {
		names = append(names, at.IP.String())
	}
	ca, err := d.UseCA(ctx, names, f.hosts()[len(f.names):])
	if err != nil {
		return nil, "", err
	}
	about := "Each device has to be told once to trust the page's certificate"
	if ca.Made() {
		about = "The page has a new certificate authority: each device has to be told once to trust it"
	}
	fmt.Fprintf(a.Stderr, "%s: %s says how.\nThe fingerprint to compare there: %s\n", about, url+localca.TrustPath, ca.Fingerprint())
	return ca.TLS(), url + "/", nil
}

// clientOf speaks to the service that runs on this computer.
func clientOf(local daemon.Local) (*client.Client, error) {
	hc, err := local.HTTP()
	if err != nil {
		return nil, err
	}
	return client.New(local.Address, client.Options{Token: local.Token, HTTP: hc})
}
