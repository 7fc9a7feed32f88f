// Package messages reads SMS, iMessage and RCS: sms.db of HomeDomain, and in MediaDomain
// what came with messages (content-schemas.md 3).
//
//	HomeDomain/Library/SMS/sms.db
//	  chat          a conversation as the phone has it: one for each address and service
//	  handle        an address: phone number or e-mail
//	  message       what was written, what happened, and reactions, which point to a message
//	  attachment    what came with a message; filename is ~/Library/SMS/Attachments/…
//	  chat_message_join, chat_recoverable_message_join (recently deleted, iOS 16)
//	MediaDomain/Library/SMS/Attachments/8a/10/<GUID>/IMG.jpeg
//
// # Conversations
//
// One person often has several chats: by number, by e-mail, as SMS and as iMessage. All
// chats with the same address (the last eight digits of a number, an e-mail address in
// small letters) are one conversation, with the key "person/…"; those of a group are one
// by its group_id, "group/…". Messages in no chat are in the conversation "other".
//
// # Messages
//
// A text that is NULL is in attributedBody (package typedstream); when that cannot be
// read either, the message is of the kind "unknown" and a Problem is reported: it is
// never taken for empty. Reactions are no records: they are on the message that they
// point to, the last of each person. What is not understood keeps its numbers in Raw.
package messages

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

const (
	smsDB = "HomeDomain/Library/SMS/sms.db"
	// other is the key of messages that lie in no conversation.
	other = "other"
)

// Reader reads messages. It implements extract.Exporter and chat.Store.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "messages", Title: "Messages", Tables: []extract.Table{chat.Table}, Groups: "conversations",
		Paths: []string{smsDB, "MediaDomain/Library/SMS/Attachments/*/*/*/*"}}
}

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format { return chat.Formats }

// Export implements extract.Exporter.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	return chat.Export(ctx, r, src, o, out, rep)
}

// book is an open sms.db, and who talks with whom.
type book struct {
	db      *sqlitefs.DB
	src     *extract.Source
	handles map[int64]handle
	list    []*conversation
	byChat  map[int64]*conversation
	byKey   map[string]*conversation
}

type handle struct{ id, service string }

type conversation struct {
	chat.Conversation
	chats []int64
}

// open reads handles and conversations, once for a source.
func open(ctx context.Context, src *extract.Source) (*book, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := src.Database(ctx, smsDB)
	if err != nil {
		return nil, err
	}
	if !db.Has("message") {
		return nil, fmt.Errorf("read %s: %w: it has no messages", smsDB, sqlitefs.ErrDamaged)
	}
	return extract.Memo(src, "messages/book", func() (*book, error) {
		b := &book{db: db, src: src, handles: map[int64]handle{}, byChat: map[int64]*conversation{}, byKey: map[string]*conversation{}}
		for _, step := range []func(context.Context) error{b.readHandles, b.readChats, b.count, b.countOthers} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(b.list, func(a, c *conversation) int {
			return cmp.Or(c.Last.Compare(a.Last), strings.Compare(a.Key, c.Key))
		})
		return b, nil
	})
}

func (b *book) each(ctx context.Context, query string, args []any, row func(scan func(...any) error) error) error {
	rows, err := b.db.QueryContext(ctx, query, args...)
	if err != nil {
		return b.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return b.db.Err(ctx, err)
		}
	}
	return b.db.Err(ctx, rows.Err())
}

func (b *book) readHandles(ctx context.Context) error {
	if !b.db.Has("handle", "id") {
		return nil
	}
	return b.each(ctx, "SELECT h.ROWID, "+b.db.List("handle", "h", "id", "service")+" FROM handle h", nil, func(scan func(...any) error) error {
		var id sqlitefs.Int
		var address, service sqlitefs.Text
		err := scan(&id, &address, &service)
		b.handles[id.Int] = handle{address.String, service.String}
		return err
	})
}

// canonical makes one of the ways in which an address is written.
func canonical(address string) string {
	if strings.Contains(address, "@") {
		return strings.ToLower(address)
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, address)
	if len(digits) >= 8 {
		return digits[len(digits)-8:]
	}
	return strings.ToLower(address)
}

func (b *book) person(ctx context.Context, address string) chat.Person {
	return chat.Person{Address: address, Name: b.src.NameOf(ctx, address)}
}

func (b *book) readChats(ctx context.Context) error {
	if !b.db.Has("chat", "guid") {
		return nil
	}
	members := map[int64][]string{}
	if b.db.Has("chat_handle_join", "chat_id", "handle_id") {
		if err := b.each(ctx, "SELECT chat_id, handle_id FROM chat_handle_join ORDER BY 1, 2", nil, func(scan func(...any) error) error {
			var c, h sqlitefs.Int
			err := scan(&c, &h)
			if known, ok := b.handles[h.Int]; ok && known.id != "" && !slices.Contains(members[c.Int], known.id) {
				members[c.Int] = append(members[c.Int], known.id)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return b.each(ctx, "SELECT c.ROWID, "+b.db.List("chat", "c", "guid", "style", "chat_identifier", "service_name", "display_name", "group_id", "is_archived")+" FROM chat c ORDER BY c.ROWID", nil, func(scan func(...any) error) error {
		var id, style, archived sqlitefs.Int
		var guid, identifier, service, name, group sqlitefs.Text
		if err := scan(&id, &guid, &style, &identifier, &service, &name, &group, &archived); err != nil {
			return err
		}
		people := members[id.Int]
		isGroup := style.Int == 43 || len(people) > 1 || strings.Contains(guid.String, ";+;")
		var key string
		switch {
		case isGroup && group.String != "":
			key = "group/" + group.String
		case isGroup:
			key = "group/" + guid.String
		default:
			if len(people) == 0 && identifier.String != "" {
				people = []string{identifier.String}
			}
			if len(people) == 0 {
				key = "chat/" + guid.String
			} else {
				key = "person/" + canonical(people[0])
			}
		}
		c := b.byKey[key]
		if c == nil {
			c = &conversation{Conversation: chat.Conversation{Key: key, App: "Messages", Group: isGroup}}
			b.byKey[key] = c
			b.list = append(b.list, c)
		}
		c.chats = append(c.chats, id.Int)
		c.Service, c.Archived = service.String, archived.Bool()
		for _, p := range people {
			if !slices.ContainsFunc(c.People, func(q chat.Person) bool { return canonical(q.Address) == canonical(p) }) {
				c.People = append(c.People, b.person(ctx, p))
			}
		}
		if name.String != "" {
			c.Title = name.String
		}
		b.byChat[id.Int] = c
		return nil
	})
}

func (c *conversation) name() {
	if c.Title != "" {
		return
	}
	var names []string
	for _, p := range c.People {
		names = append(names, cmp.Or(p.Name, p.Address))
	}
	c.Title = cmp.Or(strings.Join(names, ", "), "Nobody")
}

// reaction is the SQL that tells tapbacks, which belong to another message.
func (b *book) reaction(alias string) string {
	if !b.db.Has("message", "associated_message_type") {
		return "0"
	}
	return "coalesce(" + alias + ".associated_message_type, 0) BETWEEN 2000 AND 3999"
}

// joins are the tables that say which message lies where; the second has what was
// deleted recently (iOS 16).
func (b *book) joins() []string {
	var tables []string
	for _, t := range []string{"chat_message_join", "chat_recoverable_message_join"} {
		if b.db.Has(t, "chat_id", "message_id") {
			tables = append(tables, t)
		}
	}
	return tables
}

func (b *book) count(ctx context.Context) error {
	for i, table := range b.joins() {
		err := b.each(ctx, "SELECT j.chat_id, count(*), max(m.date) FROM "+table+" j JOIN message m ON m.ROWID = j.message_id WHERE NOT "+b.reaction("m")+b.once(i)+" GROUP BY j.chat_id", nil, func(scan func(...any) error) error {
			var id, n, last sqlitefs.Int
			if err := scan(&id, &n, &last); err != nil {
				return err
			}
			if c := b.byChat[id.Int]; c != nil {
				c.Deleted = i > 0 && c.Messages == 0
				c.Messages += int(n.Int)
				if t := extract.CocoaNano(last.Int); t.After(c.Last) {
					c.Last = t
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range b.list {
		c.name()
	}
	b.list = slices.DeleteFunc(b.list, func(c *conversation) bool { return c.Messages == 0 })
	return nil
}

// once leaves out of the join i what the first one has, and of a message in several
// chats all but the first.
func (b *book) once(i int) string {
	table := b.joins()[i]
	sql := " AND j.chat_id = (SELECT min(k.chat_id) FROM " + table + " k WHERE k.message_id = j.message_id)"
	if i > 0 {
		sql += " AND NOT EXISTS (SELECT 1 FROM chat_message_join k WHERE k.message_id = j.message_id)"
	}
	return sql
}

// lost is the condition of messages that lie in no chat that there is.
func (b *book) lost() string {
	sql := "NOT " + b.reaction("m")
	for _, table := range b.joins() {
		sql += " AND NOT EXISTS (SELECT 1 FROM " + table + " k JOIN chat c ON c.ROWID = k.chat_id WHERE k.message_id = m.ROWID)"
	}
	return sql
}

func (b *book) countOthers(ctx context.Context) error {
	var n, last sqlitefs.Int
	err := b.each(ctx, "SELECT count(*), max(m.date) FROM message m WHERE "+b.lost(), nil, func(scan func(...any) error) error { return scan(&n, &last) })
	if err == nil && n.Int > 0 {
		c := &conversation{Conversation: chat.Conversation{Key: other, App: "Messages", Title: "In no conversation", Messages: int(n.Int), Last: extract.CocoaNano(last.Int)}}
		b.byKey[other], b.list = c, append(b.list, c)
	}
	return err
}

// Conversations implements chat.Store.
func (*Reader) Conversations(ctx context.Context, src *extract.Source) ([]chat.Conversation, error) {
	b, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	list := make([]chat.Conversation, len(b.list))
	for i, c := range b.list {
		list[i] = c.Conversation
	}
	return list, nil
}

// Groups implements extract.Extractor.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	b, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	list := make([]extract.Group, len(b.list))
	for i, c := range b.list {
		var people []string
		for _, p := range c.People {
			if c.Group {
				people = append(people, cmp.Or(p.Name, p.Address))
			} else if p.Address != c.Title {
				people = append(people, p.Address)
			}
		}
		list[i] = extract.Group{Key: c.Key, Title: c.Title, Detail: strings.Join(people, ", "), Count: c.Messages, Time: c.Last, Deleted: c.Deleted}
	}
	return list, nil
}
