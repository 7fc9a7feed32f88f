package localca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

const (
	lifetime  = 10 * 365 * 24 * time.Hour
	replaceAt = 60 * 24 * time.Hour // before the end: as long as devices have to learn of a new one
	// backdated certificates are good on devices whose clocks are behind.
	backdated = 24 * time.Hour
	// secretName is where the vault keeps the authority: certificate and key as PEM.
	secretName = "tls-authority"
	// maxNames bounds how many names are served, and maxName the length of one in
	// bytes (RFC 1035 2.3.4).
	maxNames = 32
	maxName  = 253
)

// privateRanges are the addresses that exist in private networks only: a device finds
// this computer there and nobody else's (RFC 1918, 3927, 4193, 4291, 6598).
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// Vault keeps secrets sealed: *catalog.DB. Unseal gives an error that is
// fs.ErrNotExist when there is none of the name.
type Vault interface {
	Seal(ctx context.Context, name string, plain secret.Bytes) error
	Unseal(ctx context.Context, name string) (secret.Bytes, error)
}

// Options of Open.
type Options struct {
	// Names are what devices call this computer: host names, and addresses that are
	// not in private networks. "localhost" need not be among them. An authority that
	// is not for all of them is replaced.
	Names []string
	// Also are more names, for those who would use them: a new authority is for them
	// too, but one that is not stays, since names such as that of a container change
	// by themselves. What is no host's name is left out.
	Also []string
	// Title is what the authority is called on the devices that trust it; "" is
	// "Keepsake on" and the first of Names.
	Title string
	Now   func() time.Time // nil is time.Now
}

// CA is an authority and the certificate that it has given this server last. It can
// be used concurrently.
type CA struct {
	now   func() time.Time
	names []string     // of hosts, lower case
	also  []string     // more of them
	fixed []netip.Addr // of Options.Names
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	made  bool

	mu   sync.Mutex
	last issued // guarded by mu
}

// Open reads the authority from the vault. If there is none, or none that is good for
// these names and this time, a new one is made and sealed: Made.
func Open(ctx context.Context, v Vault, o Options) (*CA, error) {
	ca := &CA{now: o.Now}
	if ca.now == nil {
		ca.now = time.Now
	}
	if err := ca.setNames(o.Names, o.Also); err != nil {
		return nil, err
	}
	kept, err := v.Unseal(ctx, secretName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open certificate authority: %w", err)
	}
	if err == nil {
		if err := ca.parse(kept.Reveal()); err != nil {
			return nil, fmt.Errorf("open certificate authority: %w", err)
		}
		if ca.good() {
			return ca, nil
		}
	}
	title := o.Title
	if title == "" {
		title = "Keepsake on " + slices.Concat(ca.names[1:], ca.also, []string{"this computer"})[0]
	}
	plain, err := ca.make(title)
	if err == nil {
		err = v.Seal(ctx, secretName, secret.NewBytes(plain))
	}
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return ca, nil
}

// setNames sorts names from addresses. A certificate for what is no host's name would
// be refused by every device, for all names.
func (ca *CA) setNames(names, also []string) error {
	ca.names = []string{"localhost"}
	for _, name := range names {
		if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
			ca.fixed = append(ca.fixed, addr.Unmap().WithZone(""))
			continue
		}
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if !hostName(name) {
			return fmt.Errorf("certificate for %q: that is no host's name", name)
		}
		if !slices.Contains(ca.names, name) {
			ca.names = append(ca.names, name)
		}
	}
	for _, name := range also {
		name = strings.ToLower(name)
		if hostName(name) && !slices.Contains(ca.names, name) && !slices.Contains(ca.also, name) {
			ca.also = append(ca.also, name)
		}
	}
	if n := len(ca.names) + len(ca.also) + len(ca.fixed); n > maxNames {
		return fmt.Errorf("certificate for %d names: %d are the most", n, maxNames)
	}
	return nil
}

// hostName tells whether name is one by RFC 1123 2.1, in ASCII and lower case.
func hostName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// good tells whether the authority is for this time and these names.
func (ca *CA) good() bool {
	now := ca.now()
	if now.Before(ca.cert.NotBefore) || now.Add(replaceAt).After(ca.cert.NotAfter) {
		return false
	}
	if slices.ContainsFunc(ca.names, func(name string) bool { return !ca.permitsName(name) }) {
		return false
	}
	return !slices.ContainsFunc(ca.fixed, func(a netip.Addr) bool { return !ca.permits(a) })
}

// permitsName tells whether the authority may give certificates for a name. Names
// below one of those that it is for are possible too, and not ours.
func (ca *CA) permitsName(name string) bool {
	return slices.Contains(ca.cert.PermittedDNSDomains, name)
}

// permits tells whether the authority may give certificates for an address.
func (ca *CA) permits(a netip.Addr) bool {
	ip := net.IP(a.AsSlice())
	return slices.ContainsFunc(ca.cert.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// make makes a new authority and gives it as PEM, with its key.
func (ca *CA) make(title string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := ca.now()
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: title, Organization: []string{"Keepsake"}},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(lifetime),
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         slices.Concat(ca.names, ca.also),
		PermittedIPRanges:           ranges(ca.fixed),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	ca.key, ca.made = key, true
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(ca.PEM(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...), nil
}

// ranges are where addresses of this computer may be.
func ranges(fixed []netip.Addr) []*net.IPNet {
	all := slices.Clone(privateRanges)
	for _, a := range fixed {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	var nets []*net.IPNet
	for _, p := range all {
		nets = append(nets, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return nets
}

// parse reads what make gave.
func (ca *CA) parse(b []byte) error {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return errors.New("what the vault keeps is no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	block, _ = pem.Decode(rest)
	if block == nil {
		return errors.New("its key is not there")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return errors.New("its key is damaged") // the cause might quote it
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return errors.New("its key is another one's")
	}
	ca.cert, ca.key = cert, key
	return nil
}

// Made tells whether the authority is a new one, which no device trusts yet.
func (ca *CA) Made() bool { return ca.made }

// Certificate is that of the authority, as DER.
func (ca *CA) Certificate() []byte { return bytes.Clone(ca.cert.Raw) }

// PEM is the same as PEM.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Title is what devices call the authority.
func (ca *CA) Title() string { return ca.cert.Subject.CommonName }

// Fingerprint is the SHA-256 of the certificate as devices show it: pairs of hex digits
// with a space between them.
func (ca *CA) Fingerprint() string {
	sum := sha256.Sum256(ca.cert.Raw)
	return fmt.Sprintf("% X", sum[:])
}
