package seal

import (
	"fmt"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// SaltSize is the length of the salt of a key file in bytes. Others refuse any
// other length (restic-format.md 3), so this package does.
const SaltSize = 64

// Bounds of Derive. A key file lies in clear on the storage, so whoever holds the
// storage can ask for any work; these bounds are what they can get: 256 MiB, and
// 64 times the time of the least parameters of Calibrate. restic chooses at most
// 60 MiB and rustic 128 MiB.
const (
	MaxDeriveMemory = 256 << 20
	MaxDeriveWork   = 1 << 24 // N·R·P
)

// Params are the parameters of scrypt. Memory is about 128·R·N bytes, time
// grows with N·R·P.
type Params struct {
	N int // cost, a power of two above 1
	R int // block size in 128 bytes
	P int // rounds, one after the other
}

// minimum is the least that Calibrate gives.
var minimum = Params{N: 1 << 15, R: 8, P: 1}

// memory is what scrypt holds at once, in bytes.
func (p Params) memory() int64 { return 128 * int64(p.R) * (int64(p.N) + int64(p.P) + 2) }

// Check tells what is wrong with parameters that Derive would refuse.
func (p Params) Check() error {
	if p.N < 2 || p.N&(p.N-1) != 0 {
		return fmt.Errorf("scrypt N=%d is not a power of two above 1", p.N)
	}
	// Each bounded alone first, so that the products cannot overflow.
	if p.N > MaxDeriveWork || p.R < 1 || p.R > MaxDeriveWork || p.P < 1 || p.P > MaxDeriveWork {
		return fmt.Errorf("scrypt N=%d r=%d p=%d: out of range", p.N, p.R, p.P)
	}
	if m := p.memory(); m > MaxDeriveMemory {
		return fmt.Errorf("scrypt N=%d r=%d p=%d takes %d bytes of memory, more than %d", p.N, p.R, p.P, m, MaxDeriveMemory)
	}
	if w := int64(p.N) * int64(p.R); w > MaxDeriveWork/int64(p.P) {
		return fmt.Errorf("scrypt N=%d r=%d p=%d takes too long", p.N, p.R, p.P)
	}
	return nil
}

// Derive makes the key that a password gives with the salt (64 bytes) and the
// parameters of a key file. It takes about half a second with parameters of
// Calibrate and is bounded for all others. The password is used byte for byte.
func Derive(password secret.RepositoryPassword, salt []byte, p Params) (*Key, error) {
	if len(salt) != SaltSize {
		return nil, fmt.Errorf("derive key: the salt has %d bytes, want %d", len(salt), SaltSize)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	text := []byte(password.Reveal())
	defer clear(text)
	b, err := scrypt.Key(text, salt, p.N, p.R, p.P, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	defer clear(b)
	k, err := KeyFromBytes(b)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return k, nil
}

// What restic aims at, and so the defaults of Calibrate.
const (
	defaultTarget = 500 * time.Millisecond
	defaultMemory = 60 << 20
)

// Calibrate measures this machine and gives the strongest parameters with which
// Derive takes no longer than target and no more memory than memoryLimit bytes,
// but never less than N=32768, r=8, p=1 (32 MiB), whatever the limits. Zero
// means 500 ms and 60 MiB. It takes about as long as two derivations with the least parameters.
func Calibrate(target time.Duration, memoryLimit int) Params {
	return calibrate(target, memoryLimit, measure)
}

func calibrate(target time.Duration, memoryLimit int, measure func(Params) time.Duration) Params {
	if target <= 0 {
		target = defaultTarget
	}
	if memoryLimit <= 0 {
		memoryLimit = defaultMemory
	}
	memoryLimit = min(memoryLimit, MaxDeriveMemory)
	best, took := minimum, measure(minimum)
	allowed := func(p Params) bool { return p.memory() <= int64(memoryLimit) && p.Check() == nil }
	// Memory first: it is what makes guessing on special hardware expensive.
	for {
		next := best
		next.N *= 2
		if 2*took > target || !allowed(next) {
			break
		}
		best, took = next, 2*took
	}
	for {
		next := best
		next.P++
		if took/time.Duration(best.P)*time.Duration(next.P) > target || !allowed(next) {
			return best
		}
		took = took / time.Duration(best.P) * time.Duration(next.P)
		best = next
	}
}

// measure times the derivation of a key: the less of two, because other
// programs can only make it slower.
func measure(p Params) time.Duration {
	var salt [SaltSize]byte
	least := time.Duration(1<<63 - 1)
	for range 2 {
		start := time.Now()
		if _, err := scrypt.Key([]byte("calibrate"), salt[:], p.N, p.R, p.P, KeySize); err != nil {
			panic("seal: calibrate: " + err.Error()) // the parameters are ours
		}
		least = min(least, time.Since(start))
	}
	return max(least, 1)
}
