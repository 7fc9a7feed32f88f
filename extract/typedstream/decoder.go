package typedstream

import (
	"strings"
	"unicode/utf8"
)

// Decoder decodes many streams. Those of most messages differ in nothing but the text
// and its length; what stands before and behind is remembered, and need not be taken
// apart again. A Decoder is for one goroutine at a time; the zero value is ready.
type Decoder struct {
	known []template
	next  int // place of the one to be forgotten
}

// maxKnown is how many kinds of streams are remembered: phones write about four.
const maxKnown = 8

// template is all but the text of a stream that has one run.
type template struct {
	before, behind string // to the length of the text, and from the length of the run
	attributes     *Attributes
}

// runHead stands between the text and the length of the only run.
const runHead = "\x86\x84\x02iI\x01"

// Decode is the function Decode.
func (d *Decoder) Decode(data []byte) (*String, error) {
	stream := string(data)
	for i := range d.known {
		if s := d.known[i].match(stream); s != nil {
			return s, nil
		}
	}
	s, text, err := decode(stream)
	if err == nil && text != nil {
		d.learn(stream, s, text)
	}
	return s, err
}

// match decodes a stream that a template fits, nil when it does not.
func (t *template) match(stream string) *String {
	rest, ok := strings.CutPrefix(stream, t.before)
	if !ok {
		return nil
	}
	r := &reader{data: rest}
	text, err := r.counted()
	if err != nil || !strings.HasPrefix(rest[r.at:], runHead) {
		return nil
	}
	r.at += len(runHead)
	n, err := r.integer(false)
	if err != nil || rest[r.at:] != t.behind || !utf8.ValidString(text) || units(text, n) != len(text) {
		return nil
	}
	return &String{Text: text, Runs: []Run{{Text: text, Attributes: t.attributes}}}
}

// learn remembers a stream that has one run.
func (d *Decoder) learn(stream string, s *String, text *Object) {
	if len(s.Runs) != 1 || s.Damaged || s.Runs[0].Text != s.Text {
		return
	}
	raw, _ := text.str()
	// The text lies in the stream behind its type.
	at := strings.Index(stream, raw+runHead)
	if raw == "" || at < 0 {
		return
	}
	for size := 1; size <= 5 && size < at; size += 2 { // 1, 3 or 5 bytes of length
		t := template{before: strings.Clone(stream[:at-size]), attributes: s.Runs[0].Attributes}
		r := &reader{data: stream, at: at - size}
		got, err := r.counted()
		if err != nil || got != raw {
			continue
		}
		r.at += len(runHead)
		if _, err := r.integer(false); err != nil {
			return
		}
		t.behind = strings.Clone(stream[r.at:])
		if len(d.known) < maxKnown {
			d.known = append(d.known, t)
			return
		}
		d.known[d.next] = t
		d.next = (d.next + 1) % maxKnown
		return
	}
}
