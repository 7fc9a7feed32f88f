package segment

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/klauspost/compress/s2"
)

// Reader reads a segment. Its methods may be called concurrently.
type Reader struct {
	src Source
	footer
}

// Open reads the footer of a segment.
func Open(src Source) (*Reader, error) {
	size := src.Size()
	tail, err := readAt(src, nil, size-8, 8)
	if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(tail)
	if n > uint64(size-8) || n > maxFooter {
		return nil, badf("a footer of %d bytes", n)
	}
	at := size - 8 - int64(n)
	data, err := readAt(src, nil, at, int64(n))
	if err != nil {
		return nil, err
	}
	f, err := parseFooter(data, at)
	if err != nil {
		return nil, err
	}
	return &Reader{src, *f}, nil
}

// Docs is the number of documents.
func (r *Reader) Docs() int { return r.docs }

// Terms is the number of words.
func (r *Reader) Terms() int { return int(r.terms) }

// Kinds are the kinds that its documents have.
func (r *Reader) Kinds() []string { return slices.Clone(r.kinds) }

// docBlock opens a block of documents; each is appended to list.
func (r *Reader) docBlock(i int, buf *[]byte, list [][]byte) ([][]byte, error) {
	end, next := r.postings, uint32(r.docs)
	if i+1 < len(r.docAt) {
		end, next = r.docAt[i+1], r.docFirst[i+1]
	}
	packed, err := readAt(r.src, nil, r.docAt[i], end-r.docAt[i])
	if err != nil {
		return nil, err
	}
	n, err := s2.DecodedLen(packed)
	if err != nil || n > docBlock+maxDoc {
		return nil, badf("block of documents %d", i)
	}
	data, err := s2.Decode((*buf)[:cap(*buf)], packed)
	if err != nil {
		return nil, badf("block of documents %d: %v", i, err)
	}
	*buf = data
	d := decoder{b: data}
	for range next - r.docFirst[i] {
		list = append(list, d.bytes(d.uvarint()))
		if d.err != nil {
			return nil, d.err
		}
	}
	return list, nil
}

// maxDoc bounds what one document takes, encoded.
const maxDoc = maxText + (6+maxFiles+1)*(maxLine+10) + 100

// columnsOf opens a block of columns.
func (r *Reader) columnsOf(i int, c *columns) error {
	end := r.words
	if i+1 < len(r.columnAt) {
		end = r.columnAt[i+1]
	}
	if i < 0 || i >= len(r.columnAt) || end < r.columnAt[i] {
		return badf("block of columns %d", i)
	}
	data, err := readAt(r.src, nil, r.columnAt[i], end-r.columnAt[i])
	if err != nil {
		return err
	}
	c.first = i * columnBlock
	n := min(columnBlock, r.docs-c.first)
	c.kinds, c.ranks = c.kinds[:0], c.ranks[:0]
	d := decoder{b: data}
	rank := r.columnRank[i]
	for range n {
		k := d.bytes(1)
		less := d.uvarint()
		if d.err != nil {
			return d.err
		}
		if int(k[0]) >= len(r.kinds) || less > uint64(rank)-1<<63 {
			return badf("block of columns %d", i)
		}
		rank -= int64(less)
		c.kinds, c.ranks = append(c.kinds, k[0]), append(c.ranks, rank)
	}
	return nil
}

type columns struct {
	first int
	kinds []byte
	ranks []int64
}

// termAt is where the documents of a word are.
type termAt struct {
	at, size int64
	docs     int
}

// eachWord goes through the words in their order, from a little before from on, until
// give says no.
func (r *Reader) eachWord(from []byte, give func(word []byte, t termAt) bool) error {
	block := sort.Search(len(r.wordFirst), func(i int) bool { return r.wordFirst[i] > string(from) }) - 1
	for block = max(block, 0); block < len(r.wordAt); block++ {
		end := r.ids
		if block+1 < len(r.wordAt) {
			end = r.wordAt[block+1]
		}
		data, err := readAt(r.src, nil, r.wordAt[block], end-r.wordAt[block])
		if err != nil {
			return err
		}
		w := wordsOf{decoder: decoder{b: data}, post: r.wordPost[block], all: r.docs, end: r.postingsEnd()}
		for w.next() {
			if !give(w.word, w.termAt) {
				return nil
			}
		}
		if w.err != nil {
			return w.err
		}
	}
	return nil
}

// postingsEnd is where postings end and columns begin.
func (r *Reader) postingsEnd() int64 {
	if len(r.columnAt) > 0 {
		return r.columnAt[0]
	}
	return r.footer.words
}

// wordsOf reads a block of words.
type wordsOf struct {
	decoder
	word []byte
	termAt
	post int64 // of the next word
	all  int   // documents of the segment
	end  int64 // of the postings
}

func (w *wordsOf) next() bool {
	if w.err != nil || len(w.b) == 0 {
		return false
	}
	same, more := w.uvarint(), w.uvarint()
	if same > uint64(len(w.word)) || more > maxWordBytes {
		w.fail("a word")
	}
	if w.err != nil {
		return false
	}
	w.word = append(w.word[:same], w.bytes(more)...)
	n, size := w.uvarint(), w.uvarint()
	if w.err == nil && (n == 0 || n > uint64(w.all) || size < n || size > uint64(w.end-w.post)) {
		w.err = badf("postings of %d documents in %d bytes", n, size)
	}
	if w.err != nil {
		return false
	}
	w.termAt = termAt{w.post, int64(size), int(n)}
	w.post += int64(size)
	return true
}

const maxWordBytes = 1 << 10

// find looks a word up.
func (r *Reader) find(word string) (termAt, bool, error) {
	var found termAt
	ok := false
	from := []byte(word)
	err := r.eachWord(from, func(w []byte, t termAt) bool {
		c := bytes.Compare(w, from)
		if c == 0 {
			found, ok = t, true
		}
		return c < 0
	})
	return found, ok, err
}

// prefix looks up all words that begin with prefix.
func (r *Reader) prefix(prefix string) ([]termAt, error) {
	var list []termAt
	from := []byte(prefix)
	err := r.eachWord(from, func(w []byte, t termAt) bool {
		if bytes.HasPrefix(w, from) {
			list = append(list, t)
			return true
		}
		return bytes.Compare(w, from) < 0
	})
	return list, err
}
