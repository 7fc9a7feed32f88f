package reminders_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/reminders"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			src := extracttest.Source(t, phone(t, ios))
			extracttest.Conform(t, reminders.New(), src)
			againstSQLite(t, src)
		})
	}
}

func storesOf(src *extract.Source) []string {
	return append(src.Find(homeStores+"/Data-*.sqlite"), src.Find(groupStores+"/Data-*.sqlite")...)
}

// againstSQLite compares every reminder with what sqlite3 says, by content-schemas.md 9.
func againstSQLite(t *testing.T, src *extract.Source) {
	t.Helper()
	got := map[string]bool{}
	list := all(t, src)
	checkValues(t, src, list)
	for _, r := range list {
		due := ""
		if !r.Due.IsZero() {
			due = r.Due.Time.Format("2006-01-02 15:04:05")
		}
		yes := map[bool]string{true: "1", false: "0"}
		got[strings.Join([]string{strings.ReplaceAll(r.ID, "-", ""), r.Title, r.Notes, yes[r.Completed], yes[r.Flagged], fmt.Sprint(r.Priority), yes[r.Deleted], due, r.List,
			r.Account, strings.ReplaceAll(r.Parent, "-", ""), r.Assignee, strings.Join(r.Tags, ","), fmt.Sprint(len(r.Rules)), fmt.Sprint(len(r.Alarms)),
			fmt.Sprint(len(r.Attachments))}, "|")] = true
	}
	n := 0
	for _, store := range storesOf(src) {
		ent := func(name string) string { return "(SELECT Z_ENT FROM Z_PRIMARYKEY WHERE Z_NAME = '" + name + "')" }
		for _, row := range extracttest.SQL(t, src.FS, store, `SELECT hex(r.ZIDENTIFIER), r.ZTITLE, r.ZNOTES, r.ZCOMPLETED, r.ZFLAGGED, r.ZPRIORITY, r.ZMARKEDFORDELETION,
			datetime(r.ZDUEDATE + 978307200, 'unixepoch'), l.ZNAME, a.ZNAME, hex(p.ZIDENTIFIER),
			(SELECT s.ZFIRSTNAME || ' ' || s.ZLASTNAME FROM ZREMCDOBJECT o JOIN ZREMCDOBJECT s ON s.Z_PK = o.ZASSIGNEE WHERE o.ZREMINDER1 = r.Z_PK AND o.Z_ENT = `+ent("REMCDAssignment")+`),
			(SELECT h.ZNAME FROM ZREMCDOBJECT o JOIN ZREMCDHASHTAGLABEL h ON h.Z_PK = o.ZHASHTAGLABEL WHERE o.ZREMINDER3 = r.Z_PK),
			(SELECT count(*) FROM ZREMCDOBJECT o WHERE o.ZREMINDER4 = r.Z_PK AND o.Z_ENT = `+ent("REMCDRecurrenceRule")+`),
			(SELECT count(*) FROM ZREMCDOBJECT o WHERE o.ZREMINDER = r.Z_PK AND o.Z_ENT = `+ent("REMCDAlarm")+`),
			(SELECT count(*) FROM ZREMCDOBJECT o WHERE o.ZREMINDER2 = r.Z_PK AND o.Z_ENT = `+ent("REMCDAttachment")+`)
			FROM ZREMCDREMINDER r LEFT JOIN ZREMCDBASELIST l ON l.Z_PK = r.ZLIST LEFT JOIN ZREMCDOBJECT a ON a.Z_PK = r.ZACCOUNT LEFT JOIN ZREMCDREMINDER p ON p.Z_PK = r.ZPARENTREMINDER`) {
			n++
			if line := strings.Join(row, "|"); !got[line] {
				t.Errorf("not read: %s", line)
			}
		}
	}
	if n == 0 || n != len(got) {
		t.Errorf("%d reminders, sqlite3 has %d", len(got), n)
	}
}

func TestDamage(t *testing.T) {
	fsys := phone(t, "17.3")
	for _, store := range storesOf(extracttest.Source(t, fsys)) {
		t.Run(store[strings.LastIndex(store, "/")+1:], func(t *testing.T) { extracttest.Damage(t, reminders.New(), fsys, store) })
	}
}

func TestGarbled(t *testing.T) {
	for _, ios := range []string{"13.7", "17.3"} {
		fsys := phone(t, ios)
		for _, store := range storesOf(extracttest.Source(t, fsys)) {
			extracttest.Garble(t, reminders.New(), fsys, store, "Z_ENT", "Z_NAME", "Z_SUPER")
		}
	}
}

// TestOneStoreBroken reads the other one.
func TestOneStoreBroken(t *testing.T) {
	fsys := phone(t, "17.3")
	files := fstest.MapFS{}
	stores := storesOf(extracttest.Source(t, fsys))
	for i, store := range stores {
		data, err := fs.ReadFile(fsys, store)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			data = []byte("no database")
		}
		files[store] = &fstest.MapFile{Data: data}
	}
	c := extracttest.Read(t, reminders.New(), extracttest.Source(t, files), extract.Query{})
	if len(c.Records) != 2 || len(c.Problems) != 1 {
		t.Errorf("%d reminders and %d problems, want 2 and 1", len(c.Records), len(c.Problems))
	}
	for _, store := range stores[1:] {
		files[store].Data = files[stores[0]].Data
	}
	if err := reminders.New().Read(t.Context(), extracttest.Source(t, files), extract.Query{}, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("with all stores broken: %v", err)
	}
}

// older is a store of a model that keeps nearly everything in one table, with numbers of
// entities and columns of its own.
func older() []string {
	return []string{
		"CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER)",
		`INSERT INTO Z_PRIMARYKEY VALUES (50, 'REMCDObject', 0, 0), (51, 'REMCDReminder', 50, 0), (61, 'REMCDBaseList', 50, 0), (62, 'REMCDList', 61, 0), (63, 'REMCDSmartList', 61, 0), (70, 'REMCDAccount', 50, 0),
			(80, 'REMCDAlarm', 50, 0), (81, 'REMCDAlarmTrigger', 50, 0), (82, 'REMCDAlarmDateTrigger', 81, 0), (90, 'REMCDRecurrenceRule', 50, 0), (91, 'REMCDHashtag', 50, 0), (92, 'REMCDAttachment', 50, 0), (93, 'REMCDURLAttachment', 92, 0), (94, 'REMCDFileAttachment', 92, 0)`,
		`CREATE TABLE ZREMCDOBJECT (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZMARKEDFORDELETION INTEGER, ZACCOUNT INTEGER, ZACCOUNT2 INTEGER, ZNAME VARCHAR, ZNAME1 VARCHAR, ZNAME2 VARCHAR, ZTITLE VARCHAR, ZTITLE1 VARCHAR,
			ZNOTES VARCHAR, ZCOMPLETED INTEGER, ZPRIORITY INTEGER, ZALLDAY INTEGER, ZDUEDATE TIMESTAMP, ZTIMEZONE VARCHAR, ZCREATIONDATE TIMESTAMP, ZLIST INTEGER, ZLIST1 INTEGER, ZPARENTREMINDER INTEGER, ZREMINDER INTEGER,
			ZREMINDER2 INTEGER, ZREMINDER3 INTEGER, ZTRIGGER INTEGER, ZFREQUENCY INTEGER, ZINTERVAL INTEGER, ZOCCURRENCECOUNT INTEGER, ZENDDATE TIMESTAMP, ZDAYSOFTHEWEEK BLOB, ZDAYSOFTHEMONTH BLOB, ZSETPOSITIONS BLOB,
			ZDATECOMPONENTSDATA BLOB, ZTIMEINTERVAL FLOAT, ZURL VARCHAR, ZFILENAME VARCHAR, ZFILESIZE INTEGER, ZUTI VARCHAR, ZIDENTIFIER BLOB)`,
		"INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZNAME, ZIDENTIFIER) VALUES (1, 70, 'Old account', x'01')",
		"INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZNAME2, ZIDENTIFIER, ZACCOUNT2) VALUES (2, 62, 'Shopping', x'22222222222222222222222222222222', 1), (3, 63, 'Smart', x'33333333333333333333333333333333', 1)",
		`INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZTITLE1, ZNOTES, ZCOMPLETED, ZPRIORITY, ZALLDAY, ZDUEDATE, ZTIMEZONE, ZLIST1, ZPARENTREMINDER, ZIDENTIFIER, ZMARKEDFORDELETION) VALUES
			(10, 51, 'Bread, # & <b>', 'one'||char(10)||'- two', 0, 5, 0, 800000000, 'Europe/Berlin', 2, NULL, x'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 0),
			(11, 51, 'Butter', NULL, 1, 9, 1, 800064000, 'Europe/Berlin', 2, 10, x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 0),
			(12, 51, 'Gone', NULL, 0, 0, 0, NULL, NULL, 2, NULL, x'cccccccccccccccccccccccccccccccc', 1),
			(13, 51, 'In no list', NULL, 0, 1, 0, NULL, NULL, 99, NULL, NULL, 0),
			(14, 51, 'Same', NULL, 0, 0, 0, NULL, NULL, 2, 14, x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 0)`,
		`INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZREMINDER3, ZFREQUENCY, ZINTERVAL, ZOCCURRENCECOUNT, ZDAYSOFTHEWEEK, ZSETPOSITIONS) VALUES
			(20, 90, 10, 2, 1, 6, '[{"weekNumber":0,"dayOfTheWeek":2},{"weekNumber":0,"dayOfTheWeek":6}]', '[-1]'), (21, 90, 13, 8, 1, 0, x'00', NULL)`,
		`INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZREMINDER, ZTRIGGER) VALUES (30, 80, 10, 31), (32, 80, 10, 33), (34, 80, 10, 999)`,
		`INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZDATECOMPONENTSDATA, ZTIMEINTERVAL) VALUES (31, 82, '{"year":2026,"month":5,"day":9,"hour":7,"minute":30}', NULL), (33, 81, NULL, -600)`,
		"INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZREMINDER2, ZNAME1) VALUES (40, 91, 10, '#shop'), (41, 91, 10, '')",
		`INSERT INTO ZREMCDOBJECT (Z_PK, Z_ENT, ZREMINDER2, ZURL, ZFILENAME, ZFILESIZE, ZUTI) VALUES (50, 93, 10, 'https://example.com/', NULL, NULL, 'public.url'), (51, 94, 10, NULL, 'list.pdf', 12, 'com.adobe.pdf'),
			(52, 94, 10, NULL, '../../../etc/passwd', 12, 'public.data'), (53, 94, 10, NULL, 'gone.pdf', 12, 'com.adobe.pdf')`,
	}
}

// newer is a store of the newest model as programs on a Mac describe it: sections, early
// reminders, urgency. Its first reminder has the row number and entity of another store's.
func newer() []string {
	return []string{
		"CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER)",
		"INSERT INTO Z_PRIMARYKEY VALUES (3, 'REMCDList', 0, 0), (5, 'REMCDListSection', 0, 0), (51, 'REMCDReminder', 0, 0)",
		"CREATE TABLE ZREMCDBASELIST (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZNAME VARCHAR, ZISGROUP INTEGER, ZPARENTLIST INTEGER, ZCKIDENTIFIER VARCHAR, ZMEMBERSHIPSOFREMINDERSINSECTIONSASDATA BLOB)",
		`INSERT INTO ZREMCDBASELIST VALUES (1, 3, 'House', 1, NULL, 'L-1', NULL), (2, 3, 'Groceries', 0, 1, 'L-2', '{"memberships":[{"memberID":"r-10","groupID":"s-5"},{"memberID":1}]}'),
			(4, 3, 'Food', 0, 4, 'L-4', '{"memberships":[{"memberID":"R-10","groupID":"S-5"},{"memberID":"R-11","groupID":"S-404"}]}')`,
		"CREATE TABLE ZREMCDBASESECTION (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZDISPLAYNAME VARCHAR, ZLIST INTEGER, ZCKIDENTIFIER VARCHAR)",
		"INSERT INTO ZREMCDBASESECTION VALUES (5, 5, 'Vegetables', 4, 's-5')",
		"CREATE TABLE ZREMCDREMINDER (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZTITLE VARCHAR, ZFLAGGED INTEGER, ZISURGENTSTATEENABLEDFORCURRENTUSER INTEGER, ZDUEDATEDELTAALERTSDATA TEXT, ZDUEDATE TIMESTAMP, ZLIST INTEGER, ZCKIDENTIFIER VARCHAR, ZDACALENDARITEMUNIQUEIDENTIFIER VARCHAR)",
		`INSERT INTO ZREMCDREMINDER VALUES (10, 51, 'Leeks', 1, 1, '{"dueDateDeltaAlerts":[{"dueDateDeltaUnit":0,"dueDateDeltaCount":-15,"identifier":"D"},{"dueDateDeltaUnit":4,"dueDateDeltaCount":-1},{"dueDateDeltaUnit":9,"dueDateDeltaCount":1}]}', 800000000, 4, 'R-10', 'dav-uid'),
			(11, 51, 'Peas', 0, NULL, 'not JSON', NULL, 4, 'R-11', NULL)`,
	}
}

// task12 is the calendar of iOS 12, where reminders were items.
func task12() []string {
	return []string{
		"CREATE TABLE Store (ROWID INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO Store VALUES (1, 'iCloud')",
		"CREATE TABLE Calendar (ROWID INTEGER PRIMARY KEY, store_id INTEGER, title TEXT, UUID TEXT)", "INSERT INTO Calendar VALUES (1, 1, 'Events', 'C-1'), (2, 1, 'Tasks', 'C-2')",
		`CREATE TABLE CalendarItem (ROWID INTEGER PRIMARY KEY, summary TEXT, description TEXT, start_date REAL, start_tz TEXT, calendar_id INTEGER, unique_identifier TEXT, UUID TEXT, entity_type INTEGER, priority INTEGER,
			due_date REAL, due_tz TEXT, due_all_day INTEGER, completion_date REAL, creation_date REAL, url TEXT)`,
		`INSERT INTO CalendarItem VALUES (1, 'An event', NULL, 500000000, NULL, 1, 'E-1', 'U-1', 2, 0, NULL, NULL, NULL, NULL, NULL, NULL),
			(2, 'Call', 'about it', NULL, NULL, 2, 'T-2', 'U-2', 3, 1, 590000000, '_float', 0, 590000100, 580000000, 'https://example.com/'),
			(3, 'Pay', NULL, NULL, NULL, 2, NULL, 'U-3', 3, 0, 589939200, '_float', 1, NULL, 580000000, NULL)`,
		"CREATE TABLE Recurrence (ROWID INTEGER PRIMARY KEY, frequency INTEGER, interval INTEGER, count INTEGER, end_date REAL, specifier TEXT, owner_id INTEGER)",
		"INSERT INTO Recurrence VALUES (1, 3, 1, 0, 0, 'M=15;', 3)",
		"CREATE TABLE Alarm (ROWID INTEGER PRIMARY KEY, trigger_date REAL, trigger_interval INTEGER, calendaritem_owner_id INTEGER)",
		"INSERT INTO Alarm VALUES (1, 589999000, 0, 2), (2, NULL, -60, 3)",
	}
}

func oddStores() map[string][]string {
	return map[string][]string{
		homeStores + "/Data-0001.sqlite":   older(),
		groupStores + "/Data-local.sqlite": newer(),
		calendarDB:                         task12(),
		"HomeDomain/Library/Reminders/Container_v1/Files/Account-1/Attachments/list.pdf":  {"a PDF"},
		"HomeDomain/Library/Reminders/Container_v1/Stores/Data-0001.sqlite-shm":           {"not a store"},
		"HomeDomain/Library/Reminders/Container_v1/MLModels/RDCoreBehaviorModel.sqlitedb": {"CREATE TABLE x (y)"},
	}
}

// TestOldPlace: reminders of a place in iOS up to 12 (public dumps of schemas).
func TestOldPlace(t *testing.T) {
	list := all(t, made(t, map[string][]string{calendarDB: {
		"CREATE TABLE CalendarItem (ROWID INTEGER PRIMARY KEY, summary TEXT, unique_identifier TEXT, entity_type INTEGER)", "INSERT INTO CalendarItem VALUES (1, 'Milk', 'M', 3)",
		"CREATE TABLE Location (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, address TEXT, latitude INTEGER, longitude INTEGER, radius INTEGER, item_owner_id INTEGER, alarm_owner_id INTEGER)",
		"INSERT INTO Location (ROWID, title, address, latitude, longitude, radius, alarm_owner_id) VALUES (7, 'Shop', '1 Mill Lane', 40.5, -74.25, 100, 1)",
		"CREATE TABLE Alarm (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, trigger_date REAL, trigger_interval INTEGER, type INTEGER, calendaritem_owner_id INTEGER, proximity INTEGER, location_id INTEGER)",
		"INSERT INTO Alarm VALUES (1, NULL, 0, 0, 1, 2, 7), (2, NULL, -300, 0, 1, 0, 0)",
	}}))
	if len(list) != 1 || len(list[0].Alarms) != 2 {
		t.Fatalf("%+v", list)
	}
	if a := list[0].Alarms[0]; a.Proximity != "depart" || a.Place != "Shop" || a.Latitude != 40.5 || a.Longitude != -74.25 || a.Radius != 100 {
		t.Errorf("%+v", a)
	}
	if a := list[0].Alarms[1]; a.Before != -300 || a.Place != "" || a.Proximity != "" {
		t.Errorf("%+v", a)
	}
}

func TestOdd(t *testing.T) {
	src := made(t, oddStores())
	t.Run("conform", func(t *testing.T) { extracttest.Conform(t, reminders.New(), src) })
	got := map[string]*reminders.Reminder{}
	var keys []string
	for _, r := range all(t, src) {
		got[r.Title] = r
		keys = append(keys, r.Title)
	}
	if want := "Bread, # & <b>|Butter|Gone|Same|Leeks|Peas|Call|Pay|In no list"; strings.Join(keys, "|") != want {
		t.Fatalf("reminders %q, want %q", strings.Join(keys, "|"), want)
	}
	bread, leeks := got["Bread, # & <b>"], got["Leeks"]
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"key", bread.ID, "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA"},
		{"list", bread.List + " " + bread.ListID + " " + bread.Account, "Shopping 22222222-2222-2222-2222-222222222222 Old account"},
		{"due", bread.Due.String(), "2026-05-09T08:13:20+02:00"},
		{"rule", bread.Rules[0].String(), "FREQ=MONTHLY;COUNT=6;BYDAY=MO,FR;BYSETPOS=-1"},
		{"alarms", fmt.Sprint(bread.Alarms), "[2026-05-09T07:30:00+02:00 10m0s before when due]"},
		{"tags", fmt.Sprint(bread.Tags), "[shop]"},
		{"link", fmt.Sprint(bread.Links), "[https://example.com/]"},
		{"files", fmt.Sprint(bread.Entry().Files), "[HomeDomain/Library/Reminders/Container_v1/Files/Account-1/Attachments/list.pdf]"},
		{"attachments", len(bread.Attachments), 3},
		{"midnight in Berlin", got["Butter"].Due.String(), "2026-05-10"},
		{"step", got["Butter"].Parent, bread.ID},
		{"deleted", got["Gone"].Entry().Deleted, true},
		{"same UUID", got["Same"].ID, got["Butter"].ID + "#reminder-0-14"},
		{"no UUID", got["In no list"].ID, "reminder-0-13"},
		{"unknown rule", got["In no list"].Rules[0].Raw, "frequency=8; days of the week"},
		{"section", leeks.Section, "Vegetables"},
		{"early", fmt.Sprint(leeks.Alarms), "[15m0s before 1 months before]"},
		{"urgent", leeks.Urgent && leeks.Flagged, true},
		{"done", got["Call"].Completed, true},
		{"wall clock", got["Call"].Due.String(), "2019-09-12T16:53:20"},
		{"iOS 12", got["Call"].List + " " + got["Call"].Account + " " + got["Call"].ID, "Tasks iCloud T-2"},
		{"iOS 12, a day", got["Pay"].Due.String() + " " + got["Pay"].ID, "2019-09-12 U-3"},
		{"iOS 12, repeats", got["Pay"].Rules[0].String(), "FREQ=MONTHLY;BYMONTHDAY=15"},
	} {
		if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	groups, err := reminders.New().Groups(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(groups)
	if want := `[{"key":"22222222-2222-2222-2222-222222222222","title":"Shopping","detail":"Old account","count":4},{"key":"L-1","title":"House","detail":"group","count":0},` +
		`{"key":"L-2","title":"Groceries","parent":"L-1","count":0},{"key":"L-4","title":"Food","count":2},{"key":"C-2","title":"Tasks","detail":"iCloud","count":2}]`; err != nil || string(data) != want {
		t.Errorf("groups %s\nwant %s", data, want)
	}
}

func TestNoReminders(t *testing.T) {
	for what, stores := range map[string]map[string][]string{
		"a calendar without tasks": {calendarDB: {"CREATE TABLE CalendarItem (summary TEXT, entity_type INTEGER)", "INSERT INTO CalendarItem VALUES ('x', 2)"}},
		"nothing":                  {},
	} {
		if err := reminders.New().Read(t.Context(), made(t, stores), extract.Query{}, &extracttest.Collector{}); !errors.Is(err, extract.ErrAbsent) {
			t.Errorf("%s: %v", what, err)
		}
	}
	src := made(t, map[string][]string{groupStores + "/Data-x.sqlite": {"CREATE TABLE y (z)"}})
	if err := reminders.New().Read(t.Context(), src, extract.Query{}, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("a store without tables: %v", err)
	}
}
