package messages

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
)

// message makes one of a row. broken says why its text could not be read.
func (b *book) message(l *batch, r *raw, d *typedstream.Decoder) (m *chat.Message, broken error) {
	c := &b.all[r.in]
	m = &chat.Message{Key: r.key(), Conversation: c.Key, In: c.Title, Deleted: r.deleted, Kind: chat.KindText, Time: extract.CocoaNano(r.date.Int), FromMe: r.mine.Bool(),
		Service: r.service.String, Subject: r.subject.String, Failed: r.failure.Int != 0, Read: extract.CocoaNano(r.read.Int), Delivered: extract.CocoaNano(r.delivered.Int),
		Edited: extract.CocoaNano(r.edited.Int), Unsent: extract.CocoaNano(r.retracted.Int), Effect: effect(r.effect.String), ReplyTo: r.thread.String,
		Reactions: l.reactions[r.guid.String]}
	// Of sharing a place the direction tells who did it, where it says to whom.
	if r.item.Int == itemLocation && r.other.Int != 0 && r.toward.Valid && r.toward.Int == 0 {
		m.FromMe = true
	}
	if m.ReplyTo != "" {
		m.ReplyText = l.quotes[m.ReplyTo]
	}
	if !m.FromMe {
		m.From = b.people[r.handle.Int]
		if m.From.Address == "" && !c.Group && len(c.People) == 1 {
			m.From = c.People[0]
		}
	}
	body, err := r.decode(d)
	files := l.files[r.id]
	if r.item.Int == 0 && r.balloon.String == "" {
		files = withLost(body, files)
	}
	m.Text = words(body.Text)
	m.Marks = marks(body)
	compose(m, body, files)
	b.history(r, m)
	withDeleted(m, l.deleted[r.id])
	switch {
	case r.item.Int != 0:
		m.Kind, m.Text = chat.KindSystem, b.event(r, m)
	case r.balloon.String != "" || r.kind.Int == typePollChange:
		m.Kind = chat.KindApp
		l.balloon(r, m)
	case bareLink(r, m):
		m.Kind = chat.KindApp
	case m.Kind == chat.KindUnsent:
	case err != nil:
		m.Kind, broken = chat.KindUnknown, err
	}
	b.association(r, m)
	if r.scheduled.Int != 0 || r.schedule.Int != 0 {
		note(m, "schedule_type=%d schedule_state=%d", r.schedule.Int, r.scheduled.Int)
	}
	return m, broken
}

// note puts numbers into Raw.
func note(m *chat.Message, format string, a ...any) {
	if m.Raw != "" {
		m.Raw += " "
	}
	m.Raw += fmt.Sprintf(format, a...)
}

// decode reads what a message says. The column text counts where there is one; the body
// then has the attributes. The string is never nil.
func (r *raw) decode(d *typedstream.Decoder) (*typedstream.String, error) {
	if len(r.body) == 0 {
		return &typedstream.String{Text: r.text.String}, nil
	}
	s, err := d.Decode(r.body)
	switch {
	case err != nil && r.text.Valid:
		return &typedstream.String{Text: r.text.String}, nil
	case err != nil:
		return &typedstream.String{}, err
	case r.text.Valid && s.Text != r.text.String:
		return &typedstream.String{Text: r.text.String}, nil
	}
	return s, nil
}

// association says what a message is to another one, beside an answer and a reaction.
func (b *book) association(r *raw, m *chat.Message) {
	if r.kind.Int == 0 {
		return
	}
	if r.target.String != "" && m.ReplyTo == "" {
		m.ReplyTo, _ = pointsTo(r.target.String)
		if r.kind.Int == typePollChange {
			m.ReplyTo = pollOfVote(r.target.String)
		}
		if m.ReplyTo == r.guid.String { // a poll points to itself
			m.ReplyTo = ""
		}
	}
	if r.kind.Int == typeSticker { // a sticker put on a message is one that answers it
		return
	}
	note(m, "associated_message_type=%d", r.kind.Int)
}

// compose puts files where they stand in a message's text: where the body names them,
// else each where a U+FFFC is; those that nothing names come last. A message with text
// only has no parts.
func compose(m *chat.Message, body *typedstream.String, files []attached) {
	if len(files) == 0 {
		return
	}
	m.Attachments = make([]chat.Attachment, len(files))
	byGUID := make(map[string]int, len(files))
	for i, f := range files {
		m.Attachments[i] = f.Attachment
		byGUID[f.guid] = i
	}
	placed := make([]bool, len(files))
	named := map[int]bool{} // those for which some run stands
	for _, r := range body.Runs {
		if i, ok := byGUID[r.Attributes.File]; ok && r.Attributes.File != "" {
			named[i] = true
			if t := r.Attributes.Transcript; t != "" {
				m.Attachments[i].Caption = t
			}
			if m.Attachments[i].Name == "" {
				m.Attachments[i].Name = r.Attributes.FileName
			}
		}
	}
	put := func(i int) {
		placed[i] = true
		m.Parts = append(m.Parts, chat.Part{Attachment: &i})
	}
	// next is the first file that no run names.
	next := func() (int, bool) {
		for i := range files {
			if !placed[i] && !named[i] {
				return i, true
			}
		}
		return 0, false
	}
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			m.Parts = append(m.Parts, chat.Part{Text: text.String()})
			text.Reset()
		}
	}
	runs := body.Runs
	if len(runs) == 0 {
		runs = []typedstream.Run{{Text: body.Text, Attributes: &typedstream.Attributes{Part: -1}}}
	}
	for _, r := range runs {
		for i, stretch := range strings.Split(r.Text, "\ufffc") {
			if i > 0 {
				at, ok := byGUID[r.Attributes.File]
				if r.Attributes.File == "" || !ok || placed[at] {
					at, ok = next()
				}
				if ok {
					flush()
					put(at)
				}
			}
			text.WriteString(strings.ReplaceAll(stretch, "\ufffd", ""))
		}
	}
	flush()
	for i := range files {
		if !placed[i] {
			put(i)
		}
	}
	if len(m.Parts) == len(files) && m.Text == "" && inOrder(m.Parts) {
		m.Parts = nil // files only, one after the other
	}
}

// withLost adds files that a body names and that have no row any more, of which nothing
// but their names is left. A body that names none of the rows has other names for them.
func withLost(body *typedstream.String, files []attached) []attached {
	rows := len(files)
	named := 0
	for _, r := range body.Runs {
		file := r.Attributes.File
		if file == "" || !strings.Contains(r.Text, "\ufffc") {
			continue
		}
		switch i := slices.IndexFunc(files, func(f attached) bool { return f.guid == file }); {
		case i < 0:
			files = append(files[:len(files):len(files)], attached{chat.Attachment{Name: r.Attributes.FileName}, file})
		case i < rows:
			named++
		}
	}
	if named < rows {
		return files[:rows]
	}
	return files
}

func inOrder(parts []chat.Part) bool {
	for i, p := range parts {
		if p.Attachment == nil || *p.Attachment != i {
			return false
		}
	}
	return true
}

// animations of words, by their numbers (iOS 18).
var animations = map[int64]string{1: "ripple", 4: "ripple", 5: "big", 6: "bloom", 8: "nod", 9: "shake", 10: "jitter", 11: "small", 12: "explode"}

// marks are the words of a message that are more than words.
func marks(body *typedstream.String) []chat.Mark {
	var list []chat.Mark
	for _, r := range body.Runs {
		a := r.Attributes
		if a.Plain() {
			continue
		}
		text := words(r.Text)
		if text == "" {
			continue
		}
		add := func(is bool, style, target string) {
			if is {
				list = append(list, chat.Mark{Text: text, Style: style, Target: target})
			}
		}
		add(a.Mention != "", "mention", a.Mention)
		add(a.Link != "", "link", a.Link)
		add(a.Bold, "bold", "")
		add(a.Italic, "italic", "")
		add(a.Underline, "underline", "")
		add(a.Strike, "strikethrough", "")
		if name := animations[a.Effect]; name != "" {
			add(true, name, "")
		} else {
			add(a.Effect != 0, fmt.Sprintf("effect %d", a.Effect), "")
		}
	}
	return list
}

// effects by the last part of their names (content-schemas.md 3).
func effect(id string) string {
	last := id[strings.LastIndexByte(id, '.')+1:]
	switch last {
	case "":
		return ""
	case "impact":
		return "Slam"
	case "loud":
		return "Loud"
	case "gentle":
		return "Gentle"
	case "invisibleink":
		return "Invisible Ink"
	}
	last = strings.TrimSuffix(strings.TrimPrefix(last, "CK"), "Effect")
	var words strings.Builder
	for i, r := range last {
		if i > 0 && r >= 'A' && r <= 'Z' {
			words.WriteByte(' ')
		}
		words.WriteRune(r)
	}
	return words.String()
}
