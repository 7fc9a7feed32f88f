package chat

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// text writes a conversation for a terminal: a line that heads each message, what it
// says below, indented.
//
//	Jane Doe
//	Messages, with Jane Doe (+1 555 0100)
//
//	Thursday, 5 March 2026
//
//	10:12  Jane Doe
//	    Look at this!
//	    [photo: media/IMG_0001.jpeg]
//	    ❤️ Me
func (e *exporter) text(w io.Writer, c Conversation, each func(func(*Message) error) error) error {
	p := &printer{w: w}
	p.print(plain(c.Title), "\n", plain(headline(c)), "\n")
	zone := e.src.Local()
	day := ""
	err := each(func(m *Message) error {
		at := m.Time.In(zone)
		if d := dayOf(at, m.Time); d != day {
			day = d
			p.print("\n", d, "\n")
		}
		p.print("\n", clock(at, m.Time), "  ", plain(m.Sender()))
		if marks := m.marks(); len(marks) > 0 {
			p.print("  (", plain(strings.Join(marks, ", ")), ")")
		}
		p.print("\n")
		for _, line := range m.lines(zone) {
			p.print("    ", line, "\n")
		}
		return p.err
	})
	if unread(err) {
		p.print("\n", "The rest could not be read: ", plain(err.Error()), "\n")
		err = nil
	}
	return errors.Join(err, p.err)
}

// maxNamed people of a conversation are named in its head.
const maxNamed = 40

// headline says what conversation it is, below its title.
func headline(c Conversation) string {
	h := headOf(c)
	var names []string
	for _, who := range h.People {
		if who.Name != "" && who.Name != who.Address && who.Address != "" {
			names = append(names, who.Name+" ("+who.Address+")")
		} else {
			names = append(names, who.Label())
		}
	}
	if h.More > 0 {
		names = append(names, fmt.Sprintf("%d more", h.More))
	}
	if len(names) > 0 {
		return h.App + ", with " + strings.Join(names, ", ")
	}
	return h.App
}

// marks are what a message is beside what it says.
func (m *Message) marks() []string {
	var marks []string
	add := func(on bool, s string) {
		if on {
			marks = append(marks, s)
		}
	}
	add(m.Failed, "not sent")
	add(m.Forwarded, "forwarded")
	add(m.Starred, "starred")
	add(m.Effect != "", "sent with "+m.Effect)
	add(!m.Edited.IsZero() || len(m.Edits) > 0, "edited")
	add(m.Deleted, "recently deleted")
	return marks
}

// lines are what a message says, each safe for a terminal.
func (m *Message) lines(zone *time.Location) []string {
	var list []string
	add := func(s string) {
		for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
			list = append(list, plain(line))
		}
	}
	if m.ReplyTo != "" || m.ReplyText != "" {
		quoted, _, _ := strings.Cut(m.ReplyText, "\n")
		if quoted == "" {
			quoted = "an earlier message"
		}
		add("> " + cut(quoted, 200))
	}
	if m.Subject != "" {
		add(m.Subject)
	}
	for _, part := range m.order() {
		if part.Attachment != nil {
			add(m.Attachments[*part.Attachment].line())
		} else if part.Text != "" {
			add(part.Text)
		}
	}
	if s := m.stateLine(); s != "" {
		add("[" + s + "]")
	}
	if m.Link != "" {
		add("[link: " + strings.TrimSpace(m.LinkTitle+" "+m.Link) + "]")
	}
	if m.Latitude != nil && m.Longitude != nil {
		add(fmt.Sprintf("[place: %.6f, %.6f]", *m.Latitude, *m.Longitude))
	}
	for _, e := range m.Edits {
		add("before" + stampIn(e.Time, zone) + ": " + e.Text)
	}
	for _, r := range m.Reactions {
		add(r.sign() + " " + r.who())
	}
	return list
}

// stateLine says what a message is that has no words of its own.
func (m *Message) stateLine() string {
	switch {
	case m.Kind == KindUnsent:
		return "took this message back"
	case m.Kind == KindUnknown:
		return strings.TrimSpace("what this message says could not be read " + parens(m.Raw))
	case m.Kind == KindApp && m.Link == "" && strings.Contains(m.App, "."):
		return "from the app " + m.App
	case m.Kind == KindApp && m.Link == "":
		return m.App
	case m.Kind == KindSystem && m.Text == "":
		return strings.TrimSpace("something happened " + parens(m.Raw))
	}
	return ""
}

func parens(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func (a Attachment) line() string {
	s := string(a.class()) + ": "
	if a.Sticker {
		s = "sticker: "
	}
	switch {
	case a.File != "":
		s += "media/" + a.File[strings.LastIndexByte(a.File, '/')+1:]
	case a.Path == "" && a.Content == "":
		s += a.title() + ", not in this backup"
	default:
		s += a.title()
	}
	if a.Caption != "" {
		s += " – " + a.Caption
	}
	return "[" + s + "]"
}

// order gives text and attachments as they follow each other; what the parts leave
// out comes last.
func (m *Message) order() []Part {
	if len(m.Parts) == 0 {
		list := make([]Part, 0, len(m.Attachments)+1)
		for i := range m.Attachments {
			list = append(list, Part{Attachment: &i})
		}
		if m.Text != "" {
			list = append(list, Part{Text: m.Text})
		}
		return list
	}
	var list []Part
	seen := make([]bool, len(m.Attachments))
	for _, p := range m.Parts {
		if p.Attachment != nil {
			if i := *p.Attachment; i < 0 || i >= len(seen) || seen[i] {
				continue
			}
			seen[*p.Attachment] = true
		}
		list = append(list, p)
	}
	for i, ok := range seen {
		if !ok {
			list = append(list, Part{Attachment: &i})
		}
	}
	return list
}

// dayOf is a day as people read it. t is the moment itself: zero is none.
func dayOf(local, t time.Time) string {
	if t.IsZero() {
		return "Day not known"
	}
	return local.Format("Monday, 2 January 2006")
}

func clock(local, t time.Time) string {
	if t.IsZero() {
		return "--:--"
	}
	return local.Format("15:04")
}

func stampIn(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return " " + t.In(zone).Format("2006-01-02 15:04")
}

// plain takes out what a terminal would obey: control characters, and those that
// turn the direction of all that follows.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// cut shortens a text to n bytes, between runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
