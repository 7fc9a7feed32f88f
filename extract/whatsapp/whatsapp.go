// Package whatsapp reads WhatsApp and WhatsApp Business: conversations with their
// messages and media, and calls.
//
//	AppDomainGroup-group.net.whatsapp.WhatsApp.shared/      Business: …WhatsAppSMB.shared
//	  ChatStorage.sqlite    ZWACHATSESSION   a conversation
//	                        ZWAMESSAGE       a message in it
//	                        ZWAMEDIAITEM     what came with it, and what it quotes
//	                        ZWAGROUPMEMBER   who wrote it, in a group
//	                        ZWAMESSAGEINFO   who got it, and reactions
//	                        ZWAMESSAGEDATAITEM   the preview of a link
//	  ContactsV2.sqlite     names of the address book
//	  LID.sqlite            phone numbers of those whom groups show under a number of
//	                        WhatsApp's own, "…@lid"
//	  CallHistory.sqlite    calls
//	  Message/Media/…       files; ZMEDIALOCALPATH begins with "Media/"
//
// Facts are those of content-schemas.md 12 and of the public database that the tests
// read; what those leave open is marked [?] here, and the app's own numbers are kept
// in Message.Raw.
//
// # Addresses
//
//	19195550100@s.whatsapp.net   a phone: shown as +19195550100
//	205690463334636@lid          a member who hides the number; LID.sqlite knows some
//	120363023356659014@g.us      a group
//	status@broadcast, …@status   what people show to all for a day
//	123@broadcast                a list of recipients
//
// # Keys
//
// A conversation's key is its address, a message's that and its stanza ID, by which
// all phones know it; those of the Business app begin with "business:".
package whatsapp

import (
	"context"
	"errors"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/thumbnail"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

const kind = "whatsapp"

// Calls is the table of calls.
var Calls = extract.Table{Name: "calls", Title: "Calls", Columns: []string{"Time", "With", "Direction", "Outcome", "Seconds", "Video", "Service", "Key"}}

// container is the folder of one of the two apps.
type container struct {
	app    string // as people know it
	prefix string // of its keys
	domain string
	chats  []string // where the conversations are
}

var containers = []container{
	{"WhatsApp", "", "AppDomainGroup-group.net.whatsapp.WhatsApp.shared",
		// Before app groups the app kept everything in its own folder.
		[]string{"AppDomainGroup-group.net.whatsapp.WhatsApp.shared/ChatStorage.sqlite", "AppDomain-net.whatsapp.WhatsApp/Documents/ChatStorage.sqlite"}},
	{"WhatsApp Business", "business:", "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared",
		[]string{"AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared/ChatStorage.sqlite"}},
}

// Reader reads both apps. It implements extract.Exporter, extract.Previewer and
// extract.Filer.
type Reader struct{ small *thumbnail.Maker }

// New makes a reader.
func New() *Reader { return &Reader{thumbnail.New()} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	info := extract.Info{Kind: kind, Title: "WhatsApp", Tables: []extract.Table{chat.Table, Calls}, Groups: "conversations"}
	for _, c := range containers {
		info.Paths = append(info.Paths, c.chats...)
		for _, name := range []string{"CallHistory.sqlite", "ContactsV2.sqlite", "LID.sqlite"} {
			info.Paths = append(info.Paths, c.domain+"/"+name)
		}
	}
	return info
}

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format { return chat.Formats }

// Export implements extract.Exporter. Calls are not in these formats.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	return chat.Export(ctx, r, src, o, out, rep)
}

// book is an opened ChatStorage.sqlite.
type book struct {
	container
	src *extract.Source
	db  *sqlitefs.DB
	dir *directory
	// list are the conversations that there are; byPK has all sessions.
	list []*session
	byPK map[int64]*session
	// byStanza tells that messages can be found by their stanza ID quickly.
	byStanza bool
	links    bool
	// mediaBack tells that media items can be found by their message quickly.
	mediaBack bool
	undated   bool // some have no date
}

// open opens the books that there are. failed has the error of each that is there
// and cannot be read.
func open(ctx context.Context, src *extract.Source) (books []*book, failed []error, err error) {
	for _, c := range containers {
		db, err := src.Database(ctx, c.chats...)
		if errors.Is(err, extract.ErrAbsent) {
			continue
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err == nil && !db.Has("ZWAMESSAGE", "Z_PK") {
			err = missing(db, "ZWAMESSAGE")
		}
		b := &book{container: c, src: src, db: db}
		if err == nil {
			err = b.load(ctx)
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		books = append(books, b)
	}
	return books, failed, nil
}
