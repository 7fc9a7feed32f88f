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

// scan is cut for one bound.
func (g *gearRule) scan(buf []byte, from, to int, bound uint64) int {
	t := g.table
	var h uint64
	for _, b := range buf[from-window : from-1] {
		h = h<<1 + t[b]
	}
	for i, b := range buf[from-1 : to] {
		h = h<<1 + t[b]
		if h < bound {
			return from + i
		}
	}
	return 0
}
