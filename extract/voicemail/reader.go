package voicemail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

const (
	folder   = "HomeDomain/Library/Voicemail"
	database = folder + "/voicemail.db"
	// What there may be; more is left out.
	maxMessages = 200_000
	maxFiles    = 500_000
	maxText     = 4 << 20 // of a transcript's file
)

// sounds are the endings of files with sound.
var sounds = []string{".amr", ".m4a", ".caf", ".wav", ".awb"}

// Reader reads voicemail. It keeps nothing of any source.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

var (
	_ extract.Exporter = (*Reader)(nil)
	_ extract.Filer    = (*Reader)(nil)
)

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "voicemail", Title: "Voicemail",
		Tables: []extract.Table{{Name: tableMessages, Title: "Voicemail", Columns: columns}, {Name: tableGreetings, Title: "Greetings", Columns: greetingColumns}},
		Paths:  []string{database, database + "-wal", folder + "/*.amr", folder + "/*.transcript", folder + "/*.m4a"}}
}

// Groups implements extract.Extractor: messages lie in nothing.
func (*Reader) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }

// Read implements extract.Extractor: the oldest message first, greetings at the end.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	l, err := load(ctx, src, out)
	if err != nil {
		return err
	}
	page := &extract.Page{Query: q}
	if q.Group != "" {
		return nil
	}
	if q.Newest {
		slices.Reverse(l.messages)
	}
	for _, m := range l.messages {
		if q.Table != "" && q.Table != tableMessages || q.Key != "" && q.Key != m.Key {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if page.Skip == 0 {
			m.complete(ctx, src, out)
		}
		if err := page.Emit(out, m); err != nil {
			return extract.Done(err)
		}
	}
	for _, g := range l.greetings {
		if q.Table != "" && q.Table != tableGreetings || q.Key != "" && q.Key != g.Key {
			continue
		}
		if err := g.complete(src); err != nil {
			out.Report(&extract.Problem{What: g.File, Err: err})
		}
		if err := page.Emit(out, g); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// box is all voicemail of a source, without what is in files.
type box struct {
	messages  []*Message
	greetings []*Greeting
}

func load(ctx context.Context, src *extract.Source, rep extract.Reporter) (*box, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b := &box{}
	files := filesOf(src)
	db, err := src.Database(ctx, database)
	if err == nil {
		err = b.read(ctx, db, files, rep)
	}
	b.strays(files)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil:
	case len(b.messages)+len(b.greetings) == 0:
		return nil, fmt.Errorf("read voicemail: %w", err)
	case !errors.Is(err, extract.ErrAbsent):
		rep.Report(&extract.Problem{What: database, Err: err})
	}
	slices.SortFunc(b.messages, func(x, y *Message) int { return cmp.Or(x.Time.Compare(y.Time), strings.Compare(x.Key, y.Key)) })
	return b, nil
}

// read takes the rows of both tables, those of voicemail first: theirs are the files.
func (b *box) read(ctx context.Context, db *sqlitefs.DB, files map[string]fs.DirEntry, rep extract.Reporter) error {
	accounts, err := accountsOf(ctx, db)
	if err != nil && ctx.Err() == nil {
		rep.Report(&extract.Problem{What: "lines of voicemail", Err: err})
	}
	keys := map[string]bool{}
	var first error
	tables := 0
	for _, table := range []string{"voicemail", "deleted"} {
		if !db.Has(table) {
			continue
		}
		tables++
		if err := b.table(ctx, db, table, accounts, keys, files); err != nil {
			first = cmp.Or(first, err)
		}
	}
	if tables == 0 {
		return fmt.Errorf("%s has no table of messages: %w", db.Name(), sqlitefs.ErrDamaged)
	}
	return first
}

func (b *box) table(ctx context.Context, db *sqlitefs.DB, table string, accounts map[string]string, keys map[string]bool, files map[string]fs.DirEntry) error {
	q := "SELECT " + db.List(table, "v", "ROWID", "remote_uid", "date", "duration", "expiration", "trashed_date", "flags")
	for _, c := range []string{"token", "sender", "callback_num", "receiver", "label"} {
		q += ", substr(" + db.Column(table, "v", c) + ", 1, 1000)" // numbers and identifiers
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("%s FROM %s v ORDER BY v.ROWID LIMIT %d", q, table, maxMessages))
	if err != nil {
		return db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, remote, flags sqlitefs.Int
		var date, duration, expires, trashed sqlitefs.Real
		var token, sender, callback, receiver, label sqlitefs.Text
		if err := rows.Scan(&row, &remote, &date, &duration, &expires, &trashed, &flags, &token, &sender, &callback, &receiver, &label); err != nil {
			return db.Err(ctx, err)
		}
		m := &Message{Number: row.Int, Remote: remote.Int, Time: extract.UnixTime(date.Float), Token: text(token), Sender: text(sender), CallBack: text(callback),
			Seconds: max(duration.Float, 0), Expires: extract.UnixTime(expires.Float), Trashed: extract.CocoaTime(trashed.Float), Flags: flags.Int,
			Receiver: text(receiver), Label: text(label), Account: accounts[text(label)]}
		m.Listened = flags.Int&flagListened != 0
		m.Deleted = table == "deleted" || flags.Int&flagDeleted != 0 || !m.Trashed.IsZero()
		m.Key = fmt.Sprintf("%d-%d", int64(date.Float), remote.Int)
		for n := 1; keys[m.Key]; n++ {
			m.Key += "/" + table + strconv.FormatInt(row.Int, 10)
		}
		keys[m.Key] = true
		m.claim(files)
		b.messages = append(b.messages, m)
	}
	return db.Err(ctx, rows.Err())
}

// Flags whose meaning is known well enough (content-schemas.md 5).
const (
	flagDeleted  = 8
	flagListened = 64
)

// claim takes the files of a row's number, so that no other row has them.
func (m *Message) claim(files map[string]fs.DirEntry) {
	name := strconv.FormatInt(m.Number, 10)
	for _, ending := range sounds {
		if files[name+ending] != nil {
			m.File = path.Join(folder, name+ending)
			delete(files, name+ending)
			break
		}
	}
	if files[name+".transcript"] != nil {
		m.transcript = path.Join(folder, name+".transcript")
		delete(files, name+".transcript")
	}
}

// accountsOf gives the SIM of each label.
func accountsOf(ctx context.Context, db *sqlitefs.DB) (map[string]string, error) {
	accounts := map[string]string{}
	if !db.Has("map", "account", "label") {
		return accounts, nil
	}
	rows, err := db.QueryContext(ctx, "SELECT +m.account, +m.label FROM map m ORDER BY m.ROWID LIMIT 1000")
	if err != nil {
		return accounts, db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var account, label sqlitefs.Text
		if err := rows.Scan(&account, &label); err != nil {
			return accounts, db.Err(ctx, err)
		}
		if l := text(label); l != "" && accounts[l] == "" {
			accounts[l] = text(account)
		}
	}
	return accounts, db.Err(ctx, rows.Err())
}

// text is a text of the database as UTF-8, without blanks around it.
func text(t sqlitefs.Text) string {
	return strings.TrimSpace(strings.ToValidUTF8(t.String, "\uFFFD"))
}
