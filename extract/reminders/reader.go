package reminders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Where reminders are (content-schemas.md 9).
const (
	homeStores  = "HomeDomain/Library/Reminders/Container_v1/Stores/Data-*.sqlite"
	groupStores = "AppDomainGroup-group.com.apple.reminders/Container_v1/Stores/Data-*.sqlite"
	oldDatabase = "HomeDomain/Library/Calendar/Calendar.sqlitedb"
)

// batch is how many reminders are read at a time.
const batch = 1000

// Reader reads reminders.
type Reader struct{}

// New makes a Reader.
func New() *Reader { return &Reader{} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "reminders", Title: "Reminders", Groups: "lists", Paths: []string{homeStores, groupStores, oldDatabase},
		Tables: []extract.Table{{Name: "reminders", Title: "Reminders", Columns: columns}}}
}

// store is one database with reminders.
type store interface {
	name() string
	// lists gives the lists, in the order of the phone, groups of lists included.
	lists(ctx context.Context) ([]list, error)
	// index gives what is needed to choose and order reminders.
	index(ctx context.Context) ([]line, error)
	// load reads reminders by their numbers, in any order; problems go to rep.
	load(ctx context.Context, rows []int64, rep extract.Reporter) (map[int64]*Reminder, error)
}

// list is a list of reminders, or a group of lists.
type list struct {
	row, parent           int64
	key, title, account   string
	detail                string
	group, smart, deleted bool
	count                 int
	sections              map[string]string // by what names a reminder, upper case: the section it is in
}

// line is a reminder in the index.
type line struct {
	row     int64
	key     string
	list    int64
	order   int64
	deleted bool
	when    time.Time

	store int
	rank  int // of the list
	group string
	plain string // key as the store has it
}

// library is all stores of a source.
type library struct {
	stores []store
	lists  [][]list // by store
	lines  []line
	keys   []map[int64]string // by store and row
}

// stores finds the stores that can be opened. Those that cannot are reported, unless none
// can.
func stores(ctx context.Context, src *extract.Source, rep extract.Reporter) ([]store, error) {
	var list []store
	var broken []error
	for _, p := range append(src.Find(homeStores), src.Find(groupStores)...) {
		s, err := openStore(ctx, src, p)
		if err != nil {
			broken = append(broken, err)
			rep.Report(&extract.Problem{Kind: "reminders", What: p, Err: err})
			continue
		}
		list = append(list, s)
	}
	old, err := openOld(ctx, src)
	switch {
	case err == nil && old != nil:
		list = append(list, old)
	case err != nil && !errors.Is(err, extract.ErrAbsent) && len(list)+len(broken) == 0:
		return nil, err // the calendar's database, which could have held some
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(list) == 0 && len(broken) > 0 {
		return nil, fmt.Errorf("read reminders: %w", broken[0])
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("read reminders: %w", extract.ErrAbsent)
	}
	return list, nil
}

// open reads lists and index of all stores.
func open(ctx context.Context, src *extract.Source, rep extract.Reporter) (*library, error) {
	found, err := stores(ctx, src, rep)
	if err != nil {
		return nil, err
	}
	l := &library{}
	var broken error
	for _, s := range found {
		lists, err := s.lists(ctx)
		var lines []line
		if err == nil {
			lines, err = s.index(ctx)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			broken = fmt.Errorf("read reminders: %w", err)
			rep.Report(&extract.Problem{Kind: "reminders", What: s.name(), Err: err})
			if len(lines) == 0 {
				continue
			}
		}
		l.add(s, lists, lines)
	}
	if len(l.stores) == 0 {
		return nil, broken
	}
	l.nameAll()
	return l, nil
}

func (l *library) add(s store, lists []list, lines []line) {
	for i := range lines {
		lines[i].store = len(l.stores)
	}
	l.stores, l.lists, l.lines = append(l.stores, s), append(l.lists, lists), append(l.lines, lines...)
	l.keys = append(l.keys, map[int64]string{})
}

// nameAll makes keys of lists and reminders unique, puts reminders into their lists and
// counts them.
func (l *library) nameAll() {
	used := map[string]bool{}
	unique := func(key, otherwise string) string {
		if key == "" || used[key] {
			key = joined("#", key, otherwise)
		}
		used[key] = true
		return key
	}
	type place struct {
		store int
		row   int64
	}
	byRow := map[place]*list{}
	rank := map[place]int{}
	for s, lists := range l.lists {
		for i := range lists {
			lists[i].key = unique(lists[i].key, fmt.Sprintf("list-%d-%d", s, lists[i].row))
			byRow[place{s, lists[i].row}], rank[place{s, lists[i].row}] = &lists[i], len(rank)
		}
	}
	used = map[string]bool{}
	for i := range l.lines {
		n := &l.lines[i]
		n.plain = n.key
		n.key = unique(n.key, fmt.Sprintf("reminder-%d-%d", n.store, n.row))
		l.keys[n.store][n.row] = n.key
		n.rank = len(rank)
		if at := byRow[place{n.store, n.list}]; at != nil {
			n.rank, n.group = rank[place{n.store, n.list}], at.key
			at.count++
		}
	}
}

// Groups implements extract.Extractor: the lists, below the groups that they lie in.
// Lists that the phone makes by a search are left out.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	l, err := open(ctx, src, silent{})
	if err != nil {
		return nil, err
	}
	var groups []extract.Group
	for _, lists := range l.lists {
		for _, at := range lists {
			if at.smart && at.count == 0 {
				continue
			}
			g := extract.Group{Key: at.key, Title: at.title, Detail: joined(" · ", at.account, at.detail), Count: at.count, Deleted: at.deleted}
			if i := slices.IndexFunc(lists, func(p list) bool { return p.row == at.parent && p.group && p.row != at.row }); i >= 0 {
				g.Parent = lists[i].key
			}
			groups = append(groups, g)
		}
	}
	return groups, nil
}

type silent struct{}

func (silent) Report(*extract.Problem) {}

// Read implements extract.Extractor: list by list as the phone shows them, or the latest
// first. What was deleted is given and marked.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	if q.Table != "" && q.Table != "reminders" {
		return nil
	}
	l, err := open(ctx, src, out)
	if err != nil {
		return err
	}
	return extract.Done(l.read(ctx, q, out))
}

func (l *library) read(ctx context.Context, q extract.Query, out extract.Emitter) error {
	chosen := slices.DeleteFunc(slices.Clone(l.lines), func(n line) bool {
		return q.Group != "" && n.group != q.Group || q.Key != "" && n.key != q.Key
	})
	slices.SortFunc(chosen, func(a, b line) int {
		if q.Newest {
			return cmp.Or(b.when.Compare(a.when), cmp.Compare(a.store, b.store), cmp.Compare(b.row, a.row))
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.store, b.store), cmp.Compare(a.order, b.order), cmp.Compare(a.row, b.row))
	})
	chosen = chosen[min(max(q.Skip, 0), len(chosen)):]
	if q.Limit > 0 && q.Limit < len(chosen) {
		chosen = chosen[:q.Limit]
	}
	for part := range slices.Chunk(chosen, batch) {
		if err := l.give(ctx, part, out); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// give reads and emits reminders.
func (l *library) give(ctx context.Context, part []line, out extract.Emitter) error {
	loaded := make([]map[int64]*Reminder, len(l.stores))
	for i, s := range l.stores {
		var rows []int64
		for _, n := range part {
			if n.store == i {
				rows = append(rows, n.row)
			}
		}
		if len(rows) == 0 {
			continue
		}
		var err error
		if loaded[i], err = s.load(ctx, rows, out); err != nil {
			if ctx.Err() != nil || len(l.stores) == 1 {
				return fmt.Errorf("read reminders: %w", err)
			}
			out.Report(&extract.Problem{Kind: "reminders", What: s.name(), Err: err})
		}
	}
	for _, n := range part {
		r := loaded[n.store][n.row]
		if r == nil {
			continue // told above
		}
		r.ID, r.ListID, r.when = n.key, n.group, n.when
		l.place(n, r)
		if err := out.Emit(r); err != nil {
			return err
		}
	}
	return nil
}

// place fills in what other rows know: list, section, parent.
func (l *library) place(n line, r *Reminder) {
	for _, at := range l.lists[n.store] {
		if at.key == n.group {
			r.List = at.title
			if r.Account == "" {
				r.Account = at.account
			}
			for _, name := range []string{r.memo, n.plain} {
				if s := at.sections[strings.ToUpper(name)]; s != "" && name != "" {
					r.Section = s
				}
			}
		}
	}
	if r.parent != n.row {
		r.Parent = l.keys[n.store][r.parent]
	}
}
