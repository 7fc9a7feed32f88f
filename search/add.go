package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/search/internal/sealed"
	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

// runSize is how many bytes of memory new documents may take until they are written.
const runSize = 48 << 20

// Progress may be implemented by the Reporter of Add, to hear how far it is.
type Progress interface {
	// Indexed tells how many records of a kind were read so far; now and then, and at
	// the end of the kind.
	Indexed(kind string, records int)
}

// Add reads a version and puts it into the index, in the place of what the index has of
// it. Kinds that cannot be read are in the version's Kinds, and rep hears of them as of
// single records; they are no error. rep may be nil.
//
// An error, also a cancelled context, leaves the index as it was. Another process that
// writes is a *lockfile.HeldError.
func (ix *Index) Add(ctx context.Context, v Version, readers []extract.Extractor, src *extract.Source, rep extract.Reporter) error {
	if err := validID(v.ID); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	var err error
	for range 3 { // what is found to be damaged is out of the index in the next try
		err = ix.write(ctx, func(c *change) error {
			a := &adding{ctx: ctx, change: c, coder: segment.NewCoder(ix.key.Hash()), builder: segment.NewBuilder(), rep: rep}
			return a.version(v, readers, src)
		})
		if err == nil {
			return nil
		}
		if !isDamage(err) {
			break
		}
	}
	return fmt.Errorf("index version %s: %w", v.ID, err)
}

// adding is a version on its way into the index.
type adding struct {
	ctx context.Context
	*change
	coder   *segment.Coder
	builder *segment.Builder
	known   []known
	runs    []*openSegment
	rep     extract.Reporter
	kind    *Kind
	err     error // of the index, not of what is read
}

// known are the documents of a segment, and those that the version has.
type known struct {
	*openSegment
	lookup *segment.Lookup
	has    *segment.Bits
}

func (a *adding) version(v Version, readers []extract.Extractor, src *extract.Source) error {
	if err := a.loadKnown(v.Parent); err != nil {
		return err
	}
	info := VersionInfo{Version: v}
	for _, x := range readers {
		k, err := a.read(x, src)
		if err != nil {
			return err
		}
		info.Kinds = append(info.Kinds, k)
	}
	list := make([]presence, 0, len(a.known)+1)
	for _, k := range a.known {
		list = append(list, presence{k.ref.Name, k.has})
	}
	a.known = nil // their memory is for the merge
	fresh, err := a.finish()
	if err != nil {
		return err
	}
	if fresh != nil {
		list = append(list, presence{fresh.ref.Name, segment.All(fresh.Docs())})
	}
	a.versions = slices.DeleteFunc(a.versions, func(m manifestVersion) bool { return m.ID == v.ID })
	if len(a.versions) >= maxVersions {
		return fmt.Errorf("more than %d versions", maxVersions)
	}
	m := manifestVersion{VersionInfo: info}
	if err := a.setDocs(&m, list); err != nil {
		return err
	}
	a.versions = append(a.versions, m)
	return a.tidy(a.ctx, tidyAdd)
}

// loadKnown reads the digests of all documents. Segments of which the parent has most
// are asked first.
func (a *adding) loadKnown(parent string) error {
	weight := map[*openSegment]int{}
	for _, v := range a.from.versions {
		if v.ID == parent || parent == "" {
			for _, s := range v.segs {
				weight[s] = v.docs(s).Count()
			}
		}
	}
	for _, s := range a.segments {
		l, err := s.NewLookup()
		if err != nil {
			if isDamage(err) { // what needs it is lost, and will be added again
				a.ix.condemn(s.ref.Name, err)
			}
			return err
		}
		a.known = append(a.known, known{s, l, segment.NewBits(s.Docs())})
	}
	slices.SortStableFunc(a.known, func(x, y known) int { return weight[y.openSegment] - weight[x.openSegment] })
	return nil
}

// read reads a kind. Only what concerns the index is an error.
func (a *adding) read(x extract.Extractor, src *extract.Source) (Kind, error) {
	i := x.Info()
	k := Kind{Kind: i.Kind, State: Read}
	a.kind = &k
	err := x.Read(a.ctx, src, extract.Query{}, a)
	switch {
	case a.err != nil:
		return k, a.err
	case a.ctx.Err() != nil:
		return k, a.ctx.Err()
	case errors.Is(err, extract.ErrAbsent):
		k.State, k.Needs = Absent, i.Needs
	case err != nil:
		k.State, k.Error = Failed, shorten(err.Error(), 1000)
		if a.rep != nil {
			a.rep.Report(&extract.Problem{Kind: k.Kind, What: i.Title, Err: err})
		}
	}
	a.tell()
	return k, nil
}

func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

func (a *adding) tell() {
	if p, ok := a.rep.(Progress); ok {
		p.Indexed(a.kind.Kind, a.kind.Records)
	}
}

// Report implements extract.Emitter.
func (a *adding) Report(p *extract.Problem) {
	a.kind.Problems++
	if a.rep == nil {
		return
	}
	if p.Kind == "" {
		named := *p
		named.Kind = a.kind.Kind
		p = &named
	}
	a.rep.Report(p)
}

// Emit implements extract.Emitter: a record is one that is known, or it is new.
func (a *adding) Emit(r extract.Record) error {
	if a.err != nil {
		return a.err
	}
	if a.kind.Records++; a.kind.Records%4096 == 0 {
		if a.err = a.ctx.Err(); a.err != nil {
			return a.err
		}
		a.tell()
	}
	e := r.Entry()
	id, encoded := a.coder.Encode(a.kind.Kind, &e)
	for i := range a.known {
		if doc, ok := a.known[i].lookup.Find(id); ok {
			a.known[i].has.Set(doc)
			return nil
		}
	}
	a.builder.Add(id, encoded, a.kind.Kind, &e)
	if a.builder.Size() >= a.ix.runSize {
		a.err = a.spill()
	}
	return a.err
}

// spill writes the new documents so far.
func (a *adding) spill() error {
	if a.builder.Len() == 0 {
		return nil
	}
	if err := a.ix.crash("new documents are written"); err != nil {
		return err
	}
	run, err := a.newSegment(segmentPrefix, func(w *sealed.Writer) error { return a.builder.Write(w) })
	if err != nil {
		return err
	}
	a.builder.Reset()
	a.runs = append(a.runs, run)
	if len(a.runs) < maxRuns {
		return nil
	}
	_, err = a.joinRuns()
	return err
}

// maxRuns is how many files of new documents there may be: a merge has buffers for
// each.
const maxRuns = 48

// joinRuns makes one of the new documents' files.
func (a *adding) joinRuns() (*openSegment, error) {
	if len(a.runs) < 2 {
		return slices.Concat(a.runs, []*openSegment{nil})[0], nil
	}
	readers := make([]*segment.Reader, len(a.runs))
	for i, r := range a.runs {
		readers[i] = r.Reader
	}
	joined, err := a.newSegment(segmentPrefix, func(w *sealed.Writer) error {
		_, err := segment.Merge(a.ctx, w, readers, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.drop(a.runs)
	a.runs = []*openSegment{joined}
	return joined, nil
}

// finish writes the rest of the new documents and gives all of them as one segment;
// nil when there are none.
func (a *adding) finish() (*openSegment, error) {
	if err := a.spill(); err != nil {
		return nil, err
	}
	a.builder = nil
	return a.joinRuns()
}
