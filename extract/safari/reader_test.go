package safari_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/safari"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			src := extracttest.Source(t, phone(t, ios))
			extracttest.Conform(t, safari.New(), src)
			againstSQLite(t, src)
		})
	}
}

// againstSQLite compares all tables with what sqlite3 says, by content-schemas.md 10.
func againstSQLite(t *testing.T, src *extract.Source) {
	t.Helper()
	compare := func(what string, got []string, name, query string) {
		t.Helper()
		var want []string
		for _, row := range extracttest.SQL(t, src.FS, folder+"/"+name, query) {
			want = append(want, strings.Join(row, "|"))
		}
		if len(want) == 0 || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nsqlite3 has\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	clock := func(at time.Time) string { return at.Format("2006-01-02 15:04:05") }
	var got []string
	for _, b := range read[*safari.Bookmark](t, src, "bookmarks") {
		got = append(got, strings.Join([]string{strings.TrimPrefix(b.ID, "bookmark/"), b.Title, b.URL, clock(b.Changed), fmt.Sprint(map[bool]int{true: 1}[b.Deleted])}, "|"))
	}
	compare("bookmarks", got, "Bookmarks.db", `WITH RECURSIVE tree(id, place, white) AS (SELECT id, '', 0 FROM bookmarks WHERE parent IS NULL
		UNION ALL SELECT b.id, place || printf('%06d', b.order_index), white OR b.special_id = 4 FROM tree t JOIN bookmarks b ON b.parent = t.id AND b.id <> t.id)
		SELECT external_uuid, title, url, datetime(last_modified, 'unixepoch'), deleted FROM tree JOIN bookmarks USING (id) WHERE type = 0 AND read IS NULL AND NOT white ORDER BY place`)
	got = nil
	for _, a := range read[*safari.Article](t, src, "reading-list") {
		if !strings.HasPrefix(a.Preview, "What there is to know") {
			t.Errorf("preview %q", a.Preview)
		}
		got = append(got, strings.Join([]string{strings.TrimPrefix(a.ID, "bookmark/"), a.Title, a.URL, clock(a.Added), fmt.Sprint(map[bool]int{true: 1}[a.Read])}, "|"))
	}
	compare("reading list", got, "Bookmarks.db", "SELECT external_uuid, title, url, datetime(last_modified, 'unixepoch'), read FROM bookmarks WHERE read IS NOT NULL ORDER BY order_index")
	got = nil
	for _, v := range read[*safari.Visit](t, src, "history") {
		got = append(got, strings.Join([]string{v.Title, v.URL, fmt.Sprint(v.Time.Unix()), fmt.Sprint(map[bool]int{true: 1}[v.Other]), fmt.Sprint(map[bool]int{true: 1}[!v.Failed]), fmt.Sprint(v.Visits)}, "|"))
	}
	compare("history", got, "History.db", `SELECT v.title, i.url, CAST(v.visit_time + 978307200 AS INTEGER), v.origin, v.load_successful, i.visit_count
		FROM history_visits v JOIN history_items i ON i.id = v.history_item ORDER BY v.visit_time, v.id`)
	private := map[bool]int{}
	for _, tab := range read[*safari.Tab](t, src, "tabs") {
		private[tab.Private]++
	}
	compare("tabs", []string{fmt.Sprint(private[false]-6, "|", private[true]-2)}, "SafariTabs.db", `SELECT sum(b.parent <> w.private_tab_group_id) ,  sum(b.parent = w.private_tab_group_id)
		FROM bookmarks b, windows w WHERE b.type = 0`)
}

func TestDamage(t *testing.T) {
	for _, name := range []string{"Bookmarks.db", "History.db", "BrowserState.db", "SafariTabs.db"} {
		t.Run(name, func(t *testing.T) { extracttest.Damage(t, safari.New(), phone(t, "17.3"), folder+"/"+name) })
	}
}

// TestSomeAbsent takes stores away, and breaks them.
func TestSomeAbsent(t *testing.T) {
	fsys := phone(t, "17.3")
	data, err := fs.ReadFile(fsys, folder+"/History.db")
	if err != nil {
		t.Fatal(err)
	}
	only := func(name string, data []byte) *extract.Source {
		return extracttest.Source(t, fstest.MapFS{folder + "/" + name: {Data: data}})
	}
	src := only("History.db", data)
	if n := len(read[*safari.Bookmark](t, src, "bookmarks")); n != 0 {
		t.Errorf("%d bookmarks without Bookmarks.db", n)
	}
	if n := len(read[*safari.Visit](t, src, "history")); n != 30 {
		t.Errorf("%d visits, want 30", n)
	}
	if n := len(read[*safari.Visit](t, src, "no such table")); n != 0 {
		t.Errorf("%d records of no table", n)
	}
	broken := only("History.db", []byte("no database"))
	for _, q := range []extract.Query{{}, {Table: "history"}, {Newest: true}} {
		if err := safari.New().Read(t.Context(), broken, q, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
			t.Errorf("%+v: a broken history gives %v", q, err)
		}
	}
	if err := safari.New().Read(t.Context(), broken, extract.Query{Table: "tabs"}, &extracttest.Collector{}); err != nil {
		t.Errorf("tabs beside a broken history: %v", err)
	}
}

const bookmarksDDL = `CREATE TABLE bookmarks (id INTEGER PRIMARY KEY AUTOINCREMENT,special_id INTEGER DEFAULT 0,parent INTEGER, type INTEGER,title TEXT,url TEXT COLLATE NOCASE,num_children INTEGER DEFAULT 0,
	hidden INTEGER DEFAULT 0,order_index INTEGER NOT NULL,external_uuid TEXT,read INTEGER DEFAULT NULL,last_modified REAL DEFAULT NULL,deleted INTEGER DEFAULT 0,
	extra_attributes BLOB DEFAULT NULL,local_attributes BLOB DEFAULT NULL, subtype INTEGER DEFAULT 0)`

func bplist(t testing.TB, v any) []byte {
	t.Helper()
	data, err := plist.Marshal(v, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// odd are stores with what readers stumble over.
func odd(t testing.TB) map[string][]statement {
	added := time.Date(2026, 4, 5, 6, 7, 8, 0, time.UTC)
	node := "INSERT INTO bookmarks (id, parent, special_id, type, title, url, order_index, external_uuid, read, last_modified, deleted, extra_attributes, local_attributes, subtype, hidden) VALUES "
	return map[string][]statement{
		"Bookmarks.db": {do(bookmarksDDL), do(node + `(0, NULL, 0, 1, 'Root', NULL, 0, 'Root', NULL, NULL, 0, NULL, NULL, 0, 0),
			(1, 0, 1, 1, 'BookmarksBar', NULL, 1, 'bar', NULL, 1700000000, 0, NULL, NULL, 0, 0), (2, 0, 3, 1, 'com.apple.ReadingList', NULL, 2, 'list', NULL, NULL, 0, NULL, NULL, 0, 0),
			(3, 0, 4, 1, 'WebFilterWhiteList', NULL, 3, 'white', NULL, NULL, 0, NULL, NULL, 0, 0), (4, 1, 0, 1, 'A <b> & "c"', NULL, 2, 'f4', NULL, NULL, 0, NULL, NULL, 0, 0),
			(5, 4, 0, 0, 'Second', 'https://example.com/?a=1&b="2"', 2, 'b5', NULL, 1700000000.5, 0, NULL, NULL, 0, 0), (6, 4, 0, 0, 'First', 'javascript:alert(1)', 1, 'b6', NULL, 1700000001, 0, NULL, NULL, 0, 0),
			(7, 1, 0, 0, NULL, 'https://example.com/untitled', 1, NULL, NULL, NULL, 0, NULL, NULL, 0, 0), (8, 1, 0, 0, 'Gone', 'https://example.com/gone', 3, 'b5', NULL, NULL, 1, NULL, NULL, 0, 0),
			(9, 3, 0, 0, 'White', 'https://example.com/white', 1, 'b9', NULL, NULL, 0, NULL, NULL, 0, 0), (10, 99, 0, 0, 'Lost', 'https://example.com/lost', 1, 'b10', NULL, NULL, 0, NULL, NULL, 0, 0),
			(11, 12, 0, 1, 'Round', NULL, 1, 'f11', NULL, NULL, 0, NULL, NULL, 0, 0), (12, 11, 0, 1, 'And round', NULL, 1, 'f12', NULL, NULL, 0, NULL, NULL, 0, 0),
			(13, 12, 0, 0, 'Round it goes', 'https://example.com/round', 1, 'b13', NULL, NULL, 0, NULL, NULL, 0, 0),
			(15, 2, 0, 0, 'Later too', 'https://example.com/later2', 2, 'b15', 1, 1700000000, 0, x'00', NULL, 0, 0), (16, 0, 0, 1, 'Thrown away', NULL, 9, 'f16', NULL, NULL, 1, NULL, NULL, 0, 0),
			(17, 16, 0, 0, 'In it', 'https://example.com/in', 1, 'b17', NULL, NULL, 0, NULL, NULL, 0, 0)`),
			do(node+"(14, 2, 0, 0, 'Later', 'https://example.com/later', 1, 'b14', 0, 1700000000, 0, ?, NULL, 0, 0)", bplist(t, map[string]any{"com.apple.ReadingList": map[string]any{
				"DateAdded": added, "PreviewText": "About <it>\n& more", "DateLastViewed": added.Add(time.Hour)}}))},
		"History.db": history("https://example.com/main", 700000000, 700000100), "Profiles/ABC/History.db": history("https://example.com/work", 700000050, 700000200),
		// As programs that read it on a Mac describe it: windows, groups with names, pinned tabs.
		"SafariTabs.db": {do(bookmarksDDL), do("CREATE TABLE windows (id INTEGER PRIMARY KEY, active_tab_group_id INTEGER, extra_attributes BLOB, local_tab_group_id INTEGER, private_tab_group_id INTEGER, uuid TEXT)"),
			do(node + `(0, NULL, 0, 1, 'Root', NULL, 0, 'Root', NULL, NULL, 0, NULL, NULL, 0, 0), (2, NULL, 0, 1, 'pinned', NULL, 0, 'pinned', NULL, NULL, 0, NULL, NULL, 0, 1), (3, NULL, 0, 1, 'privatePinned', NULL, 0, 'privatePinned', NULL, NULL, 0, NULL, NULL, 0, 1),
			(5, 0, 0, 1, '', NULL, 0, 'DefaultProfile', NULL, NULL, 0, NULL, NULL, 2, 0), (6, 0, 0, 1, 'Work', NULL, 0, 'P6', NULL, NULL, 0, NULL, NULL, 2, 0), (38, NULL, 0, 1, 'Local', NULL, 0, 'G38', NULL, NULL, 0, NULL, NULL, 0, 1),
			(39, NULL, 0, 1, 'Other', NULL, 0, 'G39', NULL, NULL, 0, NULL, NULL, 0, 1), (50, 6, 0, 1, 'Research', NULL, 2, 'G50', NULL, NULL, 0, NULL, NULL, 0, 0),
			(100, 38, 0, 0, 'One', 'https://example.com/1', 0, 'T100', NULL, NULL, 0, NULL, NULL, 0, 0), (101, 38, 0, 0, 'Start', 'favorites://', 1, 'T101', NULL, NULL, 0, NULL, NULL, 0, 0),
			(110, 39, 0, 0, 'Secret', 'https://example.com/2', 0, 'T110', NULL, NULL, 0, NULL, NULL, 0, 0), (140, 50, 0, 0, 'Paper', 'https://example.com/3', 0, 'T140', NULL, NULL, 0, NULL, NULL, 0, 0),
			(170, 2, 0, 0, 'Mail', 'https://example.com/4', 0, 'T170', NULL, NULL, 0, NULL, NULL, 0, 0), (180, 3, 0, 0, 'Pin', 'https://example.com/5', 0, 'T180', NULL, NULL, 0, NULL, NULL, 0, 0)`),
			do(node+"(141, 50, 0, 0, 'Data', 'https://example.com/6', 1, 'T141', NULL, NULL, 0, NULL, ?, 0, 0)", bplist(t, map[string]any{"LastVisitTime": 700000000.5})),
			do("INSERT INTO windows VALUES (1, 38, ?, 38, NULL, 'W1'), (2, 39, ?, 39, NULL, 'W2')", bplist(t, map[string]any{"IsPrivateWindow": false}), bplist(t, map[string]any{"IsPrivateWindow": true}))},
		"CloudTabs.db": {do("CREATE TABLE cloud_tab_devices(device_uuid TEXT PRIMARY KEY NOT NULL, device_name TEXT, last_modified REAL NOT NULL)"),
			do("CREATE TABLE cloud_tabs(tab_uuid TEXT PRIMARY KEY NOT NULL, device_uuid TEXT NOT NULL, title TEXT, url TEXT NOT NULL, is_pinned BOOLEAN DEFAULT 0, last_viewed_time REAL)"),
			do("INSERT INTO cloud_tab_devices VALUES ('D1', 'Ann’s Mac', 710000000)"), do("INSERT INTO cloud_tabs VALUES ('C1', 'D1', 'On the Mac', 'https://example.com/mac', 1, NULL), ('C2', 'D2', NULL, 'https://example.com/pad', 0, 711000000)")},
		// Of iOS 14, with other columns.
		"BrowserState.db": {do("CREATE TABLE tabs (id INTEGER PRIMARY KEY, uuid TEXT, title TEXT, user_visible_url TEXT, order_index INTEGER, private_browsing INTEGER)"),
			do("INSERT INTO tabs VALUES (1, 'B1', 'Old private', 'https://example.com/7', 0, 1), (2, 'B2', 'Old second', 'https://example.com/8', 2, 0), (3, 'B2', 'Old first', 'https://example.com/9', 1, NULL)")},
	}
}

func history(url string, times ...int) []statement {
	list := []statement{do("CREATE TABLE history_items (id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL UNIQUE, visit_count INTEGER NOT NULL)"),
		do("CREATE TABLE history_visits (id INTEGER PRIMARY KEY AUTOINCREMENT, history_item INTEGER NOT NULL, visit_time REAL NOT NULL, title TEXT NULL)"), do("INSERT INTO history_items VALUES (1, ?, 2)", url)}
	for _, at := range times {
		list = append(list, do("INSERT INTO history_visits (history_item, visit_time, title) VALUES (1, ?, 'Page')", at))
	}
	return append(list, do("INSERT INTO history_visits (history_item, visit_time) VALUES (404, 0)"))
}

func TestOdd(t *testing.T) {
	src := made(t, odd(t))
	t.Run("conform", func(t *testing.T) { extracttest.Conform(t, safari.New(), src) })
	lines := func(table string, line func(extract.Record) string) string {
		var list []string
		for _, r := range read[extract.Record](t, src, table) {
			list = append(list, line(r))
		}
		return strings.Join(list, "\n")
	}
	asJSON := func(r extract.Record) string {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer("\\u0026", "&", "\\u003c", "<", "\\u003e", ">").Replace(string(data))
	}
	for table, want := range map[string]string{
		"bookmarks": `{"id":"bookmark/#7","url":"https://example.com/untitled","folder":["Favorites"]}
{"id":"bookmark/b6","title":"First","url":"javascript:alert(1)","folder":["Favorites","A <b> & \"c\""],"changed":"2023-11-14T22:13:21Z"}
{"id":"bookmark/b5","title":"Second","url":"https://example.com/?a=1&b=\"2\"","folder":["Favorites","A <b> & \"c\""],"changed":"2023-11-14T22:13:20.5Z"}
{"id":"bookmark/b5#8","title":"Gone","url":"https://example.com/gone","folder":["Favorites"],"deleted":true}
{"id":"bookmark/b17","title":"In it","url":"https://example.com/in","folder":["Thrown away"],"deleted":true}
{"id":"bookmark/b10","title":"Lost","url":"https://example.com/lost"}
{"id":"bookmark/b13","title":"Round it goes","url":"https://example.com/round","folder":["Round","And round"]}`,
		"reading-list": `{"id":"bookmark/b14","title":"Later","url":"https://example.com/later","preview":"About <it>\n& more","added":"2026-04-05T06:07:08Z","last_read":"2026-04-05T07:07:08Z","changed":"2023-11-14T22:13:20Z"}
{"id":"bookmark/b15","title":"Later too","url":"https://example.com/later2","read":true,"changed":"2023-11-14T22:13:20Z"}`,
	} {
		if got := lines(table, asJSON); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", table, got, want)
		}
	}
	visits := lines("history", func(r extract.Record) string {
		v := r.(*safari.Visit)
		return fmt.Sprint(v.ID, " ", v.URL, " ", v.Profile)
	})
	if want := "history/3--62135596800  \nhistory/ABC/3--62135596800  ABC\nhistory/1-1678307200 https://example.com/main \nhistory/ABC/1-1678307250 https://example.com/work ABC\n" +
		"history/2-1678307300 https://example.com/main \nhistory/ABC/2-1678307400 https://example.com/work ABC"; visits != want {
		t.Errorf("history:\n%s\nwant\n%s", visits, want)
	}
	tabs := lines("tabs", func(r extract.Record) string {
		v := r.(*safari.Tab)
		return strings.Join([]string{v.ID, v.Title, v.TabGroup, v.Profile, v.Device, extract.YesNo(v.Private), extract.YesNo(v.Pinned), extract.FormatTime(v.LastSeen)}, "|")
	})
	if want := `browser-state/B2|Old first|Open tabs|||||
browser-state/B2#2|Old second|Open tabs|||||
browser-state/B1|Old private|Private tabs|||yes||
tab/T140|Paper|Research|Work||||
tab/T141|Data|Research|Work||||2023-03-08T20:26:40Z
tab/T170|Mail|Pinned tabs||||yes|
tab/T180|Pin|Pinned tabs|||yes|yes|
tab/T100|One|Open tabs|||||
tab/T101|Start|Open tabs|||||
tab/T110|Secret|Private tabs|||yes||
cloud-tab/C1|On the Mac|||Ann’s Mac||yes|2023-07-02T14:13:20Z
cloud-tab/C2||||Another device|||2023-07-14T04:00:00Z`; tabs != want {
		t.Errorf("tabs:\n%s\nwant\n%s", tabs, want)
	}
}
