package safari_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

// TestTabsOfProfiles: the store of tabs as Safari 17 and later have it, with the columns
// and property lists of safari-raindrop-tabgroups (SAFARI_TABS_DB_SCHEMA.md): windows have
// a group without a name for each profile, last_modified is empty, and when a tab was
// seen is in either of its lists.
func TestTabsOfProfiles(t *testing.T) {
	seen := time.Date(2026, 2, 28, 0, 4, 46, 0, time.UTC)
	node := "INSERT INTO bookmarks (id, parent, type, subtype, title, url, order_index, external_uuid, extra_attributes, local_attributes) VALUES "
	src := made(t, map[string][]statement{"SafariTabs.db": {
		do(strings.Replace(bookmarksDDL, "subtype INTEGER DEFAULT 0)", "subtype INTEGER DEFAULT 0, date_closed REAL DEFAULT NULL, last_selected_child INTEGER DEFAULT NULL, cookies_uuid TEXT DEFAULT NULL, is_marked_for_expiration INTEGER, topic_title TEXT)", 1)),
		do("CREATE TABLE windows (id INTEGER PRIMARY KEY, active_tab_group_id INTEGER, active_profile_id INTEGER, date_closed REAL, extra_attributes BLOB, is_last_session INTEGER, local_tab_group_id INTEGER, private_tab_group_id INTEGER, scene_id TEXT, uuid TEXT NOT NULL UNIQUE, restoration_archive BLOB)"),
		do("CREATE TABLE windows_tab_groups (id INTEGER PRIMARY KEY, active_tab_id INTEGER, tab_group_id INTEGER NOT NULL, window_id INTEGER NOT NULL)"), do("CREATE TABLE windows_unnamed_tab_groups (id INTEGER PRIMARY KEY, tab_group_id INTEGER NOT NULL, window_id INTEGER NOT NULL)"),
		do(node + "(0, NULL, 1, 0, 'Root', NULL, 0, 'Root', NULL, NULL), (6, 0, 1, 2, 'Work', NULL, 0, 'P6', NULL, NULL), (7, 6, 1, 0, 'Untitled', NULL, 0, 'G7', NULL, NULL), (8, 0, 1, 0, 'Trip', NULL, 1, 'G8', NULL, NULL), (9, NULL, 1, 0, 'Privat', NULL, 1, 'G9', NULL, NULL)"),
		do(node+"(20, 7, 0, 0, 'Mail', 'https://example.com/mail', 0, 'T20', ?, NULL)", bplist(t, map[string]any{"DateLastViewed": seen, "DeviceIdentifier": "D", "com.apple.Bookmark": map[string]any{"DateAdded": seen.Add(-time.Hour)}})),
		do(node+"(21, 8, 0, 0, NULL, NULL, 0, 'T21', ?, ?)", bplist(t, map[string]any{"LocalTitle": "Ferry", "LocalURL": "https://example.com/ferry"}), bplist(t, map[string]any{"LastVisitTime": seen.Add(time.Hour), "DateClosed": seen})),
		do(node + "(22, 8, 0, 0, 'Map', 'https://example.com/map', 1, 'T22', x'00', x'00'), (23, 9, 0, 0, 'Gift', 'https://example.com/gift', 1, 'T23', NULL, NULL)"),
		do("INSERT INTO windows (id, local_tab_group_id, private_tab_group_id, uuid) VALUES (1, NULL, 9, 'W')"), do("INSERT INTO windows_tab_groups VALUES (1, 20, 0, 1), (2, 21, 8, 1)"), do("INSERT INTO windows_unnamed_tab_groups VALUES (1, 7, 1), (2, 0, 1)"),
	}})
	extracttest.Conform(t, safari.New(), src)
	var got []string
	for _, v := range read[*safari.Tab](t, src, "tabs") {
		got = append(got, strings.Join([]string{v.ID, v.Title, v.URL, v.TabGroup, v.Profile, extract.YesNo(v.Private), extract.FormatTime(v.LastSeen)}, "|"))
	}
	if want := `tab/T20|Mail|https://example.com/mail|Open tabs|Work||2026-02-28T00:04:46Z
tab/T21|Ferry|https://example.com/ferry|Trip|||2026-02-28T01:04:46Z
tab/T22|Map|https://example.com/map|Trip|||
tab/T23|Gift|https://example.com/gift|Private tabs||yes|`; strings.Join(got, "\n") != want {
		t.Errorf("tabs:\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}
