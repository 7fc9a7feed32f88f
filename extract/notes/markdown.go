package notes

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// writer makes Markdown (CommonMark with GitHub's tables, lists of tasks and struck
// text) of blocks. What Markdown has no sign for is HTML, which every reader of it
// takes: <u>, <sup>, <sub>, <mark>.
type writer struct {
	// link gives where the file of an attachment is, "" for nowhere; note where another
	// note is.
	link func(file string) string
	note func(address string) string
}

// markdown gives a document as Markdown.
func (w *writer) markdown(d Document) string {
	return strings.Join(w.lines(blocks(d)), "\n") + "\n"
}

// lines gives blocks with an empty line between them.
func (w *writer) lines(list []block) []string {
	var out []string
	add := func(lines []string) {
		if len(lines) == 0 {
			return
		}
		if len(out) > 0 {
			out = append(out, "")
		}
		out = append(out, lines...)
	}
	last := -1
	for i, b := range list {
		switch b.Kind {
		case blockList:
			if last >= 0 && list[last].Kind == blockList && bullet(list[last].List) == bullet(b.List) {
				add([]string{"<!-- -->"}) // or they would be one list
			}
			add(w.list(b))
		case blockQuote:
			add(prefixed(w.lines(b.Blocks), "> ", "> "))
		case blockCode:
			add(w.code(b))
		case blockPart:
			add(w.part(b.Part))
		default:
			add(w.text(b))
		}
		if len(b.Lines) > 0 || b.Kind != blockText {
			last = i
		}
	}
	return out
}

// text gives the lines of a paragraph, or a heading.
func (w *writer) text(b block) []string {
	var lines []string
	for _, runs := range b.Lines {
		if line := w.inline(runs, b.Kind != blockText); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	switch b.Kind {
	case blockTitle:
		return []string{"# " + lines[0]}
	case blockHeading:
		return []string{"## " + lines[0]}
	case blockSub:
		return []string{"### " + lines[0]}
	}
	for i := range lines[:len(lines)-1] {
		if strings.HasSuffix(lines[i], `\`) {
			lines[i] += "<br>" // parsers differ on three backslashes
			continue
		}
		lines[i] += `\`
	}
	return lines
}

// code fences monospace text.
func (w *writer) code(b block) []string {
	var lines []string
	longest := 2
	for _, runs := range b.Lines {
		line := printable((Paragraph{Runs: runs}).text(), " ")
		run := 0
		for _, r := range line {
			if r != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
		lines = append(lines, line)
	}
	fence := strings.Repeat("`", longest+1)
	return append(append([]string{fence}, lines...), fence)
}

// text gives the words of a paragraph.
func (p Paragraph) text() string {
	var b strings.Builder
	p.plain(&b)
	return b.String()
}

// bullet is what begins the items of a list; lists with different ones are different.
func bullet(s Style) string {
	switch s {
	case Numbered:
		return "1."
	case Dotted:
		return "*"
	}
	return "-"
}

func (w *writer) list(b block) []string {
	var out []string
	for i, it := range b.Items {
		mark := bullet(b.List) + " "
		if b.List == Numbered {
			mark = fmt.Sprintf("%d. ", i+1)
		}
		indent := strings.Repeat(" ", len(mark))
		line := w.inline(it.Runs, false)
		if b.List == Checkbox {
			box := "[ ] "
			if it.Done {
				box = "[x] "
			}
			mark += box
		}
		if line == "" {
			line = "&nbsp;" // a box, and an item within one, needs something behind it
		}
		out = append(out, mark+line)
		for _, inner := range it.Blocks {
			lines := w.lines([]block{inner})
			if len(lines) > 0 && inner.Kind != blockList {
				out = append(out, "")
			}
			out = append(out, prefixed(lines, indent, indent)...)
		}
	}
	return out
}

// prefixed puts something in front of lines; of empty ones nothing stays behind it.
func prefixed(lines []string, first, rest string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		prefix := rest
		if i == 0 {
			prefix = first
		}
		out[i] = strings.TrimRight(prefix+l, " ")
	}
	return out
}

// part is an attachment that is no word.
func (w *writer) part(a *Attachment) []string {
	switch {
	case a.Table != nil:
		return w.table(a.Table)
	case a.Kind == KindGallery && len(a.Items) > 0:
		var out []string
		for i, it := range a.Items {
			if i > 0 {
				out = append(out, "")
			}
			out = append(out, w.part(it)...)
		}
		return out
	}
	return []string{w.figure(a)}
}

func (w *writer) figure(a *Attachment) string {
	label := escape(a.label(), true)
	file := ""
	if a.File != "" {
		file = w.link(a.File)
	}
	switch {
	case a.Kind == KindLink:
		if href := safeLink(a.URL); href != "" {
			return "[" + label + "](" + destination(href) + ")"
		}
		return label
	case file != "" && shows(a.File) == "image":
		return "![" + label + "](" + destination(file) + ")"
	case file != "" && a.poster != "" && shows(a.poster) == "image":
		return "[![" + label + "](" + destination(w.link(a.poster)) + ")](" + destination(file) + ")"
	case file != "" && mayLink(a.File):
		return "[" + label + "](" + destination(file) + ")"
	case file != "":
		return label + " (" + unlinked + ")"
	}
	return escape("["+a.label()+": "+a.why()+"]", true)
}

// table gives the rows of a table; the first one is its head, which Markdown wants.
func (w *writer) table(t *Table) []string {
	if len(t.Rows) == 0 || len(t.Rows[0]) == 0 {
		return nil
	}
	var out []string
	for i, row := range t.Rows {
		var cells []string
		for _, c := range row {
			cells = append(cells, w.cell(c))
		}
		out = append(out, "| "+strings.Join(cells, " | ")+" |")
		if i == 0 {
			out = append(out, "|"+strings.Repeat(" --- |", len(row)))
		}
	}
	return out
}

// cell is a document in one line.
func (w *writer) cell(d Document) string {
	var lines []string
	for _, p := range d {
		var parts []string
		for _, piece := range pieces(p.Runs) {
			if piece.part != nil {
				parts = append(parts, w.figure(piece.part))
				continue
			}
			parts = append(parts, w.inline(piece.runs, true))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return strings.TrimSpace(strings.Join(lines, "<br>"))
}

// inline gives the runs of a line. strict also escapes what is special in headings and
// tables only.
func (w *writer) inline(runs []Run, strict bool) string {
	var b strings.Builder
	for i, r := range runs {
		text := r.Text
		if r.attachment != nil {
			text = r.attachment.Text
			if href := w.address(r.attachment); href != "" {
				r.Link = href
			}
		}
		text = printable(text, "\n")
		core := strings.TrimFunc(text, unicode.IsSpace)
		if core == "" {
			b.WriteString(space(text, b.Len() == 0))
			continue
		}
		start := strings.Index(text, core)
		b.WriteString(space(text[:start], b.Len() == 0))
		tail := text[start+len(core):]
		w.run(&b, core, r, strict, after(runs, i, tail))
		b.WriteString(space(tail, b.Len() == 0))
	}
	return strings.TrimRight(b.String(), " \t")
}

// address is what a word leads to: another note that is exported.
func (w *writer) address(a *Attachment) string {
	if a.Kind != KindNoteLink || w.note == nil {
		return ""
	}
	return w.note(a.URL)
}

// after gives the letter that follows run i, 0 for none; '*' for a sign of Markdown.
func after(runs []Run, i int, tail string) rune {
	if tail != "" {
		return ' '
	}
	for _, r := range runs[i+1:] {
		switch {
		case r.Text == "":
			continue
		case r.Look == Look{}:
			return firstRune(r.Text)
		case unicode.IsSpace(firstRune(r.Text)):
			return ' '
		case r.Bold || r.Italic || r.Strike:
			return '*'
		}
		return '<'
	}
	return 0
}

// run writes the words of a run with the signs for how they look.
func (w *writer) run(b *strings.Builder, core string, r Run, strict bool, next rune) {
	inner := escape(core, strict)
	if inner == "" {
		return
	}
	if b.Len() == 0 {
		inner = escapeStart(inner)
	}
	wrap := func(on bool, open, end string) {
		if on {
			inner = open + inner + end
		}
	}
	wrap(r.Monospace, "<code>", "</code>")
	wrap(r.Script > 0, "<sup>", "</sup>")
	wrap(r.Script < 0, "<sub>", "</sub>")
	wrap(r.Underline, "<u>", "</u>")
	wrap(r.Emphasis != "", "<mark>", "</mark>")
	link := r.Link
	if !strings.HasSuffix(link, ".md") || r.attachment == nil {
		link = safeLink(r.Link)
	}
	previous := lastRune(b.String())
	if link != "" { // the brackets stand between
		previous, next = '[', ']'
	}
	switch {
	case r.Bold && r.Italic:
		inner = signed(inner, "***", "<strong><em>", "</em></strong>", previous, next)
	case r.Bold:
		inner = signed(inner, "**", "<strong>", "</strong>", previous, next)
	case r.Italic:
		inner = signed(inner, "*", "<em>", "</em>", previous, next)
	}
	if r.Strike {
		inner = signed(inner, "~~", "<s>", "</s>", previous, next)
	}
	if link != "" {
		inner = "[" + inner + "](" + destination(link) + ")"
	}
	b.WriteString(inner)
}

// signed puts a sign around text where Markdown takes it for one, else tags: beside
// letters only text that itself begins and ends with letters, and never sign on sign.
func signed(text, sign, open, end string, previous, next rune) string {
	if beside(previous, firstRune(text)) && beside(next, lastRune(text)) {
		return sign + text + sign
	}
	return open + text + end
}

func beside(outside, inside rune) bool {
	word := unicode.IsLetter(inside) || unicode.IsNumber(inside)
	switch {
	case outside == '*' || outside == '~' || inside == '*' || inside == '~':
		return false
	case outside == 0 || outside == ' ' || outside == '[' || outside == ']':
		return true
	}
	return word
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func lastRune(s string) rune {
	if s == "" {
		return 0
	}
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

// space writes blanks so that they stay: at the beginning of a line Markdown would take
// them away or take them for code.
func space(s string, start bool) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if start {
		return strings.Repeat("&nbsp;", utf8.RuneCountInString(s))
	}
	return s
}

// printable takes away what is no text: control characters. Separators of lines become
// sep.
func printable(s, sep string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case r == '\u2028' || r == '\u2029' || r == '\r' || r == '\n' || r == '\v' || r == '\f' || r == '\u0085':
			b.WriteString(sep)
		case r < ' ' || r == 0x7f:
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escape takes their meaning from characters that have one in Markdown.
func escape(s string, strict bool) string {
	s = printable(s, "\n")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		special := false
		switch c {
		case '\\', '`', '*', '[', ']', '<', '>', '~', '|', '$':
			special = true
		case '_':
			special = i == 0 || i == len(s)-1 || !wordByte(s[i-1]) || !wordByte(s[i+1])
		case '&':
			special = i+1 < len(s) && (s[i+1] == '#' || wordByte(s[i+1]))
		case '#':
			special = strict
		case '!': // a link may follow
			special = i == len(s)-1
		case '\n':
			b.WriteString("<br>")
			continue
		}
		if special {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// escapeStart does so for what has a meaning at the beginning of a line only.
func escapeStart(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '#', '+', '-', '=', ':':
		return `\` + s
	}
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n > 0 && n < len(s) && (s[n] == '.' || s[n] == ')') {
		return s[:n] + `\` + s[n:]
	}
	return s
}

// destination is an address in a link.
func destination(href string) string {
	if strings.ContainsAny(href, "() <>\\") {
		return "<" + strings.NewReplacer("<", "%3C", ">", "%3E", "\\", "%5C", "\n", "%0A").Replace(href) + ">"
	}
	return href
}
