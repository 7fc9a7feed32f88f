package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// datetime is how HTML writes a moment.
const datetime = "2006-01-02T15:04:05-07:00"

// pageView is what a page shows.
type pageView struct {
	Title, Device                     string
	Head                              headView
	App                               string
	Number                            int
	IndexLink, PreviousLink, NextLink string
	Days                              []dayView
	Broken                            string
}

// headView says what conversation it is, below its title.
type headView struct {
	App    string
	People []Person
	More   int // people that are not named
}

func headOf(c Conversation) headView {
	h := headView{App: c.App, People: c.People}
	if c.Service != "" && c.Service != c.App {
		h.App += " (" + c.Service + ")"
	}
	if len(c.People) == 1 && c.People[0] == (Person{Address: c.Title}) {
		h.People = nil // the title has said it
	}
	if n := len(h.People); n > maxNamed {
		h.People, h.More = h.People[:maxNamed], n-maxNamed
	}
	return h
}

type dayView struct {
	ID, Title, Date string
	Messages        []messageView
}

// messageView is a message as the template writes it.
type messageView struct {
	ID              string
	Side            string // "me", "them", "note"
	Name            string // over the first of several in a row; in groups
	Sender          string // for those who listen
	Initials        string
	Color           int
	Follows         bool // the one before is of the same person
	SMS             bool // sent without the app's own service
	Time, Clock     string
	Marks           []string
	Quote           *quoteView
	Subject         string
	Blocks          []block
	State           string
	Link            *linkView
	Place           *placeView
	Edits           []editView
	Reactions       []reactionView
	Receipt         string
	Jumbo           bool // nothing but a few emoji
	Failed, Deleted bool
}

type quoteView struct {
	Text, Link string
}

type linkView struct {
	Href, Host, Title, Text string
}

type placeView struct {
	Href, Text string
}

type editView struct {
	Text, Time, Stamp string
}

type reactionView struct {
	Emoji, Who string
}

// block is a part of what a message says.
type block struct {
	Kind     string // "text", "photo", "video", "audio", "file", "missing"
	Segments []segment
	Src      string // of media and of files that may be linked to
	Name     string
	Label    string // "photo", "sticker"
	Size     string
	Caption  string
	Sticker  bool
	Link     bool
	Preview  bool // all that there is of it
}

// view makes what a page shows.
func (p *pager) view(c Conversation, messages []*Message, place string) *pageView {
	v := &pageView{Title: c.Title, Head: headOf(c), Device: p.src.Device.Name, App: c.App}
	here := make(map[string]bool, len(messages))
	for _, m := range messages {
		here[m.Key] = true
	}
	zone := p.src.Local()
	var before *Message
	for _, m := range messages {
		local := m.Time.In(zone)
		title := dayOf(local, m.Time)
		if n := len(v.Days); n == 0 || v.Days[n-1].Title != title {
			d := dayView{ID: fmt.Sprintf("d%d", n+1), Title: title}
			if !m.Time.IsZero() {
				d.Date = local.Format("2006-01-02")
			}
			v.Days = append(v.Days, d)
			before = nil
		}
		d := &v.Days[len(v.Days)-1]
		d.Messages = append(d.Messages, messageOf(c, m, before, zone, place, here))
		before = m
	}
	return v
}

func messageOf(c Conversation, m, before *Message, zone *time.Location, place string, here map[string]bool) messageView {
	v := messageView{ID: anchor(m.Key), Side: "them", Sender: m.Sender(), Marks: m.marks(), Subject: m.Subject, Failed: m.Failed, Deleted: m.Deleted}
	switch {
	case m.Kind == KindSystem:
		v.Side = "note"
	case m.FromMe:
		v.Side = "me"
	}
	v.SMS = m.Service != "" && m.Service != "iMessage"
	v.Initials, v.Color = initials(m.Sender()), color(m.From.Address)
	v.Follows = before != nil && before.Kind != KindSystem && before.FromMe == m.FromMe && before.From == m.From && m.Time.Sub(before.Time) < 10*time.Minute
	if c.Group && v.Side == "them" && !v.Follows {
		v.Name = m.Sender()
	}
	if !m.Time.IsZero() {
		v.Time, v.Clock = m.Time.In(zone).Format(datetime), clock(m.Time.In(zone), m.Time)
	}
	if m.ReplyTo != "" || m.ReplyText != "" {
		v.Quote = &quoteView{Text: cut(m.ReplyText, 300)}
		if v.Quote.Text == "" {
			v.Quote.Text = "An earlier message"
		}
		if here[m.ReplyTo] {
			v.Quote.Link = "#" + anchor(m.ReplyTo)
		}
	}
	for _, part := range m.order() {
		switch {
		case part.Attachment != nil:
			v.Blocks = append(v.Blocks, m.Attachments[*part.Attachment].block(place))
		case strings.TrimSpace(part.Text) != "":
			v.Blocks = append(v.Blocks, block{Kind: "text", Segments: segments(cut(part.Text, maxShown))})
		}
	}
	v.Jumbo = len(v.Blocks) == 1 && v.Blocks[0].Kind == "text" && v.Side != "note" && fewEmoji(m.Text)
	v.State = m.stateLine()
	if href := safeLink(m.Link); href != "" {
		v.Link = &linkView{Href: href, Host: hostOf(href), Title: cut(m.LinkTitle, 300), Text: cut(m.LinkText, 600)}
	}
	if m.Latitude != nil && m.Longitude != nil {
		lat, lon := strconv.FormatFloat(*m.Latitude, 'f', 6, 64), strconv.FormatFloat(*m.Longitude, 'f', 6, 64)
		v.Place = &placeView{Href: "https://www.openstreetmap.org/?mlat=" + lat + "&mlon=" + lon, Text: lat + ", " + lon}
	}
	for _, e := range m.Edits {
		ev := editView{Text: cut(e.Text, maxShown)}
		if !e.Time.IsZero() {
			ev.Time, ev.Stamp = e.Time.In(zone).Format(datetime), e.Time.In(zone).Format("2 January 2006, 15:04")
		}
		v.Edits = append(v.Edits, ev)
	}
	for _, r := range m.Reactions {
		v.Reactions = append(v.Reactions, reactionView{r.sign(), r.who()})
	}
	if m.FromMe && v.Side != "note" {
		switch {
		case !m.Read.IsZero():
			v.Receipt = "Read " + sameDay(m.Read.In(zone), m.Time.In(zone))
		case !m.Delivered.IsZero():
			v.Receipt = "Delivered " + sameDay(m.Delivered.In(zone), m.Time.In(zone))
		}
	}
	return v
}

// block is how an attachment is shown.
func (a Attachment) block(place string) block {
	kind := a.class()
	b := block{Kind: "file", Name: a.title(), Label: string(kind), Size: size(a.Size), Caption: cut(a.Caption, maxShown), Sticker: a.Sticker}
	if a.Sticker {
		b.Label = "sticker"
	}
	switch {
	case a.previewed() && a.File != "":
		b.Kind, b.Src, b.Preview = "photo", outtree.Link(place, a.File), true
	case a.Path == "" && a.Content == "":
		b.Kind = "missing"
	case a.File == "", a.Folder:
	default:
		b.Link = mayLink(a.File)
		if b.Link {
			b.Src = outtree.Link(place, a.File)
		}
		if embeds(kind, a.File) {
			b.Kind = string(kind)
		}
	}
	return b
}

// size is a number of bytes as people read it, "" for none.
func size(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000_000:
		return fmt.Sprintf("%.0f KB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func sameDay(t, day time.Time) string {
	if t.Format(time.DateOnly) == day.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2 January 2006, 15:04")
}

func anchor(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "m" + hex.EncodeToString(sum[:6])
}

// colors is how many the style sheet has for people.
const colors = 8

func color(address string) int {
	sum := sha256.Sum256([]byte(address))
	return int(sum[0]) % colors
}

// initials are the first letters of the first and the last word of a name; "" of what
// has no letters, such as a number.
func initials(name string) string {
	var letters []rune
	for _, word := range strings.Fields(name) {
		if r := []rune(word)[0]; unicode.IsLetter(r) {
			letters = append(letters, unicode.ToUpper(r))
		}
	}
	switch len(letters) {
	case 0:
		return ""
	case 1:
		return string(letters)
	}
	return string(letters[0]) + string(letters[len(letters)-1])
}

// fewEmoji tells whether a text is one to three emoji, which phones show large.
func fewEmoji(s string) bool {
	if len(s) > 64 {
		return false
	}
	n := 0
	joined := false
	for _, r := range s {
		switch {
		case r == 0x200D:
			joined = true
		case r == 0xFE0F, r >= 0x1F3FB && r <= 0x1F3FF, unicode.IsSpace(r):
		case r >= 0x1F1E6 && r <= 0x1FAFF, r >= 0x2600 && r <= 0x27BF, r >= 0x2B00 && r <= 0x2BFF, r == 0x203C, r == 0x2049:
			if !joined {
				n++
			}
			joined = false
		default:
			return false
		}
	}
	return n >= 1 && n <= 3
}
