package segment

import (
	"encoding/binary"
	"math/bits"
)

// Bits is a set of documents of one segment.
type Bits struct {
	n int
	w []uint64
}

// NewBits is an empty set for n documents.
func NewBits(n int) *Bits { return &Bits{n, make([]uint64, (n+63)/64)} }

// Len is the number of documents of the segment.
func (b *Bits) Len() int { return b.n }

// Set puts a document into the set.
func (b *Bits) Set(doc uint32) { b.w[doc/64] |= 1 << (doc % 64) }

// Has tells whether a document is in the set; of nil none is.
func (b *Bits) Has(doc uint32) bool {
	return b != nil && int(doc) < b.n && b.w[doc/64]&(1<<(doc%64)) != 0
}

// Count is the number of documents in the set.
func (b *Bits) Count() int {
	n := 0
	if b != nil {
		for _, w := range b.w {
			n += bits.OnesCount64(w)
		}
	}
	return n
}

// Or adds another set of the same segment.
func (b *Bits) Or(o *Bits) {
	if o == nil {
		return
	}
	for i, w := range o.w[:min(len(o.w), len(b.w))] {
		b.w[i] |= w
	}
}

// Next is the first document of the set that is not before at.
func (b *Bits) Next(at uint32) (uint32, bool) {
	i := int(at / 64)
	if i >= len(b.w) {
		return 0, false
	}
	w := b.w[i] &^ (1<<(at%64) - 1)
	for w == 0 {
		if i++; i >= len(b.w) {
			return 0, false
		}
		w = b.w[i]
	}
	return uint32(i*64 + bits.TrailingZeros64(w)), true
}

// nextNot is the first document from at on that is not in the set.
func (b *Bits) nextNot(at uint32) uint32 {
	for int(at) < b.n {
		w := ^b.w[at/64] >> (at % 64)
		if w != 0 {
			return min(at+uint32(bits.TrailingZeros64(w)), uint32(b.n))
		}
		at = at/64*64 + 64
	}
	return uint32(b.n)
}

// Append appends the set: uvarints of how many documents are out of it, how many in
// it, how many out of it …, to the last one.
func (b *Bits) Append(dst []byte) []byte {
	for at := uint32(0); int(at) < b.n; {
		in, ok := b.Next(at)
		if !ok {
			in = uint32(b.n)
		}
		dst = binary.AppendUvarint(dst, uint64(in-at))
		at = in
		if int(at) < b.n {
			out := b.nextNot(at)
			dst = binary.AppendUvarint(dst, uint64(out-at))
			at = out
		}
	}
	return dst
}

// ParseBits reads what Append has written for a segment of n documents, and gives what
// follows it.
func ParseBits(data []byte, n int) (*Bits, []byte, error) {
	if n < 0 || n > MaxDocs {
		return nil, nil, badf("%d documents", n)
	}
	b := NewBits(n)
	d := decoder{b: data}
	for at, in := uint64(0), false; at < uint64(n); in = !in {
		run := d.uvarint()
		if d.err != nil {
			return nil, nil, d.err
		}
		if run > uint64(n)-at || run == 0 && at > 0 {
			return nil, nil, badf("a run of %d documents", run)
		}
		if in {
			b.fill(uint32(at), uint32(at+run))
		}
		at += run
	}
	return b, d.b, nil
}

// fill puts the documents from from to before to into the set.
func (b *Bits) fill(from, to uint32) {
	for from < to && from%64 != 0 {
		b.Set(from)
		from++
	}
	for ; from+64 <= to; from += 64 {
		b.w[from/64] = ^uint64(0)
	}
	for ; from < to; from++ {
		b.Set(from)
	}
}

// All is the set of all n documents.
func All(n int) *Bits {
	b := NewBits(n)
	b.fill(0, uint32(n))
	return b
}
