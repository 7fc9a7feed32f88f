package safari

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// maxVisits are on one page of history; a month with more has several.
const maxVisits = 20_000

// sink takes a page: where it is below the folder of the kind, a key, the time of what
// is newest on it, and what writes it, which is good until sink returns.
type sink func(at []string, key string, modified time.Time, write func(io.Writer) error) error

// pages writes what is read of the history and of tabs.
type pages struct {
	ctx   context.Context
	src   *extract.Source
	query extract.Query
	put   sink
	rep   extract.Reporter // may be nil

	month  string
	part   int
	visits []*Visit
	tabs   []*Tab
}

// history writes Safari/History/2026-05.html for each month, the newest visit first.
func (p *pages) history() error {
	if err := p.read(tableHistory); err != nil {
		return err
	}
	return p.flush()
}

// openTabs writes Safari/Open Tabs.html, a folder for each group and device, which
// browsers import like bookmarks.
func (p *pages) openTabs() error {
	if err := p.read(tableTabs); err != nil || len(p.tabs) == 0 {
		return err
	}
	var names []string
	folders := map[string]page{}
	for _, t := range p.tabs {
		name := cmp.Or(t.Device, t.TabGroup, "Tabs")
		if t.Private {
			name = "Private tabs"
		}
		if folders[name] == nil {
			names = append(names, name)
		}
		folders[name] = append(folders[name], leaf(&node{title: t.Title, url: t.URL, changed: t.LastSeen}))
	}
	var all page
	for _, name := range names {
		all = append(all, pageLine{Open: true, Title: name})
		all = append(append(all, folders[name]...), pageLine{Close: true})
	}
	return p.put([]string{"Open Tabs.html"}, keyTabs, time.Time{}, all.write)
}

// read reads the records of a table. A store that cannot be read is reported, unless
// it is what was asked for.
func (p *pages) read(table string) error {
	if p.query.Table != "" && p.query.Table != table {
		return nil
	}
	q := p.query
	q.Table, q.Newest = table, false
	err := New().Read(p.ctx, p.src, q, p)
	if host := (*outtree.HostError)(nil); err == nil || p.ctx.Err() != nil || p.query.Table != "" || errors.As(err, &host) {
		return err
	}
	p.Report(&extract.Problem{Kind: "safari", What: table, Err: err})
	return nil
}

// Report implements extract.Emitter.
func (p *pages) Report(problem *extract.Problem) {
	if p.rep != nil {
		p.rep.Report(problem)
	}
}

// Emit implements extract.Emitter.
func (p *pages) Emit(r extract.Record) error {
	switch r := r.(type) {
	case *Tab:
		if !r.Deleted {
			p.tabs = append(p.tabs, r)
		}
	case *Visit:
		month := "Undated"
		if !r.Time.IsZero() {
			month = r.Time.In(p.src.Local()).Format("2006-01")
		}
		if month != p.month || len(p.visits) >= maxVisits {
			if err := p.flush(); err != nil {
				return err
			}
			if p.part++; month != p.month {
				p.month, p.part = month, 1
			}
		}
		p.visits = append(p.visits, r)
	}
	return nil
}

// flush writes the page of the visits that there are.
func (p *pages) flush() error {
	if len(p.visits) == 0 {
		return nil
	}
	name := p.month
	if p.part > 1 {
		name += " (" + strconv.Itoa(p.part) + ")"
	}
	slices.Reverse(p.visits)
	newest := p.visits[0].Time
	view := historyView{Title: "History, " + name}
	for _, v := range p.visits {
		at := v.Time.In(p.src.Local())
		day := at.Format("Monday, 2 January 2006")
		if v.Time.IsZero() {
			day = "Undated"
		}
		if n := len(view.Days); n == 0 || view.Days[n-1].Name != day {
			view.Days = append(view.Days, historyDay{Name: day})
		}
		line := historyLine{Title: named(v.Title, v.URL), Text: v.URL, Other: v.Other, Profile: v.Profile}
		if !v.Time.IsZero() {
			line.Time = at.Format("15:04")
		}
		if address := ical.Address(v.URL); address != "" {
			line.URL = template.URL(address) //nolint:gosec // of the web, mail or a telephone
		}
		d := &view.Days[len(view.Days)-1]
		d.Lines = append(d.Lines, line)
	}
	p.visits = p.visits[:0]
	return p.put([]string{"History", name + ".html"}, "history/"+name, newest, func(w io.Writer) error { return historyPage.Execute(w, view) })
}

// export is a sink that writes a page into a tree, unless it is there already.
func export(ctx context.Context, q extract.Query, out *outtree.Tree) sink {
	return func(at []string, key string, modified time.Time, write func(io.Writer) error) error {
		sum := sha256.New()
		if err := write(sum); err != nil {
			return err
		}
		_, err := out.Put(ctx, outtree.File{Path: append([]string{"Safari"}, at...), Key: joined("/", "safari", key, q.Group, q.Key),
			Stamp: hex.EncodeToString(sum.Sum(nil)[:16]), ModTime: modified, Document: true}, write)
		return err
	}
}

// pageFiles gives a file for each page of the history, and one for the tabs. What is on
// a page is read when somebody opens it.
func pageFiles(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	var failed error // or enough; it must not be taken for a store that cannot be read
	p := &pages{ctx: ctx, src: src}
	p.put = func(at []string, key string, modified time.Time, _ func(io.Writer) error) error {
		failed = give(extract.File{Path: at, Time: modified, Make: func(ctx context.Context, w io.Writer) error { return writePage(ctx, src, key, w) }})
		return failed
	}
	err := p.history()
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	err = p.openTabs()
	return cmp.Or(failed, err)
}

// writePage writes the page that has a key.
func writePage(ctx context.Context, src *extract.Source, key string, w io.Writer) error {
	var failed error
	found := false
	p := &pages{ctx: ctx, src: src}
	p.put = func(_ []string, k string, _ time.Time, write func(io.Writer) error) error {
		if k != key {
			return nil
		}
		found, failed = true, write(w)
		return cmp.Or(failed, extract.ErrStop)
	}
	read := p.history
	if key == keyTabs {
		read = p.openTabs
	}
	err := extract.Done(read())
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("read Safari: %s: %w", key, extract.ErrAbsent)
	}
	return nil
}

// keyTabs is that of the page of tabs.
const keyTabs = "tabs.html"

type (
	historyView struct {
		Title string
		Days  []historyDay
	}
	historyDay struct {
		Name  string
		Lines []historyLine
	}
	historyLine struct {
		Time, Title, Text, Profile string
		URL                        template.URL // one that is safe to follow; "" for others
		Other                      bool
	}
)

var historyPage = template.Must(template.New("history").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark }
body { font: 1em/1.4 system-ui, sans-serif; max-width: 60em; margin: 1em auto; padding: 0 1em }
li { display: flex; gap: 1em; padding: .2em 0 }
ul { padding: 0 }
time { flex: none; width: 3em }
div { min-width: 0; overflow-wrap: anywhere }
small { display: block; opacity: .8 }
</style>
<h1>{{.Title}}</h1>
{{range .Days}}<h2>{{.Name}}</h2>
<ul>
{{range .Lines}}<li><time>{{.Time}}</time><div>{{if .URL}}<a href="{{.URL}}" rel="noreferrer">{{.Title}}</a>{{else}}{{.Title}}{{end}}<small>{{.Text}}{{if .Other}} · another device{{end}}{{if .Profile}} · profile {{.Profile}}{{end}}</small></div></li>
{{end}}</ul>
{{end}}</html>
`))
