package notes

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// errWrongKey says that a wrapped key does not open: the password is another.
var errWrongKey = errors.New("the key does not open")

// unwrapKey opens a wrapped key (RFC 3394, 2.2.2) of 16 to 32 bytes, which the eight
// bytes in front of it check.
func unwrapKey(kek, wrapped []byte) ([]byte, error) {
	n := len(wrapped)/8 - 1
	if len(wrapped)%8 != 0 || n < 2 || n > 4 {
		return nil, errMalformed
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 8*n)
	copy(out, wrapped[8:])
	var buf [16]byte
	check := binary.BigEndian.Uint64(wrapped)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(buf[:], check^uint64(n*j+i)) //nolint:gosec // small and positive
			copy(buf[8:], out[8*(i-1):8*i])
			block.Decrypt(buf[:], buf[:])
			check = binary.BigEndian.Uint64(buf[:])
			copy(out[8*(i-1):], buf[8:])
		}
	}
	var got [8]byte
	binary.BigEndian.PutUint64(got[:], check)
	if subtle.ConstantTimeCompare(got[:], []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}) != 1 {
		return nil, errWrongKey
	}
	return out, nil
}

// openSealed decrypts in place: AES-GCM with a vector of any length and the tag apart.
func openSealed(key, iv, tag, data []byte) ([]byte, error) {
	if len(iv) == 0 || len(iv) > 64 || len(tag) != 16 {
		return nil, errMalformed
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		return nil, err
	}
	sealed := append(data, tag...) //nolint:gocritic // data is given up
	return gcm.Open(sealed[:0], iv, sealed, nil)
}
