package segment

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
)

// writer writes a segment: all documents in their order, then all words in theirs, then
// all digests. The first error is kept and given by end.
type writer struct {
	out *bufio.Writer
	at  int64
	err error
	footer
	kindOf map[string]byte

	block, packed []byte // of documents
	columns       []byte
	rank          int64 // of the document before
	list          []byte
	wordBuf       []byte
	wordStart     int // of the block in words
	word          []byte
}

func newWriter(out io.Writer) *writer {
	return &writer{out: bufio.NewWriterSize(out, 64<<10), kindOf: map[string]byte{}}
}

func (w *writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
		w.at += int64(len(b))
	}
}

// doc adds a document, encoded.
func (w *writer) doc(kind string, rank int64, encoded []byte) {
	k, ok := w.kindOf[kind]
	if !ok {
		if len(w.kinds) == 255 && w.err == nil {
			w.err = fmt.Errorf("index: more than 255 kinds")
			return
		}
		k = byte(len(w.kinds))
		w.kindOf[kind] = k
		w.kinds = append(w.kinds, kind)
	}
	if len(w.block) == 0 {
		w.docFirst, w.docAt = append(w.docFirst, uint32(w.docs)), append(w.docAt, w.at)
	}
	w.block = append(binary.AppendUvarint(w.block, uint64(len(encoded))), encoded...)
	if len(w.block) >= docBlock {
		w.flushDocs()
	}
	if w.docs%columnBlock == 0 {
		w.columnAt, w.columnRank = append(w.columnAt, int64(len(w.columns))), append(w.columnRank, rank)
		w.rank = rank
	}
	w.columns = binary.AppendUvarint(append(w.columns, k), uint64(w.rank)-uint64(rank))
	w.rank = rank
	w.docs++
}

func (w *writer) flushDocs() {
	if len(w.block) == 0 {
		return
	}
	if n := s2.MaxEncodedLen(len(w.block)); cap(w.packed) < n {
		w.packed = make([]byte, n)
	}
	w.write(s2.Encode(w.packed[:cap(w.packed)], w.block))
	w.block = w.block[:0]
}

// endDocs is called after the last document.
func (w *writer) endDocs() {
	w.flushDocs()
	w.postings = w.at
}

// term adds a word and its documents, ascending.
func (w *writer) term(word []byte, docs []uint32) {
	if len(docs) == 0 {
		return
	}
	if len(w.wordBuf)-w.wordStart >= wordBlock || len(w.wordAt) == 0 {
		w.wordStart = len(w.wordBuf)
		w.wordFirst = append(w.wordFirst, string(word))
		w.wordAt, w.wordPost = append(w.wordAt, int64(w.wordStart)), append(w.wordPost, w.at)
		w.word = w.word[:0]
	}
	w.list = w.list[:0]
	before := uint32(0)
	for _, d := range docs {
		w.list = binary.AppendUvarint(w.list, uint64(d-before))
		before = d
	}
	w.write(w.list)
	same := 0
	for same < min(len(word), len(w.word)) && word[same] == w.word[same] {
		same++
	}
	w.wordBuf = binary.AppendUvarint(binary.AppendUvarint(w.wordBuf, uint64(same)), uint64(len(word)-same))
	w.wordBuf = append(w.wordBuf, word[same:]...)
	w.wordBuf = binary.AppendUvarint(binary.AppendUvarint(w.wordBuf, uint64(len(docs))), uint64(len(w.list)))
	w.word = append(w.word[:0], word...)
	w.terms++
}

// endTerms is called after the last word.
func (w *writer) endTerms() {
	for i := range w.columnAt {
		w.columnAt[i] += w.at
	}
	w.write(w.columns)
	w.words = w.at
	for i := range w.wordAt {
		w.wordAt[i] += w.at
	}
	w.write(w.wordBuf)
	w.ids = w.at
}

// id adds a digest; they come in their order.
func (w *writer) id(id ID, doc uint32) {
	w.write(binary.LittleEndian.AppendUint32(id[:], doc))
}

// end writes the footer.
func (w *writer) end() error {
	w.footer.end = w.at
	f := w.footer.append(nil)
	w.write(f)
	w.write(binary.LittleEndian.AppendUint64(nil, uint64(len(f))))
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}
