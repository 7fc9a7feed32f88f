package corpus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// What a crowd's conversations are like. Talkers are people of the Crowd.
const (
	talkers      = 500
	firstChat    = 10_000
	firstMessage = 1_000_000

	everyReaction = 20 // messages that are reactions to the one before, one in so many
	everyAnswer   = 50
	everyFile     = 25
	everyTextual  = 3 // messages with a text column; the others have attributedBody alone
	everyRare     = 6 // messages with a word that hardly any other has
)

// rareWords is how many rare words there are.
const rareWords = 60_000

// FrequentWord and RareWord are words of Talk: the first in many messages, the second in
// some of two million.
func FrequentWord() string { return newTalker(context.Background()).m.words.table[0] }

// RareWord gives one of them; i is any number.
func RareWord(i int) string { return "q" + strconv.FormatInt(int64(i%rareWords)+46656, 36) }

// Talk makes n messages in the store of the phone below fsDir, in the place of those that
// it has, in conversations with 500 people of the Crowd: the oldest first, over ten years.
func Talk(ctx context.Context, fsDir string, n int) error {
	t := newTalker(ctx)
	err := grow(ctx, filepath.Join(fsDir, filepath.FromSlash(messagesDB)), func(db *database) error {
		for _, table := range []string{"message", "chat_message_join", "chat_recoverable_message_join", "attachment", "message_attachment_join"} {
			if err := db.exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		if err := t.people(db); err != nil {
			return err
		}
		return t.messages(db, n)
	})
	if err != nil {
		return fmt.Errorf("make messages: %w", err)
	}
	return nil
}

type talker struct {
	m    *maker
	text []byte
	body []byte
	last string // GUID of the message before
}

func newTalker(ctx context.Context) *talker {
	m := newMaker(ctx, 11)
	m.words.plain = true
	return &talker{m: m}
}

func (t *talker) people(db *database) error {
	for i := 1; i <= talkers; i++ {
		for _, s := range []struct {
			query string
			args  []any
		}{
			{"INSERT INTO handle (ROWID, id, country, service) VALUES (?, ?, 'us', 'iMessage')", []any{firstChat + i, numberOf(i)}},
			{"INSERT INTO chat (ROWID, guid, style, state, chat_identifier, service_name, group_id) VALUES (?, ?, 45, 3, ?, 'iMessage', ?)",
				[]any{firstChat + i, "iMessage;-;" + numberOf(i), numberOf(i), t.guid()}},
			{"INSERT INTO chat_handle_join (chat_id, handle_id) VALUES (?1, ?1)", []any{firstChat + i}},
		} {
			if _, err := db.conn.ExecContext(t.m.ctx, s.query, s.args...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *talker) guid() string {
	var b [16]byte
	t.m.noise.Read(b[:]) // never fails
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (t *talker) messages(db *database, n int) (err error) {
	ctx := t.m.ctx
	message, err := db.conn.PrepareContext(ctx, `INSERT INTO message (ROWID, guid, text, attributedBody, handle_id, version, service, account, account_guid, date, date_read, date_delivered,
		is_delivered, is_finished, is_from_me, is_read, is_sent, cache_has_attachments, associated_message_guid, associated_message_type, thread_originator_guid, destination_caller_id, part_count)
		VALUES (?,?,?,?,?,10,'iMessage','P:+15555550100','E04C07BF-C2B7-59C5-BBAC-1D879937DF55',?6,?6+40000000000,?6+1000000000,1,1,?7,1-?7,?7,?8,?9,?10,?11,'+15555550100',1)`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, message.Close()) }()
	join, err := db.conn.PrepareContext(ctx, "INSERT INTO chat_message_join (chat_id, message_id, message_date) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, join.Close()) }()
	const tenYears = 315_360_000 * 1_000_000_000
	step := int64(tenYears / max(n, 1))
	for i := 1; i <= n; i++ {
		x := t.m.random.Float64()
		chat := firstChat + 1 + int(x*x*talkers) // a few people write most
		id, guid, date, mine := firstMessage+i, t.guid(), 450_000_000_000_000_000+int64(i)*step, int(t.m.random.Uint64()&1)
		var text, body, target, thread any
		reaction, file := 0, 0
		switch {
		case i%everyReaction == 0:
			target, reaction, text = "p:0/"+t.last, 2000+i/everyReaction%6, "Liked a message"
		case i%everyAnswer == 1 && i > 1:
			thread = t.last
		}
		if i%everyFile == 2 {
			file = 1
			if err := t.file(db, id); err != nil {
				return err
			}
		}
		if reaction == 0 {
			t.write(i)
			body = t.body
			if i%everyTextual == 0 {
				text = string(t.text)
			}
			t.last = guid
		}
		handle := chat
		if mine == 1 {
			handle = 0
		}
		if _, err := message.ExecContext(ctx, id, guid, text, body, handle, date, mine, file, target, reaction, thread); err != nil {
			return err
		}
		if _, err := join.ExecContext(ctx, chat, id, date); err != nil {
			return err
		}
	}
	return nil
}

// The typedstream of a plain text around its length, the text and its length in UTF-16
// (content-schemas.md 3).
const (
	bodyHead   = "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+"
	bodyMiddle = "\x86\x84\x02iI\x01"
	bodyTail   = "\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96\x1d__kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x94\x84\x01*\x84\x99\x99\x00\x86\x86\x86"
)

// write makes the text of message i, and its body.
func (t *talker) write(i int) {
	t.text = t.m.words.sentence(t.text[:0], 2+t.m.random.IntN(14))
	t.text = t.text[:len(t.text)-1]
	if i%everyRare == 0 {
		t.text = append(append(t.text, ' '), RareWord(i/everyRare)...)
	}
	length := func(to []byte) []byte {
		if n := len(t.text); n < 128 {
			return append(to, byte(n))
		} else {
			return binary.LittleEndian.AppendUint16(append(to, 0x81), uint16(n))
		}
	}
	t.body = length(append(t.body[:0], bodyHead...))
	t.body = length(append(append(t.body, t.text...), bodyMiddle...))
	t.body = append(t.body, bodyTail...)
}

// file gives a message an attachment, of which the phone has nothing but the name.
func (t *talker) file(db *database, message int) error {
	guid := t.guid()
	_, err := db.conn.ExecContext(t.m.ctx, "INSERT INTO attachment (ROWID, guid, original_guid, filename, mime_type, transfer_name, total_bytes) VALUES (?1, ?2, ?2, ?3, 'image/jpeg', 'IMG_0001.jpeg', 2000000)",
		message, guid, "~/Library/SMS/Attachments/"+guid[:2]+"/"+guid[2:4]+"/"+guid+"/IMG_0001.jpeg")
	if err == nil {
		_, err = db.conn.ExecContext(t.m.ctx, "INSERT INTO message_attachment_join (message_id, attachment_id) VALUES (?1, ?1)", message)
	}
	return err
}
