package messages

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// entry is what is kept of every message.
type entry struct {
	id      int64 // message.ROWID
	date    int64 // nanoseconds
	in      int32 // place of its conversation in book.all
	deleted bool  // it is among what was deleted recently
}

func (a entry) compare(b entry) int {
	return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(a.id, b.id))
}

// shelf has all messages in their order, and the conversations with what they count.
type shelf struct {
	entries []entry
	list    []chat.Conversation // those that have messages, the newest first
	about   *pointers           // what points to messages
	answers *pointers           // the messages that are answered
	// problems are what could not be found out about all of them.
	problems []*extract.Problem
}

// Dates below asSeconds count seconds (extract.CocoaNano); from noDate on they are none.
const (
	asSeconds = 1 << 36
	noDate    = 60_000_000_000
)

// nanoseconds makes one unit of the two in which dates are written; 0 is no date.
func nanoseconds(date int64) int64 {
	switch {
	case extract.CocoaNano(date).IsZero():
		return 0
	case date <= -asSeconds || date >= asSeconds:
		return date
	}
	const most = math.MaxInt64 / 1_000_000_000
	return min(date, most) * 1_000_000_000
}

// shelf makes it, once for a source.
func (b *book) shelf(ctx context.Context) (*shelf, error) {
	return extract.Memo(b.src, "messages/shelf", func() (*shelf, error) {
		all, err := b.survey(ctx)
		if err != nil {
			return nil, err
		}
		s := &shelf{entries: all.entries, problems: all.problems}
		var hidden []int64
		s.about, s.answers, hidden = all.resolve()
		s.hide(hidden)
		// Without it all messages lie in no conversation, but are there.
		places, err := b.places(ctx)
		s.join(places)
		if err == nil {
			err = b.adopt(ctx, s.entries)
		}
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			s.problems = append(s.problems, problem("which message lies in which conversation", err))
		}
		slices.SortFunc(s.entries, entry.compare)
		s.count(b)
		return s, nil
	})
}

func problem(what string, err error) *extract.Problem {
	return &extract.Problem{Kind: "messages", What: what, Err: err}
}

// hide takes out the reactions, whose numbers are sorted.
func (s *shelf) hide(numbers []int64) {
	i := 0
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool {
		for i < len(numbers) && numbers[i] < e.id {
			i++
		}
		return i < len(numbers) && numbers[i] == e.id
	})
}

// place is where a message lies.
type place struct {
	message int64
	in      int32
	deleted bool
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

// places reads where all messages lie, or those of the numbers in; of a message in
// several chats the first one counts, and one that was not deleted.
func (b *book) places(ctx context.Context, in ...int64) ([]place, error) {
	var list []place
	if len(in) == 0 {
		_, last, err := b.numbers(ctx)
		if err != nil {
			return nil, err
		}
		list = make([]place, 0, min(max(last, 0), maxRoom))
	}
	for _, table := range b.joins() {
		add := func(message, c int64) {
			list = append(list, place{message, b.byChat[c], table != "chat_message_join"})
		}
		n := len(list)
		if len(in) == 0 && b.packed(ctx, table, add) == nil {
			continue
		}
		list = list[:n]
		query := "SELECT message_id, chat_id FROM " + table
		if len(in) > 0 {
			query += " WHERE message_id IN (" + numbers(in) + ")"
		}
		var message, c sqlitefs.Int
		err := b.each(ctx, query, nil, func(scan func(...any) error) error {
			err := scan(&message, &c)
			add(message.Int, c.Int)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, c place) int {
		return cmp.Or(cmp.Compare(a.message, c.message), no(a.in == 0, c.in == 0), no(a.deleted, c.deleted), cmp.Compare(a.in, c.in))
	})
	return slices.CompactFunc(list, func(a, c place) bool { return a.message == c.message }), nil
}

// packed reads a join with one row for a chat, which takes a third of the time of one for
// a message. It fails where a chat is larger than a cell may be.
func (b *book) packed(ctx context.Context, table string, add func(message, c int64)) error {
	var c sqlitefs.Int
	var list sqlitefs.Text
	return b.each(ctx, "SELECT chat_id, group_concat(message_id) FROM "+table+" GROUP BY chat_id", nil, func(scan func(...any) error) error {
		if err := scan(&c, &list); err != nil {
			return err
		}
		for s := range strings.SplitSeq(list.String, ",") {
			id, err := strconv.ParseInt(s, 10, 64)
			if err != nil && list.Valid {
				return err
			}
			if list.Valid {
				add(id, c.Int)
			}
		}
		return nil
	})
}

// no puts what is not before what is.
func no(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// join tells the entries, which are in the order of their numbers, where they lie.
func (s *shelf) join(places []place) {
	i := 0
	for j := range s.entries {
		e := &s.entries[j]
		for i < len(places) && places[i].message < e.id {
			i++
		}
		if i < len(places) && places[i].message == e.id {
			e.in, e.deleted = places[i].in, places[i].deleted
		}
	}
}

// count makes the list of conversations that have messages.
func (s *shelf) count(b *book) {
	all := slices.Clone(b.all)
	kept := make([]bool, len(all)) // it has messages that were not deleted
	for _, e := range s.entries {
		c := &all[e.in]
		c.Messages++
		kept[e.in] = kept[e.in] || !e.deleted
		if t := extract.CocoaNano(e.date); t.After(c.Last) {
			c.Last = t
		}
	}
	for i := range all {
		all[i].Deleted = !kept[i]
	}
	s.list = slices.DeleteFunc(all, func(c chat.Conversation) bool { return c.Messages == 0 })
	slices.SortStableFunc(s.list, func(a, c chat.Conversation) int {
		return cmp.Or(no(a.Key == other, c.Key == other), c.Last.Compare(a.Last), strings.Compare(a.Key, c.Key))
	})
}

// target is the SQL for the GUID of the message to which a reaction points: "p:0/GUID"
// for a part, "bp:GUID" for a balloon.
const target = "CASE WHEN r.associated_message_guid GLOB 'p:*/*' THEN substr(r.associated_message_guid, instr(r.associated_message_guid, '/') + 1)" +
	" WHEN r.associated_message_guid GLOB 'bp:*' THEN substr(r.associated_message_guid, 4) ELSE r.associated_message_guid END"

// visible is the SQL that tells what is a record: all but reactions to a message that
// is there.
func (b *book) visible(m string) string {
	if !b.db.Has("message", "guid", "associated_message_guid", "associated_message_type") {
		return "1"
	}
	sql := strings.ReplaceAll(target, "r.", m+".")
	return "NOT (ifnull(" + m + ".associated_message_type, 0) BETWEEN 2000 AND 3999 AND EXISTS (SELECT 1 FROM message t WHERE t.guid = " + sql + "))"
}
