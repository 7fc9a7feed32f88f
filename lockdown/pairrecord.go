package lockdown

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// maxPairRecord bounds a stored record in bytes; real ones have about 10 KB.
const maxPairRecord = 1 << 20

// PairRecord is what a computer keeps of a pairing: whoever holds it can read
// the phone while it is locked. It prints as "[redacted]".
//
// Certificates and keys are PEM. Records of other programs are accepted, with
// keys in PKCS#8 or PKCS#1, and keep the members that we do not know
// (protocol.md 2.5).
type PairRecord struct {
	HostID     string // identity of the pairing, an upper-case UUID in most programs
	SystemBUID string // identity of the computer, opaque

	DeviceCertificate []byte // over the phone's own key
	HostCertificate   []byte
	RootCertificate   []byte
	HostPrivateKey    secret.Bytes
	RootPrivateKey    secret.Bytes

	// EscrowBag lets the phone open protected files while it is locked. The
	// phone gives it at the end of pairing; it is missing when a supervised
	// phone was paired while locked.
	EscrowBag      secret.Bytes
	WiFiMACAddress string // lower case with colons, or empty

	extra map[string]any // members that we do not know
}

const redacted = "[redacted pair record]"

func (r PairRecord) String() string               { return redacted }
func (r PairRecord) GoString() string             { return redacted }
func (r PairRecord) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (r PairRecord) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (r PairRecord) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// ParsePairRecord reads a stored record, a binary or XML property list. It
// checks that a session can be had with it: identities, certificates, and the
// private key to the host's or the root's certificate. Its errors never quote
// the record.
func ParsePairRecord(data []byte) (*PairRecord, error) {
	if len(data) > maxPairRecord {
		return nil, fmt.Errorf("parse pair record: %d bytes, at most %d are accepted", len(data), maxPairRecord)
	}
	var members map[string]any
	if err := plist.Unmarshal(data, &members); err != nil {
		// The cause would quote the record.
		return nil, fmt.Errorf("parse pair record: %w", plist.ErrMalformed)
	}
	r := &PairRecord{}
	var wrong error
	text := func(key string) string {
		v, present := members[key]
		delete(members, key)
		s, ok := v.(string)
		if present && !ok && wrong == nil {
			wrong = fmt.Errorf("%s is no string", key)
		}
		return s
	}
	data0 := func(key string) []byte {
		v, present := members[key]
		delete(members, key)
		b, ok := v.([]byte)
		if present && !ok && wrong == nil {
			wrong = fmt.Errorf("%s is no data", key)
		}
		return bytes.Clone(b)
	}
	r.HostID, r.SystemBUID, r.WiFiMACAddress = text("HostID"), text("SystemBUID"), text("WiFiMACAddress")
	r.DeviceCertificate, r.HostCertificate, r.RootCertificate = data0("DeviceCertificate"), data0("HostCertificate"), data0("RootCertificate")
	r.HostPrivateKey, r.RootPrivateKey = secret.NewBytes(data0("HostPrivateKey")), secret.NewBytes(data0("RootPrivateKey"))
	r.EscrowBag = secret.NewBytes(data0("EscrowBag"))
	r.extra = members
	if wrong == nil {
		wrong = r.check()
	}
	if wrong != nil {
		return nil, fmt.Errorf("parse pair record: %w", wrong)
	}
	return r, nil
}

// Marshal encodes the record as the reference library stores it: a binary
// property list. The result holds private keys.
func (r *PairRecord) Marshal() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("encode pair record: %w", err)
	}
	members := maps.Clone(r.extra)
	if members == nil {
		members = map[string]any{}
	}
	members["HostID"], members["SystemBUID"] = r.HostID, r.SystemBUID
	if r.WiFiMACAddress != "" {
		members["WiFiMACAddress"] = r.WiFiMACAddress
	}
	for key, b := range map[string][]byte{
		"DeviceCertificate": r.DeviceCertificate,
		"HostCertificate":   r.HostCertificate,
		"RootCertificate":   r.RootCertificate,
		"HostPrivateKey":    r.HostPrivateKey.Reveal(),
		"RootPrivateKey":    r.RootPrivateKey.Reveal(),
		"EscrowBag":         r.EscrowBag.Reveal(),
	} {
		if len(b) > 0 {
			members[key] = b
		}
	}
	return plist.Marshal(members, plist.Binary)
}

func (r *PairRecord) check() error {
	if r.HostID == "" {
		return errors.New("HostID is missing")
	}
	if r.SystemBUID == "" {
		return errors.New("SystemBUID is missing")
	}
	if _, err := certificate("DeviceCertificate", r.DeviceCertificate); err != nil {
		return err
	}
	_, err := r.clientCertificate()
	return err
}

// public returns the members that Pair, ValidatePair and Unpair send.
func (r *PairRecord) public() *PairRequest {
	return &PairRequest{
		DeviceCertificate: r.DeviceCertificate,
		HostCertificate:   r.HostCertificate,
		RootCertificate:   r.RootCertificate,
		HostID:            r.HostID,
		SystemBUID:        r.SystemBUID,
		WiFiMACAddress:    r.WiFiMACAddress,
	}
}

// clientCertificate is what the computer shows in TLS: the host's certificate,
// or the root's when the record has no key to the former. Phones accept both
// (protocol.md 2.6).
func (r *PairRecord) clientCertificate() (tls.Certificate, error) {
	name, certPEM, keyPEM := "Host", r.HostCertificate, r.HostPrivateKey.Reveal()
	if len(keyPEM) == 0 {
		name, certPEM, keyPEM = "Root", r.RootCertificate, r.RootPrivateKey.Reveal()
	}
	if len(keyPEM) == 0 {
		return tls.Certificate{}, errors.New("HostPrivateKey is missing")
	}
	cert, err := certificate(name+"Certificate", certPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := privateKey(name+"PrivateKey", keyPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return tls.Certificate{}, fmt.Errorf("%sPrivateKey does not belong to %sCertificate", name, name)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

func certificate(name string, data []byte) (*x509.Certificate, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%s is missing", name)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s is no PEM certificate", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cert, nil
}

// privateKey accepts PKCS#8 and PKCS#1. Errors do not wrap the cause, which
// might quote the key.
func privateKey(name string, data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM block", name)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is neither a PKCS#8 nor a PKCS#1 key", name)
	}
	return signer, nil
}
