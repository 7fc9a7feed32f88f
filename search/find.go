package search

import (
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

// Result is a page of hits.
type Result struct {
	Hits []*Hit `json:"hits"`
	Next string `json:"next,omitempty"` // Query.After of the next page; "" when there is none
}

// Search gives the first hits of a query, see [Index.All].
func (ix *Index) Search(ctx context.Context, q Query) (*Result, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	r := &Result{Hits: []*Hit{}}
	for h, err := range ix.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		if len(r.Hits) == q.Limit {
			r.Next = r.Hits[q.Limit-1].cursor()
			break
		}
		r.Hits = append(r.Hits, h)
	}
	return r, nil
}

// All gives the hits of a query while they are found, without regard to its Limit: what
// has no time first (people, apps), then the newest first. Queries for the same text
// give them in the same order. After an error there is no more; one that wraps
// ErrDamaged has taken versions out of the index, see [Index.Trouble].
func (ix *Index) All(ctx context.Context, q Query) iter.Seq2[*Hit, error] {
	return func(yield func(*Hit, error) bool) {
		err := ix.all(ctx, q, func(h *Hit) bool { return yield(h, nil) })
		if err != nil {
			yield(nil, fmt.Errorf("search: %w", err))
		}
	}
}

func (ix *Index) all(ctx context.Context, q Query, give func(*Hit) bool) error {
	p, err := parse(q.Text)
	if err != nil {
		return err
	}
	st, err := ix.acquire()
	if err != nil {
		return err
	}
	defer ix.release(st)
	f := &finder{ctx: ctx, ix: ix, st: st, q: q, parsed: p, matcher: newMatcher(p)}
	if q.After != "" {
		if f.after, err = parseCursor(q.After); err != nil {
			return err
		}
	}
	err = f.run(give)
	var in *segmentError
	if errors.As(err, &in) && isDamage(err) {
		ix.condemn(in.name, err)
	}
	return err
}

// segmentError says in which file an error was met.
type segmentError struct {
	name string
	err  error
}

func (e *segmentError) Error() string { return e.name + ": " + e.err.Error() }
func (e *segmentError) Unwrap() error {
	if errors.Is(e.err, segment.ErrFormat) {
		return errors.Join(ErrDamaged, e.err)
	}
	return e.err
}

// cursor is a place in the order of documents.
type cursor struct {
	rank int64
	id   segment.ID
}

func (h *Hit) cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(h.rank))
	return base64.RawURLEncoding.EncodeToString(append(b, h.id[:]...))
}

func parseCursor(s string) (*cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 24 {
		return nil, fmt.Errorf("%w: %q is not what a search gave", ErrQuery, s)
	}
	return &cursor{int64(binary.BigEndian.Uint64(b)), segment.ID(b[8:])}, nil
}

// finder answers a query.
type finder struct {
	ctx context.Context
	ix  *Index
	st  *state
	q   Query
	*parsed
	matcher *matcher
	after   *cursor
	steps   int
}

// scope is a query in one segment.
type scope struct {
	seg  *openSegment
	docs *segment.Docs
	list segment.List
	next uint32
	// The hit that is next.
	at   uint32
	rank int64
	doc  *segment.Doc
}

func (s *scope) wrap(err error) error {
	var in *segmentError
	if err == nil || errors.As(err, &in) {
		return err
	}
	return &segmentError{s.seg.ref.Name, err}
}

// step goes to the next document.
func (s *scope) step() (bool, error) {
	at, ok, err := s.list.Next(s.next)
	if err != nil || !ok {
		return false, s.wrap(err)
	}
	s.at, s.next = at, at+1
	if s.rank, err = s.docs.Rank(at); err != nil {
		return false, s.wrap(err)
	}
	s.doc, err = s.docs.Get(at)
	return true, s.wrap(err)
}

type scopes []*scope

func (h scopes) Len() int { return len(h) }
func (h scopes) Less(i, j int) bool {
	if h[i].rank != h[j].rank {
		return h[i].rank > h[j].rank
	}
	return string(h[i].doc.ID[:]) < string(h[j].doc.ID[:])
}
func (h scopes) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *scopes) Push(x any)   { *h = append(*h, x.(*scope)) }
func (h *scopes) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (f *finder) run(give func(*Hit) bool) error {
	var h scopes
	for i := range f.st.segments {
		s, err := f.scope(i)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		if ok, err := s.step(); err != nil {
			return err
		} else if ok {
			h = append(h, s)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		s := h[0]
		hit, err := f.hit(s)
		if err != nil {
			return err
		}
		if !give(hit) {
			return nil
		}
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
	return nil
}

// scope prepares a query in a segment; nil when nothing can be there.
func (f *finder) scope(i int) (*scope, error) {
	seg := f.st.segments[i]
	s := &scope{seg: seg, docs: seg.NewDocs()}
	within, ok := f.within(i)
	kinds := f.kinds(seg)
	if !ok || len(f.q.Kinds) > 0 && len(kinds) == 0 {
		return nil, nil
	}
	from, to, err := f.span(s)
	if err != nil || from >= to {
		return nil, s.wrap(err)
	}
	lists := []segment.List{segment.Every(from, to)}
	for _, c := range f.must {
		l, err := s.clause(c)
		if err != nil {
			return nil, s.wrap(err)
		}
		lists = append(lists, l)
	}
	list := segment.And(lists...)
	list = segment.Only(list, func(doc uint32) (bool, error) {
		if f.steps++; f.steps%1024 == 0 && f.ctx.Err() != nil {
			return false, f.ctx.Err()
		}
		if within != nil && !slices.ContainsFunc(within, func(b *segment.Bits) bool { return b.Has(doc) }) {
			return false, nil
		}
		if len(f.q.Kinds) == 0 {
			return true, nil
		}
		k, err := s.docs.Kind(doc)
		return err == nil && slices.Contains(kinds, k), err
	})
	for _, n := range f.not {
		if len(n) > 1 {
			continue
		}
		out, err := s.term(n[0])
		if err != nil {
			return nil, s.wrap(err)
		}
		list = segment.Not(list, out)
	}
	if f.verify || slices.ContainsFunc(f.not, func(n sequence) bool { return len(n) > 1 }) {
		list = segment.Only(list, func(doc uint32) (bool, error) {
			d, err := s.docs.Get(doc)
			return err == nil && f.matcher.matches(&d.Entry), err
		})
	}
	s.list = list
	return s, nil
}

// within gives the documents in which to look; ok is false when there are none.
func (f *finder) within(i int) (list []*segment.Bits, ok bool) {
	seg := f.st.segments[i]
	switch {
	case f.q.Latest:
		if v := f.st.newest(); v != nil {
			list = append(list, v.docs(seg))
		}
	case len(f.q.Versions) > 0:
		for _, v := range f.st.versions {
			if slices.Contains(f.q.Versions, v.ID) {
				list = append(list, v.docs(seg))
			}
		}
	default:
		list = append(list, f.st.union[i]())
	}
	list = slices.DeleteFunc(list, func(b *segment.Bits) bool { return b == nil })
	return list, len(list) > 0
}

// kinds gives the numbers of the kinds that are asked for.
func (f *finder) kinds(seg *openSegment) []byte {
	var list []byte
	for i, k := range seg.Kinds() {
		if slices.Contains(f.q.Kinds, k) {
			list = append(list, byte(i))
		}
	}
	return list
}

// span gives the documents of the time that is asked for, and after the cursor.
func (f *finder) span(s *scope) (from, to uint32, err error) {
	to = uint32(s.seg.Docs())
	below := func(rank int64) (n uint32) {
		if err == nil {
			n, err = s.docs.FirstBelow(rank)
		}
		return n
	}
	if !f.q.From.IsZero() || !f.q.To.IsZero() {
		from = below(segment.Timeless)
	}
	if !f.q.To.IsZero() {
		from = max(from, below(segment.Rank(f.q.To)))
	}
	if !f.q.From.IsZero() {
		to = below(segment.Rank(f.q.From))
	}
	if f.after != nil && err == nil {
		var n uint32
		n, err = s.docs.FirstAfter(f.after.rank, f.after.id)
		from = max(from, n)
	}
	return from, to, err
}

func (s *scope) clause(c clause) (segment.List, error) {
	var ways []segment.List
	for _, way := range c {
		var all []segment.List
		for _, q := range way {
			for _, t := range q {
				l, err := s.term(t)
				if err != nil {
					return nil, err
				}
				all = append(all, l)
			}
		}
		ways = append(ways, segment.And(all...))
	}
	return segment.Or(ways...), nil
}

func (s *scope) term(t term) (segment.List, error) {
	if t.prefix {
		return s.seg.Prefix(t.text)
	}
	return s.seg.Term(t.text)
}
