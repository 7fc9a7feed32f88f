package search

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Snippet is a piece of a text, in one line, with what was looked for in it.
type Snippet struct {
	Text  string  `json:"text"`
	Marks []Range `json:"marks,omitempty"`
}

const (
	snippetSize   = 240 // bytes
	snippetBefore = 60  // of them before the first mark
	maxMarks      = 50
)

// snippetOf cuts a piece around the first mark, at letters, and at words where it can.
func snippetOf(text string, marks []Range) Snippet {
	start := 0
	if len(marks) > 0 && marks[0].Start > snippetBefore && len(text) > snippetSize {
		start = marks[0].Start - snippetBefore
		for start < len(text) && !utf8.RuneStart(text[start]) {
			start++
		}
		if i := strings.IndexFunc(text[start:marks[0].Start], unicode.IsSpace); i >= 0 && i < snippetBefore/2 {
			start += i + 1
		}
	}
	end := min(len(text), start+snippetSize)
	if len(marks) > 0 { // a long first mark is whole
		end = min(len(text), max(end, marks[0].End))
	}
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	before, after := "", ""
	if start > 0 {
		before = "…"
	}
	if end < len(text) {
		after = "…"
	}
	s := Snippet{Text: before + oneLine(text[start:end]) + after}
	for _, m := range marks {
		if m.Start >= start && m.End <= end && len(s.Marks) < maxMarks {
			s.Marks = append(s.Marks, Range{m.Start - start + len(before), m.End - start + len(before)})
		}
	}
	return s
}

// oneLine replaces what is no text in one line by as many bytes that are.
func oneLine(s string) string {
	b := []byte(s)
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b[i] = '?'
		case n == 1 && (r < ' ' || r == 0x7f):
			b[i] = ' '
		}
		i += n
	}
	return string(b)
}
