// Package messages reads SMS, iMessage and RCS: sms.db of HomeDomain, and in MediaDomain
// what came with messages (content-schemas.md 3).
//
//	HomeDomain/Library/SMS/sms.db
//	  chat          a conversation as the phone has it: one for each address and service
//	  handle        an address: phone number or e-mail
//	  message       what was written, what happened, and reactions, which point to a message
//	  attachment    what came with a message; filename is ~/Library/SMS/Attachments/…
//	  chat_message_join, chat_recoverable_message_join (recently deleted, iOS 16)
//	  recoverable_message_part, words of a message that were deleted alone (iOS 16)
//	MediaDomain/Library/SMS/Attachments/8a/10/<GUID>/IMG.jpeg
//
// # Conversations
//
// One person often has several chats: by number, by e-mail, as SMS and as iMessage. All
// chats with the same address (the last eight digits of a number, an e-mail address in
// small letters) are one conversation, with the key "person/…"; those of a group are one
// by its group_id, "group/…", and by chat_lookup, where a newer phone notes that it went
// from one service to another. Messages in no chat are where ck_chat_id says, which is
// what iCloud has them in; else in the conversation "other".
//
// # Messages
//
// A text that is NULL is in attributedBody (package typedstream); when that cannot be
// read either, the message is of the kind "unknown" and a Problem is reported: it is
// never taken for empty. Reactions are no records: they are on the message that they
// point to, the last of each person; one whose message is gone is a record itself. What
// is not understood keeps its numbers in Raw.
//
// # Two million messages
//
// What must be known of all messages is 24 bytes each (shelf): number, moment,
// conversation. It is made by one pass over the table and one over the joins, when all
// messages, those of a conversation, or the counts are asked for; a page of the newest
// ones does without. Rows are then read in portions, the next one while the last one is
// being given away.
package messages

import (
	"context"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

const (
	smsDB = "HomeDomain/Library/SMS/sms.db"
	// other is the key of messages that lie in no conversation.
	other = "other"
)

// Reader reads messages. It implements extract.Exporter, extract.Filer and
// chat.Store.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "messages", Title: "Messages", Tables: []extract.Table{chat.Table}, Groups: "conversations",
		Paths: []string{smsDB, "MediaDomain/Library/SMS/Attachments/*/*/*/*"}}
}

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format { return chat.Formats }

// Export implements extract.Exporter.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	return chat.Export(ctx, r, src, o, out, rep)
}

// Conversations implements chat.Store.
func (*Reader) Conversations(ctx context.Context, src *extract.Source) ([]chat.Conversation, error) {
	b, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	s, err := b.shelf(ctx)
	if err != nil {
		return nil, err
	}
	return s.list, nil
}

// Groups implements extract.Extractor.
func (r *Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	conversations, err := r.Conversations(ctx, src)
	if err != nil {
		return nil, err
	}
	list := make([]extract.Group, len(conversations))
	for i, c := range conversations {
		var people []string
		for _, p := range c.People {
			if c.Group {
				people = append(people, p.Label())
			} else if p.Address != c.Title {
				people = append(people, p.Address)
			}
		}
		list[i] = extract.Group{Key: c.Key, Title: c.Title, Detail: strings.Join(people, ", "), Count: c.Messages, Time: c.Last, Deleted: c.Deleted}
	}
	return list, nil
}
