package notify

import (
	"context"
	"strings"
	"unicode"
)

// The lengths of a message that every place takes, in bytes. Telegram has the
// least room, 4,096 characters for title, text and link.
const (
	maxTitle = 200
	maxText  = 3000
	maxLink  = 500
)

// Message is what a person gets to read.
type Message struct {
	Title  string // short: it is all that a lock screen shows
	Text   string // plain text, lines ended by \n
	Link   string // of the page that shows more; "" none
	Urgent bool   // somebody has to do something: it may make a sound
}

// Sender takes messages to people: a [Notifier], or a double of it.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// cleaned makes a message fit for every place: a title becomes the subject of a
// mail and a header of HTTP, and phones, whose names stand in it, are named by
// anybody.
func (m Message) cleaned() Message {
	line := strings.Join(strings.FieldsFunc(m.Title, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, m.Text)
	m.Title, m.Text = cut(strings.ToValidUTF8(line, ""), maxTitle), cut(strings.ToValidUTF8(strings.TrimSpace(text), ""), maxText)
	if m.Title == "" {
		m.Title = "Keepsake"
	}
	if len(m.Link) > maxLink || strings.ContainsFunc(m.Link, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		m.Link = ""
	}
	return m
}

// body is the text with the link on a line of its own, and the title above where
// the place has no other room for it.
func (m Message) body(withTitle bool) string {
	var parts []string
	if withTitle {
		parts = append(parts, m.Title)
	}
	if m.Text != "" {
		parts = append(parts, m.Text)
	}
	if m.Link != "" {
		parts = append(parts, m.Link)
	}
	if len(parts) == 0 {
		return m.Title // some places refuse an empty body
	}
	return strings.Join(parts, "\n\n")
}

// cut shortens s to at most n bytes at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const more = "…"
	n -= len(more)
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + more
}
