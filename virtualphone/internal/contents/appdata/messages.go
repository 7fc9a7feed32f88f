package appdata

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

const smsDB = "Library/SMS/sms.db"

// Values of chat.style (content-schemas.md 3).
const (
	styleGroup  = 43
	styleDirect = 45
)

// conversation is a row of chat with its members.
type conversation struct {
	id      int
	guid    string
	group   bool
	service string
	room    string // chat_identifier of a group
	handles []int
}

// message is a row of the message table; zero values are left at their defaults.
type message struct {
	chat       int // place in smsBook.chats
	fromMe     bool
	handle     int // sender; 0 when fromMe
	date       time.Time
	service    string // empty: the chat's
	text       any    // string or nil
	body       []byte // attributedBody
	files      []file
	subject    string
	itemType   int
	other      int // other_handle
	title      string
	action     int
	target     string // associated_message_guid
	targetType int
	targetLen  int
	emoji      string
	balloon    string
	payload    []byte
	effect     string
	summary    []byte
	thread     string
	threadPart string
	edited     time.Time
	retracted  time.Time
	parts      int
	audio      bool
	failure    int // error
	unread     bool
	downgraded bool
	recovered  time.Time // set: in Recently Deleted instead of the chat
	share      int       // share_status
}

// smsBook writes messages and the rows that hang on them.
type smsBook struct {
	w       *world
	d       *db
	r       *rng
	art     *artwork
	chats   []conversation
	lastMsg int
	lastAtt int
	account string
}

func createMessages(ctx context.Context, w *world) error {
	r := w.rng("messages")
	art, err := newArtwork(w.rng("artwork"), 6)
	if err != nil {
		return err
	}
	f := dbFile{path: w.path(homeDomain, smsDB), mtime: w.now.Add(-10 * time.Minute)}
	var b *smsBook
	err = build(ctx, f, func(d *db) {
		d.schema("sms.sql")
		b = &smsBook{w: w, d: d, r: r, art: art, account: smsAccount(w)}
		b.older()
		for v, file := range []string{17: "sms_17.sql", 18: "sms_18.sql", 26: "sms_26.sql"} {
			if file != "" && w.major >= v {
				d.schema(file)
			}
		}
		b.makeChats()
		odd := oddMessages
		if w.major < columnSince["date_edited"] {
			odd -= editMessages
		}
		b.smallTalk(w.n.messages - odd)
		b.oddities()
		b.bookkeeping()
		d.schema("sms_indexes.sql")
		if w.major >= columnSince["thread_originator_guid"] {
			d.schema("sms_indexes_14.sql")
		}
	})
	if err != nil {
		return err
	}
	return writeDrafts(w, b.chats[1])
}

// columnSince says with which release a column of message came (content-schemas.md 3).
var columnSince = map[string]int{"thread_originator_guid": 14, "thread_originator_part": 14,
	"date_edited": 16, "date_retracted": 16, "was_detonated": 16, "part_count": 16}

// recoverableSince is the release with which deleted messages are kept for a while.
const recoverableSince = 16

// older takes out of the schema what the phone's release does not have yet.
func (b *smsBook) older() {
	for _, column := range slices.Sorted(maps.Keys(columnSince)) {
		if b.w.major < columnSince[column] {
			b.d.exec("ALTER TABLE message DROP COLUMN " + column)
		}
	}
	if b.w.major < recoverableSince {
		for _, table := range []string{"chat_recoverable_message_join", "unsynced_removed_recoverable_messages", "recoverable_message_part"} {
			b.d.exec("DROP TABLE " + table)
		}
	}
}

// known leaves out the columns that the phone's release does not have.
func (b *smsBook) known(row ...any) []any {
	var list []any
	for i := 0; i < len(row); i += 2 {
		if name, ok := row[i].(string); ok && b.w.major < columnSince[name] {
			continue
		}
		list = append(list, row[i], row[i+1])
	}
	return list
}

// smsAccount is the address that sends, as chat.account_login has it.
func smsAccount(w *world) string { return "P:" + w.me.phone() }

// makeChats writes handles and chats: everyone one to one, some of them twice
// (by mail, by SMS), and groups.
func (b *smsBook) makeChats() {
	people := b.w.people
	next := 0
	handle := func(id, service, centric string) int {
		next++
		b.d.insert("handle", "ROWID", next, "id", id, "country", "us", "service", service, "person_centric_id", orNull(centric))
		return next
	}
	var members []int
	for i, p := range people {
		h := handle(p.phone(), "iMessage", p.personID)
		members = append(members, h)
		b.direct(p.phone(), "iMessage", h)
		if i%3 == 0 {
			b.direct(p.phone(), "SMS", handle(p.phone(), "SMS", p.personID))
		}
		if i%4 == 1 {
			b.direct(p.mail(), "iMessage", handle(p.mail(), "iMessage", p.personID))
		}
	}
	for g := range max(2, len(people)/10) {
		group := []int{members[g%len(members)], members[(g+3)%len(members)], members[(g+5)%len(members)]}
		b.group(g, group)
	}
	b.direct("urn:biz:00000000-1111-4222-8333-444444444444", "iMessage", handle("urn:biz:00000000-1111-4222-8333-444444444444", "iMessage", ""))
	b.direct("22000", "SMS", handle("22000", "SMS", ""))
	b.d.exec("UPDATE chat SET is_filtered=1 WHERE chat_identifier='22000'")
	b.d.exec("UPDATE chat SET is_archived=1 WHERE ROWID=?", len(b.chats))
}

func (b *smsBook) direct(id, service string, handle int) {
	kind := service
	if b.w.major >= 26 {
		kind = "any"
	}
	c := conversation{id: len(b.chats) + 1, guid: kind + ";-;" + id, service: service, handles: []int{handle}}
	if b.w.major >= 26 && service != "iMessage" {
		c.guid = service + ";-;" + id // one guid per row; real phones merge services here
	}
	b.chats = append(b.chats, c)
	b.d.insert("chat", "ROWID", c.id, "guid", c.guid, "style", styleDirect, "state", 3, "account_id", b.r.guid(), "properties", b.properties(c),
		"chat_identifier", id, "service_name", service, "account_login", b.account, "last_addressed_handle", b.w.me.phone(), "group_id", b.r.guid())
	b.d.insert("chat_handle_join", "chat_id", c.id, "handle_id", handle)
}

func (b *smsBook) group(n int, handles []int) {
	room := fmt.Sprintf("chat%d", 100000000000000000+b.r.Int64N(800000000000000000))
	c := conversation{id: len(b.chats) + 1, guid: "iMessage;+;" + room, group: true, service: "iMessage", room: room, handles: handles}
	b.chats = append(b.chats, c)
	var name any
	if n%2 == 0 {
		name = pick(b.r, []string{"Allotment", "Choir", "Hill walkers", "🎲 Board games"})
	}
	b.d.insert("chat", "ROWID", c.id, "guid", c.guid, "style", styleGroup, "state", 3, "account_id", b.r.guid(), "properties", b.properties(c),
		"chat_identifier", room, "service_name", "iMessage", "room_name", room, "account_login", b.account,
		"last_addressed_handle", b.w.me.phone(), "display_name", name, "group_id", b.r.guid(), "original_group_id", b.r.guid())
	for _, h := range handles {
		b.d.insert("chat_handle_join", "chat_id", c.id, "handle_id", h)
	}
}

func (b *smsBook) properties(c conversation) []byte {
	p := map[string]any{"EMDefaultSelected": false, "messageHandshakeState": 1, "LSMD": b.w.now.Add(-time.Hour)}
	if c.group {
		p["pv"] = 2
	}
	return b.encode(p)
}

// encode makes a binary property list; a failure ends the transaction.
func (b *smsBook) encode(v any) []byte {
	out, err := plist.Marshal(v, plist.Binary)
	b.d.fail(err)
	return out
}

// smallTalk fills the years up to three weeks ago with n ordinary messages.
func (b *smsBook) smallTalk(n int) {
	if n <= 0 {
		return
	}
	every := max(1, n/max(1, b.w.n.attachments))
	for i, at := range b.r.moments(n, span{b.w.begin(), b.w.now.AddDate(0, 0, -22)}) {
		if b.d.err != nil {
			return
		}
		// A few people write most messages: the square favours low numbers.
		x := b.r.Float64()
		m := b.chatter(int(x*x*float64(len(b.chats))), at)
		if i%every == every-1 {
			b.attach(&m, b.art.attachment(b.w, b.r))
		}
		if b.r.chance(0.01) { // a number that is missing: the message was deleted
			b.lastMsg++
			b.d.insert("sync_deleted_messages", "guid", b.r.guid(), "recordID", fmt.Sprintf("%x", b.r.bytes(20)))
		}
		b.add(m)
	}
}

// chatter makes an ordinary message in a chat.
func (b *smsBook) chatter(chat int, at time.Time) message {
	c := b.chats[chat]
	m := message{chat: chat, date: at, fromMe: b.r.chance(0.45)}
	if !m.fromMe {
		m.handle = pick(b.r, c.handles)
	}
	text := sentence(b.r)
	if b.r.chance(0.03) {
		text = pick(b.r, otherScripts)
	}
	m.setText(b.r, text)
	return m
}

// setText fills text and attributedBody the way phones do: since about iOS 14
// the text column is mostly NULL (content-schemas.md 3).
func (m *message) setText(r *rng, text string) {
	m.text, m.parts = nil, 1
	switch x := r.Float64(); {
	case x < 0.65:
		m.body = encodeBody(plainRuns(text), !m.fromMe)
	case x < 0.95:
		m.text, m.body = text, encodeBody(plainRuns(text), !m.fromMe)
	default:
		m.text = text
	}
}

// add writes a message with its joins and files and gives its guid.
func (b *smsBook) add(m message) string {
	b.lastMsg++
	id, guid, c := b.lastMsg, b.r.guid(), b.chats[m.chat]
	service := m.service
	if service == "" {
		service = c.service
	}
	var read, delivered time.Time
	if !m.unread && m.failure == 0 {
		read, delivered = m.date.Add(40*time.Second), m.date.Add(time.Second)
	}
	b.d.insert("message", b.known("ROWID", id, "guid", guid, "text", m.text, "attributedBody", orBlob(m.body), "handle_id", m.handle,
		"subject", orNull(m.subject), "version", 10, "service", service, "account", b.account, "account_guid", guidOf(b.account),
		"error", m.failure, "date", cocoaNano(m.date), "date_read", nanoOrZero(read), "date_delivered", nanoOrZero(delivered),
		"is_delivered", flag(m.failure == 0), "is_finished", 1, "is_from_me", flag(m.fromMe), "is_read", flag(!m.fromMe && !m.unread),
		"is_sent", flag(m.fromMe && m.failure == 0), "was_downgraded", flag(m.downgraded), "cache_has_attachments", flag(len(m.files) > 0),
		"cache_roomnames", orNull(c.room), "is_audio_message", flag(m.audio), "item_type", m.itemType, "other_handle", m.other,
		"group_title", orNull(m.title), "group_action_type", m.action, "share_status", m.share, "associated_message_guid", orNull(m.target),
		"associated_message_type", m.targetType, "associated_message_range_length", m.targetLen, "balloon_bundle_id", orNull(m.balloon),
		"payload_data", orBlob(m.payload), "expressive_send_style_id", orNull(m.effect), "message_summary_info", orBlob(m.summary),
		"destination_caller_id", b.w.me.phone(), "thread_originator_guid", orNull(m.thread), "thread_originator_part", orNull(m.threadPart),
		"date_retracted", nanoOrZero(m.retracted), "date_edited", nanoOrZero(m.edited), "part_count", m.parts)...)
	if m.emoji != "" {
		b.d.exec("UPDATE message SET associated_message_emoji=? WHERE ROWID=?", m.emoji, id)
	}
	if m.recovered.IsZero() {
		b.d.insert("chat_message_join", "chat_id", c.id, "message_id", id, "message_date", cocoaNano(m.date))
	} else {
		b.d.insert("chat_recoverable_message_join", "chat_id", c.id, "message_id", id, "delete_date", cocoaNano(m.recovered))
	}
	for _, f := range m.files {
		b.addFile(id, m, f)
	}
	return guid
}

func (b *smsBook) bookkeeping() {
	for _, kv := range [][2]string{{"_ClientVersion", "18002"}, {"_UniqueIdentifier", b.r.guid()}, {"counter_in_all", "0"}, {"counter_out_all", "0"}} {
		b.d.insert("_SqliteDatabaseProperties", "key", kv[0], "value", kv[1])
	}
	b.d.insert("kvtable", "key", "lastFailedMessageDate", "value", []byte("0"))
}

// writeDrafts leaves an unsent text in a chat.
func writeDrafts(w *world, c conversation) error {
	body := encodeBody([]textRun{{"I was about to say: " + sentence(w.rng("drafts")), nil}}, true)
	b, err := plist.Marshal(map[string]any{"text": body}, plist.Binary)
	if err != nil {
		return err
	}
	id := c.guid[strings.LastIndexByte(c.guid, ';')+1:]
	return w.write(homeDomain, "Library/SMS/Drafts/"+id+"/composition.plist", b, w.now.Add(-2*time.Hour))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// orBlob keeps an absent blob NULL: a nil slice is not a nil interface.
func orBlob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func nanoOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return cocoaNano(t)
}
