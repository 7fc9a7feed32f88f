package messages

import (
	"cmp"
	"context"
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
	broken error // why there may be more
}

// pointed reads all that points to a message, once for a source. An index is enough for
// it: it is for those who look at some messages only; for all of them there is survey.
func (b *book) pointed(ctx context.Context) (*pointers, error) {
	return extract.Memo(b.src, "messages/pointers", func() (*pointers, error) {
		p := &pointers{seed: maphash.MakeSeed()}
		if !b.db.Has("message", "associated_message_guid", "associated_message_type") {
			return p, nil
		}
		var id sqlitefs.Int
		var about sqlitefs.Text
		err := b.each(ctx, "SELECT m.ROWID, m.associated_message_guid FROM message m WHERE m.associated_message_guid > ''", nil, func(scan func(...any) error) error {
			err := scan(&id, &about)
			p.list = append(p.list, p.pointer(about.String, id.Int))
			return err
		})
		if err != nil && ctx.Err() == nil {
			p.broken, err = err, nil
		}
		p.sort()
		return p, err
	})
}

// pointer is what a row is that has about as what it is about.
func (p *pointers) pointer(about string, id int64) pointer {
	guid, _ := pointsTo(about)
	return pointer{maphash.String(p.seed, guid), id}
}

func (p *pointers) sort() {
	slices.SortFunc(p.list, func(a, c pointer) int { return cmp.Or(cmp.Compare(a.hash, c.hash), cmp.Compare(a.id, c.id)) })
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
func (l *loader) readReactions(ctx context.Context, b *batch) error {
	var ids []int64
	wanted := map[string]bool{}
	for _, r := range b.rows {
		if r.guid.String == "" {
			continue
		}
		for _, q := range l.about.to(r.guid.String) {
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
	query := "SELECT m.ROWID, " + l.db.List("message", "m", "associated_message_guid", "associated_message_type", "associated_message_emoji", "is_from_me", "handle_id", "date") + " FROM message m WHERE m.ROWID IN ("
	for chunk := range slices.Chunk(ids, maxReactions) {
		err := l.each(ctx, query+numbers(chunk)+")", nil, func(scan func(...any) error) error {
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
				d.From = l.people[h.Int]
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
		kept := slices.DeleteFunc(b.reactions[d.about], func(x chat.Reaction) bool {
			return x.FromMe == d.FromMe && x.From.Address == d.From.Address && x.Part == d.Part && (!removed || x.Emoji == d.Emoji)
		})
		if !removed {
			kept = append(kept, d.Reaction)
		}
		b.reactions[d.about] = kept
	}
	return nil
}
