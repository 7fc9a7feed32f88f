package notes

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// What a body may have; more stays text of one look in one paragraph, so that a body
// that was made to hurt takes no more memory than a long one.
const (
	maxRuns       = 400_000
	maxParagraphs = 200_000
	maxIndent     = 16
	maxName       = 1024 // bytes of an identifier, a type, a font
	maxAddress    = 8192 // bytes of a link
)

// object is the character in whose place there is an attachment.
const object = '\ufffc'

// styles by their number in a body.
var styles = map[int]Style{0: Title, 1: Heading, 2: Subheading, 4: Monospace, 100: Dotted, 101: Dashed, 102: Numbered, 103: Checkbox}

var alignments = map[int]string{1: "center", 2: "right", 3: "justify"}

// emphases are the colours of field 14, in the order of the app's menu [?].
var emphases = map[int]string{1: "purple", 2: "pink", 3: "orange", 4: "mint", 5: "blue"}

// span is a run as a body has it.
type span struct {
	units     int // UTF-16 units
	paragraph Paragraph
	styled    bool // the run says what its paragraph is
	look      Look
	ref, uti  string
}

// parseBody reads what ZDATA has.
func parseBody(data []byte) (Document, error) {
	raw, err := inflate(data)
	if err != nil {
		return nil, err
	}
	note, err := dig(raw, 2, 3)
	if err != nil {
		return nil, err
	}
	return parseNote(note)
}

// parseNote reads a note message: a body's, or a cell's.
func parseNote(note []byte) (Document, error) {
	text, spans, err := decodeNote(note)
	if err != nil {
		return nil, err
	}
	return assemble(text, spans), nil
}

// decodeNote gives the text and runs of a note message.
func decodeNote(note []byte) (text string, spans []span, err error) {
	for f, err := range fields(note) {
		switch {
		case err != nil:
			return "", nil, err
		case f.num == 2 && f.message():
			text = strings.ToValidUTF8(string(f.b), string(utf8.RuneError))
		case f.num == 5 && f.message() && len(spans) < maxRuns:
			s, err := parseSpan(f.b)
			if err != nil {
				return "", nil, fmt.Errorf("run %d: %w", len(spans)+1, err)
			}
			spans = append(spans, s)
		}
	}
	return text, spans, nil
}

func parseSpan(b []byte) (span, error) {
	var s span
	for f, err := range fields(b) {
		if err == nil {
			err = s.take(f)
		}
		if err != nil {
			return span{}, err
		}
	}
	return s, nil
}

// take notes one field of a run.
func (s *span) take(f field) error {
	if f.message() {
		switch f.num {
		case 2:
			s.styled = true
			return s.takeParagraph(f.b)
		case 3:
			return s.takeFont(f.b)
		case 9:
			s.look.Link = short(f.b, maxAddress)
		case 10:
			return s.takeColor(f.b)
		case 12:
			return s.takeAttachment(f.b)
		}
		return nil
	}
	switch f.num {
	case 1:
		s.units = int(min(f.n, math.MaxInt32)) //nolint:gosec // bounded
	case 5:
		s.look.Bold, s.look.Italic = f.n&1 != 0, f.n&2 != 0
	case 6:
		s.look.Underline = f.n != 0
	case 7:
		s.look.Strike = f.n != 0
	case 8:
		s.look.Script = max(-1, min(1, f.int()))
	case 14:
		s.look.Emphasis = emphases[f.int()]
	}
	return nil
}

func (s *span) takeParagraph(b []byte) error {
	p := &s.paragraph
	for f, err := range fields(b) {
		switch {
		case err != nil:
			return err
		case f.num == 5 && f.message():
			for f, err := range fields(f.b) {
				if err != nil {
					return err
				}
				if f.num == 2 && !f.message() {
					p.Done = f.n != 0
				}
			}
		case f.message():
		case f.num == 1:
			p.Style = styles[f.int()]
		case f.num == 2:
			p.Align = alignments[f.int()]
		case f.num == 4:
			p.Indent = max(0, min(maxIndent, f.int()))
		case f.num == 8:
			p.Quote = f.n != 0
		}
	}
	return nil
}

func (s *span) takeFont(b []byte) error {
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		if f.num == 1 && f.message() {
			name := strings.ToLower(short(f.b, maxName))
			for _, part := range []string{"mono", "menlo", "courier"} {
				s.look.Monospace = s.look.Monospace || strings.Contains(name, part)
			}
		}
	}
	return nil
}

func (s *span) takeColor(b []byte) error {
	var c [5]float64
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		if f.num >= 1 && f.num <= 4 && f.kind == protowire.Fixed32Type {
			c[f.num] = max(0, min(1, f.float()))
		}
	}
	part := func(v float64) int { return int(math.Round(v * 255)) }
	s.look.Color = fmt.Sprintf("#%02x%02x%02x", part(c[1]), part(c[2]), part(c[3]))
	return nil
}

func (s *span) takeAttachment(b []byte) error {
	for f, err := range fields(b) {
		switch {
		case err != nil:
			return err
		case f.num == 1 && f.message():
			s.ref = short(f.b, maxName)
		case f.num == 2 && f.message():
			s.uti = short(f.b, maxName)
		}
	}
	return nil
}

// short makes text of bytes, at most n of them.
func short(b []byte, n int) string {
	return strings.ToValidUTF8(string(b[:min(len(b), n)]), "")
}

// cut splits s after so many UTF-16 units. A boundary within a letter that takes two
// units goes behind it: taken is what was really taken.
func cut(s string, units int) (head, tail string, taken int) {
	end := 0
	for end < len(s) && taken < units {
		r, size := utf8.DecodeRuneInString(s[end:])
		end += size
		if taken++; r > 0xffff {
			taken++
		}
	}
	return s[:end], s[end:], taken
}

// assemble lays runs over a text.
func assemble(text string, spans []span) Document {
	a := &assembler{}
	ahead := 0 // units that a run before has taken too many
	for _, s := range spans {
		if text == "" {
			break
		}
		want := s.units - ahead
		if want <= 0 {
			ahead = -want
			continue
		}
		var head string
		var taken int
		head, text, taken = cut(text, want)
		ahead = taken - want
		a.add(head, s)
	}
	a.add(text, span{})
	return a.done()
}

// assembler makes paragraphs of stretches of text.
type assembler struct {
	doc    Document
	p      Paragraph
	styled bool // something in p has said what it is
	used   bool // there is something in p, or it follows a line's end
	// text is of the run that is being put together.
	text strings.Builder
	look Look
}

func (a *assembler) add(text string, s span) {
	for text != "" {
		line, rest, ended := strings.Cut(text, "\n")
		if ended && len(a.doc) >= maxParagraphs {
			line, rest, ended = text, "", false
		}
		if s.styled && !a.styled {
			runs := a.p.Runs
			a.p, a.styled = s.paragraph, true
			a.p.Runs = runs
		}
		a.words(line, s)
		a.used = true
		if ended {
			a.end()
		}
		text = rest
	}
}

func (a *assembler) end() {
	a.flush()
	if a.p.Style != Checkbox {
		a.p.Done = false
	}
	if a.p.Style == Monospace {
		for i := range a.p.Runs {
			a.p.Runs[i].Monospace = false // goes without saying
		}
	}
	a.doc = append(a.doc, a.p)
	a.p, a.styled, a.used = Paragraph{}, false, false
}

// words adds text of a line; the place of an attachment becomes a run of its own.
func (a *assembler) words(line string, s span) {
	for line != "" {
		before, after, found := strings.Cut(line, string(object))
		if before != "" {
			a.run(Run{Text: before, Look: s.look})
		}
		if found && s.ref != "" {
			a.run(Run{Ref: s.ref, uti: s.uti, Look: s.look})
			s.ref = "" // once
		}
		line = after
	}
}

// run adds a run, to the one before if that looks the same.
func (a *assembler) run(r Run) {
	if r.Ref != "" {
		a.flush()
		a.p.Runs = append(a.p.Runs, r)
		return
	}
	if a.text.Len() > 0 && a.look != r.Look {
		a.flush()
	}
	a.look = r.Look
	a.text.WriteString(r.Text)
}

// flush ends the run that is being put together.
func (a *assembler) flush() {
	if a.text.Len() > 0 {
		a.p.Runs = append(a.p.Runs, Run{Text: a.text.String(), Look: a.look})
		a.text.Reset()
	}
}

// done gives the document; the last line's end begins no line.
func (a *assembler) done() Document {
	if a.used {
		a.end()
	}
	return a.doc
}
