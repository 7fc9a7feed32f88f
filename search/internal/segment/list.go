package segment

import (
	"encoding/binary"
	"slices"
)

// List is documents in their order. It is for one goroutine.
type List interface {
	// Next gives the first document that is not before at; at never goes back. False
	// says that there is none.
	Next(at uint32) (uint32, bool, error)
}

// Term lists the documents with a word.
func (r *Reader) Term(word string) (List, error) {
	t, ok, err := r.find(word)
	if err != nil || !ok {
		return none{}, err
	}
	return r.postingsOf(t), nil
}

// Prefix lists the documents with a word that begins with prefix.
func (r *Reader) Prefix(prefix string) (List, error) {
	terms, err := r.prefix(prefix)
	switch {
	case err != nil:
		return nil, err
	case len(terms) == 0:
		return none{}, nil
	case len(terms) == 1:
		return r.postingsOf(terms[0]), nil
	}
	set := NewBits(r.docs)
	// Their postings are neighbours: they are read through together.
	first, last := terms[0], terms[len(terms)-1]
	all := stream{src: r.src, at: first.at, end: last.at + last.size}
	for _, t := range terms {
		p := postings{stream: &all, left: t.docs, docs: r.docs}
		for p.left > 0 {
			if err := p.step(); err != nil {
				return nil, err
			}
			set.Set(p.doc)
		}
	}
	return setList{set}, nil
}

type none struct{}

func (none) Next(uint32) (uint32, bool, error) { return 0, false, nil }

type setList struct{ *Bits }

func (s setList) Next(at uint32) (uint32, bool, error) {
	doc, ok := s.Bits.Next(at)
	return doc, ok, nil
}

// Every lists all documents from one to before another.
func Every(from, to uint32) List { return every{from, to} }

type every struct{ from, to uint32 }

func (e every) Next(at uint32) (uint32, bool, error) {
	at = max(at, e.from)
	return at, at < e.to, nil
}

// And lists the documents that are in all lists.
func And(lists ...List) List {
	if len(lists) == 1 {
		return lists[0]
	}
	lists = slices.Clone(lists)
	slices.SortStableFunc(lists, func(a, b List) int { return size(a) - size(b) })
	return and(lists)
}

// size is about how many documents a list has: the shortest leads.
func size(l List) int {
	switch l := l.(type) {
	case none:
		return 0
	case *postings:
		return l.left
	case setList:
		return l.Count()
	case and:
		return size(l[0])
	}
	return MaxDocs
}

type and []List

func (a and) Next(at uint32) (uint32, bool, error) {
	for agreed := 0; agreed < len(a); {
		for i, l := range a {
			doc, ok, err := l.Next(at)
			if err != nil || !ok {
				return 0, false, err
			}
			if doc != at && i > 0 || doc > at {
				at, agreed = doc, 0
				if i > 0 {
					break
				}
			}
			agreed++
		}
	}
	return at, true, nil
}

// Or lists the documents that are in any list.
func Or(lists ...List) List {
	if len(lists) == 1 {
		return lists[0]
	}
	o := make(or, len(lists))
	for i, l := range lists {
		o[i] = &ahead{list: l}
	}
	return o
}

type or []*ahead

func (o or) Next(at uint32) (uint32, bool, error) {
	best, found := uint32(0), false
	for _, l := range o {
		doc, ok, err := l.next(at)
		if err != nil {
			return 0, false, err
		}
		if ok && (!found || doc < best) {
			best, found = doc, true
		}
	}
	return best, found, nil
}

// ahead remembers what a list gave last, so that it can be asked again for less.
type ahead struct {
	list  List
	begun bool
	doc   uint32
	ok    bool
}

func (a *ahead) next(at uint32) (uint32, bool, error) {
	if a.begun && (!a.ok || a.doc >= at) {
		return a.doc, a.ok, nil
	}
	var err error
	a.begun = true
	a.doc, a.ok, err = a.list.Next(at)
	return a.doc, a.ok, err
}

// Not lists the documents of l that are not in without.
func Not(l, without List) List { return &not{l, ahead{list: without}} }

type not struct {
	List
	without ahead
}

func (n *not) Next(at uint32) (uint32, bool, error) {
	for {
		doc, ok, err := n.List.Next(at)
		if err != nil || !ok {
			return 0, false, err
		}
		out, ok, err := n.without.next(doc)
		if err != nil {
			return 0, false, err
		}
		if !ok || out != doc {
			return doc, true, nil
		}
		at = doc + 1
	}
}

// Only lists the documents of l that keep keeps.
func Only(l List, keep func(doc uint32) (bool, error)) List { return &only{l, keep} }

type only struct {
	List
	keep func(uint32) (bool, error)
}

func (o *only) Next(at uint32) (uint32, bool, error) {
	for {
		doc, ok, err := o.List.Next(at)
		if err != nil || !ok {
			return 0, false, err
		}
		if ok, err = o.keep(doc); err != nil || ok {
			return doc, ok, err
		}
		at = doc + 1
	}
}

// postingsOf reads the documents of a word while they are asked for.
func (r *Reader) postingsOf(t termAt) List {
	return &postings{stream: &stream{src: r.src, at: t.at, end: t.at + t.size}, left: t.docs, docs: r.docs}
}

type postings struct {
	*stream
	left  int // not yet read
	docs  int
	doc   uint32
	begun bool
}

func (p *postings) step() error {
	more, err := p.uvarint()
	if err != nil {
		return err
	}
	if more == 0 && p.begun || more >= uint64(p.docs) || uint64(p.doc)+more >= uint64(p.docs) {
		return badf("document %d + %d of %d in the postings", p.doc, more, p.docs)
	}
	p.doc += uint32(more)
	p.begun = true
	p.left--
	return nil
}

func (p *postings) Next(at uint32) (uint32, bool, error) {
	for !p.begun || p.doc < at {
		if p.left == 0 {
			return 0, false, nil
		}
		if err := p.step(); err != nil {
			return 0, false, err
		}
	}
	return p.doc, true, nil
}

// stream reads uvarints one after the other; more at once the more there are.
type stream struct {
	src     Source
	at, end int64
	buf     []byte
	rest    []byte
	size    int64
}

const (
	firstRead = 1 << 10
	longRead  = 256 << 10
)

func (s *stream) uvarint() (uint64, error) {
	if len(s.rest) > 0 && s.rest[0] < 0x80 { // nearly all are
		v := uint64(s.rest[0])
		s.rest = s.rest[1:]
		return v, nil
	}
	if len(s.rest) < binary.MaxVarintLen64 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	v, n := binary.Uvarint(s.rest)
	if n <= 0 {
		return 0, badf("postings are cut")
	}
	s.rest = s.rest[n:]
	return v, nil
}

// fill reads on, if there is more.
func (s *stream) fill() error {
	if s.at >= s.end {
		return nil
	}
	s.size = min(max(4*s.size, firstRead), longRead)
	n := min(s.size, s.end-s.at)
	keep := len(s.rest)
	buf := s.buf
	if int64(cap(buf)) < n+binary.MaxVarintLen64 {
		buf = make([]byte, n+binary.MaxVarintLen64)
	}
	buf = buf[:cap(buf)]
	copy(buf, s.rest)
	if _, err := readAt(s.src, buf[keep:keep:cap(buf)], s.at, n); err != nil {
		return err
	}
	s.at += n
	s.buf, s.rest = buf, buf[:int64(keep)+n]
	return nil
}
