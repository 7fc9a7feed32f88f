package messages

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// pointer says which row points to the message whose GUID has a hash, or has it itself:
// 16 bytes for each, so that two million do not have to be asked for one by one.
type pointer struct {
	hash uint64
	id   int64
}

// pointers are those of a store, in the order of their hashes. A hash may be that of
// something else, too.
type pointers struct {
	seed   maphash.Seed
	list   []pointer
	hidden []int64 // reactions to a message that is there, sorted: no records
	broken error   // why there may be more: some reactions are then taken for messages
}

// pointed reads all that points to a message, once for a source.
func (b *book) pointed(ctx context.Context) (*pointers, error) {
	return extract.Memo(b.src, "messages/pointers", func() (*pointers, error) {
		p := &pointers{seed: maphash.MakeSeed()}
		if !b.db.Has("message", "associated_message_guid", "associated_message_type") {
			return p, nil
		}
		there, err := p.read(ctx, b)
		if err == nil {
			err = p.hide(ctx, b, there)
		}
		if err != nil && ctx.Err() == nil {
			p.broken, err = err, nil
		}
		slices.Sort(p.hidden)
		p.sort()
		return p, err
	})
}

// answered reads in which rows the messages are that others answer, once for a source.
// Like the reactions, they are read in the order of their GUIDs, for which indexes are
// enough, and in which pages follow each other.
func (b *book) answered(ctx context.Context) (*pointers, error) {
	return extract.Memo(b.src, "messages/answered", func() (*pointers, error) {
		p := &pointers{seed: maphash.MakeSeed()}
		var guid sqlitefs.Text
		var id sqlitefs.Int
		const query = "SELECT m.thread_originator_guid, (SELECT t.ROWID FROM message t WHERE t.guid = m.thread_originator_guid) FROM message m WHERE m.thread_originator_guid > '' GROUP BY 1"
		err := b.each(ctx, query, nil, func(scan func(...any) error) error {
			err := scan(&guid, &id)
			if id.Valid {
				p.list = append(p.list, pointer{maphash.String(p.seed, guid.String), id.Int})
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			p.broken, err = err, nil // once is enough: each portion would meet it again
		}
		p.sort()
		return p, err
	})
}

func (p *pointers) sort() {
	slices.SortFunc(p.list, func(a, c pointer) int { return cmp.Or(cmp.Compare(a.hash, c.hash), cmp.Compare(a.id, c.id)) })
}

// read reads the list, and gives the rows whose message is there. The index by what is
// pointed to is enough for it, and its order is that of the GUIDs: so pages are read one
// after the other. The kinds, which are not in the index, would be looked up all over
// the table.
func (p *pointers) read(ctx context.Context, b *book) (there []int64, err error) {
	exists := "0"
	if b.db.Has("message", "guid") {
		exists = "EXISTS (SELECT 1 FROM message t WHERE t.guid = " + strings.ReplaceAll(target, "r.", "m.") + ")"
	}
	var id, is sqlitefs.Int
	var about sqlitefs.Text
	err = b.each(ctx, "SELECT m.ROWID, m.associated_message_guid, "+exists+" FROM message m WHERE m.associated_message_guid > ''", nil, func(scan func(...any) error) error {
		err := scan(&id, &about, &is)
		guid, _ := pointsTo(about.String)
		p.list = append(p.list, pointer{maphash.String(p.seed, guid), id.Int})
		if is.Bool() {
			there = append(there, id.Int)
		}
		return err
	})
	return there, err
}

// hide finds out which of those rows are reactions, in the order of the table.
func (p *pointers) hide(ctx context.Context, b *book, there []int64) error {
	slices.Sort(there)
	var id sqlitefs.Int
	for chunk := range slices.Chunk(there, maxReactions) {
		query := fmt.Sprintf("SELECT m.ROWID FROM message m WHERE m.ROWID IN (%s) AND ifnull(m.associated_message_type, 0) BETWEEN %d AND %d", numbers(chunk), firstReaction, lastRemoval)
		err := b.each(ctx, query, nil, func(scan func(...any) error) error {
			err := scan(&id)
			p.hidden = append(p.hidden, id.Int)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// to gives the rows that may point to a message, or be it.
func (p *pointers) to(guid string) []pointer {
	hash := maphash.String(p.seed, guid)
	from, _ := slices.BinarySearchFunc(p.list, hash, func(a pointer, h uint64) int { return cmp.Compare(a.hash, h) })
	end := from
	for end < len(p.list) && p.list[end].hash == hash {
		end++
	}
	return p.list[from:end]
}

// pointsTo takes apart what a reaction is about: "p:0/GUID" is a part of a message,
// "bp:GUID" the balloon of an app.
func pointsTo(about string) (guid string, part int) {
	if rest, ok := strings.CutPrefix(about, "p:"); ok {
		if number, id, ok := strings.Cut(rest, "/"); ok {
			part, _ = strconv.Atoi(number) // a part that is no number is the first one
			return id, max(part, 0)
		}
	}
	return strings.TrimPrefix(about, "bp:"), 0
}

// Values of associated_message_type (content-schemas.md 3). From 2000 on a reaction,
// from 3000 on the same taken back.
const (
	firstReaction  = 2000
	firstRemoval   = 3000
	lastRemoval    = 3999
	typeSticker    = 1000
	typePollChange = 4000 // a vote, iOS 26
)

// tapbacks by their type; 2006 has its own emoji, 2007 is a sticker.
var tapbacks = map[int64]string{2000: "❤️", 2001: "👍", 2002: "👎", 2003: "😂", 2004: "‼️", 2005: "❓"}

// maxReactions of a portion are read at once.
const maxReactions = 5000

// readReactions reads the reactions to messages.
func (b *book) readReactions(ctx context.Context, l *batch) error {
	p, err := b.pointed(ctx)
	if err != nil || len(p.list) == 0 {
		return err
	}
	var ids []int64
	wanted := map[string]bool{}
	for _, r := range l.rows {
		if r.guid.String == "" {
			continue
		}
		for _, q := range p.to(r.guid.String) {
			ids = append(ids, q.id)
			wanted[r.guid.String] = true
		}
	}
	type dated struct {
		chat.Reaction
		about string
		kind  int64
		date  int64
		id    int64
	}
	var list []dated
	query := "SELECT m.ROWID, " + b.db.List("message", "m", "associated_message_guid", "associated_message_type", "associated_message_emoji", "is_from_me", "handle_id", "date") + " FROM message m WHERE m.ROWID IN ("
	for chunk := range slices.Chunk(ids, maxReactions) {
		err := b.each(ctx, query+numbers(chunk)+")", nil, func(scan func(...any) error) error {
			var about, emoji sqlitefs.Text
			var id, kind, mine, h, date sqlitefs.Int
			if err := scan(&id, &about, &kind, &emoji, &mine, &h, &date); err != nil {
				return err
			}
			guid, part := pointsTo(about.String)
			if !wanted[guid] || kind.Int < firstReaction || kind.Int > lastRemoval {
				return nil
			}
			d := dated{chat.Reaction{FromMe: mine.Bool(), Part: part, Time: extract.CocoaNano(date.Int), Emoji: emoji.String}, guid, kind.Int, nanoseconds(date.Int), id.Int}
			if !d.FromMe {
				d.From = b.people[h.Int]
			}
			base := d.kind
			if base >= firstRemoval {
				base -= firstRemoval - firstReaction
			}
			if t := tapbacks[base]; t != "" {
				d.Emoji = t
			}
			list = append(list, d)
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(list, func(a, c dated) int { return cmp.Or(cmp.Compare(a.date, c.date), cmp.Compare(a.id, c.id)) })
	for _, d := range list {
		removed := d.kind >= firstRemoval
		// One of a person and part at a time: the next takes the place of the last.
		kept := slices.DeleteFunc(l.reactions[d.about], func(x chat.Reaction) bool {
			return x.FromMe == d.FromMe && x.From.Address == d.From.Address && x.Part == d.Part && (!removed || x.Emoji == d.Emoji)
		})
		if !removed {
			kept = append(kept, d.Reaction)
		}
		l.reactions[d.about] = kept
	}
	return nil
}
