package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// Docs gives documents by their numbers. It keeps what it opened last: asked in order
// it opens each block once. It is for one goroutine.
type Docs struct {
	r       *Reader
	columns columns
	loaded  bool

	block int
	buf   []byte
	list  [][]byte
}

// NewDocs makes one.
func (r *Reader) NewDocs() *Docs { return &Docs{r: r, block: -1} }

func (d *Docs) load(doc uint32) (int, error) {
	if int(doc) >= d.r.docs {
		return 0, badf("document %d of %d", doc, d.r.docs)
	}
	if !d.loaded || int(doc)/columnBlock*columnBlock != d.columns.first {
		d.loaded = false
		if err := d.r.columnsOf(int(doc)/columnBlock, &d.columns); err != nil {
			return 0, err
		}
		d.loaded = true
	}
	return int(doc) - d.columns.first, nil
}

// Kind is the number of a document's kind, in Kinds.
func (d *Docs) Kind(doc uint32) (byte, error) {
	i, err := d.load(doc)
	if err != nil {
		return 0, err
	}
	return d.columns.kinds[i], nil
}

// Rank is a document's rank.
func (d *Docs) Rank(doc uint32) (int64, error) {
	i, err := d.load(doc)
	if err != nil {
		return 0, err
	}
	return d.columns.ranks[i], nil
}

// encoded is a document's bytes, valid until another block is opened.
func (d *Docs) encoded(doc uint32) ([]byte, error) {
	if int(doc) >= d.r.docs {
		return nil, badf("document %d of %d", doc, d.r.docs)
	}
	block := sort.Search(len(d.r.docFirst), func(i int) bool { return d.r.docFirst[i] > doc }) - 1
	if block != d.block {
		d.block = -1
		list, err := d.r.docBlock(block, &d.buf, d.list[:0])
		if err != nil {
			return nil, err
		}
		d.block, d.list = block, list
	}
	return d.list[doc-d.r.docFirst[block]], nil
}

// Get gives a document.
func (d *Docs) Get(doc uint32) (*Doc, error) {
	b, err := d.encoded(doc)
	if err != nil {
		return nil, err
	}
	return Decode(b)
}

// ID is a document's digest.
func (d *Docs) ID(doc uint32) (ID, error) {
	b, err := d.encoded(doc)
	if err != nil {
		return ID{}, err
	}
	if len(b) < 17 {
		return ID{}, badf("a document of %d bytes", len(b))
	}
	return ID(b), nil
}

// FirstBelow is the first document whose rank is less than rank, or the number of
// documents.
func (d *Docs) FirstBelow(rank int64) (uint32, error) {
	block := sort.Search(len(d.r.columnRank), func(i int) bool { return d.r.columnRank[i] < rank }) - 1
	if block < 0 {
		return 0, nil
	}
	if _, err := d.load(uint32(block * columnBlock)); err != nil {
		return 0, err
	}
	i := sort.Search(len(d.columns.ranks), func(i int) bool { return d.columns.ranks[i] < rank })
	return uint32(d.columns.first + i), nil
}

// FirstAfter is the first document that follows a place in the order, or the number of
// documents.
func (d *Docs) FirstAfter(rank int64, id ID) (uint32, error) {
	end, err := d.FirstBelow(rank)
	if err != nil {
		return 0, err
	}
	start := uint32(0)
	if rank < Timeless {
		if start, err = d.FirstBelow(rank + 1); err != nil {
			return 0, err
		}
	}
	i := sort.Search(int(end-start), func(i int) bool {
		have, e := d.ID(start + uint32(i))
		if e != nil {
			err = e
		}
		return string(have[:]) > string(id[:])
	})
	return start + uint32(i), err
}

// idAt reads a digest and its document.
func (r *Reader) idAt(i int) (id ID, doc uint32, err error) {
	var buf [idSize]byte
	b, err := readAt(r.src, buf[:], r.ids+int64(i)*idSize, idSize)
	if err != nil {
		return id, 0, err
	}
	doc = binary.LittleEndian.Uint32(b[16:])
	if int(doc) >= r.docs {
		return id, 0, badf("document %d of %d", doc, r.docs)
	}
	return ID(b), doc, nil
}

// maxForms bounds how many forms of one record are looked at.
const maxForms = 1000

// Forms lists the documents whose IDs begin with the digest of a key.
func (r *Reader) Forms(key [8]byte) ([]uint32, error) {
	i, err := r.firstID(key)
	if err != nil {
		return nil, err
	}
	var list []uint32
	for ; i < r.docs && len(list) < maxForms; i++ {
		id, doc, err := r.idAt(i)
		if err != nil {
			return nil, err
		}
		if [8]byte(id[:8]) != key {
			break
		}
		list = append(list, doc)
	}
	slices.Sort(list)
	return list, nil
}

// firstID is the place of the first digest that is not before key. Digests are spread
// evenly, so a guess is close; every second step halves, whatever they are.
func (r *Reader) firstID(key [8]byte) (int, error) {
	want := binary.BigEndian.Uint64(key[:])
	lo, hi := 0, r.docs
	low, high := uint64(0), ^uint64(0)
	for step := 0; lo < hi; step++ {
		mid := lo + (hi-lo)/2
		if step%2 == 0 && hi-lo > 8 && want > low && high > low && want < high {
			mid = lo + int(scale(want-low, hi-lo, high-low))
		}
		mid = min(max(mid, lo), hi-1)
		id, _, err := r.idAt(mid)
		if err != nil {
			return 0, err
		}
		have := binary.BigEndian.Uint64(id[:8])
		if have < want {
			lo, low = mid+1, have
		} else {
			hi, high = mid, have
		}
	}
	return lo, nil
}

// scale is a × n ÷ b, for a up to b.
func scale(a uint64, n int, b uint64) uint64 {
	high, low := bits.Mul64(a, uint64(n))
	if high >= b {
		return uint64(n)
	}
	q, _ := bits.Div64(high, low, b)
	return q
}
