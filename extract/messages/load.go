package messages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// A message is read from the columns that most have something in, and of those few that
// have something else, from the others: each column of a row takes as long as its share
// in JSON.
var (
	often  = []string{"guid", "text", "attributedBody", "handle_id", "service", "date", "date_read", "date_delivered", "is_from_me", "message_summary_info"}
	seldom = []string{"subject", "group_title", "associated_message_guid", "balloon_bundle_id", "payload_data", "expressive_send_style_id", "thread_originator_guid",
		"error", "item_type", "group_action_type", "other_handle", "associated_message_type", "date_edited", "date_retracted", "share_status", "share_direction",
		"schedule_type", "schedule_state"}
	// Of those the first ones are texts.
	seldomTexts = 7
)

// raw is a row of message.
type raw struct {
	entry
	guid, text, service                 sqlitefs.Text
	body, summary                       sqlitefs.Blob
	handle, date, read, delivered, mine sqlitefs.Int
	*rare                               // of those that have something in it, else nothing
}

// rare has the columns that seldom have something in them.
type rare struct {
	subject, title, target, balloon, effect, thread                                           sqlitefs.Text
	payload                                                                                   sqlitefs.Blob
	failure, item, action, other, kind, edited, retracted, share, toward, schedule, scheduled sqlitefs.Int
}

// plain is what messages have that have nothing seldom.
var plain = &rare{}

func (r *raw) fields(rare *sqlitefs.Int) []any {
	return []any{&r.id, &r.guid, &r.text, &r.body, &r.handle, &r.service, &r.date, &r.read, &r.delivered, &r.mine, &r.summary, rare}
}

func (r *rare) fields(id *int64) []any {
	return []any{id, &r.subject, &r.title, &r.target, &r.balloon, &r.payload, &r.effect, &r.thread,
		&r.failure, &r.item, &r.action, &r.other, &r.kind, &r.edited, &r.retracted, &r.share, &r.toward, &r.schedule, &r.scheduled}
}

// isRare is the SQL that tells whether a message has something in the seldom columns.
func (b *book) isRare() string {
	var list []string
	for i, c := range seldom {
		switch {
		case !b.db.Has("message", c):
		case i < seldomTexts:
			list = append(list, "m."+c+" IS NOT NULL")
		default:
			list = append(list, "m."+c)
		}
	}
	if len(list) == 0 {
		return "0"
	}
	return "(" + strings.Join(list, " OR ") + ")"
}

// key is the message's GUID, which is the same in every version of the phone.
func (r *raw) key() string {
	if r.guid.String != "" {
		return r.guid.String
	}
	return rowKey + strconv.FormatInt(r.id, 10)
}

// attached is a file that came with a message.
type attached struct {
	chat.Attachment
	guid string
}

// batch are rows with what belongs to them.
type batch struct {
	rows      []*raw
	files     map[int64][]attached
	reactions map[string][]chat.Reaction   // by the GUID of what they are about
	quotes    map[string]string            // the beginning of what is answered, by GUID
	polls     map[string]map[string]string // options by their identifiers, by the GUID of their poll
	deleted   map[int64][]deletedPart
	problems  []*extract.Problem
	slab      []raw // where rows lie
}

// loader reads batches.
type loader struct {
	*book
	about    *pointers // what points to messages
	answers  *pointers // the messages that are answered; nil is not known
	failures atomic.Int64
	free     chan []raw // slabs that nobody uses any more
}

// slab makes room for n rows.
func (l *loader) slab(n int) []raw {
	select {
	case s := <-l.free:
		if cap(s) >= n {
			return s[:n]
		}
	default:
	}
	return make([]raw, max(n, portion))[:n]
}

// maxFailures is how many portions may be broken before the whole store is.
const maxFailures = 200

// load reads messages. Those that cannot be read are reported; when there are too many,
// that is the error.
func (l *loader) load(ctx context.Context, entries []entry) (*batch, error) {
	b := &batch{reactions: map[string][]chat.Reaction{}, quotes: map[string]string{}}
	if err := l.rows(ctx, entries, b); err != nil {
		return nil, err
	}
	for _, more := range []struct {
		what string
		read func(context.Context, *batch) error
	}{{"attachments", l.attachments}, {"reactions", l.readReactions}, {"what is answered", l.readQuotes}, {"polls", l.readPolls}, {"deleted parts", l.readDeleted}} {
		err := more.read(ctx, b)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil && len(b.rows) > 0 {
			b.problems = append(b.problems, problem(fmt.Sprintf("%s of %d messages from %s on", more.what, len(b.rows), b.rows[0].key()), err))
		}
	}
	return b, nil
}

// rows reads rows into b, in the order of entries. When the database breaks among them,
// halves are tried, down to the row that is broken.
func (l *loader) rows(ctx context.Context, entries []entry, b *batch) error {
	slab := l.slab(len(entries))
	list, err := l.some(ctx, entries, slab)
	switch {
	case err == nil:
		b.slab = slab
		for i, r := range list {
			if r == nil {
				b.problems = append(b.problems, problem(fmt.Sprintf("message in row %d", entries[i].id), fmt.Errorf("%w: the row is not there", sqlitefs.ErrDamaged)))
				continue
			}
			b.rows = append(b.rows, r)
		}
		return nil
	case ctx.Err() != nil || l.failures.Load() >= maxFailures:
		return err
	case len(entries) == 1:
		l.failures.Add(1)
		b.problems = append(b.problems, problem(fmt.Sprintf("message in row %d", entries[0].id), err))
		return nil
	}
	half := len(entries) / 2
	return errors.Join(l.rows(ctx, entries[:half], b), l.rows(ctx, entries[half:], b))
}

// some reads rows; one that is not there is nil.
func (l *loader) some(ctx context.Context, entries []entry, rows []raw) ([]*raw, error) {
	at := make(map[int64]int, len(entries))
	ids := make([]int64, len(entries))
	for i, e := range entries {
		at[e.id], ids[i] = i, e.id
	}
	where := "IN (" + numbers(ids) + ")"
	// Rows that lie together, as most do, are cheaper to read one after the other.
	if first, last := slices.Min(ids), slices.Max(ids); uint64(last-first) < uint64(len(ids)*5/4+8) {
		where = fmt.Sprintf("BETWEEN %d AND %d", first, last)
	}
	list := make([]*raw, len(entries))
	n := 0
	var has sqlitefs.Int
	var more []int64
	query := "SELECT m.ROWID, " + l.db.List("message", "m", often...) + ", " + l.isRare() + " FROM message m WHERE m.ROWID " + where
	err := l.each(ctx, query, nil, func(scan func(...any) error) error {
		if n == len(rows) {
			return nil
		}
		r := &rows[n]
		if err := scan(r.fields(&has)...); err != nil {
			return err
		}
		if i, ok := at[r.id]; ok {
			if r.rare = plain; has.Bool() {
				more = append(more, r.id)
			}
			r.entry = entries[i]
			list[i] = r
			n++
		}
		return nil
	})
	if err != nil || len(more) == 0 {
		return list, err
	}
	query = "SELECT m.ROWID, " + l.db.List("message", "m", seldom...) + " FROM message m WHERE m.ROWID IN (" + numbers(more) + ")"
	err = l.each(ctx, query, nil, func(scan func(...any) error) error {
		var id int64
		r := &rare{}
		err := scan(r.fields(&id)...)
		if i, ok := at[id]; ok && list[i] != nil {
			list[i].rare = r
		}
		return err
	})
	return list, err
}

func numbers(ids []int64) string {
	s := make([]byte, 0, 8*len(ids))
	for i, id := range ids {
		if i > 0 {
			s = append(s, ',')
		}
		s = strconv.AppendInt(s, id, 10)
	}
	return string(s)
}

// inPhone are the ways in which sms.db begins the path of an attachment.
var inPhone = []string{"~/", "/var/mobile/", "/private/var/mobile/", "/var/root/"}

// attachments reads the files of messages.
func (b *book) attachments(ctx context.Context, l *batch) error {
	if !b.db.Has("message_attachment_join", "message_id", "attachment_id") || !b.db.Has("attachment") {
		return nil
	}
	have, err := b.haveFiles(ctx)
	if err != nil {
		return err
	}
	var ids []int64
	for _, r := range l.rows {
		if _, ok := slices.BinarySearch(have, r.id); ok {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	l.files = map[int64][]attached{}
	return b.each(ctx, "SELECT j.message_id, "+b.attachmentColumns()+
		" FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id WHERE j.message_id IN ("+numbers(ids)+") ORDER BY j.message_id, a.ROWID", nil, func(scan func(...any) error) error {
		var id sqlitefs.Int
		a, err := b.attachment(scan, &id)
		l.files[id.Int] = append(l.files[id.Int], a)
		return err
	})
}

// haveFiles gives the numbers of the messages with attachments, sorted, once for a
// source.
func (b *book) haveFiles(ctx context.Context) ([]int64, error) {
	return extract.Memo(b.src, "messages/have files", func() ([]int64, error) {
		var list []int64
		var id sqlitefs.Int
		err := b.each(ctx, "SELECT DISTINCT message_id FROM message_attachment_join", nil, func(scan func(...any) error) error {
			err := scan(&id)
			list = append(list, id.Int)
			return err
		})
		slices.Sort(list)
		return list, err
	})
}

func (b *book) attachmentColumns() string {
	return b.db.List("attachment", "a", "guid", "filename", "transfer_name", "mime_type", "uti", "total_bytes", "is_sticker")
}

// attachment scans what first is, then attachmentColumns.
func (b *book) attachment(scan func(...any) error, first ...any) (attached, error) {
	var size, sticker sqlitefs.Int
	var guid, file, name, mime, uti sqlitefs.Text
	if err := scan(append(first, &guid, &file, &name, &mime, &uti, &size, &sticker)...); err != nil {
		return attached{}, err
	}
	a := attached{chat.Attachment{Name: name.String, Type: mime.String, Size: size.Int, Sticker: sticker.Bool()}, guid.String}
	if a.Type == "" {
		a.Type = uti.String
	}
	if a.Name == "" && file.String != "" {
		a.Name = path.Base(file.String)
	}
	a.Path, a.Folder = b.find(file.String)
	return a, nil
}

// find gives where in the source the file lies that the phone calls name; "" when it is
// not there.
func (b *book) find(name string) (p string, folder bool) {
	for _, prefix := range inPhone {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || rest == "" {
			continue
		}
		p = "MediaDomain/" + rest
		if !fs.ValidPath(p) {
			return "", false
		}
		info, err := fs.Stat(b.src.FS, p)
		if err != nil {
			return "", false
		}
		return p, info.IsDir()
	}
	return "", false
}

// maxQuote is how much of a message is quoted above its answer, in letters.
const maxQuote = 120

// readQuotes reads the beginnings of messages that are answered.
func (l *loader) readQuotes(ctx context.Context, b *batch) error {
	var ask []any
	for _, r := range b.rows {
		if to := r.thread.String; to != "" {
			if _, ok := b.quotes[to]; !ok {
				b.quotes[to] = ""
				ask = append(ask, to)
			}
		}
	}
	if len(ask) == 0 || !l.db.Has("message", "guid") {
		return nil
	}
	where := "guid IN (?" + strings.Repeat(",?", len(ask)-1) + ")"
	if l.answers != nil { // GUIDs lie all over their index, the rows near each other
		var ids []int64
		for _, to := range ask {
			for _, q := range l.answers.to(to.(string)) {
				ids = append(ids, q.id)
			}
		}
		where, ask = "ROWID IN ("+numbers(ids)+")", nil
	}
	return l.each(ctx, "SELECT "+l.db.List("message", "m", "guid", "text", "attributedBody")+" FROM message m WHERE m."+where, ask, func(scan func(...any) error) error {
		var guid, text sqlitefs.Text
		var body sqlitefs.Blob
		if err := scan(&guid, &text, &body); err != nil {
			return err
		}
		if !text.Valid {
			text.String, _ = typedstream.Text(body) // a quote that cannot be read is left out
		}
		q := []rune(words(text.String))
		b.quotes[guid.String] = string(q[:min(len(q), maxQuote)])
		return nil
	})
}

var placeholders = strings.NewReplacer("\ufffc", "", "\ufffd", "")

// words is a text without the letters that stand for files and apps.
func words(text string) string {
	if strings.Contains(text, "\ufffc") || strings.Contains(text, "\ufffd") {
		text = placeholders.Replace(text)
	}
	return strings.TrimSpace(text)
}
