package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"

	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// A page ends after so many messages, or so much text.
const (
	pageMessages = 2000
	pageBytes    = 4 << 20
	// A text is cut on a page after this; text and JSON have it whole.
	maxShown = 256 << 10
)

//go:embed page.tmpl index.tmpl style.css
var assets embed.FS

var templates = parse()

func parse() *template.Template {
	css, err := assets.ReadFile("style.css")
	if err != nil {
		panic("chat: " + err.Error()) // it is embedded
	}
	funcs := template.FuncMap{"style": func() template.CSS { return template.CSS(css) }} // #nosec G203 -- our own
	return template.Must(template.New("").Funcs(funcs).ParseFS(assets, "page.tmpl", "index.tmpl"))
}

// pager cuts a conversation into pages.
type pager struct {
	*exporter
	c      Conversation
	folder string
	index  string // place of the list of all conversations
	list   []written

	held     []*Message // of the page that is being filled
	bytes    int
	previous string // place of the page before
}

// pages writes a conversation as pages, each when it is known whether another
// follows.
func (e *exporter) pages(ctx context.Context, c Conversation, folder string) ([]written, error) {
	p := &pager{exporter: e, c: c, folder: folder}
	if e.o.Query.Group == "" && e.o.Query.Key == "" {
		var err error
		if p.index, err = e.out.Place(e.indexFile()); err != nil {
			return nil, err
		}
	}
	_, place, err := e.file(c, folder, ".html", 1)
	if err != nil {
		return nil, err
	}
	p.folder = folderOf(place)
	broken := e.read(ctx, c, e.rep, func(m *Message) error {
		if len(p.held) >= pageMessages || p.bytes >= pageBytes {
			if err := p.write(ctx, true, nil); err != nil {
				return &ownError{err}
			}
		}
		p.held = append(p.held, m)
		p.bytes += len(m.Text) + len(m.ReplyText) + len(m.Subject) + 200*len(m.Attachments)
		if err := e.attach(ctx, p.folder, m); err != nil {
			return &ownError{err}
		}
		return nil
	})
	if broken != nil && !unread(broken) {
		return p.list, broken
	}
	if len(p.held) > 0 {
		if err := p.write(ctx, false, broken); err != nil {
			return p.list, err
		}
	}
	return p.list, broken
}

// write writes the page that is held.
func (p *pager) write(ctx context.Context, more bool, broken error) error {
	n := len(p.list) + 1
	f, place, err := p.file(p.c, p.folder, ".html", n)
	if err != nil {
		return err
	}
	v := p.view(p.c, p.held, place)
	v.Number = n
	v.IndexLink, v.PreviousLink = linkTo(place, p.index), linkTo(place, p.previous)
	if more {
		_, next, err := p.file(p.c, p.folder, ".html", n+1)
		if err != nil {
			return err
		}
		v.NextLink = linkTo(place, next)
	}
	if broken != nil {
		v.Broken = broken.Error()
	}
	if _, err := p.put(ctx, f, "page.tmpl", v); err != nil {
		return err
	}
	zone := p.src.Local()
	first, last := p.held[0].Time, p.held[len(p.held)-1].Time
	w := written{path: place, n: len(p.held)}
	if !first.IsZero() && !last.IsZero() {
		w.first, w.last = first.In(zone).Format("2 January 2006"), last.In(zone).Format("2 January 2006")
	}
	p.list = append(p.list, w)
	p.held, p.bytes, p.previous = p.held[:0], 0, place
	return nil
}

// put writes a page; its stamp is the digest of its bytes.
func (e *exporter) put(ctx context.Context, f outtree.File, name string, v any) (outtree.Placed, error) {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name, v); err != nil {
		return outtree.Placed{}, fmt.Errorf("make %s: %w", f.Path[len(f.Path)-1], err)
	}
	sum := sha256.Sum256(page.Bytes())
	f.Stamp = hex.EncodeToString(sum[:16])
	return e.out.Put(ctx, f, func(w io.Writer) error { _, err := w.Write(page.Bytes()); return err })
}

func linkTo(from, to string) string {
	if to == "" {
		return ""
	}
	return outtree.Link(from, to)
}

func (e *exporter) indexFile() outtree.File {
	return outtree.File{Path: []string{e.info.Title, "index.html"}, Key: e.info.Kind + "/html/index", Document: true, ModTime: e.src.Device.Time}
}

// indexView is what the list of all conversations shows.
type indexView struct {
	Title, Device string
	Count         int
	List          []indexLine
}

type indexLine struct {
	Title, Initials, Link string
	Head                  headView
	Color                 int
	Count                 int
	Last, LastDay         string
	Pages                 []indexPage
	Archived, Deleted     bool
}

type indexPage struct {
	Number      int
	Link        string
	First, Last string
}

// index writes the list of all conversations.
func (e *exporter) index(ctx context.Context, done []listed) error {
	f := e.indexFile()
	place, err := e.out.Place(f)
	if err != nil {
		return err
	}
	v := indexView{Title: e.info.Title, Device: e.src.Device.Name, Count: len(done)}
	zone := e.src.Local()
	for _, c := range done {
		l := indexLine{Title: c.Title, Initials: initials(c.Title), Color: color(c.Key), Link: outtree.Link(place, c.pages[0].path), Archived: c.Archived, Deleted: c.Deleted}
		l.Head = headOf(c.Conversation)
		if !c.Last.IsZero() {
			l.Last, l.LastDay = c.Last.In(zone).Format(datetime), c.Last.In(zone).Format("2 January 2006")
		}
		for i, p := range c.pages {
			l.Count += p.n
			if len(c.pages) > 1 {
				l.Pages = append(l.Pages, indexPage{Number: i + 1, Link: outtree.Link(place, p.path), First: p.first, Last: p.last})
			}
		}
		v.List = append(v.List, l)
	}
	_, err = e.put(ctx, f, "index.tmpl", v)
	return err
}
