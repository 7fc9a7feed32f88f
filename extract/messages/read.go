package messages

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// portion is how many messages are read at once.
const portion = 400

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
	query, args, ok := b.choice(q)
	if !ok {
		return nil
	}
	ids, err := b.chosen(ctx, query, args, q)
	if err != nil {
		return err
	}
	return extract.Done(b.emit(ctx, ids, out))
}

// chosen gives the row numbers of the messages that q chooses, in order.
func (b *book) chosen(ctx context.Context, query string, args []any, q extract.Query) ([]int64, error) {
	if q.Limit > 0 || q.Skip > 0 {
		limit := int64(-1)
		if q.Limit > 0 {
			limit = int64(q.Limit)
		}
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", limit, q.Skip)
	}
	var ids []int64
	err := b.each(ctx, query, args, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// choice is the SQL for the numbers of the messages that q chooses; not ok when there
// are none.
func (b *book) choice(q extract.Query) (query string, args []any, ok bool) {
	direction := ""
	if q.Newest {
		direction = " DESC"
	}
	order := " ORDER BY m.date" + direction + ", m.ROWID" + direction
	where := "NOT " + b.reaction("m")
	if q.Key != "" {
		column := "m.guid"
		if !b.db.Has("message", "guid") {
			return "", nil, false
		}
		where += " AND " + column + " = ?"
		args = append(args, q.Key)
	}
	switch q.Group {
	case "":
		return "SELECT m.ROWID FROM message m WHERE " + where + order, args, true
	case other:
		return "SELECT m.ROWID FROM message m WHERE " + where + " AND " + b.lost() + order, args, true
	}
	c := b.byKey[q.Group]
	if c == nil || len(b.joins()) == 0 {
		return "", nil, false
	}
	chats := make([]string, len(c.chats))
	for i, id := range c.chats {
		chats[i] = strconv.FormatInt(id, 10)
	}
	var parts []string
	for i, table := range b.joins() {
		parts = append(parts, "SELECT j.message_id FROM "+table+" j WHERE j.chat_id IN ("+strings.Join(chats, ",")+")"+b.once(i))
	}
	return "SELECT m.ROWID FROM message m WHERE " + where + " AND m.ROWID IN (" + strings.Join(parts, " UNION ") + ")" + order, args, true
}

// columns of a message, in the order in which they are scanned.
var columns = []string{"guid", "text", "attributedBody", "handle_id", "subject", "service", "date", "date_read", "date_delivered", "is_from_me", "error", "item_type",
	"group_title", "group_action_type", "other_handle", "associated_message_guid", "associated_message_type", "balloon_bundle_id", "payload_data",
	"expressive_send_style_id", "message_summary_info", "thread_originator_guid", "reply_to_guid", "date_edited", "date_retracted", "cache_has_attachments", "share_status", "is_audio_message"}

// raw is a row.
type raw struct {
	id                                                                                                              int64
	guid, text, subject, service, title, target, balloon, effect, thread, reply                                     sqlitefs.Text
	body, payload, summary                                                                                          sqlitefs.Blob
	handle, date, read, delivered, mine, failure, item, action, other, kind, edited, retracted, files, share, audio sqlitefs.Int
}

func (b *book) emit(ctx context.Context, ids []int64, out extract.Emitter) error {
	for chunk := range slices.Chunk(ids, portion) {
		list, err := b.load(ctx, chunk, out)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := out.Emit(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func numbers(ids []int64) string {
	var s strings.Builder
	for i, id := range ids {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(strconv.FormatInt(id, 10))
	}
	return s.String()
}

// load reads messages with all that belongs to them.
func (b *book) load(ctx context.Context, ids []int64, rep extract.Reporter) ([]*chat.Message, error) {
	rows := make(map[int64]*raw, len(ids))
	in := numbers(ids)
	err := b.each(ctx, "SELECT m.ROWID, "+b.db.List("message", "m", columns...)+" FROM message m WHERE m.ROWID IN ("+in+")", nil, func(scan func(...any) error) error {
		r := &raw{}
		err := scan(&r.id, &r.guid, &r.text, &r.body, &r.handle, &r.subject, &r.service, &r.date, &r.read, &r.delivered, &r.mine, &r.failure, &r.item,
			&r.title, &r.action, &r.other, &r.target, &r.kind, &r.balloon, &r.payload, &r.effect, &r.summary, &r.thread, &r.reply, &r.edited, &r.retracted, &r.files, &r.share, &r.audio)
		rows[r.id] = r
		return err
	})
	if err != nil {
		return nil, err
	}
	where, gone, err := b.whereabouts(ctx, in)
	if err != nil {
		return nil, err
	}
	files, err := b.attachments(ctx, in)
	if err != nil {
		return nil, err
	}
	list := make([]*chat.Message, 0, len(ids))
	byGUID := map[string]*chat.Message{}
	for _, id := range ids {
		r := rows[id]
		if r == nil {
			rep.Report(&extract.Problem{Kind: "messages", What: fmt.Sprintf("message %d", id), Err: sqlitefs.ErrDamaged})
			continue
		}
		m := b.message(ctx, r, files[id])
		m.Conversation, m.In, m.Deleted = other, "In no conversation", gone[id]
		if c := where[id]; c != nil {
			m.Conversation, m.In = c.Key, c.Title
		}
		if m.Kind == chat.KindUnknown {
			rep.Report(&extract.Problem{Kind: "messages", What: "message " + m.Key, Err: typedstream.ErrMalformed})
		}
		list = append(list, m)
		byGUID[m.Key] = m
	}
	if err := b.reactions(ctx, byGUID); err != nil {
		return nil, err
	}
	return list, b.quotes(ctx, list, byGUID)
}

// whereabouts tells in which conversation messages lie, and which were deleted.
func (b *book) whereabouts(ctx context.Context, in string) (where map[int64]*conversation, gone map[int64]bool, err error) {
	where, gone = map[int64]*conversation{}, map[int64]bool{}
	for i, table := range b.joins() {
		err := b.each(ctx, "SELECT message_id, chat_id FROM "+table+" WHERE message_id IN ("+in+") ORDER BY chat_id", nil, func(scan func(...any) error) error {
			var id, c sqlitefs.Int
			err := scan(&id, &c)
			if known := b.byChat[c.Int]; known != nil && where[id.Int] == nil {
				where[id.Int], gone[id.Int] = known, i > 0
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return where, gone, nil
}

// inPhone are the ways in which sms.db begins the path of an attachment.
var inPhone = []string{"~/", "/var/mobile/", "/private/var/mobile/"}

func (b *book) attachments(ctx context.Context, in string) (map[int64][]chat.Attachment, error) {
	all := map[int64][]chat.Attachment{}
	if !b.db.Has("message_attachment_join", "message_id", "attachment_id") || !b.db.Has("attachment") {
		return all, nil
	}
	err := b.each(ctx, "SELECT j.message_id, "+b.db.List("attachment", "a", "filename", "transfer_name", "mime_type", "uti", "total_bytes", "is_sticker")+
		" FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id WHERE j.message_id IN ("+in+") ORDER BY j.message_id, a.ROWID", nil, func(scan func(...any) error) error {
		var id, size, sticker sqlitefs.Int
		var file, name, mime, uti sqlitefs.Text
		if err := scan(&id, &file, &name, &mime, &uti, &size, &sticker); err != nil {
			return err
		}
		a := chat.Attachment{Name: name.String, Type: mime.String, Size: size.Int, Sticker: sticker.Bool()}
		if a.Type == "" {
			a.Type = uti.String
		}
		if a.Name == "" {
			a.Name = path.Base(file.String)
		}
		for _, prefix := range inPhone {
			rest, ok := strings.CutPrefix(file.String, prefix)
			if p := "MediaDomain/" + rest; ok && b.src.Has(p) {
				a.Path = p
				if info, err := statDir(b.src, p); err == nil && info {
					a.Folder = true
				}
			}
		}
		all[id.Int] = append(all[id.Int], a)
		return nil
	})
	return all, err
}

// message makes one of a row.
func (b *book) message(ctx context.Context, r *raw, files []chat.Attachment) *chat.Message {
	m := &chat.Message{Key: r.guid.String, Kind: chat.KindText, Time: extract.CocoaNano(r.date.Int), FromMe: r.mine.Bool(), Service: r.service.String, Subject: r.subject.String,
		Attachments: files, Failed: r.failure.Int != 0, Read: extract.CocoaNano(r.read.Int), Delivered: extract.CocoaNano(r.delivered.Int),
		Edited: extract.CocoaNano(r.edited.Int), Unsent: extract.CocoaNano(r.retracted.Int), Effect: effect(r.effect.String), ReplyTo: r.thread.String}
	if m.Key == "" {
		m.Key = fmt.Sprintf("row/%d", r.id)
	}
	if h, ok := b.handles[r.handle.Int]; ok && !m.FromMe {
		m.From = b.person(ctx, h.id)
	}
	text, unreadable := r.text.String, false
	if !r.text.Valid && len(r.body) > 0 {
		var err error
		if text, err = typedstream.Text(r.body); err != nil {
			unreadable = true
		}
	}
	m.Parts = parts(text, len(files))
	m.Text = strings.TrimSpace(strings.NewReplacer("\ufffc", "", "\ufffd", "").Replace(text))
	b.summary(r, m)
	switch {
	case r.item.Int != 0:
		m.Kind, m.Text = chat.KindSystem, b.event(ctx, r, m)
	case r.balloon.String != "":
		m.Kind, m.App = chat.KindApp, r.balloon.String
		b.balloon(r, m)
	case !m.Unsent.IsZero() && m.Text == "" && len(files) == 0:
		m.Kind = chat.KindUnsent
	case unreadable:
		m.Kind = chat.KindUnknown
	}
	return m
}

// parts are text and attachments in their order; nil where there is text only.
func parts(text string, files int) []chat.Part {
	if files == 0 || !strings.Contains(text, "\ufffc") {
		return nil
	}
	var list []chat.Part
	n := 0
	for i, t := range strings.Split(text, "\ufffc") {
		if i > 0 && n < files {
			at := n
			list = append(list, chat.Part{Attachment: &at})
			n++
		}
		if t != "" {
			list = append(list, chat.Part{Text: t})
		}
	}
	for ; n < files; n++ {
		at := n
		list = append(list, chat.Part{Attachment: &at})
	}
	return list
}

// effects by the last part of their names (content-schemas.md 3).
func effect(id string) string {
	last := id[strings.LastIndexByte(id, '.')+1:]
	switch last {
	case "":
		return ""
	case "impact":
		return "Slam"
	case "loud":
		return "Loud"
	case "gentle":
		return "Gentle"
	case "invisibleink":
		return "Invisible Ink"
	}
	last = strings.TrimSuffix(strings.TrimPrefix(last, "CK"), "Effect")
	var words strings.Builder
	for i, r := range last {
		if i > 0 && r >= 'A' && r <= 'Z' {
			words.WriteByte(' ')
		}
		words.WriteRune(r)
	}
	return words.String()
}

// event tells what happened, for messages that nobody wrote.
func (b *book) event(ctx context.Context, r *raw, m *chat.Message) string {
	who := m.Sender()
	if m.FromMe {
		who = "You"
	}
	about := ""
	if h, ok := b.handles[r.other.Int]; ok {
		p := b.person(ctx, h.id)
		about = p.Name
		if about == "" {
			about = p.Address
		}
	}
	m.Raw = fmt.Sprintf("item_type=%d group_action_type=%d", r.item.Int, r.action.Int)
	switch {
	case r.title.String != "":
		return fmt.Sprintf("%s named the conversation “%s”", who, r.title.String)
	case r.item.Int == 2:
		return who + " removed the name of the conversation"
	case r.item.Int == 1 && r.action.Int == 0 && about != "":
		return fmt.Sprintf("%s added %s", who, about)
	case r.item.Int == 1 && about != "":
		return fmt.Sprintf("%s removed %s", who, about)
	case r.item.Int == 3 && r.action.Int == 1:
		return who + " changed the picture of the conversation"
	case r.item.Int == 3 && r.action.Int == 2:
		return who + " removed the picture of the conversation"
	case r.item.Int == 3:
		return who + " left the conversation"
	case r.item.Int == 4 && r.share.Int == 1:
		return who + " stopped sharing the location"
	case r.item.Int == 4:
		return who + " started sharing the location"
	case r.item.Int == 5:
		return who + " kept an audio message"
	case r.item.Int == 6:
		return who + " shared with SharePlay"
	}
	return "Something happened in the conversation"
}

// summary reads message_summary_info: earlier wordings.
func (b *book) summary(r *raw, m *chat.Message) {
	if len(r.summary) == 0 {
		return
	}
	var info struct {
		Events map[string][]struct {
			Date float64 `plist:"d"`
			Text []byte  `plist:"t"`
		} `plist:"ec"`
	}
	if plist.Unmarshal(r.summary, &info) != nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(info.Events)) {
		list := info.Events[key]
		for i, e := range list {
			if i == len(list)-1 {
				break // the last one is the text as it is
			}
			if text, err := typedstream.Text(e.Text); err == nil {
				m.Edits = append(m.Edits, chat.Edit{Text: text, Time: extract.CocoaTime(e.Date)})
			}
		}
	}
}

// apps that write messages, by their bundle.
var apps = map[string]string{
	"com.apple.messages.URLBalloonProvider":                    "Link",
	"com.apple.Handwriting.HandwritingProvider":                "Handwritten message",
	"com.apple.DigitalTouchBalloonProvider":                    "Digital Touch",
	"com.apple.PassbookUIService.PeerPaymentMessagesExtension": "Apple Cash",
	"com.apple.mobileslideshow.PhotosMessagesApp":              "Photos",
	"com.apple.SafetyMonitorApp.SafetyMonitorMessages":         "Check In",
	"com.apple.findmy.FindMyMessagesApp":                       "Find My",
	"com.apple.messages.Polls":                                 "Poll",
	"com.apple.icloud.apps.messages.business.extension":        "Business chat",
}

func (b *book) balloon(r *raw, m *chat.Message) {
	bundle := r.balloon.String[strings.LastIndexByte(r.balloon.String, ':')+1:]
	name := apps[bundle]
	if name == "" {
		name = bundle
	}
	m.App = name
	if name == "Link" {
		m.Link = m.Text
		if i := strings.IndexAny(m.Link, " \n"); i >= 0 {
			m.Link = m.Link[:i]
		}
		return
	}
	if m.Text == "" {
		m.Text = name
	}
}

// tapbacks by their type (content-schemas.md 3).
var tapbacks = map[int64]string{2000: "❤️", 2001: "👍", 2002: "👎", 2003: "😂", 2004: "‼️", 2005: "❓"}

// maxPart is how many parts of a message are looked at for reactions.
const maxPart = 8

func (b *book) reactions(ctx context.Context, byGUID map[string]*chat.Message) error {
	if len(byGUID) == 0 || !b.db.Has("message", "associated_message_guid", "associated_message_type") {
		return nil
	}
	var targets []any
	for guid := range byGUID {
		targets = append(targets, guid, "bp:"+guid)
		for p := range maxPart {
			targets = append(targets, fmt.Sprintf("p:%d/%s", p, guid))
		}
	}
	query := "SELECT " + b.db.List("message", "m", "associated_message_guid", "associated_message_type", "associated_message_emoji", "is_from_me", "handle_id", "date") +
		" FROM message m WHERE m.associated_message_guid IN (?" + strings.Repeat(",?", len(targets)-1) + ") AND m.associated_message_type BETWEEN 2000 AND 3999 ORDER BY m.date, m.ROWID"
	return b.each(ctx, query, targets, func(scan func(...any) error) error {
		var target, emoji sqlitefs.Text
		var kind, mine, h, date sqlitefs.Int
		if err := scan(&target, &kind, &emoji, &mine, &h, &date); err != nil {
			return err
		}
		guid, part := target.String, 0
		if rest, ok := strings.CutPrefix(guid, "p:"); ok {
			number, id, _ := strings.Cut(rest, "/")
			part, _ = strconv.Atoi(number)
			guid = id
		}
		m := byGUID[strings.TrimPrefix(guid, "bp:")]
		if m == nil {
			return nil
		}
		re := chat.Reaction{FromMe: mine.Bool(), Part: part, Time: extract.CocoaNano(date.Int), Emoji: emoji.String}
		if known, ok := b.handles[h.Int]; ok && !re.FromMe {
			re.From = b.person(ctx, known.id)
		}
		base := kind.Int
		if base >= 3000 {
			base -= 1000
		}
		if t := tapbacks[base]; t != "" {
			re.Emoji = t
		}
		// One of a person and part at a time: the next takes the place of the last.
		m.Reactions = slices.DeleteFunc(m.Reactions, func(x chat.Reaction) bool {
			return x.FromMe == re.FromMe && x.From.Address == re.From.Address && x.Part == part && (kind.Int < 3000 || x.Emoji == re.Emoji)
		})
		if kind.Int < 3000 {
			m.Reactions = append(m.Reactions, re)
		}
		return nil
	})
}

// maxQuote is how much of a message is quoted above its answer, in letters.
const maxQuote = 120

// quotes reads the beginnings of messages that are answered.
func (b *book) quotes(ctx context.Context, list []*chat.Message, byGUID map[string]*chat.Message) error {
	wanted := map[string]string{}
	var ask []any
	for _, m := range list {
		if m.ReplyTo == "" {
			continue
		}
		if q := byGUID[m.ReplyTo]; q != nil {
			wanted[m.ReplyTo] = q.Text
		} else if _, ok := wanted[m.ReplyTo]; !ok {
			wanted[m.ReplyTo] = ""
			ask = append(ask, m.ReplyTo)
		}
	}
	if len(ask) > 0 && b.db.Has("message", "guid") {
		err := b.each(ctx, "SELECT "+b.db.List("message", "m", "guid", "text", "attributedBody")+" FROM message m WHERE m.guid IN (?"+strings.Repeat(",?", len(ask)-1)+")", ask, func(scan func(...any) error) error {
			var guid, text sqlitefs.Text
			var body sqlitefs.Blob
			if err := scan(&guid, &text, &body); err != nil {
				return err
			}
			if !text.Valid {
				text.String, _ = typedstream.Text(body) // a quote that cannot be read is left out
			}
			wanted[guid.String] = strings.TrimSpace(strings.ReplaceAll(text.String, "\ufffc", ""))
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, m := range list {
		if q := []rune(wanted[m.ReplyTo]); m.ReplyTo != "" {
			m.ReplyText = string(q[:min(len(q), maxQuote)])
		}
	}
	return nil
}
