package messages

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

// book is an open sms.db, and who talks with whom.
type book struct {
	db     *sqlitefs.DB
	src    *extract.Source
	people map[int64]chat.Person // by handle.ROWID
	// all conversations, those without messages too; the first one is "other".
	all    []chat.Conversation
	byChat map[int64]int32 // chat.ROWID to place in all
	byKey  map[string]int32
	chats  [][]int64 // of each conversation
	// problems are what could not be found out about people and conversations.
	problems []*extract.Problem
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
		b := &book{db: db, src: src, people: map[int64]chat.Person{}, byChat: map[int64]int32{}, byKey: map[string]int32{}}
		b.conversation(other, false)
		b.all[0].Title = "In no conversation"
		for _, part := range []struct {
			what string
			read func(context.Context) error
		}{{"who has which number", b.readHandles}, {"conversations", b.readChats}} {
			// The messages may be whole where these are not.
			if err := part.read(ctx); err != nil {
				if ctx.Err() != nil {
					return nil, err
				}
				b.problems = append(b.problems, problem(part.what, err))
			}
		}
		for i := range b.all {
			b.all[i].Title = titleOf(b.all[i])
		}
		return b, nil
	})
}

// each calls row for every row of a query.
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
	var id sqlitefs.Int
	var address sqlitefs.Text
	return b.each(ctx, "SELECT h.ROWID, "+b.db.List("handle", "h", "id")+" FROM handle h", nil, func(scan func(...any) error) error {
		err := scan(&id, &address)
		if address.String != "" {
			b.people[id.Int] = b.person(ctx, address.String)
		}
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
	if len(digits) >= 8 && !strings.Contains(address, ":") { // a "urn:biz:…" is no number
		return digits[len(digits)-8:]
	}
	return strings.ToLower(address)
}

func (b *book) person(ctx context.Context, address string) chat.Person {
	return chat.Person{Address: address, Name: b.src.NameOf(ctx, address)}
}

// conversation gives the place of the one with a key, which may be new.
func (b *book) conversation(key string, group bool) int32 {
	i, ok := b.byKey[key]
	if !ok {
		i = int32(len(b.all))
		b.byKey[key] = i
		b.all = append(b.all, chat.Conversation{Key: key, App: "Messages", Group: group})
		b.chats = append(b.chats, nil)
	}
	return i
}

// members reads who is in each chat.
func (b *book) members(ctx context.Context) (map[int64][]chat.Person, error) {
	members := map[int64][]chat.Person{}
	if !b.db.Has("chat_handle_join", "chat_id", "handle_id") {
		return members, nil
	}
	err := b.each(ctx, "SELECT chat_id, handle_id FROM chat_handle_join ORDER BY 1, 2", nil, func(scan func(...any) error) error {
		var c, h sqlitefs.Int
		err := scan(&c, &h)
		if p, ok := b.people[h.Int]; ok && !slices.ContainsFunc(members[c.Int], func(q chat.Person) bool { return q.Address == p.Address }) {
			members[c.Int] = append(members[c.Int], p)
		}
		return err
	})
	return members, err
}

// Values of chat.style.
const styleGroup = 43

func (b *book) readChats(ctx context.Context) error {
	if !b.db.Has("chat") {
		return nil
	}
	members, err := b.members(ctx)
	if err != nil {
		return err
	}
	return b.each(ctx, "SELECT c.ROWID, "+b.db.List("chat", "c", "guid", "style", "chat_identifier", "service_name", "display_name", "group_id", "is_archived")+" FROM chat c ORDER BY c.ROWID", nil, func(scan func(...any) error) error {
		var id, style, archived sqlitefs.Int
		var guid, identifier, service, name, group sqlitefs.Text
		if err := scan(&id, &guid, &style, &identifier, &service, &name, &group, &archived); err != nil {
			return err
		}
		people := members[id.Int]
		isGroup := style.Int == styleGroup || len(people) > 1 || strings.Contains(guid.String, ";+;")
		if !isGroup && len(people) == 0 && identifier.String != "" {
			people = []chat.Person{b.person(ctx, identifier.String)}
		}
		anyID := cmp.Or(guid.String, identifier.String, fmt.Sprint(id.Int))
		var key string
		switch {
		case isGroup:
			key = "group/" + cmp.Or(group.String, anyID)
		case len(people) == 0:
			key = "chat/" + anyID
		default:
			key = "person/" + canonical(people[0].Address)
		}
		i := b.conversation(key, isGroup)
		c := &b.all[i]
		b.byChat[id.Int], b.chats[i] = i, append(b.chats[i], id.Int)
		// It lies among the archived ones when all its chats do.
		c.Archived = archived.Bool() && (c.Archived || len(b.chats[i]) == 1)
		c.Service = service.String
		for _, p := range people {
			if !slices.ContainsFunc(c.People, func(q chat.Person) bool { return canonical(q.Address) == canonical(p.Address) }) {
				c.People = append(c.People, p)
			}
		}
		if name.String != "" {
			c.Title = name.String
		}
		return nil
	})
}

// titleOf is what people call a conversation.
func titleOf(c chat.Conversation) string {
	if c.Title != "" {
		return c.Title
	}
	names := make([]string, len(c.People))
	for i, p := range c.People {
		names[i] = p.Label()
	}
	return cmp.Or(strings.Join(names, ", "), "Nobody")
}
