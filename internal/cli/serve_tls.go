package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/keepsake-backup/keepsake/internal/daemon"
)

// serveTLS says how the page is encrypted, and its address for people.
func (a *app) serveTLS(_ context.Context, f serveFlags, _ *daemon.Daemon, at *net.TCPAddr) (*tls.Config, string, error) {
	host := at.IP.String()
	if at.IP.IsUnspecified() {
		host = f.hosts()[0]
	}
	where := net.JoinHostPort(host, fmt.Sprint(at.Port))
	if at.IP.IsLoopback() {
		where = net.JoinHostPort("localhost", fmt.Sprint(at.Port))
	}
	if !f.secured(at) {
		return nil, "http://" + where + "/", nil
	}
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, "", fmt.Errorf("serve: read certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, "https://" + where + "/", nil
}
