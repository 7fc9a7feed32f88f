package messages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
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
	// known are the chats (chat.ROWID) by chat_identifier and by what chat_lookup has.
	known map[string]int64
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
		b := &book{db: db, src: src, people: map[int64]chat.Person{}, byChat: map[int64]int32{}, byKey: map[string]int32{}, known: map[string]int64{}}
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

// folderMark is what addresses end in whose messages the phone sorts into a folder of its
// own: "56249(smsfp)" among promotions, "(smsft_fi)" among transactions.
var folderMark = regexp.MustCompile(`\(sms[a-z_]*\)$`)

func (b *book) person(ctx context.Context, address string) chat.Person {
	if bare := folderMark.ReplaceAllString(address, ""); bare != "" {
		address = bare
	}
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

// chatRow is a row of the table chat.
type chatRow struct {
	id                                     int64
	guid, identifier, service, name, group string
	isGroup, archived                      bool
	people                                 []chat.Person
}

func (b *book) readChats(ctx context.Context) error {
	if !b.db.Has("chat") {
		return nil
	}
	members, broken := b.members(ctx)
	var rows []chatRow
	err := b.each(ctx, "SELECT c.ROWID, "+b.db.List("chat", "c", "guid", "style", "chat_identifier", "service_name", "display_name", "group_id", "is_archived")+" FROM chat c ORDER BY c.ROWID", nil, func(scan func(...any) error) error {
		var id, style, archived sqlitefs.Int
		var guid, identifier, service, name, group sqlitefs.Text
		if err := scan(&id, &guid, &style, &identifier, &service, &name, &group, &archived); err != nil {
			return err
		}
		people := members[id.Int]
		isGroup := style.Int == styleGroup || len(people) > 1 || strings.Contains(guid.String, ";+;")
		rows = append(rows, chatRow{id.Int, guid.String, identifier.String, service.String, name.String, group.String, isGroup, archived.Bool(), people})
		return nil
	})
	keys, alone := b.groupKeys(ctx, rows)
	if err = errors.Join(broken, err, alone); ctx.Err() != nil {
		return err
	}
	for _, r := range rows { // what can be read of a damaged database, too
		people := r.people
		if !r.isGroup && len(people) == 0 && r.identifier != "" {
			people = []chat.Person{b.person(ctx, r.identifier)}
		}
		var key string
		switch {
		case r.isGroup:
			key = keys[r.id]
		case len(people) == 0:
			key = "chat/" + r.anyID()
		default:
			key = "person/" + canonical(people[0].Address)
		}
		i := b.conversation(key, r.isGroup)
		c := &b.all[i]
		b.byChat[r.id], b.chats[i] = i, append(b.chats[i], r.id)
		b.know(r.identifier, r.id)
		// It lies among the archived ones when all its chats do.
		c.Archived = r.archived && (c.Archived || len(b.chats[i]) == 1)
		c.Service = r.service
		for _, p := range people {
			if !slices.ContainsFunc(c.People, func(q chat.Person) bool { return canonical(q.Address) == canonical(p.Address) }) {
				c.People = append(c.People, p)
			}
		}
		if r.name != "" {
			c.Title = r.name
		}
	}
	return err
}

func (b *book) know(name string, id int64) {
	if _, ok := b.known[name]; !ok && name != "" {
		b.known[name] = id
	}
}

// byCloud gives the conversations of messages that lie in none, as far as they are known:
// ck_chat_id has what their chat is called in iCloud, whose messages come before it is told
// where they lie. That is "iMessage;-;" and an address, or the identifier of a group; the
// phone puts them into their chats by it, too, at an update.
func (b *book) byCloud(ctx context.Context, ids []int64) (map[int64]int32, error) {
	in := map[int64]int32{}
	if len(ids) == 0 || !b.db.Has("message", "ck_chat_id") {
		return in, nil
	}
	for list := range slices.Chunk(ids, portion) {
		var id sqlitefs.Int
		var name sqlitefs.Text
		query := "SELECT m.ROWID, m.ck_chat_id FROM message m WHERE m.ROWID IN (" + numbers(list) + ") AND m.ck_chat_id > ''"
		err := b.each(ctx, query, nil, func(scan func(...any) error) error {
			err := scan(&id, &name)
			address := name.String[strings.LastIndex(name.String, ";")+1:]
			for _, known := range []int32{b.byChat[b.known[address]], b.byKey["person/"+canonical(folderMark.ReplaceAllString(address, ""))], b.byKey["group/"+address]} {
				if known != 0 {
					in[id.Int] = known
					break
				}
			}
			return err
		})
		if err != nil {
			return in, err
		}
	}
	return in, nil
}

// adopt puts messages that lie in no conversation into the one that iCloud has them in.
func (b *book) adopt(ctx context.Context, entries []entry) error {
	var ids []int64
	for _, e := range entries {
		if e.in == 0 {
			ids = append(ids, e.id)
		}
	}
	in, err := b.byCloud(ctx, ids)
	for i := range entries {
		if e := &entries[i]; e.in == 0 && len(in) > 0 {
			e.in = in[e.id]
		}
	}
	return err
}

func (r *chatRow) anyID() string { return cmp.Or(r.guid, r.identifier, fmt.Sprint(r.id)) }

// groupKeys gives the keys of the conversations of groups. Chats with the same group_id
// are one, and chats that chat_lookup of newer phones has under the same identifier: a group
// that goes from SMS to RCS is another chat with another group_id. The first chat, whose
// group_id older versions know, gives the key. An error says why more may be one.
func (b *book) groupKeys(ctx context.Context, rows []chatRow) (keys map[int64]string, err error) {
	first := map[int64]int64{} // a chat with a smaller number, or itself
	root := func(id int64) int64 {
		for first[id] != id {
			first[id] = first[first[id]]
			id = first[id]
		}
		return id
	}
	known := map[string]int64{} // chats by what they are known by
	join := func(as string, id int64) {
		other, ok := known[as]
		if !ok {
			known[as] = id
			return
		}
		a, c := root(other), root(id)
		first[max(a, c)] = min(a, c)
	}
	keys = map[int64]string{}
	for _, r := range rows {
		if r.isGroup {
			first[r.id] = r.id
			keys[r.id] = "group/" + cmp.Or(r.group, r.anyID())
			join(keys[r.id], r.id)
		}
	}
	if b.db.Has("chat_lookup", "identifier", "chat") {
		var identifier sqlitefs.Text
		var id sqlitefs.Int
		err = b.each(ctx, "SELECT l.identifier, +l.chat FROM chat_lookup l WHERE l.identifier > ''", nil, func(scan func(...any) error) error {
			err := scan(&identifier, &id)
			b.know(identifier.String, id.Int)
			if _, ok := first[id.Int]; ok && err == nil {
				join("lookup/"+identifier.String, id.Int)
			}
			return err
		})
	}
	for id := range keys {
		if r := root(id); r != id {
			keys[id] = keys[r]
		}
	}
	return keys, err
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
