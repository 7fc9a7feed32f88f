package messages

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

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
		s := &shelf{}
		var places []place
		var p *pointers
		var lost error
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return s.fill(ctx, b) })
		g.Go(func() error {
			// Without it all messages lie in no conversation, but are there.
			places, lost = b.places(ctx)
			return ctx.Err()
		})
		g.Go(func() (err error) { p, err = b.pointed(ctx); return err })
		if err := g.Wait(); err != nil {
			return nil, err
		}
		if lost != nil {
			s.problems = append(s.problems, problem("which message lies in which conversation", lost))
		}
		s.hide(p.hidden)
		s.join(places)
		slices.SortFunc(s.entries, entry.compare)
		s.count(b)
		return s, nil
	})
}

// fill reads the entries, and puts them in the order of their numbers. Nothing but
// number and date is asked for: SQLite then reads the index by date, where there is one,
// instead of the table.
func (s *shelf) fill(ctx context.Context, b *book) error {
	s.entries = make([]entry, 0, b.room(ctx))
	err := s.read(ctx, b, "")
	if err != nil && ctx.Err() == nil {
		s.entries = s.entries[:0]
		err = s.salvage(ctx, b, err)
	}
	slices.SortFunc(s.entries, func(a, c entry) int { return cmp.Compare(a.id, c.id) })
	return err
}

func (s *shelf) read(ctx context.Context, b *book, where string) error {
	var id, date sqlitefs.Int
	return b.each(ctx, "SELECT m.ROWID, "+b.db.Column("message", "m", "date")+" FROM message m"+where, nil, func(scan func(...any) error) error {
		err := scan(&id, &date)
		s.entries = append(s.entries, entry{id: id.Int, date: nanoseconds(date.Int)})
		return err
	})
}

// maxBroken is how many rows may be broken before the whole store is.
const maxBroken = 2000

// salvage looks for the rows that can be read in a table that is broken somewhere, by
// halving the numbers that rows may have. cause is how it is broken.
func (s *shelf) salvage(ctx context.Context, b *book, cause error) error {
	var first, last sqlitefs.Int
	if err := b.each(ctx, "SELECT (SELECT min(ROWID) FROM message), (SELECT max(ROWID) FROM message)", nil, func(scan func(...any) error) error { return scan(&first, &last) }); err != nil {
		return cause
	}
	var broken []int64
	var try func(from, to int64) error
	try = func(from, to int64) error {
		n := len(s.entries)
		err := s.read(ctx, b, fmt.Sprintf(" WHERE m.ROWID BETWEEN %d AND %d", from, to))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || len(broken) >= maxBroken:
			return err
		}
		s.entries = s.entries[:n]
		if from == to {
			broken = append(broken, from)
			return nil
		}
		middle := from + int64(uint64(to-from)/2)
		if err := try(from, middle); err != nil {
			return err
		}
		return try(middle+1, to)
	}
	if err := try(first.Int, last.Int); err != nil {
		return err
	}
	for i := 0; i < len(broken); { // those in a row are told once
		n := 1
		for i+n < len(broken) && broken[i+n] == broken[i]+int64(n) {
			n++
		}
		what := fmt.Sprintf("message in row %d", broken[i])
		if n > 1 {
			what = fmt.Sprintf("messages in rows %d to %d", broken[i], broken[i+n-1])
		}
		s.problems = append(s.problems, problem(what, cause))
		i += n
	}
	return nil
}

func problem(what string, err error) *extract.Problem {
	return &extract.Problem{Kind: "messages", What: what, Err: err}
}

// room is for how many messages room is made at once: their number, unless many were
// deleted.
func (b *book) room(ctx context.Context) int64 {
	const most = 4 << 20 // beyond that lists grow by themselves
	var last sqlitefs.Int
	err := b.each(ctx, "SELECT max(ROWID) FROM message", nil, func(scan func(...any) error) error { return scan(&last) })
	if err != nil { // who reads on meets it again
		return 0
	}
	return min(max(last.Int, 0), most)
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
		list = make([]place, 0, b.room(ctx))
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
