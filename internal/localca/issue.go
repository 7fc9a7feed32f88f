package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	serverLifetime = 30 * 24 * time.Hour
	// maxAddresses bounds how many addresses one certificate is for; a computer has a
	// handful.
	maxAddresses = 64
)

// issued is a certificate of the server.
type issued struct {
	cert  *tls.Certificate
	renew time.Time // make another one then
	addrs []netip.Addr
}

// TLS is a configuration that always has a good certificate. It wants TLS 1.2 or
// newer, as all browsers of the last ten years speak.
func (ca *CA) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: ca.certificate}
}

// certificate gives the server's for a connection. Who connects to an address names
// no server, and wants the address to be in the certificate.
func (ca *CA) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	addrs := ca.last.addrs
	if addr, ok := localAddr(hello.Conn); ok && ca.permits(addr) && !slices.Contains(addrs, addr) && len(addrs) < maxAddresses {
		addrs = append(slices.Clone(addrs), addr)
	}
	now := ca.now()
	// An hour of grace in the other direction: clocks are set back, too.
	if c := ca.last.cert; c != nil && len(addrs) == len(ca.last.addrs) && now.Before(ca.last.renew) && now.Add(time.Hour).After(c.Leaf.NotBefore) {
		return c, nil
	}
	if err := ca.issue(now, addrs); err != nil {
		return nil, fmt.Errorf("make certificate of the page: %w", err)
	}
	return ca.last.cert, nil
}

// localAddr is the address of this computer that a connection came to.
func localAddr(c net.Conn) (netip.Addr, bool) {
	if c == nil {
		return netip.Addr{}, false
	}
	at, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(at.IP)
	return addr.Unmap().WithZone(""), ok
}

func (ca *CA) issue(now time.Time, addrs []netip.Addr) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: ca.names[len(ca.names)-1], Organization: []string{"Keepsake"}},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(serverLifetime),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              slices.Clone(ca.names),
	}
	for _, name := range ca.also {
		if ca.permitsName(name) {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	for _, a := range slices.Concat(ca.fixed, addrs) {
		t.IPAddresses = append(t.IPAddresses, a.AsSlice())
	}
	if t.NotBefore.Before(ca.cert.NotBefore) {
		t.NotBefore = ca.cert.NotBefore
	}
	if t.NotAfter.After(ca.cert.NotAfter) { // of an authority that was made anew while this one serves
		t.NotAfter = ca.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, key.Public(), ca.key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	ca.last = issued{&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, now.Add(serverLifetime / 2), addrs}
	return nil
}
