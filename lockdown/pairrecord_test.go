package lockdown

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// The certificates follow the table of protocol.md 2.5.
func TestNewPairRecord_certificates(t *testing.T) {
	p := testPhone()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rec := must(NewPairRecord(PairIdentity{SystemBUID: "B", DevicePublicKey: publicPEM(p.key), WiFiMACAddress: "m", Now: now}))
	root := must(certificate("", rec.RootCertificate))
	host := must(certificate("", rec.HostCertificate))
	device := must(certificate("", rec.DeviceCertificate))
	for name, cert := range map[string]*x509.Certificate{"root": root, "host": host, "device": device} {
		if cert.SerialNumber.Sign() != 0 || len(cert.Subject.Names) != 0 || len(cert.Issuer.Names) != 0 || cert.Version != 3 {
			t.Errorf("%s: serial %v, subject %v, issuer %v, version %d", name, cert.SerialNumber, cert.Subject, cert.Issuer, cert.Version)
		}
		if cert.SignatureAlgorithm != x509.SHA256WithRSA || !cert.NotBefore.Equal(now) || !cert.NotAfter.Equal(now.AddDate(10, 0, 0)) {
			t.Errorf("%s: %v from %v to %v", name, cert.SignatureAlgorithm, cert.NotBefore, cert.NotAfter)
		}
		if err := root.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
			t.Errorf("%s is not signed by the root: %v", name, err)
		}
		key := cert.PublicKey.(*rsa.PublicKey)
		if key.N.BitLen() != 2048 || key.E != 65537 {
			t.Errorf("%s: key of %d bits, e=%d", name, key.N.BitLen(), key.E)
		}
		if !cert.BasicConstraintsValid || cert.IsCA != (name == "root") {
			t.Errorf("%s: CA is %v", name, cert.IsCA)
		}
		usage := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		if name == "root" {
			usage = 0
		}
		if cert.KeyUsage != usage {
			t.Errorf("%s: key usage %v", name, cert.KeyUsage)
		}
	}
	if !p.key.PublicKey.Equal(device.PublicKey) || len(device.SubjectKeyId) == 0 {
		t.Error("device certificate is not over the phone's key")
	}
	for name, tc := range map[string]struct {
		key  secret.Bytes
		cert *x509.Certificate
	}{"root": {rec.RootPrivateKey, root}, "host": {rec.HostPrivateKey, host}} {
		block, _ := pem.Decode(tc.key.Reveal())
		if block.Type != "PRIVATE KEY" {
			t.Errorf("%s: key is a %s", name, block.Type)
		}
		key := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*rsa.PrivateKey)
		if !key.PublicKey.Equal(tc.cert.PublicKey) {
			t.Errorf("%s: key is not that of the certificate", name)
		}
	}
	if len(rec.HostID) != 36 || rec.HostID != strings.ToUpper(rec.HostID) || rec.SystemBUID != "B" || rec.WiFiMACAddress != "m" {
		t.Errorf("identities %q, %q, %q", rec.HostID, rec.SystemBUID, rec.WiFiMACAddress)
	}
}

func TestNewPairRecord_refuses(t *testing.T) {
	pkix := must(x509.MarshalPKIXPublicKey(&testPhone().key.PublicKey))
	if _, err := NewPairRecord(PairIdentity{SystemBUID: "B", DevicePublicKey: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})}); err != nil {
		t.Errorf("PKIX key: %v", err)
	}
	for name, id := range map[string]PairIdentity{
		"no BUID":  {DevicePublicKey: publicPEM(testPhone().key)},
		"no key":   {SystemBUID: "B"},
		"bad key":  {SystemBUID: "B", DevicePublicKey: []byte("-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n")},
		"huge key": {SystemBUID: "B", DevicePublicKey: make([]byte, 1<<20)},
	} {
		if _, err := NewPairRecord(id); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// stored is a good record as a dictionary, to be spoilt.
func stored(t testing.TB) map[string]any {
	rec := *testPhone().rec
	rec.EscrowBag = secret.NewBytes(bytes.Repeat([]byte{7}, 32))
	var m map[string]any
	if err := plist.Unmarshal(must(rec.Marshal()), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPairRecord_roundTripKeepsWhatWeDoNotKnow(t *testing.T) {
	m := stored(t)
	m["UDID"], m["FromTheFuture"] = "00008030-001C2D3E4F5A6B7C", []any{uint64(1), "x"}
	for _, f := range []plist.Format{plist.XML, plist.Binary} {
		rec := must(ParsePairRecord(must(plist.Marshal(m, f))))
		data := must(rec.Marshal())
		if format, _ := plist.FormatOf(data); format != plist.Binary {
			t.Error("stored as XML")
		}
		var again map[string]any
		if err := plist.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("changed on the way, %v", err)
		}
	}
}

func TestParsePairRecord_foreignRecords(t *testing.T) {
	m := stored(t)
	block, _ := pem.Decode(m["HostPrivateKey"].([]byte))
	key := must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*rsa.PrivateKey)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	for name, change := range map[string]func(map[string]any){
		"PKCS#1 key":     func(m map[string]any) { m["HostPrivateKey"] = pkcs1 },
		"no escrow bag":  func(m map[string]any) { delete(m, "EscrowBag") },
		"only root key":  func(m map[string]any) { delete(m, "HostPrivateKey") },
		"no MAC address": func(m map[string]any) { delete(m, "WiFiMACAddress") },
		"NUL at the end": func(m map[string]any) { m["HostCertificate"] = append(bytes.Clone(m["HostCertificate"].([]byte)), 0) },
	} {
		m := stored(t)
		change(m)
		if _, err := ParsePairRecord(must(plist.Marshal(m, plist.XML))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePairRecord_refuses(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"no HostID":            func(m map[string]any) { delete(m, "HostID") },
		"HostID is a number":   func(m map[string]any) { m["HostID"] = 1 },
		"no SystemBUID":        func(m map[string]any) { delete(m, "SystemBUID") },
		"no DeviceCertificate": func(m map[string]any) { delete(m, "DeviceCertificate") },
		"no HostCertificate":   func(m map[string]any) { delete(m, "HostCertificate") },
		"no key at all":        func(m map[string]any) { delete(m, "HostPrivateKey"); delete(m, "RootPrivateKey") },
		"key of another":       func(m map[string]any) { m["HostPrivateKey"] = m["RootPrivateKey"] },
		"key is a string":      func(m map[string]any) { m["HostPrivateKey"] = "SECRET" },
		"key is no PEM":        func(m map[string]any) { m["HostPrivateKey"] = []byte("SECRET") },
		"key is nonsense": func(m map[string]any) {
			m["HostPrivateKey"] = []byte("-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n")
		},
		"certificate is no PEM": func(m map[string]any) { m["DeviceCertificate"] = []byte("SECRET") },
		"certificate is a key":  func(m map[string]any) { m["DeviceCertificate"] = m["HostPrivateKey"] },
	} {
		m := stored(t)
		change(m)
		rec, err := ParsePairRecord(must(plist.Marshal(m, plist.Binary)))
		if err == nil || rec != nil {
			t.Errorf("%s: got %v, %v", name, rec, err)
		} else if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "U0VD") {
			t.Errorf("%s: the error quotes the record: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("SECRET SECRET SECRET"), "array": must(plist.Marshal([]string{"SECRET"}, plist.XML)),
		"dictionary of strings that is cut off": []byte("<plist><dict><key>HostID</key><string>SECRET"),
		"2 MiB":                                 make([]byte, 2<<20),
	} {
		if _, err := ParsePairRecord(data); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPairRecord_printsNothing(t *testing.T) {
	rec := *testPhone().rec
	rec.extra = map[string]any{"x": "SECRET"}
	var out strings.Builder
	for _, v := range []any{rec, &rec, []PairRecord{rec}, struct{ R *PairRecord }{&rec}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
		out.Write(must(json.Marshal(v)))
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "rec", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "rec", v)
	}
	for _, leak := range []string{"SECRET", "PRIVATE", "BEGIN", rec.HostID, "extra"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s was printed", leak)
		}
	}
	if fmt.Sprint(errors.Join(fmt.Errorf("x %v", rec))) != "x [redacted pair record]" {
		t.Error("not redacted in an error")
	}
}

func FuzzParsePairRecord(f *testing.F) {
	m := fuzzSeed()
	f.Add(must(plist.Marshal(m, plist.Binary)))
	f.Add(must(plist.Marshal(m, plist.XML)))
	f.Add([]byte("bplist00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := ParsePairRecord(data)
		if (err == nil) != (rec != nil) {
			t.Fatalf("got %v with error %v", rec, err)
		}
		if err != nil {
			return
		}
		again, err := rec.Marshal()
		if err != nil {
			t.Fatalf("what was parsed cannot be stored: %v", err)
		}
		if _, err := ParsePairRecord(again); err != nil {
			t.Errorf("what was stored cannot be parsed: %v", err)
		}
	})
}

// fuzzSeed is a record with a small key, which is fast to make and to parse.
func fuzzSeed() map[string]any {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(x509.CreateCertificate(rand.Reader,
		&x509.Certificate{SerialNumber: big.NewInt(0)}, &x509.Certificate{}, &key.PublicKey, key))})
	return map[string]any{
		"HostID": "H", "SystemBUID": "B", "WiFiMACAddress": "m", "EscrowBag": []byte{1}, "X": "y",
		"DeviceCertificate": cert, "HostCertificate": cert,
		"HostPrivateKey": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}),
	}
}
