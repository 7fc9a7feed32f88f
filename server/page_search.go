package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/extract/changes"
	"github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/service"
)

// hitsPage is how many finds a page shows.
const hitsPage = 40

// piece is a part of a text; Hit: it is what was looked for.
type piece struct {
	Text string
	Hit  bool
}

// pieces cuts a text at its marks.
func pieces(text string, marks []search.Range) (list []piece) {
	at := 0
	for _, m := range marks {
		if m.Start < at || m.End < m.Start || m.End > len(text) {
			continue
		}
		list = append(list, piece{text[at:m.Start], false}, piece{text[m.Start:m.End], true})
		at = m.End
	}
	return append(list, piece{text[at:], false})
}

// shownHit is a find on a page.
type shownHit struct {
	*search.Hit
	Path, Icon, Kind string
	Title, Snippet   []piece
	Fate             string // since when it is there, or gone
}

// searchView is the page of a search in what was written.
type searchView struct {
	service.Phone
	Crumbs   []crumb
	Query    string
	Kind     string
	Version  service.Version // zero: all of them
	All      string          // where the same is looked for in all versions
	Kinds    []kindChoice
	Searched bool
	Hits     []shownHit
	Index    service.Index
	Wrong    *problem // why nothing could be looked for
	Closed   *problem // why nobody can look inside
	Pager    pager
}

// searchContent is the page of a search:
//
//	?q=TEXT      what to look for
//	?version=ID  in this version; else in all of them
//	?kind=KIND   only this kind
//	?after=NEXT  what follows
func (p *pages) searchContent(w http.ResponseWriter, r *http.Request) error {
	ctx, who, udid, q := r.Context(), whoFrom(r.Context()), r.PathValue("udid"), r.URL.Query()
	ph, all, err := p.phoneAndVersions(r)
	if err != nil {
		return err
	}
	v := searchView{Phone: ph, Query: strings.TrimSpace(q.Get("q")), Kind: q.Get("kind"), Pager: pager{NextName: "More", PrevName: "From the beginning"}}
	v.Crumbs = []crumb{{"/", "Phones"}, {phonePath(udid), ph.Name}}
	if id := q.Get("version"); id != "" {
		i := slices.IndexFunc(all, func(v service.Version) bool { return v.ID == id })
		if i < 0 {
			return fmt.Errorf("search version: %w", fs.ErrNotExist)
		}
		v.Version = all[i]
		v.Crumbs = append(v.Crumbs, crumb{versionPath(udid, id), p.dayOf(all[i].Time)})
	}
	v.fillKinds()
	title := "Search in " + ph.Name
	if v.Searched = v.Query != ""; v.Searched {
		title = "“" + v.Query + "” in " + ph.Name
		found, err := p.o.Service.SearchContent(ctx, who, udid, service.ContentQuery{Text: v.Query, Kind: v.Kind, Version: v.Version.ID, After: q.Get("after"), Limit: hitsPage})
		e := problemOf(errOr(err))
		switch {
		case errors.Is(err, search.ErrQuery):
			v.Wrong = &e
		case err != nil && (errors.Is(err, service.ErrForbidden) || e.Status == http.StatusConflict):
			v.Closed = &e
		case err != nil:
			return fmt.Errorf("search phone: %w", err)
		}
		v.Index = found.Index
		for _, h := range found.Hits {
			v.Hits = append(v.Hits, p.shownHit(h, udid, v.Version, all))
		}
		if found.Next != "" {
			v.Pager.Next = v.link(v.Kind, v.Version.ID, found.Next)
		}
		if q.Get("after") != "" {
			v.Pager.Prev = v.link(v.Kind, v.Version.ID, "")
		}
	}
	if v.Version.ID != "" {
		v.All = v.link(v.Kind, "", "")
	}
	return p.render(w, r, "search", view{Title: title, Width: "middle", Here: "/", Busy: v.Index.Making, P: v})
}

// link is the address of the same search, narrowed or widened.
func (v *searchView) link(kind, version, after string) string {
	values := url.Values{}
	for name, value := range map[string]string{"q": v.Query, "kind": kind, "version": version, "after": after} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return phonePath(v.UDID) + "/search?" + values.Encode()
}

// kindChoice is a kind in which may be searched; "" is all of them.
type kindChoice struct{ Kind, Title string }

func (v *searchView) fillKinds() {
	v.Kinds = []kindChoice{{"", "Everything"}}
	for _, x := range kinds.All() {
		v.Kinds = append(v.Kinds, kindChoice{x.Info().Kind, x.Info().Title})
	}
}

func (p *pages) shownHit(h *search.Hit, udid string, in service.Version, all []service.Version) shownHit {
	id := cmp.Or(in.ID, h.LastVersion)
	s := shownHit{Hit: h, Kind: h.Kind, Icon: iconOf(h.Kind), Path: contentPath(versionPath(udid, id), h.Kind) + "?" + url.Values{"key": {h.Key}}.Encode(),
		Title: pieces(h.Title, h.TitleMarks)}
	if h.Snippet.Text != h.Title {
		s.Snippet = pieces(h.Snippet.Text, h.Snippet.Marks)
	}
	if x, err := kinds.Named(h.Kind); err == nil {
		s.Kind = x.Info().Title
	}
	if in.ID == "" {
		s.Fate = h.Fate(func(id string) string {
			if i := slices.IndexFunc(all, func(v service.Version) bool { return v.ID == id }); i >= 0 {
				return p.dayOf(all[i].Time)
			}
			return "a version that is no longer kept"
		})
	}
	return s
}

func (p *pages) dayOf(t time.Time) string { return t.In(p.o.Now().Location()).Format("2 January 2006") }

// phoneAndVersions finds the phone of the URL, and its versions, the newest first.
func (p *pages) phoneAndVersions(r *http.Request) (service.Phone, []service.Version, error) {
	ctx, who, udid := r.Context(), whoFrom(r.Context()), r.PathValue("udid")
	ph, err := p.o.Service.Phone(ctx, who, udid)
	if err != nil {
		return ph, nil, fmt.Errorf("look at phone: %w", err)
	}
	all, err := p.o.Service.Versions(ctx, who, udid)
	if err != nil {
		return ph, nil, fmt.Errorf("look at versions of phone: %w", err)
	}
	return ph, all, nil
}

// changesView is the page of what has changed between two versions.
type changesView struct {
	service.Phone
	Crumbs     []crumb
	Old, New   service.Version
	Choice     []service.Version // what can be compared, the newest first
	Warnings   []changes.Warning
	Kinds      []changedKind
	Same       []string // titles of kinds in which nothing changed
	Closed     *problem
	NotEnough  bool // there are not two versions
	NoneBefore bool // of the newer one
	Comparing  bool // it takes longer
}

// comparePatience is how long a page waits for what has changed before it says that it
// takes longer.
const comparePatience = 3 * time.Second

// changedKind is a kind in which something changed.
type changedKind struct {
	*changes.Kind
	Icon  string
	Parts []changedPart
}

// changedPart is one sort of change.
type changedPart struct {
	Name  string
	Icon  string
	Lines []changedLine
	More  int
}

// changedLine is a record or a group that has changed.
type changedLine struct {
	Path, Title, Detail string
	Time                time.Time
	Fields              []changes.Field
}

// shownChanges is how many records of each sort of change a page names.
const shownChanges = 8

// changes is the page of what has changed: ?to=ID is the newer version, the newest
// where none is named; ?from=ID the older one, the one before where none is named.
func (p *pages) changes(w http.ResponseWriter, r *http.Request) error {
	ph, all, err := p.phoneAndVersions(r)
	if err != nil {
		return err
	}
	v := changesView{Phone: ph, Crumbs: []crumb{{"/", "Phones"}, {phonePath(ph.UDID), ph.Name}, {phonePath(ph.UDID) + "/history", "History"}}}
	v.Choice = slices.DeleteFunc(slices.Clone(all), func(v service.Version) bool { return v.Media })
	if len(v.Choice) < 2 {
		v.NotEnough = true
		return p.showChanges(w, r, v)
	}
	to, from := 0, -1
	if id := r.URL.Query().Get("to"); id != "" {
		if to = v.place(id); to < 0 {
			return fmt.Errorf("compare versions: %w", fs.ErrNotExist)
		}
	}
	if id := r.URL.Query().Get("from"); id != "" {
		if from = v.place(id); from < 0 {
			return fmt.Errorf("compare versions: %w", fs.ErrNotExist)
		}
	} else if from = to + 1; from == len(v.Choice) {
		v.New, v.NoneBefore = v.Choice[to], true
		return p.showChanges(w, r, v)
	}
	if from < to { // the newest comes first
		from, to = to, from
	}
	v.Old, v.New = v.Choice[from], v.Choice[to]
	ctx, cancel := context.WithTimeout(r.Context(), comparePatience)
	defer cancel()
	c, err := p.o.Service.CompareVersions(ctx, whoFrom(ctx), ph.UDID, v.Old.ID, v.New.ID)
	if e := problemOf(errOr(err)); errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil {
		v.Comparing = true
	} else if err != nil && (errors.Is(err, service.ErrForbidden) || e.Status == http.StatusConflict) {
		v.Closed = &e
	} else if err != nil {
		return fmt.Errorf("compare versions: %w", err)
	}
	if c != nil {
		v.fill(c)
	}
	return p.showChanges(w, r, v)
}

func (v *changesView) place(id string) int {
	return slices.IndexFunc(v.Choice, func(v service.Version) bool { return v.ID == id })
}

func (p *pages) showChanges(w http.ResponseWriter, r *http.Request, v changesView) error {
	return p.render(w, r, "changes", view{Title: "What changed on " + v.Name, Width: "middle", Here: "/", Busy: v.Comparing, P: v})
}

func (v *changesView) fill(c *changes.Changes) {
	v.Warnings = c.Warnings
	for i := range c.Kinds {
		k := &c.Kinds[i]
		if k.Same() {
			v.Same = append(v.Same, k.Title)
			continue
		}
		ck := changedKind{Kind: k, Icon: iconOf(k.Kind)}
		for _, x := range []struct {
			name, icon string
			in         service.Version // where it can be looked at
			part       changes.Part
		}{
			{"Removed", "failed", v.Old, k.Removed}, {"Moved to recently deleted", "failed", v.New, k.Deleted}, {"Files no longer in the backup", "late", v.New, k.Offloaded},
			{"Changed", "file", v.New, k.Changed}, {"Recovered", "good", v.New, k.Recovered}, {"Added", "good", v.New, k.Added},
		} {
			if x.part.Count > 0 {
				ck.Parts = append(ck.Parts, v.part(k, x.name, x.icon, x.in, x.part))
			}
		}
		for _, x := range []struct {
			name, icon string
			in         service.Version
			groups     changes.Groups
		}{{"%s that are gone", "failed", v.Old, k.GroupsGone}, {"%s that got shorter", "late", v.New, k.GroupsShorter}, {"new %s", "good", v.New, k.GroupsAdded}} {
			if x.groups.Count > 0 {
				ck.Parts = append(ck.Parts, v.groups(k, x.name, x.icon, x.in, x.groups))
			}
		}
		v.Kinds = append(v.Kinds, ck)
	}
}

func (v *changesView) part(k *changes.Kind, name, icon string, in service.Version, part changes.Part) changedPart {
	list := part.Examples[:min(len(part.Examples), shownChanges)]
	p := changedPart{Name: name, Icon: icon, More: part.Count - len(list)}
	for _, e := range list {
		line := changedLine{Path: contentPath(versionPath(v.UDID, in.ID), k.Kind) + "?" + url.Values{"key": {e.Key}}.Encode(),
			Title: nameOr(e.Title, "(no name)"), Detail: nameOr(e.Detail, e.Text), Time: e.Time}
		for _, f := range e.Fields {
			line.Fields = append(line.Fields, changes.Field{Name: f.Name, Old: valueOf(f.Old), New: valueOf(f.New)})
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

func (v *changesView) groups(k *changes.Kind, name, icon string, in service.Version, groups changes.Groups) changedPart {
	list := groups.Examples[:min(len(groups.Examples), shownChanges)]
	p := changedPart{Name: fmt.Sprintf(name, nameOr(k.GroupsAre, "groups")), Icon: icon, More: groups.Count - len(list)}
	for _, g := range list {
		var size string // −1 is not known, of one that was not there
		switch {
		case g.New > 0 && g.Old > 0 || g.Old > 0 && in.ID == v.New.ID:
			size = fmt.Sprintf("%s before, %s now", humanize.Comma(int64(g.Old)), humanize.Comma(int64(max(g.New, 0))))
		case g.Old > 0:
			size = humanize.Comma(int64(g.Old)) + " before"
		case g.New > 0:
			size = humanize.Comma(int64(g.New)) + " now"
		}
		p.Lines = append(p.Lines, changedLine{Path: contentPath(versionPath(v.UDID, in.ID), k.Kind) + "?" + url.Values{"group": {g.Key}}.Encode(),
			Title: nameOr(nameOr(g.Title, g.Detail), "(no name)"), Detail: size})
	}
	return p
}
