package lockdown

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

const (
	keyBits        = 2048
	recordValidity = 10 // years
	maxDeviceKey   = 64 << 10
)

// PairIdentity is what a new pair record is made from.
type PairIdentity struct {
	SystemBUID      string // of the computer: usbmux.Client.ReadBUID
	DevicePublicKey []byte // lockdown value of that name, PEM
	WiFiMACAddress  string // lockdown value WiFiAddress; may be empty
	Now             time.Time
}

// NewPairRecord makes keys and certificates for a pairing that has yet to be
// accepted by the phone ([Client.Pair]). The certificates follow the reference
// library (protocol.md 2.5): RSA 2048, empty names, serial number 0, SHA-256,
// ten years; root self-signed; host and device signed by the root, the latter
// over the phone's own key.
func NewPairRecord(id PairIdentity) (*PairRecord, error) {
	r, err := newPairRecord(id)
	if err != nil {
		return nil, fmt.Errorf("make pair record: %w", err)
	}
	return r, nil
}

func newPairRecord(id PairIdentity) (*PairRecord, error) {
	if id.SystemBUID == "" {
		return nil, errors.New("SystemBUID is missing")
	}
	deviceKey, err := parsePublicKey(id.DevicePublicKey)
	if err != nil {
		return nil, err
	}
	hostID, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	rootKey, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	hostKey, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	r := &PairRecord{
		HostID:         strings.ToUpper(hostID.String()),
		SystemBUID:     id.SystemBUID,
		WiFiMACAddress: id.WiFiMACAddress,
	}
	if r.RootPrivateKey, err = encodeKey(rootKey); err != nil {
		return nil, err
	}
	if r.HostPrivateKey, err = encodeKey(hostKey); err != nil {
		return nil, err
	}
	root := template(id.Now)
	root.IsCA = true
	if r.RootCertificate, err = sign(root, root, &rootKey.PublicKey, rootKey); err != nil {
		return nil, err
	}
	host := template(id.Now)
	host.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	if r.HostCertificate, err = sign(host, root, &hostKey.PublicKey, rootKey); err != nil {
		return nil, err
	}
	device := template(id.Now)
	device.KeyUsage = host.KeyUsage
	keyID := sha1.Sum(x509.MarshalPKCS1PublicKey(deviceKey))
	device.SubjectKeyId = keyID[:]
	if r.DeviceCertificate, err = sign(device, root, deviceKey, rootKey); err != nil {
		return nil, err
	}
	return r, nil
}

func template(now time.Time) *x509.Certificate {
	if now.IsZero() {
		now = time.Now()
	}
	return &x509.Certificate{
		SerialNumber:          big.NewInt(0),
		NotBefore:             now.UTC(),
		NotAfter:              now.UTC().AddDate(recordValidity, 0, 0),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		BasicConstraintsValid: true,
	}
}

func sign(cert, parent *x509.Certificate, key *rsa.PublicKey, by *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key, by)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func encodeKey(key *rsa.PrivateKey) (secret.Bytes, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.NewBytes(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// parsePublicKey reads DevicePublicKey: PEM around PKCS#1; PKIX is accepted too.
func parsePublicKey(data []byte) (*rsa.PublicKey, error) {
	if len(data) > maxDeviceKey {
		return nil, fmt.Errorf("DevicePublicKey has %d bytes", len(data))
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("DevicePublicKey is no PEM block")
	}
	if key, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("DevicePublicKey: %w", err)
	}
	rsaKey, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("DevicePublicKey is a %T, want RSA", key)
	}
	return rsaKey, nil
}
