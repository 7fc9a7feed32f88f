// Package sealed keeps files that nobody can read or alter without the key, and that
// can be read at any place.
//
// A file is written once, from its beginning to its end:
//
//	 0   8  magic "KSSEAL\x00\x01"
//	 8   8  which key, so that a wrong one is told from damage
//	16  16  the file's own number, at random
//	32      blocks of BlockSize bytes, the last one of 0 to BlockSize, each followed by
//	        a tag of 16 bytes
//
// A block is sealed with XChaCha20-Poly1305. Its nonce is the file's number and the
// block's, 8 bytes, big-endian. What is authenticated with it are the name of the
// file, a zero, and 1 for the last block, else 0: a block is good in its own place of
// its own file only, and a file that was cut has no last block.
package sealed

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// BlockSize is how many bytes are sealed together: reading one byte opens so many.
const BlockSize = 16 << 10

// KeySize is the length of the secret that keys are made from, in bytes.
const KeySize = 32

const (
	magic      = "KSSEAL\x00\x01"
	headerSize = 32
	overhead   = chacha20poly1305.Overhead
)

// ErrDamaged is wrapped by errors about files whose bytes are not those that were
// written.
var ErrDamaged = errors.New("damaged or altered")

// ErrKey is wrapped by errors about files that were sealed with another key. It is
// also wrapped as [ErrDamaged]: neither can be read.
var ErrKey = fmt.Errorf("%w, or sealed with another key", ErrDamaged)

// Key seals and opens files.
type Key struct {
	aead cipher.AEAD
	mark [8]byte
	hash secret.Bytes
}

// NewKey makes a key of a secret of KeySize bytes.
func NewKey(from secret.Bytes) (*Key, error) {
	if len(from.Reveal()) != KeySize {
		return nil, fmt.Errorf("the key of the index has to have %d bytes", KeySize)
	}
	raw, err := hkdf.Key(sha256.New, from.Reveal(), nil, "keepsake search: files, mark, digests", 32+8+32)
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	k := &Key{hash: secret.NewBytes(raw[40:])}
	copy(k.mark[:], raw[32:40])
	if k.aead, err = chacha20poly1305.NewX(raw[:32]); err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	return k, nil
}

// Hash is a secret for digests that nobody else can foresee.
func (k *Key) Hash() secret.Bytes { return k.hash }

// sealing is what one file's blocks have in common.
type sealing struct {
	key  *Key
	id   [16]byte
	name string
}

func (s *sealing) nonce(block int64) []byte {
	n := make([]byte, 0, chacha20poly1305.NonceSizeX)
	n = append(n, s.id[:]...)
	for shift := 56; shift >= 0; shift -= 8 {
		n = append(n, byte(block>>shift))
	}
	return n
}

func (s *sealing) bound(last bool) []byte {
	b := append([]byte(s.name), 0, 0)
	if last {
		b[len(b)-1] = 1
	}
	return b
}
