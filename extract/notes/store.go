package notes

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

const (
	domain    = "AppDomainGroup-group.com.apple.notes"
	storePath = domain + "/NoteStore.sqlite"
	objects   = "ZICCLOUDSYNCINGOBJECT"
	bodies    = "ZICNOTEDATA"
)

// maxShelves is how many accounts and folders are listed.
const maxShelves = 20_000

// folderTrash is ZFOLDERTYPE of Recently Deleted.
const folderTrash = 1

// store is NoteStore.sqlite.
type store struct {
	src      *extract.Source
	db       *sqlitefs.DB
	entities map[string]int64
	list     []*shelf
	accounts map[int64]*shelf
	folders  map[int64]*shelf
}

func openStore(ctx context.Context, src *extract.Source) (library, error) {
	db, err := src.Database(ctx, storePath)
	if err != nil {
		return nil, err
	}
	if !db.Has(objects) || !db.Has(bodies) {
		return nil, fmt.Errorf("%s has no tables of notes: %w", db.Name(), sqlitefs.ErrDamaged)
	}
	s := &store{src: src, db: db, entities: map[string]int64{}, accounts: map[int64]*shelf{}, folders: map[int64]*shelf{}}
	for _, load := range []func(context.Context) error{s.loadEntities, s.loadAccounts, s.loadFolders} {
		if err := load(ctx); err != nil {
			return nil, db.Err(ctx, err)
		}
	}
	s.arrange()
	return s, nil
}

// rows calls each for the rows of a query.
func (s *store) rows(ctx context.Context, each func(*sql.Rows) error, query string, args ...any) error {
	return rows(ctx, s.db, each, query, args...)
}

func rows(ctx context.Context, db *sqlitefs.DB, each func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return db.Err(ctx, rows.Err())
}

// loadEntities reads the numbers of entities, which differ between phones.
func (s *store) loadEntities(ctx context.Context) error {
	if !s.db.Has("Z_PRIMARYKEY", "Z_ENT", "Z_NAME") {
		return nil
	}
	return s.rows(ctx, func(r *sql.Rows) error {
		var number sqlitefs.Int
		var name sqlitefs.Text
		if err := r.Scan(&number, &name); err != nil {
			return err
		}
		s.entities[name.String] = number.Int
		return nil
	}, "SELECT "+s.db.List("Z_PRIMARYKEY", "p", "Z_ENT", "Z_NAME")+" FROM Z_PRIMARYKEY p LIMIT 1000")
}

// is gives the condition that row o is of an entity; a store that does not name its
// entities is asked for a column that only that entity fills.
func (s *store) is(entity, telling string) string {
	if n, ok := s.entities[entity]; ok && s.db.Has(objects, "Z_ENT") {
		return fmt.Sprintf("o.Z_ENT = %d", n)
	}
	if s.db.Has(objects, telling) {
		return "o." + telling + " IS NOT NULL"
	}
	return "0"
}

func (s *store) column(columns ...string) string { return first(s.db, objects, "o", columns...) }

func (s *store) loadAccounts(ctx context.Context) error {
	query := "SELECT " + strings.Join([]string{"o.Z_PK", limited(s.column("ZNAME"), 300), limited(s.column("ZIDENTIFIER"), 300)}, ", ") +
		" FROM " + objects + " o WHERE " + s.is("ICAccount", "ZACCOUNTTYPE") + fmt.Sprintf(" ORDER BY o.Z_PK LIMIT %d", maxShelves)
	return s.rows(ctx, func(r *sql.Rows) error {
		var pk sqlitefs.Int
		var name, id sqlitefs.Text
		if err := r.Scan(&pk, &name, &id); err != nil {
			return err
		}
		a := &shelf{row: pk.Int, title: cmp.Or(name.String, "Notes"), id: id.String, key: "account:" + cmp.Or(id.String, fmt.Sprint(pk.Int))}
		s.accounts[a.row] = a
		s.list = append(s.list, a)
		return nil
	}, query)
}

// rawFolder is a folder whose account and parent are not looked up yet.
type rawFolder struct {
	*shelf
	account, parent int64
	sort            int64
}

func (s *store) loadFolders(ctx context.Context) error {
	owners := append([]string{"ZOWNER"}, numbered(s.db, objects, "ZACCOUNT")...)
	query := "SELECT " + strings.Join([]string{"o.Z_PK", limited(s.column("ZTITLE2", "ZTITLE1", "ZTITLE"), 300), limited(s.column("ZIDENTIFIER"), 300), s.column("ZPARENT"),
		s.column(owners...), s.column("ZFOLDERTYPE"), s.column("ZMARKEDFORDELETION"), limited(s.column("ZSMARTFOLDERQUERYJSON"), 4000),
		s.column("ZSERVERSHAREDATA", "ZSERVERSHARE") + " IS NOT NULL", s.column("ZSORTORDER")}, ", ") +
		" FROM " + objects + " o WHERE " + s.is("ICFolder", "ZFOLDERTYPE") + fmt.Sprintf(" ORDER BY o.Z_PK LIMIT %d", maxShelves)
	var list []rawFolder
	err := s.rows(ctx, func(r *sql.Rows) error {
		var pk, parent, owner, kind, marked, shared, sort sqlitefs.Int
		var title, id, smart sqlitefs.Text
		if err := r.Scan(&pk, &title, &id, &parent, &owner, &kind, &marked, &smart, &shared, &sort); err != nil {
			return err
		}
		f := &shelf{row: pk.Int, title: cmp.Or(strings.TrimSpace(title.String), "Folder"), query: smart.String, shared: shared.Bool(),
			key: cmp.Or(id.String, fmt.Sprintf("folder:%d", pk.Int)), deleted: kind.Int == folderTrash || marked.Bool()}
		list = append(list, rawFolder{f, owner.Int, parent.Int, sort.Int})
		s.folders[f.row] = f
		return nil
	}, query)
	if err != nil {
		return err
	}
	s.connect(list)
	return nil
}

// connect puts folders into each other and into accounts.
func (s *store) connect(list []rawFolder) {
	for _, f := range list {
		f.shelf.account = s.accounts[f.account]
		f.shelf.parent = s.folders[f.parent]
	}
	for _, f := range list { // one that lies in itself lies in nothing
		seen := 0
		for p := f.shelf; p != nil; p = p.parent {
			if seen++; seen > maxDepth || seen > 1 && p == f.shelf {
				f.shelf.parent = nil
				break
			}
		}
	}
	for _, f := range list {
		for p := f.shelf.parent; p != nil && f.shelf.account == nil; p = p.parent {
			f.shelf.account = p.account
		}
	}
	slices.SortStableFunc(list, func(a, b rawFolder) int {
		return cmp.Or(cmp.Compare(b2i(a.shelf.deleted), b2i(b.shelf.deleted)), cmp.Compare(a.sort, b.sort), cmp.Compare(a.row, b.row))
	})
	taken := map[string]bool{}
	for _, f := range list { // accounts may have folders of the same identifier
		if taken[f.key] {
			f.key = fmt.Sprintf("%s/%d", f.key, f.row)
		}
		taken[f.key] = true
		s.list = append(s.list, f.shelf)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// arrange orders accounts and folders: an account, its folders, in each folder those
// within it; what belongs to no account last.
func (s *store) arrange() {
	children := map[*shelf][]*shelf{}
	var roots, lost []*shelf
	for _, f := range s.list {
		switch {
		case s.accounts[f.row] == f:
			roots = append(roots, f)
		case f.parent != nil:
			children[f.parent] = append(children[f.parent], f)
		case f.account != nil:
			children[f.account] = append(children[f.account], f)
		default:
			lost = append(lost, f)
		}
	}
	var ordered []*shelf
	var walk func(list []*shelf, depth int)
	walk = func(list []*shelf, depth int) {
		for _, f := range list {
			f.order = len(ordered)
			ordered = append(ordered, f)
			if depth <= maxDepth+1 {
				walk(children[f], depth+1)
			}
		}
	}
	walk(roots, 0)
	walk(lost, 0)
	s.list = ordered
}

func (s *store) shelves() []*shelf { return s.list }

// folderOf gives the expression for the folder of a note: a
// column, or one from the join table of iOS 11, whose name has numbers of entities.
func (s *store) folderOf() string {
	if s.db.Has(objects, "ZFOLDER") {
		return s.column("ZFOLDER")
	}
	for _, t := range s.db.Tables() {
		if !strings.HasPrefix(t, "Z_") || !strings.HasSuffix(t, "NOTES") {
			continue
		}
		var note, folder string
		for _, c := range s.db.Columns(t) {
			switch {
			case strings.HasSuffix(c, "FOLDERS"):
				folder = c
			case strings.HasSuffix(c, "NOTES"):
				note = c
			}
		}
		if note != "" && folder != "" {
			return "(SELECT min(j." + sqlitefs.Quote(folder) + ") FROM " + sqlitefs.Quote(t) + " j WHERE j." + sqlitefs.Quote(note) + " = o.Z_PK)"
		}
	}
	return "NULL"
}

func (s *store) heads(ctx context.Context, rep extract.Reporter) ([]*head, error) {
	folder := s.folderOf()
	query := "SELECT " + strings.Join([]string{"o.Z_PK", limited(s.column("ZIDENTIFIER"), 300), limited(s.column("ZTITLE1", "ZTITLE"), 500), folder,
		s.column(numbered(s.db, objects, "ZACCOUNT")...), s.column(numbered(s.db, objects, "ZCREATIONDATE")...), s.column(numbered(s.db, objects, "ZMODIFICATIONDATE")...),
		s.column("ZISPINNED"), s.column("ZMARKEDFORDELETION"), s.column("ZISPASSWORDPROTECTED"), limited(s.column("ZPASSWORDHINT"), 500),
		s.column("ZSERVERSHAREDATA", "ZSERVERSHARE") + " IS NOT NULL", s.column("ZNEEDSINITIALFETCHFROMCLOUD"), s.column("ZNOTEDATA")}, ", ") +
		" FROM " + objects + " o WHERE " + s.is("ICNote", "ZNOTEDATA") + " ORDER BY o.Z_PK"
	var list []*head
	err := s.rows(ctx, func(r *sql.Rows) error {
		h, err := s.head(r)
		if err != nil {
			rep.Report(&extract.Problem{Kind: kind, What: "a note", Err: s.db.Err(ctx, err)})
			return nil
		}
		list = append(list, h)
		return nil
	}, query)
	return list, err
}

func (s *store) head(r *sql.Rows) (*head, error) {
	var pk, folder, account, pinned, marked, locked, shared, cloud, data sqlitefs.Int
	var id, title, hint sqlitefs.Text
	var created, modified sqlitefs.Real
	if err := r.Scan(&pk, &id, &title, &folder, &account, &created, &modified, &pinned, &marked, &locked, &hint, &shared, &cloud, &data); err != nil {
		return nil, err
	}
	h := &head{lib: s, row: pk.Int, data: data.Int, key: id.String, title: strings.TrimSpace(title.String), folder: s.folders[folder.Int], account: s.accounts[account.Int],
		created: extract.CocoaTime(created.Float), modified: extract.CocoaTime(modified.Float), pinned: pinned.Bool(), deleted: marked.Bool(),
		locked: locked.Bool(), hint: hint.String, shared: shared.Bool(), cloud: cloud.Bool()}
	if h.key == "" {
		h.key = fmt.Sprintf("note:%d", h.row)
	}
	if h.account == nil && h.folder != nil {
		h.account = h.folder.account
	}
	for f := h.folder; f != nil; f = f.parent {
		h.deleted, h.shared = h.deleted || f.deleted, h.shared || f.shared
	}
	if !h.locked {
		h.hint = ""
	}
	return h, nil
}
