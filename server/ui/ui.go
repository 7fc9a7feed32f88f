// Package ui is how the pages look: templates, one style sheet, one small script,
// icons and drawings, all of them our own and embedded in the program.
//
//	u, err := ui.New(time.Now)
//	err = u.Render(w, "home", data)       // templates/home.html inside layout.html
//	for path, h := range u.Files() { … }  // the style, the script, the icons
//
// # Rules that the pages keep
//
// They work without the script: forms POST and are answered by a redirect. They
// hold no inline style and no inline script, so that a Content-Security-Policy
// can forbid both: what has to have a size of its own, such as a bar, is an SVG
// with attributes or a progress element. They ask no other host for anything.
//
// Files are named by a hash of their content and may be kept for ever; a new
// version of the program names them anew. Only three have fixed names, because
// browsers ask for them by it: the manifest, the service worker and favicon.ico.
//
// # Live parts
//
// An element with an id and data-live is replaced by the script whenever the
// service says that something has changed: the script gets the same page again
// and takes these elements from it. So there is one way only to draw anything.
package ui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

//go:embed templates static
var files embed.FS

// UI renders pages. It can be used by many goroutines.
type UI struct {
	pages  map[string]*template.Template
	assets *assets
}

// New reads the templates. now is the clock by which "3 hours ago" is meant.
func New(now func() time.Time) (*UI, error) {
	a, err := loadAssets()
	if err != nil {
		return nil, err
	}
	u := &UI{pages: map[string]*template.Template{}, assets: a}
	base, err := template.New("layout.html").Funcs(funcs(now, a)).ParseFS(files, "templates/layout.html", "templates/parts_*.html")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" || strings.HasPrefix(page, "parts_") {
			continue
		}
		t, err := template.Must(base.Clone()).ParseFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", page, err)
		}
		u.pages[page] = t
	}
	return u, nil
}

// Render writes the page called name with data. Nothing is written if it fails.
func (u *UI) Render(w io.Writer, name string, data any) error {
	t, ok := u.pages[name]
	if !ok {
		return fmt.Errorf("render %s: no such page", name)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
