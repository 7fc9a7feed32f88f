package messages

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// How many messages are read at once.
const (
	firstPortion = 50
	portion      = 1000
)

// Read implements extract.Extractor. The order is that of the moments at which
// messages were sent or came.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	b, err := open(ctx, src)
	if err != nil {
		return err
	}
	if q.Table != "" && q.Table != chat.Table.Name {
		return nil
	}
	for _, p := range b.problems {
		out.Report(p)
	}
	if q.Key != "" || q.Limit > 0 && q.Group == "" && b.ordered(ctx) {
		about, err := b.pointed(ctx)
		if err != nil {
			return err
		}
		if about.broken != nil {
			out.Report(problem("reactions", about.broken))
		}
		few, err := b.few(ctx, q)
		if err != nil {
			return err
		}
		return extract.Done(b.emit(ctx, slices.Values(few), about, nil, out))
	}
	s, err := b.shelf(ctx)
	if err != nil {
		return err
	}
	for _, p := range s.problems {
		out.Report(p)
	}
	return extract.Done(b.emit(ctx, s.choose(b, q), s.about, s.answers, out))
}

// choose gives the entries that q chooses, in order.
func (s *shelf) choose(b *book, q extract.Query) iter.Seq[entry] {
	in, known := b.byKey[q.Group]
	return func(yield func(entry) bool) {
		if q.Group != "" && !known {
			return
		}
		skip, left := q.Skip, q.Limit
		for i := range s.entries {
			e := s.entries[i]
			if q.Newest {
				e = s.entries[len(s.entries)-1-i]
			}
			if q.Group != "" && e.in != in {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if !yield(e) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// ordered tells whether SQL puts messages into the same order as the shelf: not when
// some count seconds and others nanoseconds, or have no date.
func (b *book) ordered(ctx context.Context) bool {
	if !b.db.Has("message", "date") {
		return false
	}
	ok, err := extract.Memo(b.src, "messages/ordered", func() (bool, error) {
		var least, most, none sqlitefs.Int
		var kind sqlitefs.Text
		err := b.each(ctx, "SELECT (SELECT min(date) FROM message), (SELECT max(date) FROM message), (SELECT typeof(max(date)) FROM message), EXISTS (SELECT 1 FROM message WHERE date IS NULL)", nil, func(scan func(...any) error) error {
			return scan(&least, &most, &kind, &none)
		})
		return kind.String == "integer" && none.Int == 0 && (least.Int >= asSeconds || least.Int >= 0 && most.Int < noDate), err
	})
	return ok && err == nil // with an error the long way is taken, which meets it again
}

// rowKey is the key of a message that has no GUID.
const rowKey = "row/"

// few asks for some messages without looking at all of them.
func (b *book) few(ctx context.Context, q extract.Query) ([]entry, error) {
	where, args := b.visible("m"), []any(nil)
	if q.Key != "" {
		id, err := strconv.ParseInt(strings.TrimPrefix(q.Key, rowKey), 10, 64)
		switch {
		case strings.HasPrefix(q.Key, rowKey) && err == nil:
			where += " AND m.ROWID = ? AND ifnull(" + strings.TrimPrefix(b.db.Column("message", "m", "guid"), "+") + ", '') = ''"
			args = append(args, id)
		case b.db.Has("message", "guid"):
			where += " AND m.guid = ?"
			args = append(args, q.Key)
		default:
			return nil, nil
		}
	}
	direction, date := "", "m.ROWID"
	if b.db.Has("message", "date") {
		date = "m.date"
	}
	if q.Newest {
		direction = " DESC"
	}
	query := fmt.Sprintf("SELECT m.ROWID FROM message m WHERE %s ORDER BY %s%s, m.ROWID%s LIMIT %d OFFSET %d", where, date, direction, direction, cmpLimit(q.Limit), q.Skip)
	var list []entry
	err := b.each(ctx, query, args, func(scan func(...any) error) error {
		var e entry
		err := scan(&e.id)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(list, portion) {
		ids := make([]int64, len(chunk))
		for i, e := range chunk {
			ids[i] = e.id
		}
		places, err := b.places(ctx, ids...)
		if err != nil {
			return nil, err
		}
		for i := range chunk {
			if j, ok := slices.BinarySearchFunc(places, chunk[i].id, func(p place, id int64) int { return int(min(max(p.message-id, -1), 1)) }); ok {
				chunk[i].in, chunk[i].deleted = places[j].in, places[j].deleted
			}
		}
		if err := b.adopt(ctx, chunk); err != nil {
			return nil, err
		}
	}
	if q.Group != "" {
		list = slices.DeleteFunc(list, func(e entry) bool { return b.all[e.in].Key != q.Group })
	}
	return list, nil
}

// cmpLimit is a limit as SQL has it.
func cmpLimit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// loaded is a portion as it was read.
type loaded struct {
	*batch
	err error
}

// ahead is how many portions are read at once, before they are given.
const ahead = 2

// emit reads messages in portions and gives them to out, the next portions being read
// while one is given.
func (b *book) emit(ctx context.Context, entries iter.Seq[entry], about, answers *pointers, out extract.Emitter) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &loader{book: b, about: about, answers: answers, free: make(chan []raw, ahead+1)}
	// Each portion comes through a channel of its own, so that they stay in order.
	portions := make(chan chan loaded, ahead-1)
	go func() {
		defer close(portions)
		for chunk := range chunks(entries) {
			one := make(chan loaded, 1)
			select {
			case portions <- one:
			case <-ctx.Done():
				return
			}
			go func() {
				batch, err := l.load(ctx, chunk)
				one <- loaded{batch, err}
			}()
		}
	}()
	defer func() {
		cancel()
		for one := range portions { // until all have ended: they ask the database
			<-one
		}
	}()
	var d typedstream.Decoder
	for one := range portions {
		p := <-one
		if p.err != nil {
			return p.err
		}
		if err := b.give(p.batch, &d, out); err != nil {
			return err
		}
		select {
		case l.free <- p.slab:
		default:
		}
	}
	return ctx.Err()
}

// chunks cuts entries into portions. The first one is small: it comes soon, for those
// who want one screen.
func chunks(entries iter.Seq[entry]) iter.Seq[[]entry] {
	return func(yield func([]entry) bool) {
		size := firstPortion
		var chunk []entry
		for e := range entries {
			if chunk = append(chunk, e); len(chunk) == size {
				if !yield(chunk) {
					return
				}
				chunk, size = make([]entry, 0, portion), portion
			}
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// give makes messages of a portion and emits them.
func (b *book) give(l *batch, d *typedstream.Decoder, out extract.Emitter) error {
	for _, p := range l.problems {
		out.Report(p)
	}
	for _, r := range l.rows {
		m, broken := b.message(l, r, d)
		if broken != nil {
			out.Report(problem("message "+m.Key, broken))
		}
		if err := out.Emit(m); err != nil {
			return err
		}
	}
	return nil
}
