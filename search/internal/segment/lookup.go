package segment

import (
	"encoding/binary"
	"math/bits"
)

// Lookup finds documents by their IDs, all digests of a segment being in memory: 20
// bytes for each document and a little more.
type Lookup struct {
	ids   []byte
	shift uint
	first []uint32 // the first digest of each bucket, and the end
}

// NewLookup reads the digests.
func (r *Reader) NewLookup() (*Lookup, error) {
	l := &Lookup{ids: make([]byte, 0, r.docs*idSize)}
	for at := 0; at < r.docs; at += idsAtOnce {
		n := min(idsAtOnce, r.docs-at)
		if _, err := readAt(r.src, l.ids[at*idSize:at*idSize:cap(l.ids)], r.ids+int64(at)*idSize, int64(n)*idSize); err != nil {
			return nil, err
		}
		l.ids = l.ids[:(at+n)*idSize]
	}
	return l, l.index(r.docs)
}

// index makes a bucket for about eight digests, by their first bits.
func (l *Lookup) index(docs int) error {
	width := uint(bits.Len(uint(docs) / 8))
	l.shift = 64 - width
	l.first = make([]uint32, 1<<width+1)
	bucket := 0
	before := uint64(0)
	for i := range docs {
		id := l.ids[i*idSize:]
		v := binary.BigEndian.Uint64(id)
		if v < before || int(binary.LittleEndian.Uint32(id[16:])) >= docs {
			return badf("digests are out of order")
		}
		before = v
		for b := int(v >> l.shift); bucket <= b; bucket++ {
			l.first[bucket] = uint32(i)
		}
	}
	for ; bucket < len(l.first); bucket++ {
		l.first[bucket] = uint32(docs)
	}
	return nil
}

// Find gives the document with an ID.
func (l *Lookup) Find(id ID) (uint32, bool) {
	b := binary.BigEndian.Uint64(id[:]) >> l.shift
	for i := l.first[b]; i < l.first[b+1]; i++ {
		have := l.ids[i*idSize : (i+1)*idSize]
		if ID(have) == id {
			return binary.LittleEndian.Uint32(have[16:]), true
		}
	}
	return 0, false
}
