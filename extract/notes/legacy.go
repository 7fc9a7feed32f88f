package notes

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

const legacyPath = "HomeDomain/Library/Notes/notes.sqlite"

// legacy is notes.sqlite of iOS 8 and before, which later phones keep for accounts of
// mail providers.
type legacy struct {
	db       *sqlitefs.DB
	list     []*shelf
	accounts map[int64]*shelf
	stores   map[int64]*shelf
}

func openLegacy(ctx context.Context, src *extract.Source) (library, error) {
	db, err := src.Database(ctx, legacyPath)
	if err != nil {
		return nil, err
	}
	if !db.Has("ZNOTE") {
		return nil, fmt.Errorf("%s has no table ZNOTE: %w", db.Name(), sqlitefs.ErrDamaged)
	}
	l := &legacy{db: db, accounts: map[int64]*shelf{}, stores: map[int64]*shelf{}}
	if err := l.loadShelves(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// loadShelves reads accounts and their stores, which are what folders are now.
func (l *legacy) loadShelves(ctx context.Context) error {
	column := func(table string, names ...string) string { return limited(first(l.db, table, "t", names...), 300) }
	if l.db.Has("ZACCOUNT", "Z_PK") {
		err := rows(ctx, l.db, func(r *sql.Rows) error {
			var pk sqlitefs.Int
			var name, id sqlitefs.Text
			if err := r.Scan(&pk, &name, &id); err != nil {
				return l.db.Err(ctx, err)
			}
			a := &shelf{row: pk.Int, title: cmp.Or(name.String, "Notes"), key: "account:legacy:" + cmp.Or(id.String, fmt.Sprint(pk.Int))}
			l.accounts[a.row] = a
			l.list = append(l.list, a)
			return nil
		}, fmt.Sprintf("SELECT t.Z_PK, %s, %s FROM ZACCOUNT t ORDER BY t.Z_PK LIMIT %d", column("ZACCOUNT", "ZNAME"), column("ZACCOUNT", "ZACCOUNTIDENTIFIER"), maxShelves))
		if err != nil {
			return err
		}
	}
	if l.db.Has("ZSTORE", "Z_PK") {
		err := rows(ctx, l.db, func(r *sql.Rows) error {
			var pk, account sqlitefs.Int
			var name, id sqlitefs.Text
			if err := r.Scan(&pk, &name, &id, &account); err != nil {
				return l.db.Err(ctx, err)
			}
			s := &shelf{row: pk.Int, title: cmp.Or(storeTitle(name.String), "Notes"), account: l.accounts[account.Int]}
			s.key = "legacy:" + cmp.Or(id.String, fmt.Sprintf("%d", pk.Int))
			l.stores[s.row] = s
			l.list = append(l.list, s)
			return nil
		}, fmt.Sprintf("SELECT t.Z_PK, %s, %s, %s FROM ZSTORE t ORDER BY t.Z_PK LIMIT %d", column("ZSTORE", "ZNAME"), column("ZSTORE", "ZEXTERNALIDENTIFIER"),
			first(l.db, "ZSTORE", "t", "ZACCOUNT"), maxShelves))
		if err != nil {
			return err
		}
	}
	const behind = 1 << 20 // after the folders of the store of today
	for i, s := range l.list {
		s.order = behind + i
	}
	return nil
}

// storeTitle is the name of a store without what only the app knows: a store's name may
// be an address.
func storeTitle(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	return strings.TrimSpace(name)
}

func (l *legacy) shelves() []*shelf { return l.list }

func (l *legacy) heads(ctx context.Context, rep extract.Reporter) ([]*head, error) {
	column := func(names ...string) string { return first(l.db, "ZNOTE", "n", names...) }
	query := "SELECT " + strings.Join([]string{"n.Z_PK", limited(column("ZGUID"), 300), limited(column("ZTITLE", "ZSUMMARY"), 500), column("ZSTORE"), column("ZCREATIONDATE"),
		column("ZMODIFICATIONDATE"), column("ZDELETEDFLAG"), column("ZBODY")}, ", ") + " FROM ZNOTE n ORDER BY n.Z_PK"
	var list []*head
	err := rows(ctx, l.db, func(r *sql.Rows) error {
		var pk, store, deleted, body sqlitefs.Int
		var id, title sqlitefs.Text
		var created, modified sqlitefs.Real
		if err := r.Scan(&pk, &id, &title, &store, &created, &modified, &deleted, &body); err != nil {
			rep.Report(&extract.Problem{Kind: kind, What: "a note", Err: l.db.Err(ctx, err)})
			return nil
		}
		h := &head{lib: l, row: pk.Int, data: body.Int, key: id.String, title: strings.TrimSpace(title.String), folder: l.stores[store.Int], deleted: deleted.Bool(),
			created: extract.CocoaTime(created.Float), modified: extract.CocoaTime(modified.Float)}
		if h.key == "" {
			h.key = fmt.Sprintf("legacy:%d", h.row)
		}
		if h.folder != nil {
			h.account = h.folder.account
		}
		list = append(list, h)
		return nil
	}, query)
	return list, err
}

// load implements library.
func (l *legacy) load(ctx context.Context, heads []*head, _ *keyring, rep extract.Reporter, give func(*Note) error) error {
	for _, h := range heads {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := h.note()
		n.row, n.Legacy = h.row, true
		content, outside, err := l.content(ctx, h)
		if err == nil {
			n.Attachments, err = l.attachments(ctx, h)
		}
		if content == "" && outside {
			n.Unread = "its text is in a file of the app"
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.Unread = "its text could not be read"
			rep.Report(&extract.Problem{Kind: kind, What: fmt.Sprintf("note %q", n.Title), Err: err})
		}
		n.Body = parseHTML(content)
		n.finish()
		if err := give(n); err != nil {
			return err
		}
	}
	return nil
}

// attachments are those of a note, which have names only: where the app keeps their
// files is not known.
func (l *legacy) attachments(ctx context.Context, h *head) (list []*Attachment, err error) {
	if !l.db.Has("ZNOTEATTACHMENT", "ZNOTE", "ZFILENAME") {
		return nil, nil
	}
	column := func(name string) string { return limited(l.db.Column("ZNOTEATTACHMENT", "a", name), 1000) }
	err = rows(ctx, l.db, func(r *sql.Rows) error {
		var pk sqlitefs.Int
		var id, name, kind sqlitefs.Text
		if err := r.Scan(&pk, &id, &name, &kind); err != nil {
			return l.db.Err(ctx, err)
		}
		list = append(list, &Attachment{Key: cmp.Or(id.String, fmt.Sprintf("legacy:%d", pk.Int)), Kind: kindOf(kind.String, name.String), Type: kind.String, Name: name.String, Missing: true})
		return nil
	}, "SELECT "+l.db.Column("ZNOTEATTACHMENT", "a", "Z_PK")+", "+column("ZCONTENTID")+", "+column("ZFILENAME")+", "+column("ZMIMETYPE")+" FROM ZNOTEATTACHMENT a WHERE a.ZNOTE = ? LIMIT 1000", h.row)
	return list, err
}

// content is the HTML of a note; outside tells that it is in a file beside the store.
func (l *legacy) content(ctx context.Context, h *head) (content string, outside bool, err error) {
	if !l.db.Has("ZNOTEBODY") {
		return "", false, fmt.Errorf("%s has no table ZNOTEBODY: %w", l.db.Name(), sqlitefs.ErrDamaged)
	}
	column := func(name string) string { return l.db.Column("ZNOTEBODY", "b", name) }
	where, arg := "b.Z_PK = ?", h.data
	if h.data == 0 || !l.db.Has("ZNOTEBODY", "Z_PK") {
		where, arg = column("ZOWNER")+" = ?", h.row
	}
	err = rows(ctx, l.db, func(r *sql.Rows) error {
		var t, ref sqlitefs.Text
		if err := r.Scan(&t, &ref); err != nil {
			return l.db.Err(ctx, err)
		}
		content, outside = t.String, ref.String != ""
		return nil
	}, "SELECT "+column("ZCONTENT")+", "+limited(column("ZEXTERNALCONTENTREF"), 1000)+" FROM ZNOTEBODY b WHERE "+where+" LIMIT 1", arg)
	return content, outside, err
}
