package appdata

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

const safariDir = "Library/Safari/"

// Special folders of Bookmarks.db, by special_id (content-schemas.md 10).
const (
	specialBar = iota + 1
	specialMenu
	specialReadingList
	specialWebFilter
)

const (
	bookmarkLeaf   = 0
	bookmarkFolder = 1
)

func createSafari(ctx context.Context, w *world) error {
	for _, create := range []func(context.Context, *world) error{createBookmarks, createHistory, createBrowserState, createSafariTabs} {
		if err := create(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// bookmarkBook writes rows of a bookmarks table, which tab groups share.
type bookmarkBook struct {
	d        *db
	r        *rng
	next     int
	children map[int]int
}

// bookmark is one row; its id is the next free number.
type bookmark struct {
	parent  int
	kind    int
	special int
	title   string
	url     string
	hidden  bool
	read    any // NULL unless in the reading list
	extra   []byte
	local   []byte
	deleted bool
	when    time.Time
}

func (b *bookmarkBook) add(m bookmark) int {
	id := b.next
	b.next++
	var parent any = m.parent
	if id == 0 {
		parent = nil
	}
	order := b.children[m.parent]
	b.children[m.parent]++
	b.d.insert("bookmarks", "id", id, "special_id", m.special, "parent", parent, "type", m.kind, "title", m.title, "url", orNull(m.url), "editable", flag(m.special == 0),
		"deletable", flag(m.special == 0), "hidden", flag(m.hidden), "order_index", order, "external_uuid", b.r.guid(), "read", m.read,
		"last_modified", float64(m.when.Unix()), "deleted", flag(m.deleted), "extra_attributes", orBlob(m.extra), "local_attributes", orBlob(m.local))
	return id
}

func (b *bookmarkBook) counts() {
	b.d.exec("UPDATE bookmarks SET num_children=(SELECT count(*) FROM bookmarks c WHERE c.parent=bookmarks.id AND c.deleted=0) WHERE type=1")
}

func createBookmarks(ctx context.Context, w *world) error {
	r := w.rng("bookmarks")
	f := dbFile{path: w.path(homeDomain, safariDir+"Bookmarks.db"), mtime: w.now.Add(-9 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("safaribookmarks.sql")
		b := &bookmarkBook{d: d, r: r, children: map[int]int{}}
		folder := func(parent, special int, title string) int {
			return b.add(bookmark{parent: parent, kind: bookmarkFolder, special: special, title: title, when: w.begin()})
		}
		root := folder(0, 0, "Root")
		bar, menu := folder(root, specialBar, "BookmarksBar"), folder(root, specialMenu, "BookmarksMenu")
		reading, filter := folder(root, specialReadingList, "com.apple.ReadingList"), folder(root, specialWebFilter, "WebFilterWhiteList")
		walks := folder(menu, 0, "Walks 🥾")
		b.add(bookmark{parent: filter, title: "Allowed by a grown-up", url: "https://kids.example.org/", when: w.begin()})
		b.add(bookmark{parent: menu, title: "Removed", url: "https://www.example.com/old", deleted: true, when: w.begin()})
		for i, at := range r.moments(w.n.bookmarks, span{w.begin(), w.now.Add(-9 * time.Hour)}) {
			title, url := webPage(r, i)
			switch i % 4 {
			case 0:
				b.add(bookmark{parent: bar, title: title, url: url, when: at})
			case 1:
				b.add(bookmark{parent: walks, title: title, url: url, when: at})
			case 2:
				b.add(bookmark{parent: menu, title: title, url: url, when: at})
			case 3:
				b.add(bookmark{parent: reading, title: title, url: url, read: i / 4 % 2, extra: readingListEntry(d, title, at), when: at})
			}
		}
		b.counts()
		for _, top := range []int{bar, menu, reading, filter} {
			d.insert("folder_ancestors", "folder_id", top, "ancestor_id", root)
		}
		d.insert("folder_ancestors", "folder_id", walks, "ancestor_id", menu)
		d.insert("generations", "generation", 12)
	})
}

// readingListEntry is the property list of an article to read later.
func readingListEntry(d *db, title string, at time.Time) []byte {
	b, err := plist.Marshal(map[string]any{"com.apple.ReadingList": map[string]any{
		"DateAdded": at, "PreviewText": "What there is to know about " + strings.ToLower(title) + ".", "AddedLocally": true,
	}}, plist.Binary)
	d.fail(err)
	return b
}

// webPage makes a title and an address of example domains.
func webPage(r *rng, i int) (title, url string) {
	a, b := pick(r, things), pick(r, places)
	return fmt.Sprintf("How to mend a %s – the %s", a, b), fmt.Sprintf("https://www.example.%s/%s/%s?page=%d", pick(r, []string{"com", "org", "net"}), b, a, i)
}

func createHistory(ctx context.Context, w *world) error {
	r := w.rng("history")
	f := dbFile{path: w.path(homeDomain, safariDir+"History.db"), mtime: w.now.Add(-30 * time.Minute)}
	return build(ctx, f, func(d *db) {
		d.schema("safarihistory.sql")
		h := &historyBook{d: d, r: r}
		// Phones keep a year at most.
		for i, at := range r.moments(w.n.visits, span{w.now.AddDate(-1, 0, 0), w.now.Add(-30 * time.Minute)}) {
			h.visit(i, at)
		}
		d.insert("history_tombstones", "start_time", cocoa(w.now.AddDate(0, -1, 0)), "end_time", cocoa(w.now.AddDate(0, -1, 1)), "url", "https://www.example.net/forgotten")
		d.insert("metadata", "key", "schema_version", "value", 16)
		d.insert("history_client_versions", "client_version", w.major*100, "last_seen", cocoa(w.now.Add(-time.Hour)))
	})
}

// historyBook writes visits.
type historyBook struct {
	d     *db
	r     *rng
	items int
	last  int
}

// visit adds a visit: mostly of a new page, every fifth of an old one, every
// seventh through a redirect, every ninth from another device.
func (h *historyBook) visit(i int, at time.Time) {
	d, r := h.d, h.r
	title, url := webPage(r, h.items)
	item := 0
	if h.items > 0 && i%5 == 4 {
		item = r.between(1, h.items)
		d.exec("UPDATE history_items SET visit_count=visit_count+1, visit_count_score=visit_count_score+100 WHERE id=?", item)
	} else {
		h.items++
		item = h.items
		counts := binary.LittleEndian.AppendUint32(nil, 1)
		d.insert("history_items", "id", item, "url", url, "domain_expansion", "example", "visit_count", 1, "daily_visit_counts", counts,
			"should_recompute_derived_visit_counts", 0, "visit_count_score", 100, "status_code", 200)
	}
	h.last++
	var from any
	if i%7 == 6 {
		from = h.last - 1
		d.exec("UPDATE history_visits SET redirect_destination=? WHERE id=?", h.last, h.last-1)
	}
	d.insert("history_visits", "id", h.last, "history_item", item, "visit_time", cocoa(at)+0.5, "title", orNull(titleUnless(i%7 == 5, title)), "load_successful", flag(i%11 != 10),
		"redirect_source", from, "origin", flag(i%9 == 8), "generation", i, "score", 100)
}

func titleUnless(no bool, title string) string {
	if no {
		return ""
	}
	return title
}

func liveSafari(ctx context.Context, w *world, sp span) error {
	r := w.rng("safari live " + sp.label())
	err := liveUpdate(ctx, w, homeDomain, safariDir+"History.db", sp, r, func(d *db) {
		h := &historyBook{d: d, items: int(d.number("SELECT max(seq) FROM sqlite_sequence WHERE name='history_items'")),
			last: int(d.number("SELECT max(seq) FROM sqlite_sequence WHERE name='history_visits'"))}
		h.r = w.rng(fmt.Sprintf("safari live %s after %d", sp.label(), h.last))
		for i, at := range h.r.moments(4+w.n.visits/300, sp) {
			h.visit(i, at)
		}
	})
	if err != nil {
		return err
	}
	return liveUpdate(ctx, w, homeDomain, safariDir+"BrowserState.db", sp, r, func(d *db) {
		d.exec("UPDATE tabs SET last_viewed_time=? WHERE id=(SELECT min(id) FROM tabs)", cocoa(r.moment(sp)))
	})
}
