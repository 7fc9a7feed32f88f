package notes

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

//go:embed page.tmpl
var pageSource string

//go:embed style.css
var styleSource string

// figure is an attachment in a page.
type figure struct {
	Label, Link, Poster, Shows, Why, Text, Host string
	Table                                       *Table
	Items                                       []figure
}

// page is a note as the template takes it.
type page struct {
	Title, Where, Device    string
	Created, Modified       string // RFC 3339
	CreatedDay, ModifiedDay string // for people
	Marks                   []string
	Unread, Hint            string
	Blocks                  []block
	Rest                    []figure // attachments that have no place in the text
	Todo, Done              int
	link                    func(string) string
	note                    func(string) string
}

const dayLayout = "2 January 2006, 15:04"

// renderer writes pages, one at a time: making a template ready takes longer than a page.
type renderer struct {
	t *template.Template
	p *page // that is being written
}

func newRenderer() (*renderer, error) {
	r := &renderer{}
	var err error
	r.t, err = template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(styleSource) }, //nolint:gosec // ours
		"figure": func(a *Attachment) figure { return r.p.figure(a) },
		"href":   func(run Run) string { return r.p.href(run) },
		"blocks": blocks,
	}).Parse(pageSource)
	return r, err
}

// write writes a note as a page. link gives the address of an exported file, note
// that of the note to which an address of the app leads.
func (r *renderer) write(w io.Writer, n *Note, src *extract.Source, link, note func(string) string) error {
	p := &page{Title: n.Title, Where: strings.Join(n.Folder, " › "), Device: src.Device.Name, Unread: n.Unread, Hint: n.Hint, Blocks: blocks(n.Body), Todo: n.Todo, Done: n.Done,
		link: link, note: note}
	if n.Account != "" {
		p.Where = strings.TrimSuffix(n.Account+" › "+p.Where, " › ")
	}
	day := func(t time.Time) (string, string) {
		if t.IsZero() {
			return "", ""
		}
		t = t.In(src.Local())
		return t.Format(time.RFC3339), t.Format(dayLayout)
	}
	p.Created, p.CreatedDay = day(n.Created)
	p.Modified, p.ModifiedDay = day(n.Modified)
	for _, m := range []struct {
		on   bool
		what string
	}{{n.Pinned, "pinned"}, {n.Shared, "shared"}, {n.Locked != "", "locked"}, {n.Deleted, "recently deleted"}} {
		if m.on {
			p.Marks = append(p.Marks, m.what)
		}
	}
	for _, a := range n.unplaced() {
		p.Rest = append(p.Rest, p.figure(a))
	}
	r.p = p
	return r.t.Execute(w, p)
}

// unplaced gives the attachments that have no place in the text or in a table of it.
func (n *Note) unplaced() []*Attachment {
	placed := map[string]bool{}
	note := func(r *Run) { placed[r.Ref] = true }
	n.Body.runs(note)
	for _, a := range n.Attachments {
		if a.Table == nil {
			continue
		}
		for _, row := range a.Table.Rows {
			for _, cell := range row {
				cell.runs(note)
			}
		}
	}
	var list []*Attachment
	for _, a := range n.Attachments {
		if !placed[a.Key] && !a.Inline() {
			list = append(list, a)
		}
	}
	return list
}

// href is where a run leads, "" for nowhere that a page may lead to.
func (p *page) href(r Run) string {
	if r.attachment != nil && r.attachment.Kind == KindNoteLink && p.note != nil {
		return p.note(r.attachment.URL)
	}
	return safeLink(r.Link)
}

func (p *page) figure(a *Attachment) figure {
	f := figure{Label: a.label(), Text: a.Text, Table: a.Table}
	for _, it := range a.Items {
		f.Items = append(f.Items, p.figure(it))
	}
	if a.Kind == KindLink {
		if f.Link = safeLink(a.URL); f.Link != "" {
			f.Shows, f.Host = "link", a.URL
		}
		return f
	}
	if a.Table != nil || len(f.Items) > 0 {
		return f
	}
	if a.File == "" {
		f.Why = a.why()
		return f
	}
	if mayLink(a.File) {
		f.Link, f.Shows = p.link(a.File), shows(a.File)
	} else {
		f.Why = unlinked
	}
	if a.poster != "" && shows(a.poster) == "image" {
		f.Poster = p.link(a.poster)
	}
	return f
}

// unlinked is said of a file that could run when a browser opens it.
const unlinked = "in the folder of this note's files"

// why says why there is no file of an attachment.
func (a *Attachment) why() string {
	switch {
	case a.Error != "":
		return "could not be read"
	case a.shut:
		return "locked"
	case a.Path != "":
		return "not exported"
	case a.Missing:
		return "not in this backup"
	}
	return "no file"
}

// markdownOf gives a note as Markdown.
func markdownOf(n *Note, link, note func(string) string) string {
	w := &writer{link: link, note: note}
	if n.Unread != "" {
		hint := ""
		if n.Hint != "" {
			hint = " (hint: " + escape(n.Hint, true) + ")"
		}
		return "# " + escape(n.Title, true) + "\n\n*" + escape(strings.ToUpper(n.Unread[:1])+n.Unread[1:], true) + ".*" + hint + "\n"
	}
	out := w.lines(blocks(n.Body))
	for _, a := range n.unplaced() {
		out = append(append(out, ""), w.part(a)...)
	}
	return strings.Join(out, "\n") + "\n"
}
