package chat

import (
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// Entry implements extract.Record.
func (m Message) Entry() extract.Entry {
	e := extract.Entry{Table: Table.Name, Key: m.Key, Title: m.Sender(), Text: m.words(), Time: m.Time, Group: m.Conversation, Deleted: m.Deleted}
	if !m.FromMe && m.From.Name != "" {
		e.Detail = m.From.Address
	}
	for _, a := range m.Attachments {
		if a.Path != "" {
			e.Files = append(e.Files, a.Path)
		}
	}
	return e
}

// Row implements extract.Record, for [Table].
func (m Message) Row() []string {
	names := make([]string, len(m.Attachments))
	for i, a := range m.Attachments {
		names[i] = a.title()
	}
	reactions := make([]string, len(m.Reactions))
	for i, r := range m.Reactions {
		reactions[i] = r.sign() + " " + r.who()
	}
	in := m.In
	if in == "" {
		in = m.Conversation
	}
	text := m.Text
	if m.Subject != "" {
		text = strings.TrimSuffix(m.Subject+"\n"+text, "\n")
	}
	return []string{in, extract.FormatTime(m.Time), m.Sender(), text, string(m.Kind), m.Service,
		strings.Join(names, "; "), strings.Join(reactions, "; "), m.Key}
}

// Sender is who wrote a message, as people read it: "Me" for the owner's own.
func (m Message) Sender() string {
	switch {
	case m.FromMe:
		return "Me"
	case m.From.Name != "":
		return m.From.Name
	case m.From.Address != "":
		return m.From.Address
	case m.Kind == KindSystem:
		return "System"
	}
	return "Unknown"
}

// words are all that people search a message by.
func (m Message) words() string {
	lines := []string{m.Subject, m.Text}
	for _, e := range m.Edits {
		lines = append(lines, e.Text)
	}
	for _, a := range m.Attachments {
		if a.Caption != m.Text {
			lines = append(lines, a.Caption)
		}
		lines = append(lines, a.Name)
	}
	lines = append(lines, m.LinkTitle, m.LinkText, m.Link)
	var b strings.Builder
	for _, l := range lines {
		if l == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l)
	}
	return b.String()
}

// title is a name for what may have none.
func (a Attachment) title() string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Path != "":
		return a.Path[strings.LastIndexByte(a.Path, '/')+1:]
	case a.Sticker:
		return "sticker"
	}
	return string(a.class())
}

func (r Reaction) sign() string {
	if r.Emoji == "" {
		return "sticker"
	}
	return r.Emoji
}

func (r Reaction) who() string { return Message{FromMe: r.FromMe, From: r.From}.Sender() }

// Label is how people know a person: by the name, else the address.
func (p Person) Label() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Address
}
