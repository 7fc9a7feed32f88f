package keybag

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// wrappedLen is a 32-byte key after RFC 3394: eight bytes of integrity check more.
const wrappedLen = KeySize + 8

// errIntegrity: the unwrapping key is wrong or the wrapped bytes are damaged.
// RFC 3394 cannot tell the two apart.
var errIntegrity = errors.New("integrity check does not match")

var wrapIV = [8]byte{0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6}

// wrap is the key wrap of RFC 3394 section 2.2.1. plain must be a multiple of
// eight bytes, at least sixteen.
func wrap(kek, plain []byte) ([]byte, error) {
	if len(plain) < 16 || len(plain)%8 != 0 {
		return nil, fmt.Errorf("wrap key: %d bytes", len(plain))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	n := uint64(len(plain) / 8)
	out := make([]byte, 8+len(plain))
	copy(out[8:], plain)
	var b [16]byte
	copy(b[:8], wrapIV[:])
	for j := range uint64(6) {
		for i := uint64(1); i <= n; i++ {
			r := out[8*i : 8*i+8]
			copy(b[8:], r)
			block.Encrypt(b[:], b[:])
			copy(r, b[8:])
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^(n*j+i))
		}
	}
	copy(out, b[:8])
	return out, nil
}

// unwrap is the inverse, RFC 3394 section 2.2.2. It fails with errIntegrity
// when kek is not the key the bytes were wrapped with.
func unwrap(kek, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 24 || len(wrapped)%8 != 0 {
		return nil, fmt.Errorf("unwrap key: %d bytes", len(wrapped))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("unwrap key: %w", err)
	}
	n := uint64(len(wrapped)/8 - 1)
	out := append([]byte(nil), wrapped[8:]...)
	var b [16]byte
	copy(b[:8], wrapped)
	for j := uint64(6); j > 0; j-- {
		for i := n; i > 0; i-- {
			r := out[8*(i-1) : 8*i]
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^(n*(j-1)+i))
			copy(b[8:], r)
			block.Decrypt(b[:], b[:])
			copy(r, b[8:])
		}
	}
	if subtle.ConstantTimeCompare(b[:8], wrapIV[:]) != 1 {
		return nil, errIntegrity
	}
	return out, nil
}
