package chunker

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// gearLabel keeps this use of the polynomial apart from others.
const gearLabel = "keepsake gear table 1\x00"

// gearTable gives each byte value its random 64 bits.
type gearTable [256]uint64

// newGearTable expands the polynomial. Block i, for i = 0 … 63, is
//
//	SHA-256( "keepsake gear table 1" 00 | polynomial, 8 bytes | i, 4 bytes )
//
// with big-endian numbers; it holds the entries 4i … 4i+3, 8 big-endian bytes
// each. Writers that share a repository have to cut alike, so this never changes.
func newGearTable(polynomial uint64) *gearTable {
	var t gearTable
	seed := binary.BigEndian.AppendUint64([]byte(gearLabel), polynomial)
	for i := range len(t) / 4 {
		block := sha256.Sum256(binary.BigEndian.AppendUint32(seed, uint32(i)))
		for k := range 4 {
			t[4*i+k] = binary.BigEndian.Uint64(block[8*k:])
		}
	}
	return &t
}

// gearRule cuts where the gear hash of the window is small.
type gearRule struct {
	table         *gearTable
	strict, loose uint64 // cut where the hash is below
	looseFrom     int    // chunk length from which the loose bound counts
}

func newGearRule(t *gearTable, s Settings) *gearRule {
	return &gearRule{
		table:     t,
		strict:    oneIn(2 * s.Mean),
		loose:     oneIn(s.Mean / 4),
		looseFrom: s.Min + (s.Mean-s.Min)/2,
	}
}

// oneIn gives the bound below which one in n hashes lies.
func oneIn(n int) uint64 {
	q, _ := bits.Div64(1, 0, uint64(n))
	return q
}

func (g *gearRule) cut(buf []byte, from, to int) int {
	if from < g.looseFrom {
		if n := g.scan(buf, from, min(to, g.looseFrom-1), g.strict); n != 0 {
			return n
		}
		from = g.looseFrom
	}
	if from > to {
		return 0
	}
	return g.scan(buf, from, to, g.loose)
}

// scan is cut for one bound. A hash waits for the one before it, so four places
// are hashed at a time; which of them comes first is asked once there is a cut.
func (g *gearRule) scan(buf []byte, from, to int, bound uint64) int {
	for ; to-from >= lanes*lane; from += lanes * lane {
		if g.any((*block)(buf[from-window:]), bound) {
			break
		}
	}
	t := g.table
	h := t.hash(buf[from-window : from-1])
	for i, b := range buf[from-1 : to] {
		h = h<<1 + t[b]
		if h < bound {
			return from + i
		}
	}
	return 0
}

// hash is the hash of up to a window.
func (t *gearTable) hash(data []byte) (h uint64) {
	for _, b := range data {
		h = h<<1 + t[b]
	}
	return h
}

const (
	lanes = 4
	lane  = 4 << 10
)

// block is a window and what four lanes look at behind it.
type block [window + lanes*lane]byte

// any tells whether one of the windows that end in b, from the first whole one
// on, says "cut".
func (g *gearRule) any(b *block, bound uint64) bool {
	const last = window - 1
	t := g.table
	h0 := t.hash(b[0*lane:][:last])
	h1 := t.hash(b[1*lane:][:last])
	h2 := t.hash(b[2*lane:][:last])
	h3 := t.hash(b[3*lane:][:last])
	for i := range lane {
		h0 = h0<<1 + t[b[last+i]]
		h1 = h1<<1 + t[b[last+1*lane+i]]
		h2 = h2<<1 + t[b[last+2*lane+i]]
		h3 = h3<<1 + t[b[last+3*lane+i]]
		if h0 < bound || h1 < bound || h2 < bound || h3 < bound {
			return true
		}
	}
	return false
}
