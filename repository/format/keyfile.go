package format

import (
	"encoding/json"
	"fmt"
	"time"
)

// KeyFile is the content of a key file, the one object that is stored in clear
// (restic-format.md 3): whoever holds the storage can read the names in it, and
// can replace it. Derive a key with scrypt from a password and Salt, and open
// Data with it: that is the master key, which opens everything else.
type KeyFile struct {
	Created  time.Time `json:"created"`
	Username string    `json:"username"` // labels, readable by the storage's owner
	Hostname string    `json:"hostname"`
	KDF      string    `json:"kdf"` // always "scrypt"
	N        int       `json:"N"`   // cost, a power of two
	R        int       `json:"r"`   // block size; scrypt takes 128*N*r bytes of memory
	P        int       `json:"p"`   // passes
	Salt     []byte    `json:"salt"`
	Data     []byte    `json:"data"` // sealed
}

// The numbers of key files.
const (
	KDFScrypt = "scrypt"
	SaltSize  = 64 // bytes, exactly

	// A key file is read before anything is authenticated, so these keep a
	// hostile one from taking all memory or a day of computing. restic's own are
	// N=32768, r=8, p=1, rustic's N=131072, r=8, p=1, which takes 128 MiB.
	maxScryptMemory = 256 << 20 // 128*N*r, bytes
	maxScryptWork   = 1 << 24   // N*r*p: 64 times restic's
	maxKeyData      = 4 << 10   // bytes of Data; a sealed master key has about 200
)

// Encode gives the JSON of the key file; what DecodeKeyFile would refuse is an
// error.
func (k *KeyFile) Encode() ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("encode key file: %w", err)
	}
	data, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("encode key file: %w", err)
	}
	return data, nil
}

// DecodeKeyFile reads the JSON of a key file. It refuses other functions than
// scrypt, a salt that is not of 64 bytes, an N that is no power of two, and
// parameters that would take more than 256 MiB or 64 times restic's work.
func DecodeKeyFile(data []byte) (*KeyFile, error) {
	var k KeyFile
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("decode key file: %w", err)
	}
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("decode key file: %w", err)
	}
	return &k, nil
}

func (k *KeyFile) check() error {
	if k.KDF != KDFScrypt {
		return fmt.Errorf("key derivation function %q, want %q", k.KDF, KDFScrypt)
	}
	if k.N < 2 || k.N&(k.N-1) != 0 {
		return fmt.Errorf("scrypt N=%d, want a power of two above 1", k.N)
	}
	if k.R < 1 || k.P < 1 {
		return fmt.Errorf("scrypt r=%d, p=%d, want at least 1", k.R, k.P)
	}
	if k.N > maxScryptMemory/128/k.R {
		return fmt.Errorf("scrypt N=%d, r=%d takes more than %d MiB", k.N, k.R, maxScryptMemory>>20)
	}
	if k.P > maxScryptWork/(k.N*k.R) {
		return fmt.Errorf("scrypt N=%d, r=%d, p=%d takes too long", k.N, k.R, k.P)
	}
	if len(k.Salt) != SaltSize {
		return fmt.Errorf("salt of %d bytes, want %d", len(k.Salt), SaltSize)
	}
	if len(k.Data) <= SealOverhead || len(k.Data) > maxKeyData {
		return fmt.Errorf("sealed master key of %d bytes, want %d to %d", len(k.Data), SealOverhead+1, maxKeyData)
	}
	return nil
}
