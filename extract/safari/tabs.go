package safari

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// tabStore is any of the stores with tabs, in memory.
type tabStore struct {
	label string
	tabs  []*Tab
	keys  map[string]bool
}

func (s *tabStore) records(_ context.Context, q extract.Query) iter.Seq2[record, error] {
	return inMemory(s.tabs, q)
}

// groups are those that tabs lie in, in the order of the tabs.
func (s *tabStore) groups(context.Context) ([]extract.Group, error) {
	var list []extract.Group
	at := map[string]int{}
	for _, t := range s.tabs {
		i, known := at[t.group]
		if !known {
			g := extract.Group{Key: t.group, Title: named(t.Device, t.TabGroup), Detail: t.Profile}
			if t.Device != "" {
				g.Detail = "tabs in iCloud"
			}
			i, list = len(list), append(list, g)
			at[t.group] = i
		}
		list[i].Count++
		if t.LastSeen.After(list[i].Time) {
			list[i].Time = t.LastSeen
		}
	}
	return list, nil
}

// add takes a tab by what names it in its store, and makes its key unique.
func (s *tabStore) add(t *Tab, prefix, id string, row int64) {
	t.group = joined("/", s.label, t.group)
	if t.ID = joined("/", s.label, prefix) + "/" + id; id == "" || s.keys[t.ID] {
		t.ID = fmt.Sprintf("%s#%d", t.ID, row)
	}
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[t.ID] = true
	s.tabs = append(s.tabs, t)
}

// Titles of tabs that lie in no group with a name.
const (
	openTabs    = "Open tabs"
	privateTabs = "Private tabs"
	pinnedTabs  = "Pinned tabs"
)

// maxTabs bounds what is kept; Safari allows 500 in a window.
const maxTabs = 50_000

func openBrowserState(ctx context.Context, src *extract.Source, p, label string) (store, error) {
	db, err := src.Database(ctx, p)
	if err != nil {
		return nil, err
	}
	if !db.Has("tabs") {
		return nil, fmt.Errorf("%s has no table tabs: %w", p, sqlitefs.ErrDamaged)
	}
	order := "t.ROWID"
	if db.Has("tabs", "order_index") {
		order = "t.order_index, t.ROWID"
	}
	private := db.Column("tabs", "t", "private_browsing")
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT t.ROWID, %s, %s FROM tabs t ORDER BY coalesce(%s, 0), %s LIMIT %d",
		db.List("tabs", "t", "uuid", "title", "url", "user_visible_url", "last_viewed_time"), private, private, order, maxTabs))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	s := &tabStore{label: label}
	for rows.Next() {
		var row, private sqlitefs.Int
		var id, title, url, visible sqlitefs.Text
		var seen sqlitefs.Real
		if err := rows.Scan(&row, &id, &title, &url, &visible, &seen, &private); err != nil {
			return nil, db.Err(ctx, err)
		}
		t := &Tab{Title: title.String, URL: named(url.String, visible.String), LastSeen: extract.CocoaTime(seen.Float), Private: private.Bool(),
			TabGroup: openTabs, group: "browser-state/open"}
		if t.Private {
			t.TabGroup, t.group = privateTabs, "browser-state/private"
		}
		s.add(t, "browser-state", id.String, row.Int)
	}
	if err := rows.Err(); err != nil {
		return nil, db.Err(ctx, err)
	}
	return s, nil
}

// subtypeProfile is bookmarks.subtype of a folder that is a profile.
const subtypeProfile = 2

func openSafariTabs(ctx context.Context, src *extract.Source, p, label string) (store, error) {
	db, err := src.Database(ctx, p)
	if err != nil {
		return nil, err
	}
	nodes, err := readTree(ctx, db, "")
	if err != nil {
		return nil, err
	}
	local, private, err := windows(ctx, db)
	if err != nil {
		return nil, err
	}
	s := &tabStore{label: label}
	for _, n := range nodes {
		title, url := cmp.Or(n.title, n.extra.title), cmp.Or(n.url, n.extra.url)
		if n.folder || url == "" && title == "" || len(s.tabs) >= maxTabs { // with neither it is an empty page
			continue
		}
		t := &Tab{Title: title, URL: url, LastSeen: firstDate(n.local.visited, n.extra.viewed), Private: n.local.private, Deleted: n.deleted, TabGroup: openTabs, group: "tabs/open"}
		if t.LastSeen.IsZero() {
			t.LastSeen = n.changed
		}
		for i, up := range n.above() {
			t.Deleted = t.Deleted || up.deleted
			switch {
			case up.subtype == subtypeProfile:
				if t.Profile == "" {
					t.Profile = strings.TrimSpace(up.title)
				}
			case i == 0 && !up.isTop():
				t.TabGroup, t.group = up.tabGroup(local, private), "tabs/"+up.key
				t.Pinned = up.pinned()
			}
			t.Private = t.Private || private[up.id] || up.private()
		}
		if t.Private && t.TabGroup == openTabs {
			t.TabGroup = privateTabs
			if t.group == "tabs/open" {
				t.group = "tabs/private"
			}
		}
		s.add(t, "tab", n.key, n.id)
	}
	return s, nil
}

// pinned and private tell what the folders are that Safari makes itself.
func (n *node) pinned() bool {
	return n.uuid == "pinned" || n.uuid == "privatePinned" || n.hidden && strings.HasSuffix(strings.ToLower(n.title), "pinned")
}
func (n *node) private() bool {
	return n.uuid == "privatePinned" || n.hidden && strings.HasPrefix(strings.ToLower(n.title), "private")
}

// tabGroup is the name of a group as people see it.
func (n *node) tabGroup(local, private map[int64]bool) string {
	switch {
	case n.pinned():
		return pinnedTabs
	case n.private(), private[n.id]: // what it is called is in the phone's language
		return privateTabs
	case local[n.id], n.hidden && n.title == "Local":
		return openTabs
	}
	return named(strings.TrimSpace(n.title), "Tab group")
}

// windows tells which folders hold the tabs of windows that are in no group with a name,
// and which hold private ones.
func windows(ctx context.Context, db *sqlitefs.DB) (local, private map[int64]bool, err error) {
	local, private = map[int64]bool{}, map[int64]bool{}
	if err := unnamed(ctx, db, local); err != nil {
		return nil, nil, err
	}
	if !db.Has("windows") {
		return local, private, nil
	}
	rows, err := db.QueryContext(ctx, "SELECT "+db.List("windows", "w", "local_tab_group_id", "private_tab_group_id", "extra_attributes")+" FROM windows w LIMIT 10000")
	if err != nil {
		return nil, nil, db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var open, hidden sqlitefs.Int
		var extra sqlitefs.Blob
		if err := rows.Scan(&open, &hidden, &extra); err != nil {
			return nil, nil, db.Err(ctx, err)
		}
		if open.Int > 0 {
			local[open.Int] = true
			private[open.Int] = private[open.Int] || attributesOf(extra).private
		}
		if hidden.Int > 0 {
			private[hidden.Int] = true
		}
	}
	return local, private, db.Err(ctx, rows.Err())
}

// unnamed adds the groups that windows have for tabs in no group with a name, one for
// each profile (iOS 17).
func unnamed(ctx context.Context, db *sqlitefs.DB, local map[int64]bool) error {
	if !db.Has("windows_unnamed_tab_groups", "tab_group_id") {
		return nil
	}
	rows, err := db.QueryContext(ctx, "SELECT +u.tab_group_id FROM windows_unnamed_tab_groups u LIMIT 10000")
	if err != nil {
		return db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var group sqlitefs.Int
		if err := rows.Scan(&group); err != nil {
			return db.Err(ctx, err)
		}
		if group.Int > 0 { // 0 is the root of all
			local[group.Int] = true
		}
	}
	return db.Err(ctx, rows.Err())
}

func openCloudTabs(ctx context.Context, src *extract.Source, p, label string) (store, error) {
	db, err := src.Database(ctx, p)
	if err != nil {
		return nil, err
	}
	if !db.Has("cloud_tabs") {
		return nil, fmt.Errorf("%s has no table cloud_tabs: %w", p, sqlitefs.ErrDamaged)
	}
	join, device := "", "NULL, NULL"
	if db.Has("cloud_tab_devices", "device_uuid") && db.Has("cloud_tabs", "device_uuid") {
		join, device = " LEFT JOIN cloud_tab_devices d ON d.device_uuid = t.device_uuid", db.List("cloud_tab_devices", "d", "device_name", "last_modified")
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT t.ROWID, %s, %s FROM cloud_tabs t%s ORDER BY t.ROWID LIMIT %d",
		db.List("cloud_tabs", "t", "tab_uuid", "device_uuid", "title", "url", "is_pinned", "last_viewed_time"), device, join, maxTabs))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	s := &tabStore{label: label}
	for rows.Next() {
		var row, pinned sqlitefs.Int
		var id, deviceID, title, url, name sqlitefs.Text
		var seen, modified sqlitefs.Real
		if err := rows.Scan(&row, &id, &deviceID, &title, &url, &pinned, &seen, &name, &modified); err != nil {
			return nil, db.Err(ctx, err)
		}
		t := &Tab{Title: title.String, URL: url.String, Device: named(name.String, "Another device"), Pinned: pinned.Bool(), LastSeen: extract.CocoaTime(seen.Float),
			group: "cloud/" + deviceID.String}
		if t.LastSeen.IsZero() {
			t.LastSeen = extract.CocoaTime(modified.Float)
		}
		s.add(t, "cloud-tab", id.String, row.Int)
	}
	if err := rows.Err(); err != nil {
		return nil, db.Err(ctx, err)
	}
	slices.SortStableFunc(s.tabs, func(a, b *Tab) int { return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.group, b.group)) })
	return s, nil
}
