package messages

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// deletedPart is one of a message the rest of which is still there, as
// recoverable_message_part keeps it for a month (iOS 16).
type deletedPart struct {
	index int64
	chat.Edit
}

// deletedParts are those of all messages.
type deletedParts struct {
	of     map[int64][]deletedPart
	broken error     // why there may be more
	tell   sync.Once // that
}

// maxPart is the size of a deleted part that is read, maxDeleted that of all of them.
const (
	maxPart    = 1 << 20
	maxDeleted = 16 << 20
)

// readDeleted reads the parts of messages that were deleted on their own.
func (l *loader) readDeleted(ctx context.Context, b *batch) error {
	all, err := l.deletedParts(ctx)
	if err != nil || all == nil {
		return err
	}
	for _, r := range b.rows {
		if parts := all.of[r.id]; len(parts) > 0 {
			if b.deleted == nil {
				b.deleted = map[int64][]deletedPart{}
			}
			b.deleted[r.id] = parts
		}
	}
	all.tell.Do(func() { err = all.broken })
	return err
}

// deletedParts reads all of them, once for a source: they are few, and no index has them
// by their messages. A message in several chats has each part several times.
func (b *book) deletedParts(ctx context.Context) (*deletedParts, error) {
	const table = "recoverable_message_part"
	if !b.db.Has(table, "message_id", "part_text") {
		return nil, nil
	}
	return extract.Memo(b.src, "messages/deleted parts", func() (*deletedParts, error) {
		all := &deletedParts{of: map[int64][]deletedPart{}}
		size := 0
		query := fmt.Sprintf("SELECT p.message_id, %s FROM %s p WHERE length(p.part_text) <= %d", b.db.List(table, "p", "part_index", "delete_date", "part_text"), table, maxPart)
		err := b.each(ctx, query, nil, func(scan func(...any) error) error {
			var message, index, date sqlitefs.Int
			var body sqlitefs.Blob
			if err := scan(&message, &index, &date, &body); err != nil {
				return err
			}
			if size += 100 + len(body); size > maxDeleted || slices.ContainsFunc(all.of[message.Int], func(p deletedPart) bool { return p.index == index.Int }) {
				return nil
			}
			text, err := typedstream.Text(body)
			if err != nil {
				text = "?"
			}
			all.of[message.Int] = append(all.of[message.Int], deletedPart{index.Int, chat.Edit{Text: words(text), Time: extract.CocoaNano(date.Int)}})
			return nil
		})
		if err != nil && ctx.Err() == nil {
			all.broken, err = err, nil
		}
		for _, list := range all.of {
			slices.SortFunc(list, func(a, c deletedPart) int { return cmp.Compare(a.index, c.index) })
		}
		return all, err
	})
}

// withDeleted puts words that were deleted among the earlier wordings. Files stay with
// the message anyway.
func withDeleted(m *chat.Message, parts []deletedPart) {
	if len(parts) == 0 {
		return
	}
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = strconv.FormatInt(p.index, 10)
		if p.Text != "" && !strings.Contains(m.Text, p.Text) {
			m.Edits = append(m.Edits, p.Edit)
		}
	}
	note(m, "deleted_parts=%s", strings.Join(names, ","))
}
