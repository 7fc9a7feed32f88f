package segment

import (
	"encoding/binary"
	"io"
)

const (
	formatVersion = 1
	docBlock      = 16 << 10 // bytes of documents in a block, before s2
	columnBlock   = 4096     // documents
	wordBlock     = 4 << 10  // bytes
	maxFooter     = 256 << 20
	idSize        = 20
)

// footer tells where things are in a segment.
type footer struct {
	docs  int
	terms uint64
	kinds []string
	// Blocks of documents: the first document of each, and where it begins; the end of
	// the last one is where the postings begin.
	docFirst []uint32
	docAt    []int64
	postings int64 // where they begin
	// Blocks of columns: where each begins, and the rank of its first document.
	columnAt   []int64
	columnRank []int64
	words      int64 // where they begin, which is where the columns end
	// Blocks of words: the first word of each, where it begins, and where its postings do.
	wordFirst []string
	wordAt    []int64
	wordPost  []int64
	ids       int64 // where the digests begin, and the words end
	end       int64 // where they end
}

// append writes: version, documents, words, kinds (number, each with its length), blocks of
// documents (number; first document and place, as differences), postings, columns
// (number; place as difference, rank), words, blocks of words (number; word, place and
// postings as differences), digests. All are uvarints but the ranks, which are varints.
func (f *footer) append(b []byte) []byte {
	u := binary.AppendUvarint
	b = u(u(u(b, formatVersion), uint64(f.docs)), f.terms)
	b = u(b, uint64(len(f.kinds)))
	for _, k := range f.kinds {
		b = append(u(b, uint64(len(k))), k...)
	}
	b = u(b, uint64(len(f.docAt)))
	first, at := uint32(0), int64(0)
	for i := range f.docAt {
		b = u(u(b, uint64(f.docFirst[i]-first)), uint64(f.docAt[i]-at))
		first, at = f.docFirst[i], f.docAt[i]
	}
	b = u(b, uint64(f.postings))
	b = u(b, uint64(len(f.columnAt)))
	at = 0
	for i := range f.columnAt {
		b = binary.AppendVarint(u(b, uint64(f.columnAt[i]-at)), f.columnRank[i])
		at = f.columnAt[i]
	}
	b = u(b, uint64(f.words))
	b = u(b, uint64(len(f.wordAt)))
	at, post := int64(0), int64(0)
	for i := range f.wordAt {
		b = append(u(b, uint64(len(f.wordFirst[i]))), f.wordFirst[i]...)
		b = u(u(b, uint64(f.wordAt[i]-at)), uint64(f.wordPost[i]-post))
		at, post = f.wordAt[i], f.wordPost[i]
	}
	return u(u(b, uint64(f.ids)), uint64(f.end))
}

func parseFooter(data []byte, at int64) (*footer, error) {
	d := &decoder{b: data}
	f := &footer{}
	if v := d.uvarint(); d.err == nil && v != formatVersion {
		return nil, badf("its format is %d", v)
	}
	docs := d.uvarint()
	if docs > MaxDocs {
		return nil, badf("%d documents", docs)
	}
	f.docs, f.terms = int(docs), d.uvarint()
	for range d.count() {
		f.kinds = append(f.kinds, d.string())
	}
	// place reads a place that is no less than the one before.
	place := func(before int64) int64 {
		v := d.uvarint()
		if v > uint64(at) || before+int64(v) > at {
			d.fail("a place")
			return before
		}
		return before + int64(v)
	}
	f.parseDocs(d, place)
	f.postings = place(0)
	columns, p := d.count(), int64(0)
	for range columns {
		p = place(p)
		f.columnAt, f.columnRank = append(f.columnAt, p), append(f.columnRank, d.varint())
	}
	f.words = place(0)
	n := d.count()
	p = 0
	post := int64(0)
	for range n {
		f.wordFirst = append(f.wordFirst, d.string())
		p, post = place(p), place(post)
		f.wordAt, f.wordPost = append(f.wordAt, p), append(f.wordPost, post)
	}
	f.ids, f.end = place(0), place(0)
	if d.err == nil {
		d.err = f.check(len(d.b), at)
	}
	return f, d.err
}

func (f *footer) parseDocs(d *decoder, place func(int64) int64) {
	n := d.count()
	first, at := uint64(0), int64(0)
	for range n {
		first += d.uvarint()
		at = place(at)
		if first > uint64(f.docs) {
			d.fail("a block of documents")
			return
		}
		f.docFirst, f.docAt = append(f.docFirst, uint32(first)), append(f.docAt, at)
	}
}

// check makes sure that the sections follow each other and have room for what is said
// to be in them.
func (f *footer) check(left int, at int64) error {
	switch {
	case left != 0:
		return badf("%d bytes too many", left)
	case len(f.kinds) > 255:
		return badf("%d kinds", len(f.kinds))
	case f.end != at || f.end-f.ids != int64(f.docs)*idSize:
		return badf("digests of %d bytes", f.end-f.ids)
	case len(f.columnAt) != (f.docs+columnBlock-1)/columnBlock:
		return badf("%d blocks of columns", len(f.columnAt))
	case f.docs > 0 && (len(f.docAt) == 0 || f.docFirst[0] != 0):
		return badf("no block for the first document")
	case f.postings > f.words || f.words > f.ids:
		return badf("sections overlap")
	}
	for i, p := range f.docAt {
		if p > f.postings || i > 0 && f.docFirst[i] <= f.docFirst[i-1] {
			return badf("block of documents %d", i)
		}
	}
	columns := f.words
	if len(f.columnAt) > 0 {
		columns = f.columnAt[0]
	}
	for i, p := range f.columnAt {
		if p < f.postings || p > f.words || i > 0 && f.columnRank[i] > f.columnRank[i-1] {
			return badf("block of columns %d", i)
		}
	}
	for i, p := range f.wordAt {
		if p < f.words || p > f.ids || f.wordPost[i] < f.postings || f.wordPost[i] > columns || i > 0 && f.wordFirst[i] <= f.wordFirst[i-1] {
			return badf("block of words %d", i)
		}
	}
	return nil
}

// Source is where a segment's bytes are.
type Source interface {
	io.ReaderAt
	Size() int64
}

// readAt reads exactly n bytes.
func readAt(src Source, buf []byte, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off+n > src.Size() {
		return nil, badf("bytes %d to %d of %d", off, off+n, src.Size())
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	m, err := src.ReadAt(buf, off)
	if int64(m) == n {
		return buf, nil
	}
	if err == nil || err == io.EOF {
		err = badf("it is cut")
	}
	return nil, err
}
