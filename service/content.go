package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/export"
	contents "github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/inside"
)

// maxRecords bounds a page of records, whatever was asked for.
const maxRecords = 500

// toldProblems is how many things that could not be read are told with a page.
const toldProblems = 5

// ContentState says how a kind of content is in a version.
type ContentState string

// The three answers of package extract, and that of a kind not asked yet.
const (
	ContentThere  ContentState = "there"
	ContentEmpty  ContentState = "empty" // there is a store with nothing in it
	ContentAbsent ContentState = "absent"
	ContentFailed ContentState = "failed"
)

// ContentKind is a kind of content of a version.
type ContentKind struct {
	extract.Info
	Formats  []extract.Format // in which it can be had; the first is the usual one
	Previews bool             // its records have pictures
	State    ContentState
	Why      string // of ContentFailed, in words
}

// RecordPage is a page of records.
type RecordPage struct {
	Version  Version
	Kind     ContentKind
	Records  []extract.Record
	Next     int      // Query.Skip of the next page; 0 = this is the last
	Problems []string // what could not be read, the first few
	More     int      // problems that are not in Problems
}

// looking is what a view keeps for readers of content.
type looking struct {
	mu     sync.Mutex
	source *extract.Source
	kinds  []ContentKind
}

// content gives the source of a view. It is closed with the view.
func (v *view) content() (*extract.Source, error) {
	v.looking.mu.Lock()
	defer v.looking.mu.Unlock()
	if v.looking.source != nil {
		return v.looking.source, nil
	}
	// It outlives the request: databases stay open for the next one.
	ctx := v.session.Context()
	if v.phone != nil {
		v.looking.source = inside.OfSnapshot(ctx, v.phone)
		return v.looking.source, nil
	}
	var err error
	v.looking.source, err = inside.OfMedia(ctx, v.session, v.info)
	return v.looking.source, err
}

// withContent lets fn look at the contents of a version.
func (s *Service) withContent(ctx context.Context, who Who, udid, version string, fn func(*view, *extract.Source, Version) error) error {
	return s.look(ctx, who, udid, version, func(v *view, _ fs.FS, info Version) error {
		src, err := v.content()
		if err != nil {
			return err
		}
		return fn(v, src, info)
	})
}

// Kinds tells which kinds of content a version has.
func (s *Service) Kinds(ctx context.Context, who Who, udid, version string) ([]ContentKind, error) {
	var list []ContentKind
	err := s.withContent(ctx, who, udid, version, func(v *view, src *extract.Source, _ Version) error {
		v.looking.mu.Lock()
		list = v.looking.kinds
		v.looking.mu.Unlock()
		if list != nil {
			return nil
		}
		for _, x := range contents.All() {
			k := describe(x)
			k.State, k.Why = contentState(ctx, x, src)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			list = append(list, k)
		}
		v.looking.mu.Lock()
		v.looking.kinds = list
		v.looking.mu.Unlock()
		return nil
	})
	return list, err
}

func describe(x extract.Extractor) ContentKind {
	_, previews := x.(extract.Previewer)
	return ContentKind{Info: x.Info(), Formats: export.Formats(x), Previews: previews}
}

// contentState looks for one record.
func contentState(ctx context.Context, x extract.Extractor, src *extract.Source) (ContentState, string) {
	page := &collected{limit: 1}
	err := x.Read(ctx, src, extract.Query{Limit: 1}, page)
	switch {
	case errors.Is(err, extract.ErrAbsent):
		return ContentAbsent, ""
	case err != nil:
		return ContentFailed, err.Error()
	case len(page.records) == 0 && page.problems > 0:
		return ContentFailed, page.told[0]
	case len(page.records) == 0:
		return ContentEmpty, ""
	}
	return ContentThere, ""
}

// collected takes a page of records.
type collected struct {
	limit    int // one more is taken, to know whether there are more
	records  []extract.Record
	told     []string
	problems int
}

// Emit implements extract.Emitter.
func (c *collected) Emit(r extract.Record) error {
	c.records = append(c.records, r)
	if len(c.records) > c.limit {
		return extract.ErrStop
	}
	return nil
}

// Report implements extract.Emitter.
func (c *collected) Report(p *extract.Problem) {
	if c.problems++; len(c.told) < toldProblems {
		c.told = append(c.told, p.Error())
	}
}

// reader finds the reader of a kind; fs.ErrNotExist when there is none.
func reader(kind string) (extract.Extractor, error) {
	x, err := contents.Named(kind)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return x, nil
}

// Groups lists what the records of a kind lie in: albums, conversations. A kind that
// is not in the version is extract.ErrAbsent.
func (s *Service) Groups(ctx context.Context, who Who, udid, version, kind string) (groups []extract.Group, err error) {
	x, err := reader(kind)
	if err != nil {
		return nil, err
	}
	err = s.withContent(ctx, who, udid, version, func(_ *view, src *extract.Source, _ Version) error {
		groups, err = x.Groups(ctx, src)
		return unread(err)
	})
	return groups, err
}

// Records gives a page of the records that q chooses; a Limit of 0 is the most that
// there is in a page. A kind that is not in the version is extract.ErrAbsent.
func (s *Service) Records(ctx context.Context, who Who, udid, version, kind string, q extract.Query) (RecordPage, error) {
	x, err := reader(kind)
	if err != nil {
		return RecordPage{}, err
	}
	if q.Limit <= 0 || q.Limit > maxRecords {
		q.Limit = maxRecords
	}
	q.Skip = max(q.Skip, 0)
	page := RecordPage{Kind: describe(x)}
	err = s.withContent(ctx, who, udid, version, func(_ *view, src *extract.Source, info Version) error {
		page.Version = info
		c := &collected{limit: q.Limit}
		more := q
		more.Limit++
		if err := x.Read(ctx, src, more, c); err != nil {
			return unread(err)
		}
		page.Kind.State = ContentThere
		page.Records, page.Problems, page.More = c.records, c.told, c.problems-len(c.told)
		if len(page.Records) > q.Limit {
			page.Records, page.Next = page.Records[:q.Limit], q.Skip+q.Limit
		}
		return nil
	})
	return page, err
}

// unread tells people what to do about a kind that cannot be read.
func unread(err error) error {
	switch {
	case err == nil, errors.Is(err, extract.ErrAbsent), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &HintError{fmt.Errorf("it could not be read: %w", err), "The other kinds and the files are not touched by this. An earlier or later version may have it whole."}
}

// Preview gives a small picture of a record, about size pixels large.
// extract.ErrNoPreview says that none can be had.
func (s *Service) Preview(ctx context.Context, who Who, udid, version, kind, key string, size int) (p extract.Preview, err error) {
	x, err := reader(kind)
	if err != nil {
		return p, err
	}
	previewer, ok := x.(extract.Previewer)
	if !ok {
		return p, extract.ErrNoPreview
	}
	err = s.withContent(ctx, who, udid, version, func(_ *view, src *extract.Source, _ Version) error {
		p, err = previewer.Preview(ctx, src, key, size)
		return err
	})
	return p, err
}

// Extract writes a kind as a ZIP to w: started is called before the first byte, when
// it is known that there is something. The error after that is for the log: what was
// sent has to be cut off. The result counts what could not be read.
func (s *Service) Extract(ctx context.Context, who Who, udid, version, kind string, o extract.ExportOptions, started func(Version, extract.Info) io.Writer) (problems int, err error) {
	x, err := reader(kind)
	if err != nil {
		return 0, err
	}
	err = s.withContent(ctx, who, udid, version, func(_ *view, src *extract.Source, info Version) error {
		if err := x.Read(ctx, src, extract.Query{Group: o.Query.Group, Limit: 1}, &collected{limit: 1}); err != nil {
			return unread(err)
		}
		out := outtree.NewZip(started(info, x.Info()))
		told := &collected{}
		err := export.Write(ctx, x, src, o, out, told)
		if err == nil && told.problems > 0 {
			_, err = out.Put(ctx, outtree.File{Path: []string{"Could not be read.txt"}, Key: "problems"}, func(w io.Writer) error {
				for _, line := range told.told {
					if _, err := fmt.Fprintln(w, line); err != nil {
						return err
					}
				}
				if more := told.problems - len(told.told); more > 0 {
					_, err := fmt.Fprintf(w, "and %d more\n", more)
					return err
				}
				return nil
			})
		}
		problems = told.problems
		if err != nil {
			return err // without its end a ZIP is not taken for a whole one
		}
		return out.Close()
	})
	return problems, err
}
