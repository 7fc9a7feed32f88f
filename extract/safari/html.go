package safari

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "html", Title: "Bookmarks and tabs that every browser imports, history by month (.html)"}}
}

// Export implements extract.Exporter: Safari/Bookmarks.html, with the reading list as a
// folder; Safari/History/2026-05.html for each month, and Safari/Open Tabs.html, where
// the backup has them.
func (*Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	var damaged error // bookmarks that cannot be read do not stop the rest
	if q := o.Query; q.Table == "" || q.Table == tableBookmarks || q.Table == tableReading {
		switch err := exportBookmarks(ctx, src, q, out); {
		case err == nil || q.Table == "" && errors.Is(err, errNoBookmarks):
		case q.Table == "" && ctx.Err() == nil && errors.Is(err, sqlitefs.ErrDamaged):
			damaged = err
		default:
			return err
		}
	}
	p := &pages{ctx: ctx, src: src, query: o.Query, put: export(ctx, o.Query, out), rep: rep}
	if err := p.history(); err != nil {
		return err
	}
	if err := p.openTabs(); err != nil {
		return err
	}
	return damaged
}

func exportBookmarks(ctx context.Context, src *extract.Source, q extract.Query, out *outtree.Tree) error {
	page, err := bookmarksPage(ctx, src, q)
	if err != nil {
		return err
	}
	if len(page) == 0 && (q.Group != "" || q.Key != "") {
		return nil // what was asked for is something else
	}
	sum := sha256.New()
	if err := page.write(sum); err != nil {
		return err
	}
	f := outtree.File{Path: []string{"Safari", "Bookmarks.html"}, Key: joined("/", "safari/bookmarks.html", q.Table, q.Group, q.Key),
		Stamp: hex.EncodeToString(sum.Sum(nil)[:16]), Document: true}
	_, err = out.Put(ctx, f, page.write)
	return err
}

// errNoBookmarks tells that there are other stores, but not that of bookmarks.
var errNoBookmarks = fmt.Errorf("read Safari: Bookmarks.db: %w", extract.ErrAbsent)

// Files implements extract.Filer: Bookmarks.html, where there are bookmarks, and what
// Export writes of the history and of tabs.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	if _, err := open(ctx, src, "", silent{}); err != nil {
		return err
	}
	for _, dir := range folders {
		if !src.Has(path.Join(dir, "Bookmarks.db")) {
			continue
		}
		err := give(extract.File{Path: []string{"Bookmarks.html"}, Make: func(ctx context.Context, w io.Writer) error {
			page, err := bookmarksPage(ctx, src, extract.Query{})
			if err != nil {
				return err
			}
			return page.write(w)
		}})
		if err != nil {
			return extract.Done(err)
		}
		break
	}
	return extract.Done(pageFiles(ctx, src, give))
}

// page is a file of bookmarks, as the lines it has between its head and its end: flat, as
// folders may lie in each other deeper than anything that calls itself likes.
type page []pageLine

// pageLine opens or closes a folder, or is a bookmark.
type pageLine struct {
	Open, Close, Bar bool
	Title            string
	URL              template.URL // one that is safe to follow; "" for others
	Text             string       // an address that is not, or a preview
	Date             int64        // Unix seconds
}

// bookmarksPage reads the bookmarks.
func bookmarksPage(ctx context.Context, src *extract.Source, q extract.Query) (page, error) {
	stores, err := open(ctx, src, tableBookmarks, silent{})
	if err != nil {
		return nil, err
	}
	if len(stores) == 0 {
		return nil, errNoBookmarks
	}
	var nodes []*node
	for _, s := range stores {
		nodes = append(nodes, s.store.(*bookmarkStore).nodes...)
	}
	wanted := chosen(nodes, q)
	var lines page
	var inside []*node
	for _, n := range nodes {
		if !wanted[n] {
			continue
		}
		for len(inside) > 0 && inside[len(inside)-1] != n.groupOf() {
			lines, inside = append(lines, pageLine{Close: true}), inside[:len(inside)-1]
		}
		if n.folder {
			lines = append(lines, pageLine{Open: true, Title: n.name(), Bar: n.special == specialBar, Date: unix(n.changed)})
			inside = append(inside, n)
			continue
		}
		lines = append(lines, leaf(n))
	}
	for range inside {
		lines = append(lines, pageLine{Close: true})
	}
	return lines, nil
}

// chosen are the nodes that q chooses, with the folders they lie in; all folders of an
// unlimited q. What was deleted is left out, with all that lies in it.
func chosen(nodes []*node, q extract.Query) map[*node]bool {
	wanted := map[*node]bool{}
	gone := map[*node]bool{}
	everything := q == extract.Query{}
	for _, n := range nodes {
		if up := n.groupOf(); n.deleted || up != nil && gone[up] {
			gone[n] = true
			continue
		}
		if n.folder {
			wanted[n] = everything
			continue
		}
		table := tableBookmarks
		if n.article() {
			table = tableReading
		}
		if q.Table != "" && q.Table != table || q.Group != "" && q.Group != n.group() || q.Key != "" && q.Key != "bookmark/"+n.key {
			continue
		}
		wanted[n] = true
		for up := n.groupOf(); up != nil && !wanted[up]; up = up.groupOf() {
			wanted[up] = true
		}
	}
	return wanted
}

func leaf(n *node) pageLine {
	l := pageLine{Title: named(n.title, n.url), Date: unix(n.changed)}
	if !n.extra.added.IsZero() {
		l.Date = unix(n.extra.added)
	}
	if address := ical.Address(n.url); address != "" {
		l.URL, l.Text = template.URL(address), n.extra.preview //nolint:gosec // of the web, mail or a telephone
		return l
	}
	l.Text = n.url
	return l
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func (p page) write(w io.Writer) error { return netscape.Execute(w, p) }

// netscape is the format that browsers have exchanged bookmarks in since the one it is
// called after; its tags are not all closed.
var netscape = template.Must(template.New("bookmarks").Funcs(template.FuncMap{"line": oneLine}).Parse(`<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Bookmarks</TITLE>
<H1>Bookmarks</H1>
<DL><p>
{{range .}}{{if .Open}}<DT><H3{{if .Date}} ADD_DATE="{{.Date}}"{{end}}{{if .Bar}} PERSONAL_TOOLBAR_FOLDER="true"{{end}}>{{line .Title}}</H3>
<DL><p>
{{else if .Close}}</DL><p>
{{else}}<DT><A{{if .URL}} HREF="{{.URL}}"{{end}}{{if .Date}} ADD_DATE="{{.Date}}"{{end}}>{{line .Title}}</A>
{{if .Text}}<DD>{{line .Text}}
{{end}}{{end}}{{end}}</DL><p>
`))

// oneLine keeps what has lines on one, as programs read these files line by line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
