package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// KeySize is the length of a key in bytes: 32 for AES-256, then 16 each for k
// and r of Poly1305-AES.
const KeySize = 64

const (
	kOffset = 32
	rOffset = 48
)

// Key seals and opens messages. It is made by NewKey, KeyFromBytes, ParseMaster
// or Derive; the zero value is of no use. Any number of goroutines may use it at
// once. It prints as "[redacted]", and not at all where fmt calls no methods.
type Key struct {
	m func() *material // a closure, because fmt looks into everything else
}

// material is a key ready for use.
type material struct {
	bytes [KeySize]byte
	enc   cipher.Block // AES-256 with the first 32 bytes
	mac   cipher.Block // AES-128 with k
}

// NewKey makes a key out of random bytes.
func NewKey() (*Key, error) {
	var b [KeySize]byte
	rand.Read(b[:])
	defer clear(b[:])
	return KeyFromBytes(b[:])
}

// KeyFromBytes makes a key of 64 bytes: the encryption key, k and r. They are
// copied. r may be masked already (older programs stored it so) or not. A key
// with a part that is all zero is refused, as restic refuses it; an r of which
// the mask leaves nothing is, too, because then every message has one tag.
func KeyFromBytes(b []byte) (*Key, error) {
	if len(b) != KeySize {
		return nil, fmt.Errorf("make key: %d bytes, want %d", len(b), KeySize)
	}
	m := &material{bytes: [KeySize]byte(b)}
	switch {
	case allZero(m.bytes[:kOffset]):
		return nil, errors.New("make key: the encryption key is zero")
	case allZero(m.bytes[kOffset:rOffset]):
		return nil, errors.New("make key: k of the authentication key is zero")
	case maskedZero(m.bytes[rOffset:]):
		return nil, errors.New("make key: r of the authentication key is zero")
	}
	var err error
	if m.enc, err = aes.NewCipher(m.bytes[:kOffset]); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if m.mac, err = aes.NewCipher(m.bytes[kOffset:rOffset]); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return &Key{func() *material { return m }}, nil
}

// rMask are the bits of r that Poly1305 uses.
var rMask = [16]byte{
	0xff, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f,
	0xfc, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f,
}

func maskedZero(r []byte) bool {
	var any byte
	for i, c := range r {
		any |= c & rMask[i]
	}
	return any == 0
}

var redacted = secret.Bytes{}

func (k Key) String() string                { return redacted.String() }
func (k Key) GoString() string              { return redacted.GoString() }
func (k Key) Format(s fmt.State, verb rune) { redacted.Format(s, verb) }
func (k Key) LogValue() slog.Value          { return redacted.LogValue() }
func (k Key) MarshalText() ([]byte, error)  { return redacted.MarshalText() }
