package notes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// library is a store of notes.
type library interface {
	// shelves are its accounts and folders, in the order of the app's list, an account
	// before its folders.
	shelves() []*shelf
	// heads are all its notes without what is in them.
	heads(ctx context.Context, rep extract.Reporter) ([]*head, error)
	// load gives the notes of heads, in their order.
	load(ctx context.Context, heads []*head, ring *keyring, rep extract.Reporter, give func(*Note) error) error
}

// shelf is an account or a folder.
type shelf struct {
	row     int64
	key     string
	title   string
	id      string // the account's folder of files
	query   string // of a smart folder
	account *shelf // nil of an account
	parent  *shelf // folder that it lies in
	deleted bool
	shared  bool
	order   int // place in the list
}

// path gives the titles of a folder and those around it, the outermost first.
func (s *shelf) path() []string {
	var list []string
	for ; s != nil && len(list) < maxDepth; s = s.parent {
		list = append(list, s.title)
	}
	slices.Reverse(list)
	return list
}

// maxDepth is how many folders may lie in each other; more are cut off.
const maxDepth = 32

// head is what is known of a note before its body is read.
type head struct {
	lib      library
	row      int64
	data     int64 // row of its body, 0 for unknown
	key      string
	title    string
	folder   *shelf
	account  *shelf
	created  time.Time
	modified time.Time
	pinned   bool
	deleted  bool
	shared   bool
	locked   bool
	cloud    bool // was not fetched from iCloud yet
	hint     string
}

// in is what a note lies in: a folder, else an account, else nothing.
func (h *head) in() *shelf {
	if h.folder != nil {
		return h.folder
	}
	return h.account
}

func (h *head) group() string {
	if s := h.in(); s != nil {
		return s.key
	}
	return ""
}

// time is by which the newest come first.
func (h *head) time() time.Time {
	if h.modified.IsZero() {
		return h.created
	}
	return h.modified
}

// note makes a note without its body.
func (h *head) note() *Note {
	n := &Note{Key: h.key, Title: h.title, Group: h.group(), Created: h.created, Modified: h.modified, Pinned: h.pinned, Shared: h.shared,
		Deleted: h.deleted, Hint: h.hint, Folder: h.folder.path()}
	if h.account != nil {
		n.Account = h.account.title
	}
	return n
}

// archive is all stores of a source.
type archive struct {
	src    *extract.Source
	libs   []library
	failed []error
}

// open opens the stores that there are.
func open(ctx context.Context, src *extract.Source) (*archive, error) {
	a := &archive{src: src}
	for _, opener := range []func(context.Context, *extract.Source) (library, error){openStore, openLegacy} {
		lib, err := opener(ctx, src)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, extract.ErrAbsent):
		case err != nil:
			a.failed = append(a.failed, err)
		default:
			a.libs = append(a.libs, lib)
		}
	}
	if len(a.libs) > 0 {
		return a, nil
	}
	if len(a.failed) > 0 {
		return nil, fmt.Errorf("read notes: %w", errors.Join(a.failed...))
	}
	return nil, fmt.Errorf("read notes: %s, %s: %w", storePath, legacyPath, extract.ErrAbsent)
}

// report tells of stores that could not be read while others could.
func (a *archive) report(rep extract.Reporter) {
	for _, err := range a.failed {
		rep.Report(&extract.Problem{Kind: kind, What: "a store of notes", Err: err})
	}
}

// heads gives the notes that a query chooses, in its order.
func (a *archive) heads(ctx context.Context, q extract.Query, rep extract.Reporter) ([]*head, error) {
	var list []*head
	seen := map[string]bool{}
	for _, lib := range a.libs {
		heads, err := lib.heads(ctx, rep)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && len(a.libs) == 1 && len(heads) == 0 {
			return nil, err
		}
		if err != nil {
			rep.Report(&extract.Problem{Kind: kind, What: "the list of notes", Err: err})
		}
		for _, h := range heads {
			if h.key == "" || seen[h.key] {
				h.key = strings.TrimPrefix(fmt.Sprintf("%s/%d", h.key, h.row), "/")
			}
			if seen[h.key] {
				continue // nothing that the app writes
			}
			seen[h.key] = true
			if a.chosen(h, q) {
				list = append(list, h)
			}
		}
	}
	sortHeads(list, q.Newest)
	list = list[min(max(q.Skip, 0), len(list)):]
	if q.Limit > 0 {
		list = list[:min(q.Limit, len(list))]
	}
	return list, nil
}

func (a *archive) chosen(h *head, q extract.Query) bool {
	if q.Key != "" && h.key != q.Key {
		return false
	}
	return q.Group == "" || h.group() == q.Group || h.account != nil && h.account.key == q.Group
}

// sortHeads puts notes in the order of the lists: by account and folder, pinned ones
// first, by name; or the newest first.
func sortHeads(list []*head, newest bool) {
	place := func(s *shelf) int {
		if s == nil {
			return -1
		}
		return s.order
	}
	folded := map[*head]string{}
	for _, h := range list {
		folded[h] = strings.ToLower(h.title)
	}
	slices.SortFunc(list, func(x, y *head) int {
		if newest {
			return cmp.Or(y.time().Compare(x.time()), cmp.Compare(y.row, x.row), cmp.Compare(y.key, x.key))
		}
		pinned := 0
		if x.pinned != y.pinned {
			if pinned = 1; x.pinned {
				pinned = -1
			}
		}
		return cmp.Or(cmp.Compare(place(x.account), place(y.account)), cmp.Compare(place(x.in()), place(y.in())), pinned,
			cmp.Compare(folded[x], folded[y]), cmp.Compare(x.row, y.row), cmp.Compare(x.key, y.key))
	})
}

// batch is for how many notes attachments are asked for at once.
const batch = 200

// read gives the notes of heads.
func (a *archive) read(ctx context.Context, heads []*head, rep extract.Reporter, give func(*Note) error) error {
	ring := newKeyring(a.src.NotePasswords)
	for len(heads) > 0 {
		n := 1
		for n < min(len(heads), batch) && heads[n].lib == heads[0].lib {
			n++
		}
		if err := heads[0].lib.load(ctx, heads[:n], ring, rep, give); err != nil {
			return err
		}
		heads = heads[n:]
	}
	return ctx.Err()
}

// first is an SQL expression for the first of columns that a row has a value in.
func first(db *sqlitefs.DB, table, alias string, columns ...string) string {
	var have []string
	for _, c := range columns {
		if db.Has(table, c) {
			have = append(have, db.Column(table, alias, c))
		}
	}
	switch len(have) {
	case 0:
		return "NULL"
	case 1:
		return have[0]
	}
	return "coalesce(" + strings.Join(have, ", ") + ")"
}

// numbered gives the names of the columns of a table that are name and a number, the
// highest number first and the one without a number last.
func numbered(db *sqlitefs.DB, table, name string) []string {
	type column struct {
		name   string
		number int
	}
	var list []column
	for _, c := range db.Columns(table) {
		upper := strings.ToUpper(c)
		rest, ok := strings.CutPrefix(upper, name)
		if !ok || strings.Trim(rest, "0123456789") != "" || len(rest) > 3 {
			continue
		}
		n := -1
		if rest != "" {
			n = 0
			for _, d := range rest {
				n = 10*n + int(d-'0')
			}
		}
		list = append(list, column{c, n})
	}
	slices.SortFunc(list, func(a, b column) int { return cmp.Compare(b.number, a.number) })
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.name
	}
	return names
}

// marks are the question marks for n values, and rows as values.
func marks(rows []int64) (string, []any) {
	args := make([]any, len(rows))
	for i, r := range rows {
		args[i] = r
	}
	return strings.TrimSuffix(strings.Repeat("?,", len(rows)), ","), args
}

// limited is an SQL expression for at most so many letters of text.
func limited(expression string, letters int) string {
	return fmt.Sprintf("substr(%s, 1, %d)", expression, letters)
}
