package service

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/extract"
	contents "github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/internal/inside"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// ContentQuery says what to look for in what the versions of a phone hold.
type ContentQuery struct {
	Text    string // see search.Query
	Kind    string // only this one; "" is all
	Version string // only this one; "" is all
	After   string // Found.Next of the page before
	Limit   int    // 0 is search.DefaultLimit
}

// Found is a page of what was found.
type Found struct {
	Hits  []*search.Hit
	Next  string // ContentQuery.After of the next page; "" when there is none
	Index Index
}

// Index says how much of the versions asked for can be searched. It is made when it is
// first asked for, in the background.
type Index struct {
	Ready  int    // versions that are in it
	Of     int    // versions that there are
	Sealed int    // of these, those that nobody can look into without their password
	Making bool   // the others are being read just now
	Text   string // what is read
	Err    string // why reading ended the last time, "" when it went well
}

// Complete tells that all that can be searched is searched.
func (x Index) Complete() bool { return x.Ready+x.Sealed >= x.Of }

// indexing is the reading of the versions of a phone into its index.
type indexing struct {
	mu   sync.Mutex
	busy bool
	text string
	err  error
	said time.Time
}

// indexPatience is how long a search waits for an index that has nothing of what was
// asked for: a small phone is read by then.
const indexPatience = 2 * time.Second

// SearchContent finds what was written, in one version of a phone or in all of them.
// What is not in the index yet is read in the background; Found.Index tells how far
// that is. A text that cannot be searched for is search.ErrQuery.
func (s *Service) SearchContent(ctx context.Context, who Who, udid string, q ContentQuery) (found Found, err error) {
	if _, err := s.may(ctx, who, toOpen, udid); err != nil {
		return found, err
	}
	if q.Version != "" {
		if _, err := s.version(ctx, udid, q.Version); err != nil {
			return found, err
		}
	}
	ix, release, err := s.searchIndex(ctx, udid)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, ix.Close()); release() }()
	if found.Index, err = s.indexState(ctx, ix, udid, q.Version); err != nil {
		return found, err
	}
	if !found.Index.Complete() {
		if done := s.readIntoIndex(udid, q.Version); done != nil {
			select {
			case <-done:
			case <-time.After(indexPatience):
			case <-ctx.Done():
				return found, context.Cause(ctx)
			}
		}
		if found.Index, err = s.indexState(ctx, ix, udid, q.Version); err != nil {
			return found, err
		}
	}
	ask := search.Query{Text: q.Text, Limit: q.Limit, After: q.After}
	if q.Kind != "" {
		ask.Kinds = []string{q.Kind}
	}
	if q.Version != "" {
		ask.Versions = []string{q.Version}
	}
	result, err := ix.Search(ctx, ask)
	if err != nil {
		return found, err
	}
	found.Hits, found.Next = result.Hits, result.Next
	return found, nil
}

// searchIndex opens the index of a phone; call release after closing it.
func (s *Service) searchIndex(ctx context.Context, udid string) (*search.Index, func(), error) {
	r, release, err := s.repository(ctx, udid, false)
	if err != nil {
		return nil, nil, err
	}
	ix, err := inside.OpenIndex(ctx, filepath.Join(s.o.Data, "cache"), r, udid)
	if err != nil {
		release()
		return nil, nil, err
	}
	return ix, release, nil
}

// searched are the versions of a phone that may be searched, the newest first, or the
// one that is named.
func (s *Service) searched(ctx context.Context, udid, only string) ([]Version, error) {
	list, err := s.versions(ctx, udid)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(v Version) bool { return v.Media || only != "" && v.ID != only }), nil
}

func (s *Service) indexState(ctx context.Context, ix *search.Index, udid, only string) (x Index, err error) {
	list, err := s.searched(ctx, udid, only)
	if err != nil {
		return x, err
	}
	have, err := ix.Versions()
	if err != nil {
		return x, err
	}
	x.Of = len(list)
	for _, v := range list {
		switch {
		case slices.ContainsFunc(have, func(h search.VersionInfo) bool { return h.ID == v.ID }):
			x.Ready++
		case v.Sealed:
			x.Sealed++ // until its password is typed and it was searched for
		}
	}
	n := s.indexingOf(udid)
	n.mu.Lock()
	defer n.mu.Unlock()
	x.Making, x.Text = n.busy, n.text
	if n.err != nil && !n.busy {
		x.Err = n.err.Error()
	}
	return x, nil
}

func (s *Service) indexingOf(udid string) *indexing {
	n, _ := s.indexes.LoadOrStore(udid, &indexing{})
	return n.(*indexing)
}

// readIntoIndex reads what is missing in the index of a phone, one version after the
// other: the one that is named first, then from the newest on. done is closed when
// the first of them has been read, or cannot be; nil where somebody reads already.
func (s *Service) readIntoIndex(udid, first string) (done <-chan struct{}) {
	n, firstRead := s.indexingOf(udid), make(chan struct{})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy { // who has begun goes on; whoever asks now looks again later
		return nil
	}
	ok := s.spawn(func(ctx context.Context) {
		once := sync.OnceFunc(func() { close(firstRead) })
		defer once()
		err := s.fillIndex(ctx, udid, first, n, once)
		n.mu.Lock()
		n.busy, n.text, n.err = false, "", err
		n.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			s.log.Warn("not all versions can be searched", "phone", udid, "err", err)
		}
		s.tellPhone(udid)
	})
	n.busy = ok
	if !ok {
		close(firstRead)
	}
	return firstRead
}

// fillIndex is readIntoIndex; read is called when a version has been read.
func (s *Service) fillIndex(ctx context.Context, udid, first string, n *indexing, read func()) (err error) {
	ix, release, err := s.searchIndex(ctx, udid)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()); release() }()
	list, err := s.searched(ctx, udid, "")
	if err != nil {
		return err
	}
	have, err := ix.Versions()
	if err != nil {
		return err
	}
	known, gone := map[string]bool{}, []string(nil)
	for _, h := range have {
		known[h.ID] = true
		if !slices.ContainsFunc(list, func(v Version) bool { return v.ID == h.ID }) {
			gone = append(gone, h.ID)
		}
	}
	if err := ix.Forget(ctx, gone...); err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(v Version) bool { return v.ID == first }); i > 0 {
		v := list[i]
		list = slices.Insert(slices.Delete(list, i, i+1), 0, v)
	}
	var failed error
	for _, v := range list {
		if known[v.ID] {
			continue
		}
		err := s.addToIndex(ctx, ix, v, n)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, snapshot.ErrSealed): // its password is not known
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("read the version of %s: %w", v.Time.Format(time.DateOnly), err))
		}
		read()
		s.tellPhone(udid)
	}
	return failed
}

// addToIndex reads a version. The repository is held only meanwhile, so that those who
// need it alone wait for no more than one version.
func (s *Service) addToIndex(ctx context.Context, ix *search.Index, v Version, n *indexing) error {
	return s.withContent(ctx, System, v.UDID, v.ID, func(_ *view, src *extract.Source, _ Version) error {
		return ix.Add(ctx, search.Version{ID: v.ID, Time: v.Time}, contents.All(), src, &indexTold{s, n, v})
	})
}

// indexTold hears how far the reading of a version is.
type indexTold struct {
	*Service
	n *indexing
	v Version
}

// Report implements extract.Reporter. What could not be read is in the index, too.
func (*indexTold) Report(*extract.Problem) {}

// Indexed implements search.Progress.
func (t *indexTold) Indexed(kind string, records int) {
	title := kind
	if x, err := contents.Named(kind); err == nil {
		title = x.Info().Title
	}
	t.n.mu.Lock()
	t.n.text = fmt.Sprintf("%s of %s: %s read", title, t.v.Time.In(t.o.Now().Location()).Format("2 January 2006"), humanize.Comma(int64(records)))
	tell := time.Since(t.n.said) > time.Second
	if tell {
		t.n.said = time.Now()
	}
	t.n.mu.Unlock()
	if tell {
		t.tellPhone(t.v.UDID)
	}
}
