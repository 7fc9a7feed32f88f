// Package chat is what conversations of all apps have in common, and how they are
// written down: as pages that look like a conversation and open offline, as text, and
// as JSON. extract/messages and extract/whatsapp read their stores into it, implement
// [Store], and call [Export].
//
//	Messages/index.html                          all conversations (html)
//	Messages/Jane Doe/conversation.html          the first some thousand messages
//	Messages/Jane Doe/conversation 2.html        the next ones
//	Messages/Jane Doe/conversation.txt, .json    text, json: all of them in one file
//	Messages/Jane Doe/media/IMG_0001.jpeg        what came with them, with ExportOptions.Files
//
// # Pages
//
// They need no script, ask for nothing that is not beside them (a Content-Security-
// Policy in each sees to it), and keep the order, names and words of the phone. What
// a message says comes from anybody: it is written through html/template, only
// addresses of the web, of mail and of telephones become links, and of files only
// those that a browser shows without running them.
//
// # Again
//
// The stamp of a document is the digest of its bytes, so a second run over the same
// messages writes nothing. A page holds the messages it held before: new ones change
// the last page and the list.
package chat

import (
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Conversation is one chat with one person or a group.
type Conversation struct {
	Key      string    `json:"key"`
	Title    string    `json:"title"`
	App      string    `json:"app"`               // "Messages", "WhatsApp"
	Service  string    `json:"service,omitempty"` // "iMessage", "SMS", "RCS" of the last message
	Group    bool      `json:"group,omitempty"`
	People   []Person  `json:"people,omitempty"` // without the owner of the phone
	Archived bool      `json:"archived,omitempty"`
	Deleted  bool      `json:"deleted,omitempty"` // only among what was deleted recently
	Messages int       `json:"messages"`
	Last     time.Time `json:"last,omitzero"`
}

// Person is somebody in a conversation.
type Person struct {
	Address string `json:"address"`        // phone number, e-mail address, WhatsApp's JID
	Name    string `json:"name,omitempty"` // by the contacts, or as the app knows it
}

// Kind is what a message is.
type Kind string

// The kinds of messages.
const (
	KindText    Kind = "text"    // with or without attachments
	KindSystem  Kind = "system"  // something that happened: who joined, a new group name; Text says it
	KindApp     Kind = "app"     // of an app, a link, a poll, a payment: App and Text say what is known
	KindUnsent  Kind = "unsent"  // taken back by who sent it
	KindUnknown Kind = "unknown" // there is one, and what it says could not be read
)

// Message is one message. It is an [extract.Record].
type Message struct {
	Key          string       `json:"key"`          // GUID, stanza ID
	Conversation string       `json:"conversation"` // Conversation.Key
	In           string       `json:"-"`            // Conversation.Title, for tables
	Kind         Kind         `json:"kind"`
	Time         time.Time    `json:"time,omitzero"` // sent or received
	FromMe       bool         `json:"from_me,omitempty"`
	From         Person       `json:"from,omitzero"` // not of the owner's own
	Service      string       `json:"service,omitempty"`
	Subject      string       `json:"subject,omitempty"`
	Text         string       `json:"text,omitempty"`
	Parts        []Part       `json:"parts,omitempty"` // text and attachments in their order, where there is more than text
	Marks        []Mark       `json:"marks,omitempty"` // words of Text that are more than words
	Attachments  []Attachment `json:"attachments,omitempty"`
	Reactions    []Reaction   `json:"reactions,omitempty"`
	ReplyTo      string       `json:"reply_to,omitempty"`   // Key of the message it answers
	ReplyText    string       `json:"reply_text,omitempty"` // the beginning of that, where it is known
	Edits        []Edit       `json:"edits,omitempty"`      // earlier wordings, the first one first
	Edited       time.Time    `json:"edited,omitzero"`
	Unsent       time.Time    `json:"unsent,omitzero"`
	Delivered    time.Time    `json:"delivered,omitzero"`
	Read         time.Time    `json:"read,omitzero"`
	Effect       string       `json:"effect,omitempty"` // "Confetti", "Invisible Ink"
	App          string       `json:"app,omitempty"`    // of KindApp: its bundle or name
	Link         string       `json:"link,omitempty"`   // address of a link's preview
	LinkTitle    string       `json:"link_title,omitempty"`
	LinkText     string       `json:"link_text,omitempty"`
	Forwarded    bool         `json:"forwarded,omitempty"` // WhatsApp
	Starred      bool         `json:"starred,omitempty"`   // WhatsApp
	Latitude     *float64     `json:"latitude,omitempty"`  // of a place
	Longitude    *float64     `json:"longitude,omitempty"`
	Failed       bool         `json:"failed,omitempty"`  // was not sent
	Deleted      bool         `json:"deleted,omitempty"` // kept among what was deleted recently
	Raw          string       `json:"raw,omitempty"`     // numbers of what is not understood: "item_type=7"
}

// Part is a stretch of a message: text, or an attachment.
type Part struct {
	Text       string `json:"text,omitempty"`
	Attachment *int   `json:"attachment,omitempty"` // index in Attachments
}

// Mark is a stretch of a text with a meaning or a shape, in the order of the text.
type Mark struct {
	Text   string `json:"text"`
	Style  string `json:"style"`            // "mention", "link", "bold", "italic", "underline", "strikethrough", or an animation: "shake"
	Target string `json:"target,omitempty"` // of a mention: the address; of a link: where to
}

// Attachment is a file that came with a message.
type Attachment struct {
	Name    string `json:"name,omitempty"` // as the sender called it
	Type    string `json:"type,omitempty"` // media type, or a UTI where only that is known
	Size    int64  `json:"size,omitempty"` // bytes, as the app says
	Path    string `json:"path,omitempty"` // in the Source; "" when it is not in this backup
	Folder  bool   `json:"folder,omitempty"`
	Sticker bool   `json:"sticker,omitempty"`
	Caption string `json:"caption,omitempty"`
	// Content is the file itself where the app keeps it in its database: a vCard.
	Content string `json:"content,omitempty"`
	// Preview is a small JPEG in the Source, for what itself is not in this backup.
	Preview string `json:"preview,omitempty"`
	// File is where an export has put it, relative to the export's folder.
	File string `json:"file,omitempty"`
}

// Reaction is a tapback or an emoji on a message.
type Reaction struct {
	From   Person    `json:"from,omitzero"`
	FromMe bool      `json:"from_me,omitempty"`
	Emoji  string    `json:"emoji"`          // ❤️ 👍 👎 😂 ‼️ ❓ or any; "" of a sticker
	Part   int       `json:"part,omitempty"` // of the message, from 0
	Time   time.Time `json:"time,omitzero"`
}

// Edit is an earlier wording.
type Edit struct {
	Text string    `json:"text"`
	Time time.Time `json:"time,omitzero"`
}

// Table is the table of messages of every app.
var Table = extract.Table{Name: "messages", Title: "Messages",
	Columns: []string{"Conversation", "Time", "From", "Text", "Kind", "Service", "Attachments", "Reactions", "Key"}}
