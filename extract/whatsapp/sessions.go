package whatsapp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Kinds of conversations (ZSESSIONTYPE).
const (
	typePrivate = iota
	typeGroup
	typeBroadcast
	typeStatus
)

// Whoever is in a group beyond these is not listed; the app allows 1024.
const maxMembers = 2048

// session is a row of ZWACHATSESSION.
type session struct {
	chat.Conversation
	pk    int64 // 0 of the one for messages that lie in none
	jid   string
	kind  int64
	shown bool
}

func missing(db *sqlitefs.DB, table string) error {
	return fmt.Errorf("read %s: no table %s: %w", db.Name(), table, sqlitefs.ErrDamaged)
}

// load reads names and conversations.
func (b *book) load(ctx context.Context) error {
	var err error
	if b.dir, err = b.readNames(ctx); err != nil {
		return err
	}
	if b.byStanza, err = b.quick(ctx, "ZWAMESSAGE", "ZSTANZAID"); err != nil {
		return err
	}
	if b.undated, err = b.hasUndated(ctx); err != nil {
		return err
	}
	if b.links, err = b.quick(ctx, "ZWAMESSAGEDATAITEM", "ZMESSAGE"); err != nil {
		return err
	}
	if b.mediaBack, err = b.quick(ctx, "ZWAMEDIAITEM", "ZMESSAGE"); err != nil {
		return err
	}
	counts, err := b.counts(ctx)
	if err != nil {
		return err
	}
	return b.readSessions(ctx, counts)
}

// quick tells whether rows can be looked up by a column one by one: there is an
// index, or there are few rows.
func (b *book) quick(ctx context.Context, table, column string) (bool, error) {
	if !b.db.Has(table, column) {
		return false, nil
	}
	var indexes, few int
	err := b.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = ?1 AND (sql LIKE '%('||?2||' %' OR sql LIKE '%('||?2||')%' OR sql LIKE '%('||?2||',%')", table, column).Scan(&indexes)
	if err == nil && indexes == 0 {
		err = b.db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 5000)", table)).Scan(&few)
	}
	return indexes > 0 || few < 5000, b.db.Err(ctx, err)
}

// hasUndated tells whether there are messages whose date is none, which would stand
// in the wrong place if they were sorted by it. With the app's own index on dates it
// is found out at once.
func (b *book) hasUndated(ctx context.Context) (bool, error) {
	if !b.db.Has("ZWAMESSAGE", "ZMESSAGEDATE") {
		return false, nil
	}
	for _, where := range []string{">= 63113904000", "<= -3061152000", "= 0", "IS NULL"} { // text and blobs are more than any number
		var n int
		err := b.db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM ZWAMESSAGE WHERE ZMESSAGEDATE "+where+" LIMIT 1)").Scan(&n)
		if err != nil || n > 0 {
			return n > 0, b.db.Err(ctx, err)
		}
	}
	return false, nil
}

// counts are the numbers of messages by session, 0 standing for none.
func (b *book) counts(ctx context.Context) (map[int64]int, error) {
	query := "SELECT ZCHATSESSION, count(*) FROM ZWAMESSAGE GROUP BY ZCHATSESSION"
	if !b.db.Has("ZWAMESSAGE", "ZCHATSESSION") {
		query = "SELECT NULL, count(*) FROM ZWAMESSAGE"
	}
	rows, err := b.db.QueryContext(ctx, query)
	if err != nil {
		return nil, b.db.Err(ctx, err)
	}
	defer rows.Close()
	counts := map[int64]int{}
	for rows.Next() {
		var pk, n sqlitefs.Int
		if err := rows.Scan(&pk, &n); err != nil {
			return nil, b.db.Err(ctx, err)
		}
		counts[pk.Int] += int(n.Int)
	}
	return counts, b.db.Err(ctx, rows.Err())
}

// hasSessions tells whether it is known which conversation a message lies in.
func (b *book) hasSessions() bool {
	return b.db.Has("ZWACHATSESSION", "Z_PK") && b.db.Has("ZWAMESSAGE", "ZCHATSESSION")
}

func (b *book) readSessions(ctx context.Context, counts map[int64]int) error {
	b.byPK = map[int64]*session{}
	list, err := b.sessions(ctx, counts)
	if err != nil {
		return err
	}
	if err := b.readMembers(ctx); err != nil {
		return err
	}
	for _, s := range list {
		b.describe(s)
		if s.shown {
			b.list = append(b.list, s)
		}
	}
	stray := 0
	for _, n := range counts {
		stray += n
	}
	if stray > 0 {
		s := &session{shown: true}
		s.Key, s.Title, s.App, s.Service, s.Messages = b.prefix+"#none", "Messages of no conversation", b.app, b.app, stray
		b.byPK[0] = s
		b.list = append(b.list, s)
	}
	return nil
}

// sessions reads the conversations, and takes what they count out of counts.
func (b *book) sessions(ctx context.Context, counts map[int64]int) ([]*session, error) {
	if !b.hasSessions() {
		return nil, nil
	}
	rows, err := b.db.QueryContext(ctx, fmt.Sprintf("SELECT s.Z_PK, %s FROM ZWACHATSESSION s ORDER BY s.Z_PK",
		b.db.List("ZWACHATSESSION", "s", "ZCONTACTJID", "ZPARTNERNAME", "ZSESSIONTYPE", "ZARCHIVED", "ZREMOVED", "ZHIDDEN", "ZLASTMESSAGEDATE")))
	if err != nil {
		return nil, b.db.Err(ctx, err)
	}
	defer rows.Close()
	keys := map[string]bool{}
	var list []*session
	for rows.Next() {
		var pk, kind, archived, removed, hidden sqlitefs.Int
		var jid, name sqlitefs.Text
		var last sqlitefs.Real
		if err := rows.Scan(&pk, &jid, &name, &kind, &archived, &removed, &hidden, &last); err != nil {
			return nil, b.db.Err(ctx, err)
		}
		s := &session{pk: pk.Int, jid: bare(jid.String), kind: kind.Int}
		s.App, s.Service, s.Title = b.app, b.app, clean(name.String)
		s.Archived, s.Deleted, s.Last = archived.Bool(), removed.Bool(), extract.CocoaTime(last.Float)
		s.Messages = counts[s.pk]
		delete(counts, s.pk)
		s.shown = s.Messages > 0 || !removed.Bool() && !hidden.Bool()
		s.Key = b.prefix + s.jid
		if s.jid == "" || keys[s.Key] {
			s.Key = fmt.Sprintf("%s%s#%d", b.prefix, s.jid, s.pk)
		}
		keys[s.Key] = true
		b.byPK[s.pk] = s
		list = append(list, s)
	}
	return list, b.db.Err(ctx, rows.Err())
}

// readMembers notes who is in which group.
func (b *book) readMembers(ctx context.Context) error {
	if !b.db.Has("ZWAGROUPMEMBER", "ZCHATSESSION", "ZMEMBERJID") {
		return nil
	}
	rows, err := b.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ZWAGROUPMEMBER g ORDER BY g.ROWID", b.db.List("ZWAGROUPMEMBER", "g", "ZCHATSESSION", "ZMEMBERJID", "ZCONTACTNAME", "ZFIRSTNAME")))
	if err != nil {
		return b.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var pk sqlitefs.Int
		var jid, name, first sqlitefs.Text
		if err := rows.Scan(&pk, &jid, &name, &first); err != nil {
			return b.db.Err(ctx, err)
		}
		s := b.byPK[pk.Int]
		if s == nil || jid.String == "" || len(s.People) >= maxMembers || b.dir.isOwn(jid.String) {
			continue
		}
		s.People = append(s.People, b.dir.person(jid.String, cmp.Or(name.String, first.String)))
	}
	return b.db.Err(ctx, rows.Err())
}

// describe gives a session its title and people.
func (b *book) describe(s *session) {
	s.Group = s.kind != typePrivate || strings.HasSuffix(s.jid, groupEnd) || strings.HasSuffix(s.jid, broadcastEnd)
	switch {
	case s.jid == statusAll:
		s.Title = "Status updates"
	case strings.HasSuffix(s.jid, statusEnd):
		p := b.dir.person(strings.TrimSuffix(s.jid, statusEnd)+phoneEnd, s.Title)
		s.People, s.Title, s.Group = []chat.Person{p}, "Status of "+p.Label(), false
	case !s.Group && s.jid != "":
		p := b.dir.person(s.jid, s.Title)
		s.People = []chat.Person{p}
		if s.Title == "" || p.Name != "" {
			s.Title = p.Label()
		}
	case s.Title == "":
		var names []string
		for _, p := range s.People[:min(4, len(s.People))] {
			names = append(names, p.Label())
		}
		s.Title = cmp.Or(strings.Join(names, ", "), s.jid, fmt.Sprintf("Conversation %d", s.pk))
	}
}

// Conversations implements chat.Store.
func (r *Reader) Conversations(ctx context.Context, src *extract.Source) ([]chat.Conversation, error) {
	books, failed, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	if len(books) == 0 {
		if len(failed) > 0 {
			return nil, failed[0]
		}
		if (&reading{src: src}).other() {
			return nil, nil // there are calls only
		}
		return nil, absent()
	}
	var list []chat.Conversation
	for _, b := range books {
		for _, s := range b.list {
			list = append(list, s.Conversation)
		}
	}
	slices.SortFunc(list, func(a, b chat.Conversation) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Key, b.Key))
	})
	return list, nil
}

// Groups implements extract.Extractor.
func (r *Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	list, err := r.Conversations(ctx, src)
	if err != nil {
		return nil, err
	}
	groups := make([]extract.Group, len(list))
	for i, c := range list {
		groups[i] = extract.Group{Key: c.Key, Title: c.Title, Detail: detail(c), Count: c.Messages, Time: c.Last, Deleted: c.Deleted}
	}
	return groups, nil
}

// detail is a second line for a conversation: its people, or the number.
func detail(c chat.Conversation) string {
	var names []string
	for _, p := range c.People[:min(8, len(c.People))] {
		if c.Group {
			names = append(names, p.Label())
		} else {
			names = append(names, p.Address)
		}
	}
	if more := len(c.People) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if c.App != containers[0].app {
		names = append([]string{c.App}, names...)
	}
	return strings.Join(names, ", ")
}

func absent() error {
	return fmt.Errorf("%s: %w", containers[0].chats[0], extract.ErrAbsent)
}
