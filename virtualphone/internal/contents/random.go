package contents

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// chance is a stream of random numbers and bytes that depends on nothing but
// the seed and a name, mostly a path. So every file is the same whatever was
// made before it.
type chance struct {
	*rand.Rand
	noise *rand.ChaCha8
}

func newChance(seed uint64, name string) *chance {
	h := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), name...))
	src := rand.NewChaCha8(h)
	return &chance{rand.New(src), src}
}

// bytes gives n random bytes.
func (c *chance) bytes(n int) []byte {
	b := make([]byte, n)
	c.noise.Read(b) // never fails
	return b
}

// uuid gives a random UUID of version 4 as iOS writes it, in upper case.
func (c *chance) uuid() string {
	b := c.bytes(16)
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// one picks an element.
func one[T any](c *chance, list []T) T { return list[c.IntN(len(list))] }

// between gives a number in [low, high].
func (c *chance) between(low, high int) int { return low + c.IntN(high-low+1) }

// in tells yes once in n times.
func (c *chance) in(n int) bool { return c.IntN(n) == 0 }
