package search

import (
	"bytes"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/search/internal/segment"
	"github.com/keepsake-backup/keepsake/search/internal/words"
)

// Range is a part of a text, in bytes.
type Range struct {
	Start int `json:"start"`
	End   int `json:"end"` // behind it
}

// matcher looks for a query in a record, word by word.
type matcher struct {
	*parsed
	terms  []term
	first  map[*term]int // number of a sequence's first term in terms
	cutter words.Cutter
	fields [3][][]place // of each field, of each term: where it is
}

type place struct {
	pos        int
	start, end int
}

func newMatcher(p *parsed) *matcher {
	m := &matcher{parsed: p, first: map[*term]int{}}
	add := func(s sequence) {
		m.first[&s[0]] = len(m.terms)
		m.terms = append(m.terms, s...)
	}
	for _, c := range p.must {
		for _, way := range c {
			for _, s := range way {
				add(s)
			}
		}
	}
	for _, s := range p.not {
		add(s)
	}
	for i := range m.fields {
		m.fields[i] = make([][]place, len(m.terms))
	}
	return m
}

// scan looks for all words in a record.
func (m *matcher) scan(e *extract.Entry) {
	for i, text := range segment.Fields(e) {
		found := m.fields[i]
		for j := range found {
			found[j] = found[j][:0]
		}
		m.cutter.Each(text, func(t words.Token) {
			for j := range m.terms {
				want := &m.terms[j]
				if len(t.Term) < len(want.text) || !want.prefix && len(t.Term) > len(want.text) || !bytes.HasPrefix(t.Term, []byte(want.text)) {
					continue
				}
				found[j] = append(found[j], place{t.Pos, t.Start, t.End})
			}
		})
	}
}

// at gives where a sequence is in a field, each of its words.
func (m *matcher) at(field int, s sequence) []Range {
	n := m.first[&s[0]]
	found := m.fields[field]
	var list []Range
	for _, start := range found[n] {
		at := []Range{{start.start, start.end}}
		for i := 1; i < len(s); i++ {
			want := start.pos + s[i].pos - s[0].pos
			p, ok := slices.BinarySearchFunc(found[n+i], want, func(p place, want int) int { return p.pos - want })
			if !ok {
				break
			}
			at = append(at, Range{found[n+i][p].start, found[n+i][p].end})
		}
		if len(at) == len(s) {
			list = append(list, at...)
		}
	}
	return list
}

func (m *matcher) has(s sequence) bool {
	for field := range m.fields {
		if len(m.at(field, s)) > 0 {
			return true
		}
	}
	return false
}

// matches tells whether a record is what the query looks for.
func (m *matcher) matches(e *extract.Entry) bool {
	m.scan(e)
	for _, c := range m.must {
		if !slices.ContainsFunc(c, func(way []sequence) bool {
			return !slices.ContainsFunc(way, func(s sequence) bool { return !m.has(s) })
		}) {
			return false
		}
	}
	return !slices.ContainsFunc(m.not, m.has)
}

// marks gives, after scan, where in a field is what was looked for, in order and
// without overlaps.
func (m *matcher) marks(field int) []Range {
	var list []Range
	for _, c := range m.must {
		for _, way := range c {
			for _, s := range way {
				list = append(list, m.at(field, s)...)
			}
		}
	}
	slices.SortFunc(list, func(a, b Range) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return a.End - b.End
	})
	out := list[:0]
	for _, r := range list {
		if n := len(out); n > 0 && r.Start <= out[n-1].End && (r.Start < out[n-1].End || r.End == out[n-1].End) {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}
