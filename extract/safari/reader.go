package safari

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strconv"

	"github.com/keepsake-backup/keepsake/extract"
)

// folders are where Safari's stores are: with the system's, or with the app's own files.
// A phone that was updated may have a store in both.
var folders = []string{"HomeDomain/Library/Safari", "AppDomain-com.apple.mobilesafari/Library/Safari"}

// Names of the stores in it. A pattern may match several.
var storeFiles = []struct {
	pattern string
	tables  []string
	// open opens the store at p. Its keys begin with label, which tells it from one of
	// the same name in the other folder.
	open func(ctx context.Context, src *extract.Source, p, label string) (store, error)
}{
	{"Bookmarks.db", []string{tableBookmarks, tableReading}, openBookmarks},
	{"History.db", []string{tableHistory}, openHistory},
	{"Profiles/*/History.db", []string{tableHistory}, openHistory},
	{"BrowserState.db", []string{tableTabs}, openBrowserState},
	{"SafariTabs.db", []string{tableTabs}, openSafariTabs},
	{"CloudTabs.db", []string{tableTabs}, openCloudTabs},
}

// store is an open database of Safari.
type store interface {
	groups(ctx context.Context) ([]extract.Group, error)
	// records gives those that q chooses, all of one table after the other, in the order
	// that q asks for. Skip is not applied; of a Limit more may be given.
	records(ctx context.Context, q extract.Query) iter.Seq2[record, error]
}

// opened is a store with its path.
type opened struct {
	store
	path   string
	tables []string
}

// Reader reads Safari's stores.
type Reader struct{}

// New makes a Reader.
func New() *Reader { return &Reader{} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	info := extract.Info{Kind: "safari", Title: "Safari", Groups: "folders", Tables: tables, Needs: "an encrypted backup, for history and tabs"}
	for _, dir := range folders {
		for _, f := range storeFiles {
			info.Paths = append(info.Paths, path.Join(dir, f.pattern))
		}
	}
	return info
}

// open opens the stores that hold a table; "" is all. What cannot be opened is reported,
// unless nothing else is there.
func open(ctx context.Context, src *extract.Source, table string, rep extract.Reporter) ([]opened, error) {
	var found []opened
	var broken []error
	there := map[string]string{} // by pattern: the first folder that has it
	for _, dir := range folders {
		for _, f := range storeFiles {
			for _, p := range src.Find(path.Join(dir, f.pattern)) {
				label := ""
				if first := there[f.pattern]; first == "" {
					there[f.pattern] = dir
				} else if first != dir {
					label = "app"
				}
				if table != "" && !slices.Contains(f.tables, table) {
					continue
				}
				s, err := f.open(ctx, src, p, label)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err != nil {
					broken = append(broken, err)
					rep.Report(&extract.Problem{Kind: "safari", What: p, Err: err})
					continue
				}
				found = append(found, opened{s, p, f.tables})
			}
		}
	}
	switch {
	case len(there) == 0:
		return nil, fmt.Errorf("read Safari: %s: %w", folders[0], extract.ErrAbsent)
	case len(found) == 0 && len(broken) > 0:
		return nil, fmt.Errorf("read Safari: %w", broken[0])
	}
	return found, nil
}

// Groups implements extract.Extractor: folders of bookmarks, the reading list, the
// history of each profile, groups of tabs and devices.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	stores, err := open(ctx, src, "", silent{})
	if err != nil {
		return nil, err
	}
	var groups []extract.Group
	var broken error
	worked := 0
	for _, s := range stores {
		list, err := s.groups(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			broken = fmt.Errorf("read Safari: %w", err)
			continue
		}
		worked++
		groups = append(groups, list...)
	}
	if worked == 0 && broken != nil {
		return nil, broken
	}
	return groups, nil
}

type silent struct{}

func (silent) Report(*extract.Problem) {}

// Read implements extract.Extractor: the bookmarks in the order of their folders, then
// the reading list, the history and the tabs; or everything, the newest first.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	if q.Table != "" && !slices.ContainsFunc(tables, func(t extract.Table) bool { return t.Name == q.Table }) {
		return nil
	}
	stores, err := open(ctx, src, q.Table, out)
	if err != nil {
		return err
	}
	r := &reading{ctx: ctx, out: out, page: extract.Page{Query: q}, stores: len(stores)}
	if q.Limit > 0 {
		q.Limit += max(q.Skip, 0)
	}
	if q.Newest {
		return extract.Done(r.merge(stores, q))
	}
	for _, t := range tables {
		if q.Table != "" && q.Table != t.Name {
			continue
		}
		one := q
		one.Table = t.Name
		having := slices.DeleteFunc(slices.Clone(stores), func(s opened) bool { return !slices.Contains(s.tables, t.Name) })
		read := r.inTurn
		if t.Name == tableHistory {
			read = r.merge
		}
		if err := read(having, one); err != nil {
			return extract.Done(err)
		}
	}
	return r.end()
}

// reading is one call of Read.
type reading struct {
	ctx    context.Context
	out    extract.Emitter
	page   extract.Page
	stores int
	failed []error
}

// fail notes that a store could not be read to its end. The error is the answer when
// there is no other.
func (r *reading) fail(s opened, err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	err = fmt.Errorf("read Safari: %w", err)
	if r.stores == 1 {
		return err
	}
	if !slices.ContainsFunc(r.failed, func(e error) bool { return e.Error() == err.Error() }) {
		r.failed = append(r.failed, err)
		r.out.Report(&extract.Problem{Kind: "safari", What: s.path, Err: err})
	}
	return nil
}

// end is the answer after all stores.
func (r *reading) end() error {
	if r.stores > 0 && len(r.failed) >= r.stores {
		return errors.Join(r.failed...)
	}
	return r.ctx.Err()
}

// inTurn gives one store after the other.
func (r *reading) inTurn(stores []opened, q extract.Query) error {
	for _, s := range stores {
		for rec, err := range s.records(r.ctx, q) {
			if err != nil {
				if err := r.fail(s, err); err != nil {
					return err
				}
				break
			}
			if err := r.page.Emit(r.out, rec); err != nil {
				return err
			}
		}
	}
	return r.ctx.Err()
}

// merge gives the records of all stores by their time, each store being sorted by it.
func (r *reading) merge(stores []opened, q extract.Query) error {
	type head struct {
		opened
		next func() (record, error, bool)
		rec  record
	}
	var heads []*head
	advance := func(h *head) (alive bool, err error) {
		rec, err, ok := h.next()
		if err != nil {
			return false, r.fail(h.opened, err)
		}
		h.rec = rec
		return ok, nil
	}
	for _, s := range stores {
		next, stop := iter.Pull2(s.records(r.ctx, q))
		defer stop()
		h := &head{opened: s, next: next}
		alive, err := advance(h)
		if err != nil {
			return err
		}
		if alive {
			heads = append(heads, h)
		}
	}
	for len(heads) > 0 {
		best := 0
		for i, h := range heads {
			if d := h.rec.time().Compare(heads[best].rec.time()); q.Newest && d > 0 || !q.Newest && d < 0 {
				best = i
			}
		}
		if err := r.page.Emit(r.out, heads[best].rec); err != nil {
			return err
		}
		alive, err := advance(heads[best])
		if err != nil {
			return err
		}
		if !alive {
			heads = slices.Delete(heads, best, best+1)
		}
	}
	if q.Newest {
		return r.end()
	}
	return r.ctx.Err()
}

// inMemory gives those of a store's records that q chooses; list is in the order of
// people.
func inMemory[T record](list []T, q extract.Query) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		if q.Newest {
			list = slices.Clone(list)
			slices.SortStableFunc(list, func(a, b T) int { return b.time().Compare(a.time()) })
		}
		for _, rec := range list {
			e := rec.Entry()
			if q.Table != "" && e.Table != q.Table || q.Group != "" && e.Group != q.Group || q.Key != "" && e.Key != q.Key {
				continue
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
