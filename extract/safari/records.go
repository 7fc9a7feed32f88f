package safari

import (
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Names of the tables.
const (
	tableBookmarks = "bookmarks"
	tableReading   = "reading-list"
	tableHistory   = "history"
	tableTabs      = "tabs"
)

var tables = []extract.Table{
	{Name: tableBookmarks, Title: "Bookmarks", Columns: []string{"Title", "Address", "Folder", "Changed", "Deleted"}},
	{Name: tableReading, Title: "Reading list", Columns: []string{"Title", "Address", "Preview", "Added", "Read", "Last read", "Deleted"}},
	{Name: tableHistory, Title: "History", Columns: []string{"Time", "Title", "Address", "Profile", "Visits", "From", "Failed"}},
	{Name: tableTabs, Title: "Tabs", Columns: []string{"Title", "Address", "Group", "Profile", "Device", "Private", "Pinned", "Last seen", "Deleted"}},
}

// record is what all tables have in common.
type record interface {
	extract.Record
	time() time.Time
}

// Bookmark is an address that the owner keeps.
type Bookmark struct {
	ID      string    `json:"id"`
	Title   string    `json:"title,omitempty"`
	URL     string    `json:"url,omitempty"`
	Folder  []string  `json:"folder,omitempty"` // from the top
	Changed time.Time `json:"changed,omitzero"`
	Hidden  bool      `json:"hidden,omitempty"`
	Deleted bool      `json:"deleted,omitempty"` // kept until the other devices know

	group string
}

func (b *Bookmark) time() time.Time { return b.Changed }

// Entry implements extract.Record.
func (b *Bookmark) Entry() extract.Entry {
	return extract.Entry{Table: tableBookmarks, Key: b.ID, Title: named(b.Title, b.URL), Text: b.URL, Detail: strings.Join(b.Folder, " / "), Time: b.Changed,
		Group: b.group, Deleted: b.Deleted, Hidden: b.Hidden}
}

// Row implements extract.Record.
func (b *Bookmark) Row() []string {
	return []string{b.Title, b.URL, strings.Join(b.Folder, " / "), extract.FormatTime(b.Changed), extract.YesNo(b.Deleted)}
}

// Article is one of the reading list.
type Article struct {
	ID       string    `json:"id"`
	Title    string    `json:"title,omitempty"`
	URL      string    `json:"url,omitempty"`
	Preview  string    `json:"preview,omitempty"`
	Added    time.Time `json:"added,omitzero"`
	Read     bool      `json:"read,omitempty"`
	LastRead time.Time `json:"last_read,omitzero"`
	Changed  time.Time `json:"changed,omitzero"`
	Deleted  bool      `json:"deleted,omitempty"`

	group string
}

func (a *Article) time() time.Time {
	if a.Added.IsZero() {
		return a.Changed
	}
	return a.Added
}

// Entry implements extract.Record.
func (a *Article) Entry() extract.Entry {
	return extract.Entry{Table: tableReading, Key: a.ID, Title: named(a.Title, a.URL), Text: strings.TrimSpace(a.URL + "\n" + a.Preview), Detail: a.URL, Time: a.time(),
		Group: a.group, Deleted: a.Deleted}
}

// Row implements extract.Record.
func (a *Article) Row() []string {
	return []string{a.Title, a.URL, a.Preview, extract.FormatTime(a.time()), extract.YesNo(a.Read), extract.FormatTime(a.LastRead), extract.YesNo(a.Deleted)}
}

// Visit is one of a page. The phone forgets them after some time.
type Visit struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time,omitzero"`
	Title    string    `json:"title,omitempty"`
	URL      string    `json:"url,omitempty"`
	Profile  string    `json:"profile,omitempty"` // its ID, "" for the main one
	Visits   int64     `json:"visits,omitempty"`  // of this page altogether
	Other    bool      `json:"other_device,omitempty"`
	Failed   bool      `json:"failed,omitempty"`
	From     int64     `json:"redirected_from,omitempty"` // number of a visit
	To       int64     `json:"redirected_to,omitempty"`
	Internal bool      `json:"synthesized,omitempty"` // made by Safari, not by a page being opened

	group string
}

func (v *Visit) time() time.Time { return v.Time }

// Entry implements extract.Record.
func (v *Visit) Entry() extract.Entry {
	return extract.Entry{Table: tableHistory, Key: v.ID, Title: named(v.Title, v.URL), Text: v.URL, Detail: v.URL, Time: v.Time, Group: v.group, Volatile: true}
}

// Row implements extract.Record.
func (v *Visit) Row() []string {
	from := "this iPhone"
	if v.Other {
		from = "another device"
	}
	return []string{extract.FormatTime(v.Time), v.Title, v.URL, v.Profile, number(v.Visits), from, extract.YesNo(v.Failed)}
}

// Tab is a page that is open.
type Tab struct {
	ID       string    `json:"id"`
	Title    string    `json:"title,omitempty"`
	URL      string    `json:"url,omitempty"`
	TabGroup string    `json:"group,omitempty"`
	Profile  string    `json:"profile,omitempty"`
	Device   string    `json:"device,omitempty"` // another one, through iCloud
	Private  bool      `json:"private,omitempty"`
	Pinned   bool      `json:"pinned,omitempty"`
	Deleted  bool      `json:"deleted,omitempty"` // kept until the other devices know
	LastSeen time.Time `json:"last_seen,omitzero"`

	group string
}

func (t *Tab) time() time.Time { return t.LastSeen }

// Entry implements extract.Record.
func (t *Tab) Entry() extract.Entry {
	return extract.Entry{Table: tableTabs, Key: t.ID, Title: named(t.Title, t.URL), Text: t.URL, Detail: named(t.Device, t.TabGroup), Time: t.LastSeen,
		Group: t.group, Hidden: t.Private, Deleted: t.Deleted, Volatile: true}
}

// Row implements extract.Record.
func (t *Tab) Row() []string {
	return []string{t.Title, t.URL, t.TabGroup, t.Profile, t.Device, extract.YesNo(t.Private), extract.YesNo(t.Pinned), extract.FormatTime(t.LastSeen), extract.YesNo(t.Deleted)}
}

func named(title, otherwise string) string {
	if title != "" {
		return title
	}
	return otherwise
}
