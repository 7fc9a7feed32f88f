package seal

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// maxMaster bounds the JSON of a master key: the real one has about 140 bytes.
const maxMaster = 4 << 10

// master is the JSON of a master key (restic-format.md 3).
type master struct {
	MAC struct {
		K []byte `json:"k"`
		R []byte `json:"r"`
	} `json:"mac"`
	Encrypt []byte `json:"encrypt"`
}

// MarshalMaster gives the key as the JSON that the data field of a key file holds
// sealed: {"mac":{"k":…,"r":…},"encrypt":…}, the values in base64.
func (k *Key) MarshalMaster() secret.Bytes {
	var m master
	m.Encrypt = k.m().bytes[:kOffset]
	m.MAC.K = k.m().bytes[kOffset:rOffset]
	m.MAC.R = k.m().bytes[rOffset:]
	data, err := json.Marshal(&m)
	if err != nil { // byte slices cannot fail to marshal
		panic("seal: marshal master key: " + err.Error())
	}
	return secret.NewBytes(data)
}

// ParseMaster reads what MarshalMaster writes, of at most 4 KiB. Fields it does
// not know are ignored. Its errors do not quote the input.
func ParseMaster(data []byte) (*Key, error) {
	if len(data) > maxMaster {
		return nil, fmt.Errorf("parse master key: %d bytes, more than %d", len(data), maxMaster)
	}
	var m master
	// The cause is left out on purpose: it may quote a part of the key.
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, errors.New("parse master key: not the JSON of a key")
	}
	if len(m.Encrypt) != kOffset || len(m.MAC.K) != rOffset-kOffset || len(m.MAC.R) != KeySize-rOffset {
		return nil, fmt.Errorf("parse master key: encrypt, k and r have %d, %d and %d bytes, want 32, 16 and 16",
			len(m.Encrypt), len(m.MAC.K), len(m.MAC.R))
	}
	var b [KeySize]byte
	defer clear(b[:])
	copy(b[:], m.Encrypt)
	copy(b[kOffset:], m.MAC.K)
	copy(b[rOffset:], m.MAC.R)
	k, err := KeyFromBytes(b[:])
	if err != nil {
		return nil, fmt.Errorf("parse master key: %w", err)
	}
	return k, nil
}
