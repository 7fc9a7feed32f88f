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

type none struct{}

func (none) Next(uint32) (uint32, bool, error) { return 0, false, nil }

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
	case *prefixList:
		n := l.set.Count()
		for i := range l.big {
			n += l.big[i].left
		}
		return n
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
	at, end int64 // what is not yet read
	buf     []byte
	i, n    int // what is read and not yet given
	size    int64
	longest int64 // of a read; 0 = longRead
}

const (
	firstRead = 1 << 10
	longRead  = 256 << 10
)

func (s *stream) uvarint() (uint64, error) {
	if s.i < s.n {
		if b := s.buf[s.i]; b < 0x80 { // nearly all are
			s.i++
			return uint64(b), nil
		}
	}
	if s.n-s.i < binary.MaxVarintLen64 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	v, n := binary.Uvarint(s.buf[s.i:s.n])
	if n <= 0 {
		return 0, badf("postings are cut")
	}
	s.i += n
	return v, nil
}

// fill reads on, if there is more.
func (s *stream) fill() error {
	if s.at >= s.end {
		return nil
	}
	longest := s.longest
	if longest == 0 {
		longest = longRead
	}
	s.size = min(max(4*s.size, firstRead), longest)
	more := min(s.size, s.end-s.at)
	keep := s.n - s.i
	buf := s.buf
	if int64(cap(buf)) < more+binary.MaxVarintLen64 {
		buf = make([]byte, more+binary.MaxVarintLen64)
	}
	copy(buf, s.buf[s.i:s.n])
	if _, err := readAt(s.src, buf[keep:keep:cap(buf)], s.at, more); err != nil {
		return err
	}
	s.at += more
	s.buf, s.i, s.n = buf, 0, keep+int(more)
	return nil
}
