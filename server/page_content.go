package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/service"
)

// How many records a page shows.
const (
	contentPage  = 60
	picturesPage = 120
	// previewSize is in pixels: a third of a phone's width, and twice that for the
	// screens that phones have.
	previewSize = 320
)

// contentPath is where a kind of content of a version is shown.
func contentPath(version, kind string) string { return version + "/content/" + url.PathEscape(kind) }

// kindLink is a kind of content on the page of a version.
type kindLink struct {
	service.ContentKind
	Path, Icon string
}

// contentIcons are those of kinds that have one of their own.
var contentIcons = map[string]string{"photos": "picture", "contacts": "people", "messages": "chat", "whatsapp": "chat", "calls": "call", "voicemail": "call",
	"voice-memos": "sound", "notes": "file", "calendar": "late", "reminders": "good", "safari": "globe", "music": "sound", "apps": "home"}

// kindsOf lists the kinds that a version has, and the titles of those that it lacks.
func (p *pages) kindsOf(r *http.Request, v service.Version) (there []kindLink, absent []string, err error) {
	all, err := p.o.Service.Kinds(r.Context(), whoFrom(r.Context()), v.UDID, v.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range all {
		if k.State == service.ContentAbsent || k.State == service.ContentEmpty {
			absent = append(absent, k.Title)
			continue
		}
		there = append(there, kindLink{k, contentPath(versionPath(v.UDID, v.ID), k.Kind), iconOf(k.Kind)})
	}
	return there, absent, nil
}

func iconOf(kind string) string {
	if i, ok := contentIcons[kind]; ok {
		return i
	}
	return "file"
}

// shownRecord is a record on a page.
type shownRecord struct {
	extract.Entry
	Path    string // of the page of the record
	Picture string // address of its preview, "" for none
	Film    bool
	Message *bubble
	Fields  []field
	Files   []shownFile
	Shows   bool // one of Files is shown, so that its preview need not be
}

// field is a value with its name.
type field struct{ Name, Value string }

// shownFile is a file that belongs to a record.
type shownFile struct {
	Name, Save, Show, Type string // Type: "picture", "film", "sound" when a browser shows it
}

// bubble is a message as it is drawn.
type bubble struct {
	chat.Message
	Who   string // who wrote, in groups
	Day   string // a heading above it, when another day begins
	Files []shownFile
}

// contentView is the page of a kind.
type contentView struct {
	service.Version
	Phone   service.Phone
	Crumbs  []crumb
	Kind    service.ContentKind
	Self    string // path of the kind
	Groups  []groupLink
	Group   extract.Group
	Table   string
	Tables  []groupLink
	Records []shownRecord
	Layout  string // "pictures", "chat", "list" or "one"
	Pager   pager
	Saves   []groupLink
	Wrong   []string
	More    int
	Absent  bool
	Apart   bool // its records make sense in their groups only: those alone are listed
}

// groupLink leads somewhere within a kind.
type groupLink struct {
	Path, Title, Detail string
	Count               int
	Here                bool
}

// content shows a kind of content of a version:
//
//	?group=KEY   what lies in an album, a conversation, a calendar
//	?table=NAME  one of its tables
//	?key=KEY     one record
//	?skip=N      records further on
func (p *pages) content(w http.ResponseWriter, r *http.Request) error {
	ph, ver, err := p.find(r)
	if err != nil {
		return err
	}
	v := contentView{Version: ver, Phone: ph}
	v.Crumbs = []crumb{{"/", "Phones"}, {phonePath(ver.UDID), ph.Name}, {versionPath(ver.UDID, ver.ID), ver.Time.In(p.o.Now().Location()).Format("2 January 2006")}}
	if err := p.fillContent(r, &v); err != nil {
		return fmt.Errorf("look inside version: %w", err)
	}
	title := v.Kind.Title
	if v.Group.Title != "" {
		title = v.Group.Title
	}
	width := "middle"
	if v.Layout == "pictures" {
		width = ""
	}
	return p.render(w, r, "content", view{Title: title + " of " + ph.Name, Width: width, Here: "/", P: v})
}

func (p *pages) fillContent(r *http.Request, v *contentView) error {
	ctx, who, q, kind := r.Context(), whoFrom(r.Context()), r.URL.Query(), r.PathValue("kind")
	v.Self = contentPath(versionPath(v.UDID, v.ID), kind)
	skip, err := strconv.Atoi(q.Get("skip"))
	if err != nil || skip < 0 {
		skip = 0
	}
	want := extract.Query{Table: q.Get("table"), Group: q.Get("group"), Key: q.Get("key"), Limit: contentPage, Skip: skip, Newest: true}
	if kind == "photos" {
		want.Limit = picturesPage
	}
	if byName(kind) {
		want.Newest = false
	}
	page, err := p.o.Service.Records(ctx, who, v.UDID, v.ID, kind, want)
	v.Kind, v.Table, v.Wrong, v.More = page.Kind, want.Table, page.Problems, page.More
	if errors.Is(err, extract.ErrAbsent) {
		v.Absent, v.Layout = true, "list"
		return nil
	}
	if err != nil {
		return err
	}
	if v.Kind.Groups != "" && want.Key == "" {
		if err := p.fillGroups(ctx, who, v, want.Group); err != nil {
			return err
		}
	}
	if want.Group != "" || want.Key != "" {
		v.Crumbs = append(v.Crumbs, crumb{v.Self, v.Kind.Title})
	}
	if want.Key != "" && len(page.Records) == 0 {
		return fs.ErrNotExist
	}
	v.fillTables(want)
	v.fillRecords(page, want)
	v.fillSaves(want)
	if page.Next > 0 && !v.Apart {
		v.Pager.Next, v.Pager.NextName = v.link(want, page.Next), "Earlier"
		if byName(kind) {
			v.Pager.NextName = "More"
		}
	}
	if skip > 0 {
		v.Pager.Prev, v.Pager.PrevName = v.link(want, max(0, skip-want.Limit)), "Back"
	}
	return nil
}

// byName tells which kinds people look through by name rather than by time.
func byName(kind string) bool { return kind == "contacts" || kind == "apps" || kind == "music" }

func (v *contentView) link(q extract.Query, skip int) string {
	values := url.Values{}
	for name, value := range map[string]string{"group": q.Group, "table": q.Table} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if skip > 0 {
		values.Set("skip", strconv.Itoa(skip))
	}
	if len(values) == 0 {
		return v.Self
	}
	return v.Self + "?" + values.Encode()
}

// maxGroups bounds the list of conversations or albums that a page shows.
const maxGroups = 500

func (p *pages) fillGroups(ctx context.Context, who service.Who, v *contentView, here string) error {
	groups, err := p.o.Service.Groups(ctx, who, v.UDID, v.ID, v.Kind.Kind)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Key == here {
			v.Group = g
		}
		if len(v.Groups) < maxGroups {
			v.Groups = append(v.Groups, groupLink{v.link(extract.Query{Group: g.Key}, 0), g.Title, g.Detail, g.Count, g.Key == here})
		}
	}
	if here != "" && v.Group.Key == "" {
		return fs.ErrNotExist
	}
	return nil
}

func (v *contentView) fillTables(q extract.Query) {
	if len(v.Kind.Tables) < 2 || q.Key != "" {
		return
	}
	v.Tables = append(v.Tables, groupLink{Path: v.link(extract.Query{Group: q.Group}, 0), Title: "All", Here: q.Table == ""})
	for _, t := range v.Kind.Tables {
		v.Tables = append(v.Tables, groupLink{Path: v.link(extract.Query{Group: q.Group, Table: t.Name}, 0), Title: t.Title, Here: q.Table == t.Name})
	}
}

func (v *contentView) fillSaves(q extract.Query) {
	if q.Key != "" {
		return
	}
	for _, f := range v.Kind.Formats {
		values := url.Values{"format": {f.Name}}
		if q.Group != "" {
			values.Set("group", q.Group)
		}
		v.Saves = append(v.Saves, groupLink{Path: v.Self + "/extract?" + values.Encode(), Title: f.Title})
	}
}

func (v *contentView) fillRecords(page service.RecordPage, q extract.Query) {
	v.Layout = "list"
	records := page.Records
	if v.Apart = q.Group == "" && q.Key == "" && len(v.Groups) > 0 && len(records) > 0 && isMessage(records[0]); v.Apart {
		return
	}
	switch {
	case q.Key != "":
		v.Layout = "one"
	case v.Kind.Kind == "photos":
		v.Layout = "pictures"
	case q.Group != "" && len(records) > 0 && isMessage(records[0]):
		v.Layout = "chat"
		records = slices.Clone(records)
		slices.Reverse(records) // the newest page, in the order in which people read
	}
	day := ""
	for _, rec := range records {
		e := rec.Entry()
		s := shownRecord{Entry: e, Path: v.Self + "?" + url.Values{"key": {e.Key}}.Encode(), Film: isFilm(e.Files)}
		if v.Kind.Previews && v.Layout != "chat" {
			s.Picture = v.Self + "/preview?" + url.Values{"key": {e.Key}}.Encode()
		}
		if v.Layout == "chat" {
			s.Message = v.bubble(rec, &day)
		}
		if v.Layout == "one" {
			s.Fields, s.Files = v.fields(rec), v.files(e.Files)
			s.Shows = slices.ContainsFunc(s.Files, func(f shownFile) bool { return f.Show != "" })
		}
		v.Records = append(v.Records, s)
	}
}

func isMessage(r extract.Record) bool {
	_, ok := message(r)
	return ok
}

func message(r extract.Record) (chat.Message, bool) {
	switch m := r.(type) {
	case chat.Message:
		return m, true
	case *chat.Message:
		return *m, true
	}
	return chat.Message{}, false
}

func (v *contentView) bubble(r extract.Record, day *string) *bubble {
	m, ok := message(r)
	if !ok {
		return nil
	}
	b := &bubble{Message: m, Who: m.From.Name}
	if b.Who == "" {
		b.Who = m.From.Address
	}
	if d := m.Time.Local().Format("Monday, 2 January 2006"); d != *day && !m.Time.IsZero() {
		*day, b.Day = d, d
	}
	for _, a := range m.Attachments {
		if a.Path == "" {
			b.Files = append(b.Files, shownFile{Name: nameOr(a.Name, "Attachment") + " (not in this backup)"})
			continue
		}
		f := v.file(a.Path)
		f.Name = nameOr(a.Name, f.Name)
		b.Files = append(b.Files, f)
	}
	return b
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

// fields are the values of a record under the names of its columns.
func (v *contentView) fields(r extract.Record) []field {
	i := slices.IndexFunc(v.Kind.Tables, func(t extract.Table) bool { return t.Name == r.Entry().Table })
	if i < 0 {
		return nil
	}
	var list []field
	for c, value := range r.Row() {
		if value == "" || c >= len(v.Kind.Tables[i].Columns) {
			continue
		}
		list = append(list, field{v.Kind.Tables[i].Columns[c], valueOf(value)})
	}
	return list
}

// valueOf is a cell of a row for people: times as they write them.
func valueOf(cell string) string {
	if t, err := time.Parse(time.RFC3339, cell); err == nil {
		return t.Local().Format("2 January 2006, 15:04")
	}
	return cell
}

// maxFiles bounds the files shown with one record.
const maxFiles = 100

func (v *contentView) files(paths []string) []shownFile {
	var list []shownFile
	for _, p := range paths[:min(len(paths), maxFiles)] {
		list = append(list, v.file(p))
	}
	return list
}

func (v *contentView) file(p string) shownFile {
	save := versionPath(v.UDID, v.ID) + "/download?" + url.Values{"path": {p}}.Encode()
	f := shownFile{Name: path.Base(p), Save: save}
	if kind, ok := shown[strings.ToLower(path.Ext(p))]; ok && kind != "image/heic" {
		f.Show = save + "&show=1"
		f.Type = map[string]string{"image": "picture", "video": "film", "audio": "sound"}[kind[:5]]
	}
	return f
}

func isFilm(paths []string) bool {
	return len(paths) > 0 && slices.Contains([]string{".mov", ".mp4", ".m4v"}, strings.ToLower(path.Ext(paths[0])))
}

// noPicture stands where no picture can be had: of films and HEIC, without the
// programs that read them.
const noPicture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8b938e" opacity=".25"/>` +
	`<g fill="none" stroke="#8b938e" stroke-width="3"><rect x="26" y="32" width="44" height="32" rx="5"/><circle cx="38" cy="43" r="4"/><path d="m28 60 11-9 8 6 10-11 11 12"/></g></svg>`

// preview sends a small picture of a record.
//
//	GET /phones/{udid}/versions/{id}/content/{kind}/preview?key=…
func (rt *router) preview(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	pic, err := rt.o.Service.Preview(r.Context(), whoFrom(r.Context()), r.PathValue("udid"), r.PathValue("id"), r.PathValue("kind"), q.Get("key"), previewSize)
	if errors.Is(err, extract.ErrNoPreview) && !strings.HasPrefix(r.URL.Path, apiPrefix) {
		pic, err = extract.Preview{Type: "image/svg+xml", Data: []byte(noPicture)}, nil
	}
	if errors.Is(err, extract.ErrNoPreview) || errors.Is(err, extract.ErrAbsent) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("show picture of version: %w", err)
	}
	h := w.Header()
	if !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp", "image/svg+xml"}, pic.Type) {
		return fmt.Errorf("show picture of version: it is a %q", pic.Type)
	}
	h.Set("Content-Type", pic.Type)
	h.Set("Content-Disposition", "inline")
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Cache-Control", "private, max-age=86400, immutable")
	if _, err := w.Write(pic.Data); err != nil {
		rt.o.Log.DebugContext(r.Context(), "a picture was not taken to its end", "err", err)
	}
	return nil
}

// extractContent sends a kind as a ZIP of files that other programs read.
//
//	GET /phones/{udid}/versions/{id}/content/{kind}/extract?format=…[&group=…]
func (rt *router) extractContent(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	long(w)
	var out *taken
	o := extract.ExportOptions{Format: q.Get("format"), Query: extract.Query{Group: q.Get("group")}, Layout: "date", Files: true}
	if q.Get("layout") == "album" {
		o.Layout = "album"
	}
	_, err := rt.o.Service.Extract(r.Context(), whoFrom(r.Context()), r.PathValue("udid"), r.PathValue("id"), r.PathValue("kind"), o,
		func(v service.Version, info extract.Info) io.Writer {
			h := w.Header()
			h.Set("Content-Type", "application/zip")
			h.Set("Content-Disposition", disposition("attachment", fmt.Sprintf("%s of %s %s.zip", info.Title, v.Name, v.Time.Format("2006-01-02"))))
			h.Set("Content-Security-Policy", filePolicy)
			h.Set("Cache-Control", "private, no-store")
			out = &taken{to: w}
			return out
		})
	if err == nil || out == nil {
		if errors.Is(err, extract.ErrAbsent) {
			err = fs.ErrNotExist
		}
		return err
	}
	rt.cut(r, out, "a download of content broke", err, "version", r.PathValue("id"), "kind", r.PathValue("kind"))
	return nil
}
