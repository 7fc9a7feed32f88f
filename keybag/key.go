package keybag

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
)

// KeySize is the length of every key in bytes: AES-256.
const KeySize = 32

// Key is a secret AES-256 key. It prints as "[redacted]". The zero value is "no
// key" and every use of it fails or, where no error can be returned, gives a
// reader that fails.
type Key struct {
	// A function, because fmt does not ask the Format method of a value in an
	// unexported field: it would print bytes, but of a function only the address.
	// It also makes comparing with == an error of the compiler.
	value func() *[KeySize]byte
}

// NewKey copies b, which must have 32 bytes.
func NewKey(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("make key: %d bytes, want %d", len(b), KeySize)
	}
	return wrapBytes([KeySize]byte(b)), nil
}

// RandomKey takes a new key from random; nil means crypto/rand.
func RandomKey(random io.Reader) (Key, error) {
	var b [KeySize]byte
	if _, err := io.ReadFull(orCryptoRand(random), b[:]); err != nil {
		return Key{}, fmt.Errorf("make key: read random bytes: %w", err)
	}
	return wrapBytes(b), nil
}

func wrapBytes(b [KeySize]byte) Key { return Key{func() *[KeySize]byte { return &b }} }

func orCryptoRand(r io.Reader) io.Reader {
	if r == nil {
		return rand.Reader
	}
	return r
}

// Reveal returns a copy of the key. Call it only where the bytes are used.
func (k Key) Reveal() []byte {
	return append([]byte(nil), k.bytes()...)
}

// IsZero tells whether there is no key.
func (k Key) IsZero() bool { return k.value == nil }

// Equal compares in constant time. Two zero keys are equal.
func (k Key) Equal(other Key) bool {
	return subtle.ConstantTimeCompare(k.bytes(), other.bytes()) == 1
}

func (k Key) bytes() []byte {
	if k.value == nil {
		return nil
	}
	return k.value()[:]
}

const redacted = "[redacted]"

func (k Key) String() string               { return redacted }
func (k Key) GoString() string             { return redacted }
func (k Key) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (k Key) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// WrappedKeySize is the length of a stored wrapped key in bytes.
const WrappedKeySize = 4 + wrappedLen

// WrappedKey is a file or manifest key as it is stored: the class as a
// little-endian u32, then the key wrapped with that class's key
// (backup-format.md 1.5, 3.3). It is no secret without the class key.
type WrappedKey [WrappedKeySize]byte

// ParseWrappedKey takes the 44 bytes of an EncryptionKey or ManifestKey.
func ParseWrappedKey(b []byte) (WrappedKey, error) {
	if len(b) != WrappedKeySize {
		return WrappedKey{}, fmt.Errorf("parse wrapped key: %d bytes, want %d", len(b), WrappedKeySize)
	}
	return WrappedKey(b), nil
}

// Class is the protection class whose key opens w.
func (w WrappedKey) Class() Class { return Class(binary.LittleEndian.Uint32(w[:4])) }

// Bytes returns the 44 stored bytes, a copy.
func (w WrappedKey) Bytes() []byte { return append([]byte(nil), w[:]...) }

func newWrappedKey(c Class, wrapped []byte) WrappedKey {
	var w WrappedKey
	binary.LittleEndian.PutUint32(w[:4], uint32(c))
	copy(w[4:], wrapped)
	return w
}
