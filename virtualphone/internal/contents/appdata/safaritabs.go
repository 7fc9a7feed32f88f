package appdata

import (
	"context"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// createBrowserState writes the open tabs, the last two of them private.
func createBrowserState(ctx context.Context, w *world) error {
	r := w.rng("browser state")
	f := dbFile{path: w.path(homeDomain, safariDir+"BrowserState.db"), mtime: w.now.Add(-40 * time.Minute)}
	return build(ctx, f, func(d *db) {
		d.schema("browserstate.sql")
		window := r.guid()
		d.insert("browser_windows", "id", 1, "uuid", window, "type", 0)
		for i := range 8 {
			title, url := webPage(r, i)
			id := r.guid()
			d.insert("tabs", "id", i+1, "uuid", id, "title", title, "url", url, "user_visible_url", url, "order_index", i,
				"last_viewed_time", cocoa(r.moment(span{w.now.AddDate(0, -1, 0), w.now.Add(-40 * time.Minute)})), "opened_from_link", flag(i%3 == 0),
				"private_browsing", flag(i >= 6), "browser_window_uuid", window, "browser_window_id", 1)
			session := tabSession(d, title, url)
			d.insert("tab_sessions", "tab_uuid", id, "session_data", session, "uncompressed_session_data_size", len(session))
		}
	})
}

// tabSession is a tab's back list: four bytes of version, then a property list.
func tabSession(d *db, title, url string) []byte {
	entry := map[string]any{"SessionHistoryEntryTitle": title, "SessionHistoryEntryURL": url, "SessionHistoryEntryOriginalURL": url}
	b, err := plist.Marshal(map[string]any{"SessionHistory": map[string]any{"SessionHistoryCurrentIndex": 0, "SessionHistoryEntries": []any{entry}, "SessionHistoryVersion": 1}}, plist.Binary)
	d.fail(err)
	return append([]byte{0, 0, 0, 2}, b...)
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
