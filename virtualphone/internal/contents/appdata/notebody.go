package appdata

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"
)

// A note's body is a gzip member around a protocol buffer (content-schemas.md 7):
//
//	2 document { 1: 0, 2: version 0, 3 note {
//	  2 text, UTF-8
//	  3 substring … { 1 {1 replica, 2 clock}, 2 length, 3 {1, 2}, 5 next }   edit history
//	  4 timestamps { 1 { 1 replica UUID, 2 {1 clock} … } }
//	  5 run … { 1 length in UTF-16 units, 2 paragraph style { 1 type, 2 alignment,
//	      4 indent, 5 checklist {1 UUID, 2 done}, 8 quote }, 3 font {1 name, 2 size},
//	      5 weight 1 bold 2 italic, 6 underline, 7 strike, 8 super (+) or sub (−),
//	      9 link, 10 colour {1–4 floats}, 12 attachment {1 identifier, 2 UTI},
//	      13 Unix time of the edit, 14 emphasis } } }
//
// The runs cover the text exactly. An attachment is a run of one U+FFFC.

// Paragraph styles, field 1 of a paragraph style. Body text has no such field.
const (
	styleBody       = -1
	styleTitle      = 0
	styleHeading    = 1
	styleSubheading = 2
	styleMono       = 4
	styleDotted     = 100
	styleDashed     = 101
	styleNumbered   = 102
	styleChecklist  = 103
)

// noteRun is a stretch of text of one look.
type noteRun struct {
	text       string
	style      int
	align      int
	indent     int
	todo       uuid.UUID // of a checklist item
	done       bool
	quote      bool
	weight     int
	underline  bool
	strike     bool
	script     int // 1 superscript, −1 subscript
	link       string
	colour     bool
	emphasis   int    // colour of a marker, iOS 18 on
	attachment string // identifier
	uti        string
}

// noteText builds a body line by line.
type noteText struct {
	runs []noteRun
	when time.Time
	id   uuid.UUID // the device that wrote it
}

// line adds a paragraph of one look.
func (n *noteText) line(style int, text string) { n.add(noteRun{style: style, text: text + "\n"}) }

func (n *noteText) add(r ...noteRun) { n.runs = append(n.runs, r...) }

// text is the whole text, title first.
func (n *noteText) text() string {
	var b strings.Builder
	for _, r := range n.runs {
		b.WriteString(r.text)
	}
	return b.String()
}

// title and snippet are what the list of notes shows.
func (n *noteText) title() string {
	t, _, _ := strings.Cut(n.text(), "\n")
	return t
}

func (n *noteText) snippet() string {
	_, rest, _ := strings.Cut(n.text(), "\n")
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(rest, "\ufffc", "")), "\n")
	if r := []rune(line); len(r) > 80 {
		return string(r[:80])
	}
	return line
}

func utf16Len(s string) int { return len(utf16.Encode([]rune(s))) }

// encode gives the value of ZICNOTEDATA.ZDATA.
func (n *noteText) encode() ([]byte, error) {
	var doc pb
	doc.varint(1, 0)
	doc.message(2, func(p *pb) {
		p.varint(1, 0)
		p.varint(2, 0)
		p.message(3, n.writeNote)
	})
	return gzipped(doc)
}

// writeNote writes the note message, which table cells share.
func (n *noteText) writeNote(p *pb) {
	length := uint64(utf16Len(n.text()))
	p.str(2, n.text())
	writeHistory(p, length)
	p.message(4, func(p *pb) {
		p.message(1, func(p *pb) {
			p.bytes(1, n.id[:])
			p.message(2, func(p *pb) { p.varint(1, length) })
			p.message(2, func(p *pb) { p.varint(1, 1) })
		})
	})
	for _, r := range n.runs {
		p.message(5, func(p *pb) { r.write(p, n.when) })
	}
}

// writeHistory writes the edit history of a text typed in one go: the start,
// one insertion, the end (which is at clock 2³²−1).
func writeHistory(p *pb, length uint64) {
	point := func(p *pb, field int, replica, clock uint64) {
		p.message(field, func(p *pb) { p.varint(1, replica); p.varint(2, clock) })
	}
	const end = 1<<32 - 1
	for i, s := range []struct{ replica, clock, length, next uint64 }{{0, 0, 0, 1}, {1, 0, length, 2}, {0, end, 0, 0}} {
		p.message(3, func(p *pb) {
			point(p, 1, s.replica, s.clock)
			p.varint(2, s.length)
			if i == 2 {
				point(p, 3, 0, end)
				return
			}
			point(p, 3, s.replica, 0)
			p.varint(5, s.next)
		})
	}
}

func (r noteRun) write(p *pb, when time.Time) {
	p.varint(1, uint64(utf16Len(r.text)))
	p.message(2, r.writeStyle)
	if r.style == styleMono {
		p.message(3, func(p *pb) { p.str(1, "Menlo-Regular"); p.float(2, 12) })
	}
	if r.weight != 0 {
		p.varint(5, uint64(r.weight))
	}
	if r.underline {
		p.varint(6, 1)
	}
	if r.strike {
		p.varint(7, 1)
	}
	if r.script != 0 {
		p.varint(8, uint64(int64(r.script)))
	}
	if r.link != "" {
		p.str(9, r.link)
	}
	if r.colour {
		p.message(10, func(p *pb) { p.float(1, 0.8); p.float(2, 0.2); p.float(3, 0.1); p.float(4, 1) })
	}
	if r.attachment != "" {
		p.message(12, func(p *pb) { p.str(1, r.attachment); p.str(2, r.uti) })
	}
	p.varint(13, uint64(when.Unix()))
	if r.emphasis != 0 {
		p.varint(14, uint64(r.emphasis))
	}
}

func (r noteRun) writeStyle(p *pb) {
	if r.style != styleBody {
		p.varint(1, uint64(r.style))
	}
	if r.align != 0 {
		p.varint(2, uint64(r.align))
	}
	p.varint(3, 1)
	if r.indent != 0 {
		p.varint(4, uint64(r.indent))
	}
	if r.style == styleChecklist {
		p.message(5, func(p *pb) { p.bytes(1, r.todo[:]); p.varint(2, uint64(flag(r.done))) })
	}
	if r.quote {
		p.varint(8, 1)
	}
}

// gzipped compresses as a phone does: no name, no time, system 19.
func gzipped(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.OS = 19
	if _, err := z.Write(b); err != nil {
		return nil, fmt.Errorf("compress note: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress note: %w", err)
	}
	return out.Bytes(), nil
}
