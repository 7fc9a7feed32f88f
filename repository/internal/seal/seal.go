package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
)

const (
	nonceSize = 16
	tagSize   = 16

	// Overhead is what sealing adds to a message, in bytes: the nonce before
	// it and the tag behind it.
	Overhead = nonceSize + tagSize
)

// ErrAuth is what Open and OpenInPlace return for every message that the key has
// not sealed: a wrong key, a changed bit, a message cut short. Which of them it
// was cannot be known.
var ErrAuth = errors.New("authentication failed")

// piece is how much Seal encrypts before it authenticates that much: small
// enough that the second step finds it in the first-level cache.
const piece = 16 << 10

// oneTime is the key of Poly1305 for one message: r ‖ AES-128_k(nonce). The
// values go through an interface call, which would put each on the heap anew.
type oneTime struct {
	key [32]byte
	tag [tagSize]byte
}

var oneTimes = sync.Pool{New: func() any { return new(oneTime) }}

// Seal appends nonce ‖ ciphertext ‖ tag, together len(plaintext)+Overhead bytes,
// to dst and returns the extended slice. It allocates a new slice only if the
// capacity of dst is too small. plaintext is only read and not kept; it must not
// overlap the spare capacity of dst. The nonce is random.
func (k *Key) Seal(dst, plaintext []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(plaintext)+Overhead)[:start+len(plaintext)+Overhead]
	nonce := dst[start : start+nonceSize]
	for {
		rand.Read(nonce) // never fails: it ends the program instead
		if !allZero(nonce) {
			break
		}
	}
	k.m().seal(dst[start:], plaintext)
	return dst
}

// seal encrypts and authenticates with the nonce that out begins with.
func (m *material) seal(out, plaintext []byte) {
	once := oneTimes.Get().(*oneTime)
	defer oneTimes.Put(once)
	nonce := out[:nonceSize]
	m.oneTimeKey(once, nonce)
	mac := newMAC(&once.key)
	stream := cipher.NewCTR(m.enc, nonce)
	at := nonceSize
	for part := range slices.Chunk(plaintext, piece) {
		sealed := out[at : at+len(part)]
		stream.XORKeyStream(sealed, part)
		mac.Write(sealed)
		at += len(part)
	}
	mac.Sum(out[at:at:len(out)])
}

// Open appends the plaintext of a sealed message to dst and returns the extended
// slice, or ErrAuth and nothing. It allocates a new slice only if the capacity of
// dst is too small. sealed is only read; it must not overlap the spare capacity
// of dst (OpenInPlace is for that). Nothing is decrypted before the tag is known
// to be right.
func (k *Key) Open(dst, sealed []byte) ([]byte, error) {
	if err := k.m().verify(sealed); err != nil {
		return nil, err
	}
	start, size := len(dst), len(sealed)-Overhead
	dst = slices.Grow(dst, size)[:start+size]
	k.m().decrypt(dst[start:], sealed)
	return dst, nil
}

// OpenInPlace is Open with the plaintext written over the ciphertext: what it
// returns is a part of sealed, 16 bytes from its beginning. After an error sealed
// is as it was.
func (k *Key) OpenInPlace(sealed []byte) ([]byte, error) {
	if err := k.m().verify(sealed); err != nil {
		return nil, err
	}
	plaintext := sealed[nonceSize : len(sealed)-tagSize]
	k.m().decrypt(plaintext, sealed)
	return plaintext, nil
}

func (m *material) verify(sealed []byte) error {
	if len(sealed) < Overhead {
		return fmt.Errorf("open sealed data: %w: %d bytes, fewer than the %d of an empty message", ErrAuth, len(sealed), Overhead)
	}
	nonce, ciphertext := sealed[:nonceSize], sealed[nonceSize:len(sealed)-tagSize]
	if allZero(nonce) {
		return fmt.Errorf("open sealed data: %w: the nonce is zero", ErrAuth)
	}
	once := oneTimes.Get().(*oneTime)
	defer oneTimes.Put(once)
	m.oneTimeKey(once, nonce)
	copy(once.tag[:], sealed[len(sealed)-tagSize:])
	if !verifyMAC(&once.tag, ciphertext, &once.key) {
		return fmt.Errorf("open sealed data: %w", ErrAuth)
	}
	return nil
}

// decrypt is only for messages that verify accepts.
func (m *material) decrypt(plaintext, sealed []byte) {
	cipher.NewCTR(m.enc, sealed[:nonceSize]).XORKeyStream(plaintext, sealed[nonceSize:len(sealed)-tagSize])
}

func (m *material) oneTimeKey(once *oneTime, nonce []byte) {
	copy(once.key[:16], m.bytes[rOffset:])
	m.mac.Encrypt(once.key[16:], nonce)
}

func allZero(b []byte) bool {
	var any byte
	for _, c := range b {
		any |= c
	}
	return any == 0
}
