package appdata

import (
	"context"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// createBrowserState writes the open tabs, the last two of them private. The
// tables have the columns that content-schemas.md 10 names and no others.
func createBrowserState(ctx context.Context, w *world) error {
	r := w.rng("browser state")
	f := dbFile{path: w.path(homeDomain, safariDir+"BrowserState.db"), mtime: w.now.Add(-40 * time.Minute)}
	return build(ctx, f, func(d *db) {
		d.schema("browserstate.sql")
		for i := range 8 {
			title, url := webPage(r, i)
			id := r.guid()
			d.insert("tabs", "id", i+1, "uuid", id, "title", title, "url", url,
				"last_viewed_time", cocoa(r.moment(span{w.now.AddDate(0, -1, 0), w.now.Add(-40 * time.Minute)})),
				"private_browsing", flag(i >= 6))
			d.insert("tab_sessions", "tab_uuid", id, "session_data", tabSession(d, title, url))
		}
	})
}

// tabSession stands for a tab's back list, whose form is not known here.
func tabSession(d *db, title, url string) []byte {
	b, err := plist.Marshal(map[string]any{"title": title, "url": url}, plist.Binary)
	d.fail(err)
	return b
}

// createSafariTabs writes tab groups: a table of bookmarks where a group is a
// folder and a tab a leaf, and the window that shows them.
func createSafariTabs(ctx context.Context, w *world) error {
	r := w.rng("safari tabs")
	f := dbFile{path: w.path(homeDomain, safariDir+"SafariTabs.db"), mtime: w.now.Add(-50 * time.Minute)}
	return build(ctx, f, func(d *db) {
		d.schema("safaribookmarks.sql")
		d.schema("safaritabs.sql")
		b := &bookmarkBook{d: d, r: r, children: map[int]int{}}
		group := func(parent int, title string, hidden bool) int {
			return b.add(bookmark{parent: parent, kind: bookmarkFolder, title: title, hidden: hidden, when: w.begin()})
		}
		root := group(0, "Root", false)
		local, private, holiday := group(root, "Local", true), group(root, "Private", true), group(root, "Holiday plans", false)
		for i := range 9 {
			title, url := webPage(r, i)
			at := r.moment(span{w.now.AddDate(0, -2, 0), w.now.Add(-50 * time.Minute)})
			parent := []int{local, private, holiday}[i%3]
			attrs, err := plist.Marshal(map[string]any{"LastVisitTime": at, "IsMuted": false, "Private": parent == private}, plist.Binary)
			d.fail(err)
			b.add(bookmark{parent: parent, title: title, url: url, local: attrs, when: at})
		}
		b.counts()
		d.insert("windows", "id", 1, "active_tab_group_id", local, "local_tab_group_id", local, "private_tab_group_id", private, "scene_id", r.guid(), "uuid", r.guid(), "is_last_session", 1)
		for _, g := range []int{local, private, holiday} {
			d.insert("windows_tab_groups", "tab_group_id", g, "window_id", 1, "active_tab_id", d.number("SELECT min(id) FROM bookmarks WHERE parent=?", g))
		}
	})
}
