package safari_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

const appFolder = "../../../AppDomain-com.apple.mobilesafari/Library/Safari/"

// Stores of an updated phone are in both places, and nothing of either is lost; those
// of another phone are in the app's place only.
func TestPlaces(t *testing.T) {
	const row = "INSERT INTO bookmarks (id, parent, special_id, type, title, url, order_index, external_uuid) VALUES "
	bookmarks := func(title string) []statement {
		return []statement{do(bookmarksDDL), do(row + "(0, NULL, 0, 1, 'Root', NULL, 0, 'Root'), (1, 0, 1, 1, 'BookmarksBar', NULL, 0, 'bar'), (2, 1, 0, 0, '" + title + "', 'https://example.com/" + title + "', 0, 'same')")}
	}
	tabs := []statement{do("CREATE TABLE tabs (id INTEGER PRIMARY KEY, uuid TEXT, title TEXT, url TEXT)"), do("INSERT INTO tabs VALUES (1, 'T', 'Tab', 'https://example.com')")}
	only := made(t, map[string][]statement{appFolder + "History.db": history("https://example.com/app", 700000000), appFolder + "BrowserState.db": tabs})
	extracttest.Conform(t, safari.New(), only)
	if v := read[*safari.Visit](t, only, "history"); len(v) != 2 || v[1].ID != "history/1-1678307200" {
		t.Errorf("%d visits, %+v", len(v), v)
	}
	both := made(t, map[string][]statement{
		"Bookmarks.db": bookmarks("home"), appFolder + "Bookmarks.db": bookmarks("app"), "BrowserState.db": tabs, appFolder + "BrowserState.db": tabs,
		"History.db": history("https://example.com/home", 700000000), appFolder + "History.db": history("https://example.com/app", 700000000, 700000100),
		appFolder + "Profiles/P/History.db": history("https://example.com/profile", 700000050),
	})
	extracttest.Conform(t, safari.New(), both)
	if v := read[*safari.Visit](t, both, "history"); len(v) != 2+3+2 {
		t.Errorf("%d visits", len(v))
	}
	if b := read[*safari.Bookmark](t, both, "bookmarks"); len(b) != 2 || b[0].ID != "bookmark/same" || b[1].ID != "bookmark/app/same" || b[1].Title != "app" {
		t.Errorf("bookmarks %+v", b)
	}
	if n := len(read[*safari.Tab](t, both, "tabs")); n != 2 {
		t.Errorf("%d tabs", n)
	}
	page, _ := export(t, both, t.TempDir(), extract.Query{})
	for _, want := range []string{"https://example.com/home", "https://example.com/app"} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not in the page", want)
		}
	}
}

// Columns and rows that others do not have or have otherwise.
func TestShapes(t *testing.T) {
	src := made(t, map[string][]statement{
		// Without types and special folders; numbers as texts; dates that are none.
		"Bookmarks.db": {do("CREATE TABLE bookmarks (id INTEGER PRIMARY KEY, parent TEXT, title, url, order_index TEXT, last_modified, added)"),
			do(`INSERT INTO bookmarks VALUES (5, NULL, 'Folder', NULL, '1', NULL, 1), (6, '5', 'In it', 'https://example.com/6', '2', '1700000000.5', 1), (7, '5', x'41', x'68747470733a2f2f78', '1', -99999999999, 1),
				(8, 'x', 12, 3.5, NULL, 1e300, 1), (9223372036854775807, NULL, NULL, NULL, NULL, NULL, NULL)`),
			do("CREATE TABLE generations (generation INTEGER)")},
		// History without a table of pages.
		"History.db": {do("CREATE TABLE history_visits (id INTEGER PRIMARY KEY, history_item INTEGER, visit_time)"), do("INSERT INTO history_visits VALUES (-3, 1, '700000000.5'), (2, NULL, -1e18), (9223372036854775807, 'x', 'never')")},
		// Tabs in the bin, and without an address.
		"SafariTabs.db": {do(bookmarksDDL), do(`INSERT INTO bookmarks (id, parent, type, title, url, order_index, external_uuid, deleted) VALUES (1, NULL, 1, 'Group', NULL, 0, 'G', 0), (2, 1, 0, 'Here', 'https://example.com/2', 0, 'A', 0),
			(3, 1, 0, 'Closed', 'https://example.com/3', 1, 'B', 1), (4, 1, 0, 'Start Page', '', 2, 'C', 0), (5, 1, 0, NULL, NULL, 3, 'D', 0), (6, 77, 0, 'Lost', 'https://example.com/6', 0, 'E', 0)`)},
		"CloudTabs.db": {do("CREATE TABLE cloud_tabs (tab_uuid TEXT, title BLOB)"), do("INSERT INTO cloud_tabs VALUES (NULL, NULL), ('X', x'ff00')")},
	})
	extracttest.Conform(t, safari.New(), src)
	var got []string
	for _, b := range read[*safari.Bookmark](t, src, "bookmarks") {
		got = append(got, strings.Join(append(b.Row(), b.ID), "|"))
	}
	if want := "A|https://x|Folder|||bookmark/#7\nIn it|https://example.com/6|Folder|2023-11-14T22:13:20Z||bookmark/#6\n12|3.5||||bookmark/#8\n|||||bookmark/#9223372036854775807"; strings.Join(got, "\n") != want {
		t.Errorf("bookmarks:\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if v := read[*safari.Visit](t, src, "history"); len(v) != 3 {
		t.Errorf("%d visits", len(v))
	}
	got = nil
	for _, tab := range read[*safari.Tab](t, src, "tabs") {
		got = append(got, tab.Title+" "+tab.TabGroup+" "+extract.YesNo(tab.Deleted))
	}
	if want := "Here Group \nClosed Group yes\nStart Page Group \nLost Open tabs \n  \n\xff\x00  "; strings.Join(got, "\n") != want {
		t.Errorf("tabs:\n%q\nwant\n%q", strings.Join(got, "\n"), want)
	}
	none := made(t, map[string][]statement{"Bookmarks.db": {do("CREATE TABLE other (x)")}})
	if err := safari.New().Read(t.Context(), none, extract.Query{}, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("no table: %v", err)
	}
}

func TestGarbled(t *testing.T) {
	for _, name := range []string{"Bookmarks.db", "History.db", "BrowserState.db"} {
		extracttest.Garble(t, safari.New(), phone(t, "16.3"), folder+"/"+name)
	}
}
