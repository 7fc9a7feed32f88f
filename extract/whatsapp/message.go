package whatsapp

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"math"
	"mime/quotedprintable"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
)

// Kinds of messages (ZMESSAGETYPE) that need a name here.
const (
	kindText       = 0
	kindImage      = 1
	kindVideo      = 2
	kindAudio      = 3
	kindContact    = 4
	kindLocation   = 5
	kindGroupEvent = 6
	kindLink       = 7
	kindDocument   = 8
	kindNotice     = 10
	kindGIF        = 11
	kindWaiting    = 12
	kindDeleted    = 14
	kindSticker    = 15
	kindTemplate   = 19
	kindProduct    = 26
	kindInvitation = 27
	kindDisappear  = 28
	kindForwarded  = 32 // a template
	kindOnceImage  = 38
	kindOnceVideo  = 39
	kindPoll       = 46
	kindVideoNote  = 54 // [?]
	kindCall       = 59 // [?] beside calls
)

// kinds are what is known of each: its name, and the media type of its file where
// the row does not tell.
var kinds = map[int64]struct{ name, media string }{
	kindImage: {"Photo", "image/jpeg"}, kindVideo: {"Video", "video/mp4"}, kindAudio: {"Audio", "audio/ogg"}, kindContact: {"Contact", "text/vcard"}, kindLocation: {"Place", ""},
	kindDocument: {"Document", ""}, kindGIF: {"GIF", "video/mp4"}, kindDeleted: {"Deleted message", ""}, kindSticker: {"Sticker", "image/webp"},
	kindOnceImage: {"Photo", "image/jpeg"}, kindOnceVideo: {"Video", "video/mp4"}, kindPoll: {"Poll", ""}, kindVideoNote: {"Video", "video/mp4"}, kindCall: {"Call", ""},
}

// message makes a message of a row.
func (b *book) message(c *cursor, r *row) chat.Message {
	s := b.byPK[r.session.Int]
	if s == nil {
		s = b.byPK[0]
	}
	m := chat.Message{Kind: chat.KindText, Service: b.app, FromMe: r.fromMe.Bool(), Text: r.text.String, Starred: r.starred.Bool()}
	if s != nil {
		m.Conversation, m.In = s.Key, s.Title
	}
	m.Key = b.messageKey(s, r)
	m.Time = extract.CocoaTime(r.date.Float)
	if m.Time.IsZero() {
		m.Time = extract.CocoaTime(r.sent.Float)
	}
	m.Failed = m.FromMe && r.failed.Bool()
	if !m.FromMe {
		m.From = b.sender(s, r)
	}
	b.quotes(c, s, r, &m)
	b.receipt(r, &m)
	b.content(r, &m)
	return m
}

// messageKey is the key of a message: that of its conversation and its stanza ID,
// with the row's number where that does not tell it from others.
func (b *book) messageKey(s *session, r *row) string {
	in := b.prefix + "#none"
	if s != nil {
		in = s.Key
	}
	if r.stanza.String == "" || r.twin.Bool() {
		return fmt.Sprintf("%s/%s#%d", in, r.stanza.String, r.pk.Int)
	}
	if strings.Contains(r.stanza.String, "#") || strings.Contains(r.stanza.String, "/") { // of no app; and a key must be found again
		return fmt.Sprintf("%s/#%d", in, r.pk.Int)
	}
	return in + "/" + r.stanza.String
}

// sender is who wrote a message that is not the owner's.
func (b *book) sender(s *session, r *row) chat.Person {
	given, _ := pushName(r.push.String)
	switch {
	case r.memberJID.String != "":
		return b.dir.person(r.memberJID.String, cmp.Or(r.memberName.String, r.memberFirst.String, tilde(given)))
	case s != nil && !s.Group && len(s.People) == 1:
		return s.People[0]
	case isPerson(r.from.String):
		return b.dir.person(r.from.String, tilde(given))
	}
	return chat.Person{Name: tilde(given)}
}

func tilde(name string) string {
	if name == "" {
		return ""
	}
	return "~" + name
}

// isPerson tells whether a JID is somebody's and not a group's.
func isPerson(jid string) bool {
	return jid != "" && !strings.HasSuffix(jid, groupEnd) && !strings.HasSuffix(jid, broadcastEnd) && !strings.HasSuffix(jid, statusEnd)
}

// quotes notes what a message answers, and whether it was forwarded.
func (b *book) quotes(c *cursor, s *session, r *row, m *chat.Message) {
	if len(r.metadata) == 0 {
		return
	}
	meta := parseMetadata(r.metadata)
	m.Forwarded = meta.forwarded
	if meta.quoted == "" {
		return
	}
	if s != nil {
		m.ReplyTo = s.Key + "/" + meta.quoted
	}
	m.ReplyText = cmp.Or(c.quoted(meta.quoted, r.session), short(meta.quote))
}

// receipt notes when a message was delivered and read, and reactions to it.
func (b *book) receipt(r *row, m *chat.Message) {
	if len(r.receipts) == 0 {
		return
	}
	info := parseReceipts(r.receipts)
	if m.FromMe {
		m.Delivered, m.Read = info.delivered, info.read
	}
	for _, re := range info.reactions {
		v := chat.Reaction{Emoji: re.emoji, Time: re.at}
		if re.from == "" || b.dir.isOwn(re.from) {
			v.FromMe = true
		} else {
			v.From = b.dir.person(re.from, "")
		}
		m.Reactions = append(m.Reactions, v)
	}
}

// content makes what a message says of its kind.
func (b *book) content(r *row, m *chat.Message) {
	raw := func() string { return fmt.Sprintf("type=%d event=%d", r.kind.Int, r.event.Int) }
	switch r.kind.Int {
	case kindText:
		if r.mediaPath.String != "" {
			b.attach(r, m)
		}
	case kindGroupEvent:
		m.Kind, m.Raw, m.Text = chat.KindSystem, raw(), b.eventText(r, m)
	case kindNotice, kindCall:
		m.Kind, m.Raw, m.Text = chat.KindSystem, raw(), b.noticeText(r, m)
	case kindDisappear:
		m.Kind, m.Raw, m.Text = chat.KindSystem, raw(), disappear(cmp.Or(parseMore(r.metadata).timer, m.Text))
	case kindWaiting:
		m.Kind, m.Raw, m.Text = chat.KindUnknown, raw(), cmp.Or(m.Text, "The phone was still waiting for this message")
	case kindTemplate, kindForwarded, kindProduct, kindInvitation:
		b.business(r, m)
		m.Raw = raw()
	case kindDeleted:
		m.Kind = chat.KindUnsent
	case kindLocation:
		b.place(r, m)
	case kindContact:
		b.card(r, m)
	case kindLink:
		b.link(r, m)
	case kindPoll:
		m.Kind, m.App, m.Raw = chat.KindApp, "Poll", raw()
		if p, ok := parsePoll(r.receipts, r.metadata); ok {
			m.Text = p.text()
		}
	case kindOnceImage, kindOnceVideo:
		m.Effect, m.Raw = "View Once", raw()
		b.attach(r, m)
	case kindImage, kindVideo, kindAudio, kindDocument, kindGIF, kindSticker, kindVideoNote:
		b.attach(r, m)
	default:
		m.Raw = raw()
		if r.mediaPath.String != "" {
			b.attach(r, m)
		} else if m.Text == "" {
			m.Kind = chat.KindUnknown
		}
	}
}

// business reads what shops write: templates, products, and invitations to groups.
func (b *book) business(r *row, m *chat.Message) {
	more := parseMore(r.metadata)
	switch r.kind.Int {
	case kindProduct:
		m.Kind, m.App, m.Text = chat.KindApp, "Product", cmp.Or(more.product, m.Text)
	case kindInvitation:
		m.Kind, m.App = chat.KindApp, "Invitation to a group"
		m.Text = cmp.Or(m.Text, more.invitation)
	default:
		m.Text = cmp.Or(m.Text, more.template)
	}
	if r.mediaPath.String != "" {
		b.attach(r, m)
	}
	if m.Text == "" && len(m.Attachments) == 0 && m.App == "" {
		m.Kind = chat.KindUnknown
	}
}

// attach adds the file of a message.
func (b *book) attach(r *row, m *chat.Message) {
	known := kinds[r.kind.Int]
	a := chat.Attachment{Type: known.media, Size: r.size.Int, Sticker: r.kind.Int == kindSticker}
	// For media the columns of a card have its digest and its type.
	if t := r.card.String; len(t) < 100 && strings.Count(t, "/") == 1 && !strings.ContainsAny(t, "\r\n") {
		a.Type = t
	}
	a.Path = b.file(r.mediaPath.String)
	if a.Path == "" && r.kind.Int != kindSticker {
		a.Preview = b.file(r.thumb.String)
	}
	a.Name = path.Base("/" + r.mediaPath.String)
	if r.mediaPath.String == "" {
		a.Name = known.name
	}
	if title := r.title.String; title != "" {
		if r.kind.Int == kindDocument {
			a.Name = strings.ReplaceAll(title, "/", "_")
			if m.Text == title {
				m.Text = ""
			}
		} else if title != m.Text {
			a.Caption = title
		}
	}
	m.Attachments = append(m.Attachments, a)
}

// file finds a file of the app; "" when the backup does not have it.
func (b *book) file(rel string) string {
	if rel == "" || len(rel) > 1024 {
		return ""
	}
	rel = strings.TrimPrefix(path.Clean("/"+rel), "/")
	for _, dir := range []string{b.domain + "/Message", b.domain, "AppDomain-net.whatsapp.WhatsApp/Library"} {
		p := dir + "/" + rel
		if info, err := fs.Stat(b.src.FS, p); fs.ValidPath(p) && err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// place adds where somebody is. Of pictures the same columns have the size.
func (b *book) place(r *row, m *chat.Message) {
	lat, lon := r.latitude, r.longitude
	if lat.Valid && lon.Valid && math.Abs(lat.Float) <= 90 && math.Abs(lon.Float) <= 180 && (lat.Float != 0 || lon.Float != 0) {
		m.Latitude, m.Longitude = &lat.Float, &lon.Float
	}
	if m.Text == "" {
		m.Text = r.title.String
	}
	if m.Text == "" && m.Latitude == nil {
		m.Kind, m.Raw = chat.KindUnknown, "type="+strconv.FormatInt(r.kind.Int, 10)
	}
}

// maxCard is the longest vCard that is taken along; pictures in them are large.
const maxCard = 4 << 20

// Between the names, and between the cards, of several people in one message.
const (
	betweenNames = "_$!<Name-Separator>!$_"
	betweenCards = "_$!<VCard-Separator>!$_"
	maxCards     = 1000
)

// card adds people that were sent. Of several the first name is that of all of them
// (WhatsApp-Chat-Exporter, ios_handler.py).
func (b *book) card(r *row, m *chat.Message) {
	names := strings.Split(r.cardName.String, betweenNames)
	cards := strings.Split(r.card.String, betweenCards)
	if len(cards) > maxCards {
		cards = cards[:maxCards]
	}
	if len(names) > len(cards) && len(cards) > 1 {
		if m.Text == "" {
			m.Text = clean(names[0])
		}
		names = names[1:]
	}
	for i, card := range cards {
		name := ""
		if i < len(names) {
			name = unquoted(clean(names[i]))
		}
		if len(cards) == 1 {
			name = cmp.Or(name, clean(r.title.String))
		}
		a := chat.Attachment{Name: cmp.Or(name, "Contact") + ".vcf", Type: "text/vcard"}
		switch {
		case strings.Contains(card, "BEGIN:VCARD") && len(card) <= maxCard:
			a.Content, a.Size = card, int64(len(card))
		case len(cards) == 1:
			a.Path = b.file(r.mediaPath.String)
		}
		m.Attachments = append(m.Attachments, a)
	}
}

// unquoted reads a name that is still quoted-printable, as those of cards without a
// picture were.
func unquoted(name string) string {
	if !strings.HasPrefix(name, "=") {
		return name
	}
	plain, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(name)))
	if err != nil || !utf8.Valid(plain) {
		return name
	}
	return clean(string(plain))
}

// link adds the preview of an address.
func (b *book) link(r *row, m *chat.Message) {
	if r.mediaPath.String != "" {
		b.attach(r, m)
	}
	if !b.links {
		return
	}
	b.preview(r.pk.Int, m)
}
