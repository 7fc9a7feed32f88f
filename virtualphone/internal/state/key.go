package state

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const keyBits = 2048

// loadOrMakeKey reads DIR/device.pem, or makes a key and keeps it there.
func loadOrMakeKey(dir string) (*rsa.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	b, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("load device key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("load device key %s: %w: no PEM block", path, ErrForeign)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load device key %s: %w: %w", path, ErrForeign, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("load device key %s: %w: a %T", path, ErrForeign, parsed)
	}
	return key, nil
}

func makeKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make device key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make device key: %w", err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, WriteFile(path, block, 0o600)
}

// PublicKeyPEM is lockdown's DevicePublicKey: PKCS#1 under the header "RSA
// PUBLIC KEY", as clients decode it (protocol.md 2.5).
func (p *Phone) PublicKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{
		Type:  "RSA PUBLIC KEY",
		Bytes: x509.MarshalPKCS1PublicKey(&p.key.PublicKey),
	})
}
