package chunker

import (
	"fmt"
	"math/bits"
)

// The rule's numbers are restic's (restic-format.md 9) and part of it.
const (
	rabinDegree = 53
	rabinBits   = 20
	rabinMin    = 512 << 10
	rabinMax    = 8 << 20
	rabinMask   = 1<<rabinBits - 1
)

// rabinTable holds what a byte adds to a fingerprint modulo the polynomial.
type rabinTable struct {
	// enter[x] takes the 8 bits x that a shift by one byte pushed over the
	// degree: x·X^53 mod P in the low 53 bits, and x itself above, to clear it.
	enter [256]uint64
	// leave[x] is x·X^512 mod P: the byte x when the window has passed it.
	leave [256]uint64
}

// newRabinTable takes any polynomial of degree 53; whether it is irreducible is
// for the reader of the config to find out.
func newRabinTable(polynomial uint64) (*rabinTable, error) {
	if bits.Len64(polynomial) != rabinDegree+1 {
		return nil, fmt.Errorf("chunker: a polynomial of degree %d, want %d", bits.Len64(polynomial)-1, rabinDegree)
	}
	t := &rabinTable{}
	for x := range uint64(256) {
		r := x
		for range rabinDegree {
			r = rabinShift(r, polynomial)
		}
		t.enter[x] = r | x<<rabinDegree
		for range 8*window - rabinDegree {
			r = rabinShift(r, polynomial)
		}
		t.leave[x] = r
	}
	return t, nil
}

// rabinShift multiplies r, of a degree below 53, by X.
func rabinShift(r, polynomial uint64) uint64 {
	r <<= 1
	return r ^ polynomial&-(r>>rabinDegree)
}

func (t *rabinTable) cut(buf []byte, from, to int) int {
	for ; to-from >= lanes*lane; from += lanes * lane {
		if t.any((*block)(buf[from-window:])) {
			break
		}
	}
	h := t.fingerprint(buf[from-window : from-1])
	leaving := uint64(0)
	for i, b := range buf[from-1 : to] {
		h = (h<<8 | uint64(b)) ^ t.enter[byte(h>>(rabinDegree-8))] ^ leaving
		if h&rabinMask == 0 {
			return from + i
		}
		leaving = t.leave[buf[from-window+i]]
	}
	return 0
}

// any is gearRule.any for this hash.
func (t *rabinTable) any(b *block) bool {
	const shift = rabinDegree - 8
	h0 := t.fingerprint(b[0*lane:][:window])
	h1 := t.fingerprint(b[1*lane:][:window])
	h2 := t.fingerprint(b[2*lane:][:window])
	h3 := t.fingerprint(b[3*lane:][:window])
	for i := range lane {
		if h0&rabinMask == 0 || h1&rabinMask == 0 || h2&rabinMask == 0 || h3&rabinMask == 0 {
			return true
		}
		h0 = (h0<<8 | uint64(b[window+0*lane+i])) ^ t.enter[byte(h0>>shift)] ^ t.leave[b[0*lane+i]]
		h1 = (h1<<8 | uint64(b[window+1*lane+i])) ^ t.enter[byte(h1>>shift)] ^ t.leave[b[1*lane+i]]
		h2 = (h2<<8 | uint64(b[window+2*lane+i])) ^ t.enter[byte(h2>>shift)] ^ t.leave[b[2*lane+i]]
		h3 = (h3<<8 | uint64(b[window+3*lane+i])) ^ t.enter[byte(h3>>shift)] ^ t.leave[b[3*lane+i]]
	}
	return false
}

// fingerprint is the fingerprint of one window.
func (t *rabinTable) fingerprint(data []byte) (h uint64) {
	for _, b := range data {
		h = (h<<8 | uint64(b)) ^ t.enter[byte(h>>(rabinDegree-8))]
	}
	return h
}
