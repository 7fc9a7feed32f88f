package keybag

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
)

const (
	// DefaultRounds is the DPIC of every phone since iOS 10.2: PBKDF2-HMAC-SHA256
	// rounds, some seconds of one core.
	DefaultRounds = 10_000_000
	// DefaultIterations is the ITER of every phone: PBKDF2-HMAC-SHA1 rounds.
	DefaultIterations = 10_000
	// MaxRounds and MaxIterations bound what a bag from outside may ask for, ten
	// and a thousand times what phones do: about a minute.
	MaxRounds     = 100_000_000
	MaxIterations = 10_000_000
)

// kdf holds the numbers that turn a password into the key of a bag.
type kdf struct {
	salt       []byte // SALT
	iterations uint32 // ITER
	dpSalt     []byte // DPSL, nil for one stage
	rounds     uint32 // DPIC
}

func (p kdf) check() error {
	switch {
	case len(p.salt) == 0 || p.iterations == 0:
		return fmt.Errorf("%w: no SALT or ITER", ErrMalformed)
	case p.iterations > MaxIterations:
		return fmt.Errorf("%w: ITER %d, at most %d", ErrMalformed, p.iterations, MaxIterations)
	case p.rounds > MaxRounds:
		return fmt.Errorf("%w: DPIC %d, at most %d", ErrMalformed, p.rounds, MaxRounds)
	}
	return nil
}

// derive returns the 32-byte key that the class keys are wrapped with. It takes
// seconds for real bags and stops with ctx's error soon after ctx ends.
func (p kdf) derive(ctx context.Context, password string) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	secret := []byte(password)
	if p.dpSalt != nil && p.rounds > 0 {
		var err error
		if secret, err = deriveKey(ctx, sha256.New, secret, p.dpSalt, p.rounds, KeySize); err != nil {
			return nil, err
		}
	}
	return deriveKey(ctx, sha1.New, secret, p.salt, p.iterations, KeySize)
}

// deriveKey is PBKDF2, RFC 8018 section 5.2. The standard library's cannot be
// stopped, and ten million rounds are too many to leave running for nobody.
func deriveKey(ctx context.Context, newHash func() hash.Hash, password, salt []byte, rounds uint32, keyLen int) ([]byte, error) {
	const roundsPerCheck = 1 << 14 // a few milliseconds
	mac := hmac.New(newHash, password)
	var key, u []byte
	for block := uint32(1); len(key) < keyLen; block++ {
		mac.Reset()
		mac.Write(salt)
		mac.Write(binary.BigEndian.AppendUint32(nil, block))
		u = mac.Sum(u[:0])
		start := len(key)
		key = append(key, u...)
		t := key[start:]
		for n := uint32(1); n < rounds; n++ {
			if n%roundsPerCheck == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			mac.Reset()
			mac.Write(u)
			u = mac.Sum(u[:0])
			for i, b := range u {
				t[i] ^= b
			}
		}
	}
	return key[:keyLen], ctx.Err()
}
