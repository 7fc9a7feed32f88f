package segment

import (
	"bytes"
	"io"
	"slices"

	"github.com/keepsake-backup/keepsake/search/internal/words"

	"github.com/keepsake-backup/keepsake/extract"
)

// MaxDocTerms is how many different words of one document are kept: more are in no
// text that people wrote.
const MaxDocTerms = 32 << 10

// Builder collects documents in memory until they are written as a segment.
type Builder struct {
	data   []byte // documents, encoded
	docs   []built
	flat   []uint32 // words of the documents, one after the other
	terms  map[string]uint32
	names  []string
	counts []uint32
	seen   []uint32 // number of the last document with a word, from 1
	bytes  int      // of names
	cutter words.Cutter
}

type built struct {
	head
	kind     string
	at, end  int // in data
	termsEnd int // in flat
}

// NewBuilder makes an empty one.
func NewBuilder() *Builder { return &Builder{terms: map[string]uint32{}} }

// Len is the number of documents.
func (b *Builder) Len() int { return len(b.docs) }

// Size is about how many bytes of memory it takes.
func (b *Builder) Size() int {
	return len(b.data) + 72*len(b.docs) + 8*len(b.flat) + 96*len(b.names) + b.bytes
}

// Reset empties it.
func (b *Builder) Reset() {
	b.data, b.docs, b.flat = b.data[:0], b.docs[:0], b.flat[:0]
	clear(b.terms)
	b.names, b.counts, b.seen, b.bytes = b.names[:0], b.counts[:0], b.seen[:0], 0
}

// Add takes a document as Encode gave it. Its words are those of title, detail and
// text.
func (b *Builder) Add(id ID, encoded []byte, kind string, e *extract.Entry) {
	d := built{head: head{id, Rank(e.Time)}, kind: kind, at: len(b.data)}
	b.data = append(b.data, encoded...)
	d.end = len(b.data)
	start, number := len(b.flat), uint32(len(b.docs)+1)
	take := func(t words.Token) {
		i, ok := b.terms[string(t.Term)]
		if !ok {
			i = uint32(len(b.names))
			name := string(t.Term)
			b.terms[name] = i
			b.names, b.counts, b.seen = append(b.names, name), append(b.counts, 0), append(b.seen, 0)
			b.bytes += len(name)
		}
		if b.seen[i] != number && len(b.flat)-start < MaxDocTerms {
			b.seen[i] = number
			b.counts[i]++
			b.flat = append(b.flat, i)
		}
	}
	for _, s := range Fields(e) {
		b.cutter.Each(s, take)
	}
	d.termsEnd = len(b.flat)
	b.docs = append(b.docs, d)
}

// Fields are the texts of a record by which it is found, as far as they are kept.
func Fields(e *extract.Entry) [3]string {
	return [3]string{bound(e.Title, maxLine), bound(e.Detail, maxLine), bound(e.Text, maxText)}
}

// Write writes the segment. Documents with the same ID become one.
func (b *Builder) Write(out io.Writer) error {
	order := make([]int32, len(b.docs))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		if b.docs[x].before(b.docs[y].head) {
			return -1
		}
		if b.docs[y].before(b.docs[x].head) {
			return 1
		}
		return int(x - y)
	})
	order = slices.CompactFunc(order, func(x, y int32) bool { return b.docs[x].id == b.docs[y].id })
	w := newWriter(out)
	for _, i := range order {
		d := &b.docs[i]
		w.doc(d.kind, d.rank, b.data[d.at:d.end])
	}
	w.endDocs()
	b.writeTerms(w, order)
	b.writeIDs(w, order)
	return w.end()
}

func (b *Builder) writeTerms(w *writer, order []int32) {
	sorted := make([]uint32, len(b.names))
	for i := range sorted {
		sorted[i] = uint32(i)
	}
	slices.SortFunc(sorted, func(x, y uint32) int { return compareStrings(b.names[x], b.names[y]) })
	// Each word's documents have their place in one list, in the order of the words.
	place, at := make([]uint32, len(b.names)), uint32(0)
	for _, t := range sorted {
		place[t] = at
		at += b.counts[t]
	}
	list := make([]uint32, at)
	for doc, i := range order {
		start := 0
		if i > 0 {
			start = b.docs[i-1].termsEnd
		}
		for _, t := range b.flat[start:b.docs[i].termsEnd] {
			list[place[t]] = uint32(doc)
			place[t]++
		}
	}
	at = 0
	var name []byte
	for _, t := range sorted {
		name = append(name[:0], b.names[t]...)
		w.term(name, list[at:place[t]])
		at += b.counts[t] // more than were placed where documents became one
	}
	w.endTerms()
}

func compareStrings(x, y string) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (b *Builder) writeIDs(w *writer, order []int32) {
	numbers := make([]uint32, len(order))
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	id := func(n uint32) *ID { return &b.docs[order[n]].id }
	slices.SortFunc(numbers, func(x, y uint32) int { return bytes.Compare(id(x)[:], id(y)[:]) })
	for _, n := range numbers {
		w.id(*id(n), n)
	}
}
