package ical

import (
	"bufio"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// lineLimit is the longest line in bytes, without its end (RFC 5545 3.1).
const lineLimit = 75

// Writer writes content lines: CRLF, folded. The first error is kept and given by
// [Writer.Flush]; nothing is written after it.
type Writer struct {
	w   *bufio.Writer
	err error
}

// NewWriter makes a Writer.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 32<<10)} }

// Begin opens a component.
func (w *Writer) Begin(component string) { w.Line("BEGIN", component) }

// End closes a component.
func (w *Writer) End(component string) { w.Line("END", component) }

// Line writes a property whose value is already in its form, such as a number, a moment
// or an address; control characters are left out of it. params are names and values in
// turn; an empty value leaves its parameter out.
func (w *Writer) Line(name, value string, params ...string) {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] != "" {
			b.WriteByte(';')
			b.WriteString(params[i])
			b.WriteByte('=')
			b.WriteString(parameter(params[i+1]))
		}
	}
	b.WriteByte(':')
	b.WriteString(printable(value))
	w.fold(b.String())
}

// Text writes a property whose value is text, unless that is empty.
func (w *Writer) Text(name, text string, params ...string) {
	if text != "" {
		w.Line(name, EscapeText(text), params...)
	}
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

// fold writes a line, cut between letters.
func (w *Writer) fold(line string) {
	limit := lineLimit
	for len(line) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(line[cut]) {
			cut--
		}
		w.put(line[:cut])
		w.put("\r\n ")
		line, limit = line[cut:], lineLimit-1 // the blank counts
	}
	w.put(line)
	w.put("\r\n")
}

func (w *Writer) put(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

// EscapeText escapes a text (RFC 5545 3.3.11); line ends of any sort become \n.
func EscapeText(s string) string { return textEscapes.Replace(s) }

var textEscapes = strings.NewReplacer("\\", "\\\\", ";", "\\;", ",", "\\,", "\r\n", "\\n", "\n", "\\n", "\r", "\\n",
	"\u2028", "\\n", "\u2029", "\\n")

// parameter writes a parameter's value: quoted where it must be, with what quotes cannot
// hold as RFC 6868 has it.
func parameter(s string) string {
	s = printable(parameterEscapes.Replace(s))
	if strings.ContainsAny(s, ",;: ") {
		return `"` + s + `"`
	}
	return s
}

var parameterEscapes = strings.NewReplacer("^", "^^", "\r\n", "^n", "\n", "^n", "\r", "^n", `"`, "^'")

// printable leaves out what no line may hold: control characters but the tab, and bytes
// that are no UTF-8.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7F }

// Address gives what may stand as a property of type URI: an address of the web, of mail
// or of a telephone as it is, "" for anything else.
func Address(s string) string {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7F }) {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "mailto", "tel":
		return s
	}
	return ""
}
