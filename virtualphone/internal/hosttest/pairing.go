package hosttest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"
)

// Style is how a client makes its certificates (protocol.md 2.5).
type Style struct {
	Name         string
	Serial       int64
	SHA1         bool // go-ios
	HostIsRoot   bool // idevice
	DeviceCN     bool // idevice
	RootKeyToo   bool // the Pair request carries RootPrivateKey
	PresentsRoot bool // the client certificate in TLS is the root's
}

// Styles of the clients of protocol.md.
var Styles = []Style{
	{Name: "libimobiledevice", PresentsRoot: true},
	{Name: "libimobiledevice with GnuTLS", Serial: 1},
	{Name: "go-ios", SHA1: true},
	{Name: "pymobiledevice3", Serial: 1, RootKeyToo: true},
	{Name: "idevice", Serial: 1, HostIsRoot: true, DeviceCN: true, RootKeyToo: true},
}

// Record is a pair record with what is needed to use it.
type Record struct {
	HostID, SystemBUID string
	Device, Host, Root []byte // PEM
	RootKey            []byte // PEM; only for Style.RootKeyToo
	HostPair, RootPair tls.Certificate
	EscrowBag          []byte
	ClientCertificate  tls.Certificate // what the style presents
	style              Style
}

// Two keys for all tests: making them is slow.
var (
	rootKey = sync.OnceValue(newKey)
	hostKey = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// NewRecord makes certificates for the phone's public key (PEM, PKCS#1) as a
// client of that style does.
func NewRecord(t testing.TB, devicePublicKey []byte, s Style) *Record {
	t.Helper()
	block, _ := pem.Decode(devicePublicKey)
	if block == nil || block.Type != "RSA PUBLIC KEY" {
		t.Fatalf("DevicePublicKey is %q", devicePublicKey)
	}
	pub, err := x509.ParsePKCS1PublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	root, host := rootKey(), hostKey()
	if s.HostIsRoot {
		host = root
	}
	template := func(ca bool) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(s.Serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
			BasicConstraintsValid: true, IsCA: ca, SignatureAlgorithm: x509.SHA256WithRSA,
		}
		if !ca {
			c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		}
		return c
	}
	sign := func(c *x509.Certificate, key *rsa.PublicKey) []byte {
		if s.SHA1 {
			c.SignatureAlgorithm = x509.SHA1WithRSA
		}
		der, err := x509.CreateCertificate(rand.Reader, c, template(true), key, root)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	r := &Record{HostID: NewUUID(), SystemBUID: NewUUID(), style: s}
	r.Root = sign(template(true), &root.PublicKey)
	if r.Host = sign(template(false), &host.PublicKey); s.HostIsRoot {
		r.Host = r.Root
	}
	device := template(false)
	if s.DeviceCN {
		device.Subject = pkix.Name{CommonName: "Device"}
	}
	r.Device = sign(device, pub)
	r.RootKey = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(root)})
	r.RootPair, r.HostPair = keyPair(r.Root, root), keyPair(r.Host, host)
	r.ClientCertificate = r.HostPair
	if s.PresentsRoot {
		r.ClientCertificate = r.RootPair
	}
	return r
}

func keyPair(p []byte, key *rsa.PrivateKey) tls.Certificate {
	block, _ := pem.Decode(p)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

// PairRequest is what the style sends for Pair.
func (r *Record) PairRequest() Dict {
	rec := Dict{
		"DeviceCertificate": r.Device, "HostCertificate": r.Host, "RootCertificate": r.Root,
		"HostID": r.HostID, "SystemBUID": r.SystemBUID,
	}
	if r.style.RootKeyToo {
		rec["RootPrivateKey"], rec["WiFiMACAddress"] = r.RootKey, "02:00:00:00:00:00"
	}
	return Dict{
		"Label": r.style.Name, "Request": "Pair", "PairRecord": rec, "ProtocolVersion": "2",
		"PairingOptions": Dict{"ExtendedPairingErrors": true},
	}
}
