package segment

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"io"
	"slices"
)

// Dropped is in the place of documents that a merge has left out.
const Dropped = ^uint32(0)

// Merge writes the documents of several segments as one; those with the same ID become
// one. keep says which documents of each are still wanted; nil, or nil for one of them,
// are all. What it gives is the new number of each document, or Dropped.
//
// Memory is 4 bytes for each document, and what the words and columns take in the file.
func Merge(ctx context.Context, out io.Writer, in []*Reader, keep []*Bits) ([][]uint32, error) {
	w := newWriter(out)
	m := &merge{ctx: ctx, w: w, in: in, to: make([][]uint32, len(in))}
	for i, r := range in {
		m.to[i] = make([]uint32, r.docs)
	}
	for _, step := range []func([]*Bits) error{m.docs, m.terms, m.digests} {
		if err := step(keep); err != nil {
			return nil, err
		}
	}
	return m.to, w.end()
}

type merge struct {
	ctx  context.Context
	w    *writer
	in   []*Reader
	to   [][]uint32
	step int
}

// alive looks at the context now and then.
func (m *merge) alive() error {
	if m.step++; m.step%4096 == 0 {
		return m.ctx.Err()
	}
	return nil
}

// docSource gives the documents of one segment in their order.
type docSource struct {
	i    int
	docs *Docs
	keep *Bits // nil: all
	to   []uint32
	next uint32
	at   uint32
	head head
	data []byte
	kind string
}

// step goes to the next document that is wanted.
func (s *docSource) step() (bool, error) {
	for int(s.next) < len(s.to) && s.keep != nil && !s.keep.Has(s.next) {
		s.to[s.next] = Dropped
		s.next++
	}
	if int(s.next) >= len(s.to) {
		return false, nil
	}
	s.at = s.next
	s.next++
	data, err := s.docs.encoded(s.at)
	if err != nil {
		return false, err
	}
	h, err := decodeHead(data)
	if err != nil {
		return false, err
	}
	if s.data != nil && h.before(s.head) {
		return false, badf("document %d is out of order", s.at)
	}
	kind, err := s.docs.Kind(s.at)
	if err != nil {
		return false, err
	}
	s.head, s.data, s.kind = h, data, s.docs.r.kinds[kind]
	return true, nil
}

type docHeap []*docSource

func (h docHeap) Len() int { return len(h) }
func (h docHeap) Less(i, j int) bool {
	if h[i].head == h[j].head {
		return h[i].i < h[j].i
	}
	return h[i].head.before(h[j].head)
}
func (h docHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *docHeap) Push(x any)   { *h = append(*h, x.(*docSource)) }
func (h *docHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (m *merge) docs(keep []*Bits) error {
	var h docHeap
	for i, r := range m.in {
		s := &docSource{i: i, docs: r.NewDocs(), to: m.to[i]}
		if keep != nil {
			s.keep = keep[i]
		}
		ok, err := s.step()
		if err != nil {
			return err
		}
		if ok {
			h = append(h, s)
		}
	}
	heap.Init(&h)
	var last head
	for len(h) > 0 {
		if err := m.alive(); err != nil {
			return err
		}
		s := h[0]
		if m.w.docs == 0 || s.head != last {
			if m.w.docs == MaxDocs {
				return badf("more than %d documents", MaxDocs)
			}
			m.w.doc(s.kind, s.head.rank, s.data)
			last = s.head
		}
		s.to[s.at] = uint32(m.w.docs - 1)
		ok, err := s.step()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	m.w.endDocs()
	return m.w.err
}

// termSource gives the words of one segment in their order, with their documents.
type termSource struct {
	r      *Reader
	to     []uint32
	block  int
	words  wordsOf
	before []byte
	posts  stream
}

func (s *termSource) step() (bool, error) {
	s.before = append(s.before[:0], s.words.word...)
	begun := s.block > 0
	for !s.words.next() {
		if s.words.err != nil {
			return false, s.words.err
		}
		if s.block == len(s.r.wordAt) {
			return false, nil
		}
		end := s.r.ids
		if s.block+1 < len(s.r.wordAt) {
			end = s.r.wordAt[s.block+1]
		}
		data, err := readAt(s.r.src, nil, s.r.wordAt[s.block], end-s.r.wordAt[s.block])
		if err != nil {
			return false, err
		}
		s.words = wordsOf{decoder: decoder{b: data}, post: s.r.wordPost[s.block], all: s.r.docs, end: s.r.postingsEnd()}
		s.block++
	}
	if begun && bytes.Compare(s.before, s.words.word) >= 0 {
		return false, badf("word %q is out of order", s.words.word)
	}
	return true, nil
}

// append appends the new numbers of the documents of the word.
func (s *termSource) append(list []uint32) ([]uint32, error) {
	t := s.words.termAt
	if s.posts.src == nil {
		s.posts = stream{src: s.r.src, at: t.at, end: s.r.postingsEnd()}
	}
	p := postings{stream: &s.posts, left: t.docs, docs: s.r.docs}
	for p.left > 0 {
		if err := p.step(); err != nil {
			return nil, err
		}
		if to := s.to[p.doc]; to != Dropped {
			list = append(list, to)
		}
	}
	return list, nil
}

func (m *merge) terms([]*Bits) error {
	var sources []*termSource
	for i, r := range m.in {
		s := &termSource{r: r, to: m.to[i]}
		ok, err := s.step()
		if err != nil {
			return err
		}
		if ok {
			sources = append(sources, s)
		}
	}
	var list []uint32
	var word []byte
	for len(sources) > 0 {
		if err := m.alive(); err != nil {
			return err
		}
		least := sources[0]
		for _, s := range sources[1:] {
			if bytes.Compare(s.words.word, least.words.word) < 0 {
				least = s
			}
		}
		word = append(word[:0], least.words.word...)
		list = list[:0]
		rest := sources[:0]
		for _, s := range sources {
			ok := true
			if bytes.Equal(s.words.word, word) {
				var err error
				if list, err = s.append(list); err != nil {
					return err
				}
				if ok, err = s.step(); err != nil {
					return err
				}
			}
			if ok {
				rest = append(rest, s)
			}
		}
		sources = rest
		if !slices.IsSorted(list) {
			slices.Sort(list)
		}
		list = slices.Compact(list)
		m.w.term(word, list)
	}
	m.w.endTerms()
	return m.w.err
}

// idSource gives the digests of one segment in their order.
type idSource struct {
	r    *Reader
	to   []uint32
	next int
	buf  []byte
	rest []byte
	id   ID
	doc  uint32
}

const idsAtOnce = 4096

// step goes to the next digest whose document is wanted.
func (s *idSource) step() (bool, error) {
	for {
		if len(s.rest) == 0 {
			n := min(idsAtOnce, s.r.docs-s.next)
			if n == 0 {
				return false, nil
			}
			var err error
			if s.buf, err = readAt(s.r.src, s.buf, s.r.ids+int64(s.next)*idSize, int64(n)*idSize); err != nil {
				return false, err
			}
			s.rest = s.buf
			s.next += n
		}
		id, doc := ID(s.rest), binary.LittleEndian.Uint32(s.rest[16:])
		s.rest = s.rest[idSize:]
		if int(doc) >= len(s.to) || bytes.Compare(id[:], s.id[:]) < 0 {
			return false, badf("digests are out of order")
		}
		s.id = id
		if s.doc = s.to[doc]; s.doc != Dropped {
			return true, nil
		}
	}
}

func (m *merge) digests([]*Bits) error {
	var sources []*idSource
	for i, r := range m.in {
		s := &idSource{r: r, to: m.to[i]}
		ok, err := s.step()
		if err != nil {
			return err
		}
		if ok {
			sources = append(sources, s)
		}
	}
	written := 0
	var last ID
	for len(sources) > 0 {
		if err := m.alive(); err != nil {
			return err
		}
		at := 0
		for i, s := range sources {
			if bytes.Compare(s.id[:], sources[at].id[:]) < 0 {
				at = i
			}
		}
		s := sources[at]
		if written == 0 || s.id != last {
			m.w.id(s.id, s.doc)
			last = s.id
			written++
		}
		ok, err := s.step()
		if err != nil {
			return err
		}
		if !ok {
			sources = slices.Delete(sources, at, at+1)
		}
	}
	if written != m.w.docs {
		return badf("%d digests of %d documents", written, m.w.docs)
	}
	return m.w.err
}
