package notes

import "strings"

// Style is what a paragraph is.
type Style string

// The styles of paragraphs; body is "".
const (
	Body       Style = ""
	Title      Style = "title"
	Heading    Style = "heading"
	Subheading Style = "subheading"
	Monospace  Style = "monospace"
	Dotted     Style = "dotted" // lists
	Dashed     Style = "dashed"
	Numbered   Style = "numbered"
	Checkbox   Style = "checkbox"
)

// List tells whether paragraphs of this style are items of a list.
func (s Style) List() bool { return s == Dotted || s == Dashed || s == Numbered || s == Checkbox }

// Document is the body of a note or of a cell of a table: its paragraphs in their order.
type Document []Paragraph

// Paragraph is a line of a note.
type Paragraph struct {
	Style  Style  `json:"style,omitempty"`
	Indent int    `json:"indent,omitempty"` // levels, at most maxIndent
	Align  string `json:"align,omitempty"`  // "center", "right", "justify"
	Quote  bool   `json:"quote,omitempty"`
	Done   bool   `json:"done,omitempty"` // of a checkbox
	Runs   []Run  `json:"runs,omitempty"` // none of an empty line
}

// Run is a stretch of text of one look, or an attachment.
type Run struct {
	Text string `json:"text,omitempty"` // of an attachment within a line: its words
	Look
	// Ref is the key of an attachment in this place.
	Ref string `json:"attachment,omitempty"`

	uti        string
	attachment *Attachment
}

// Look is how text is shown.
type Look struct {
	Bold      bool   `json:"bold,omitempty"`
	Italic    bool   `json:"italic,omitempty"`
	Underline bool   `json:"underline,omitempty"`
	Strike    bool   `json:"strike,omitempty"`
	Monospace bool   `json:"monospace,omitempty"`
	Script    int    `json:"script,omitempty"`   // 1 superscript, −1 subscript
	Link      string `json:"link,omitempty"`     // as the note has it: any address
	Color     string `json:"color,omitempty"`    // "#rrggbb"
	Emphasis  string `json:"emphasis,omitempty"` // colour of a marker: "purple"
}

// Table is a table in a note.
type Table struct {
	Rows        [][]Document `json:"rows"` // all rows have as many cells; nil of an empty one
	RightToLeft bool         `json:"right_to_left,omitempty"`
}

// Plain gives the text with its lines, attachments as their words.
func (d Document) Plain() string {
	var b strings.Builder
	for i, p := range d {
		if i > 0 {
			b.WriteByte('\n')
		}
		p.plain(&b)
	}
	return b.String()
}

func (p Paragraph) plain(b *strings.Builder) {
	line := false // something is in the line
	for i, r := range p.Runs {
		if r.attachment == nil || r.attachment.Inline() {
			b.WriteString(r.Text)
			line = line || r.Text != ""
			continue
		}
		table := r.attachment.Table != nil
		if table && line {
			b.WriteByte('\n')
		}
		b.WriteString(r.attachment.words())
		if line = true; table && i < len(p.Runs)-1 {
			b.WriteByte('\n')
			line = false
		}
	}
}

// empty tells that nothing is in a paragraph.
func (p Paragraph) empty() bool {
	for _, r := range p.Runs {
		if r.Text != "" || r.Ref != "" {
			return false
		}
	}
	return true
}

// runs gives every run of a document, for changes.
func (d Document) runs(each func(*Run)) {
	for i := range d {
		for j := range d[i].Runs {
			each(&d[i].Runs[j])
		}
	}
}

// Plain gives the text of a table: a line for each row, tabs between its cells.
func (t *Table) Plain() string {
	var b strings.Builder
	for i, row := range t.Rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, cell := range row {
			if j > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(strings.ReplaceAll(cell.Plain(), "\n", " "))
		}
	}
	return b.String()
}
