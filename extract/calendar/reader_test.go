package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) { extracttest.Conform(t, calendar.New(), extracttest.Source(t, phone(t, ios))) })
	}
}

func TestDamage(t *testing.T) { extracttest.Damage(t, calendar.New(), phone(t, "17.3"), database) }

// TestAgainstSQLite compares every event with what sqlite3 says, by content-schemas.md 8.
func TestAgainstSQLite(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			fsys := phone(t, ios)
			got := map[string]bool{}
			list := events(t, extracttest.Source(t, fsys), extract.Query{})
			checkValues(t, fsys, list)
			for _, e := range list {
				place, host := "", ""
				if e.Place != nil {
					place = e.Place.Title
				}
				if e.Organizer != nil {
					host = e.Organizer.Email
				}
				start := e.Start.Time.Format("2006-01-02 15:04:05")
				got[strings.Join([]string{e.UID, e.Title, e.Calendar, e.Account, start, e.Start.Zone, fmt.Sprint(e.AllDay), e.Notes, place, host,
					fmt.Sprint(len(e.Attendees), len(e.Rules), len(e.Exceptions), len(e.Alarms), len(e.Attachments))}, "|")] = true
			}
			want := extracttest.SQL(t, fsys, database, `SELECT i.unique_identifier, i.summary, c.title, s.name, datetime(i.start_date + 978307200, 'unixepoch'),
				iif(i.start_tz = '_float', '', i.start_tz), iif(i.all_day, 'true', 'false'), i.description, l.title,
				(SELECT p.email FROM Participant p WHERE p.ROWID = i.organizer_id),
				(SELECT count(*) FROM Participant p WHERE p.owner_id = i.ROWID AND p.entity_type = 7) || ' ' || (SELECT count(*) FROM Recurrence r WHERE r.owner_id = i.ROWID)
				|| ' ' || (SELECT count(*) FROM ExceptionDate x WHERE x.owner_id = i.ROWID) || ' ' || (SELECT count(*) FROM Alarm a WHERE a.calendaritem_owner_id = i.ROWID)
				|| ' ' || (SELECT count(*) FROM Attachment a WHERE a.owner_id = i.ROWID)
				FROM CalendarItem i LEFT JOIN Calendar c ON c.ROWID = i.calendar_id LEFT JOIN Store s ON s.ROWID = c.store_id LEFT JOIN Location l ON l.ROWID = i.location_id`)
			if len(want) == 0 || len(want) != len(got) {
				t.Fatalf("%d events, sqlite3 has %d", len(got), len(want))
			}
			for _, row := range want {
				if line := strings.Join(row, "|"); !got[line] {
					t.Errorf("not read: %s", line)
				}
			}
		})
	}
}

// ddl are the tables of a phone as the newest public dump has them, as far as they matter.
var ddl = []string{
	`CREATE TABLE Store (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, type INTEGER, persistent_id TEXT)`,
	`CREATE TABLE Calendar (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, store_id INTEGER, title TEXT, color TEXT, type TEXT, sharing_status INTEGER, UUID TEXT, display_order INTEGER)`,
	`CREATE TABLE CalendarItem (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, summary TEXT, location_id INTEGER, description TEXT, start_date REAL, start_tz TEXT, end_date REAL,
		end_tz TEXT, all_day INTEGER, calendar_id INTEGER, orig_item_id INTEGER, orig_date REAL, organizer_id INTEGER, status INTEGER, availability INTEGER, privacy_level INTEGER,
		url TEXT, last_modified REAL, sequence_num INTEGER, birthday_id INTEGER, unique_identifier TEXT, hidden INTEGER, UUID TEXT, entity_type INTEGER, due_date REAL,
		completion_date REAL, creation_date REAL, phantom_master INTEGER, calendar_scale TEXT, travel_time INTEGER, conference_url TEXT, conference_url_detected TEXT)`,
	`CREATE TABLE Location (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, address TEXT, latitude INTEGER, longitude INTEGER, radius INTEGER, item_owner_id INTEGER)`,
	`CREATE TABLE Identity (display_name TEXT, address TEXT, first_name TEXT, last_name TEXT, UNIQUE (display_name, address, first_name, last_name))`,
	`CREATE TABLE Participant (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, entity_type INTEGER, type INTEGER, status INTEGER, role INTEGER, identity_id INTEGER, owner_id INTEGER,
		email TEXT, phone_number TEXT, is_self INTEGER, comment TEXT)`,
	`CREATE TABLE Recurrence (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, frequency INTEGER, interval INTEGER, week_start INTEGER, count INTEGER, end_date REAL, specifier TEXT,
		by_month_months INTEGER, owner_id INTEGER)`,
	`CREATE TABLE ExceptionDate (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER, date REAL)`,
	`CREATE TABLE Alarm (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, trigger_date REAL, trigger_interval INTEGER, type INTEGER, calendaritem_owner_id INTEGER, UUID TEXT,
		proximity INTEGER, disabled INTEGER, location_id INTEGER, acknowledgedDate REAL, orig_alarm_id INTEGER)`,
	`CREATE TABLE Attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER, file_id INTEGER)`,
	`CREATE TABLE AttachmentFile (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT, filename TEXT, file_size INTEGER, local_path TEXT)`,
	`CREATE TABLE Category (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)`,
	`CREATE TABLE CategoryLink (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER, category_id INTEGER)`,
	`INSERT INTO Store VALUES (7, 'Exchange', 1, 'S7'), (9, 'Birthdays', 5, 'S9')`,
	`INSERT INTO Calendar VALUES (21, 7, 'Team, "A"', '#1BADF8FF', NULL, 1, 'CAL-21', 2), (22, 9, 'Birthdays', '#8E8E93FF', NULL, 0, 'CAL-22', 1), (23, 7, NULL, 'blue', NULL, 0, NULL, 3)`,
}

// at is a moment of a column, in seconds since 2001.
func at(year, month, day, hour, minute int) string {
	return fmt.Sprint(time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC).Unix() - 978307200)
}

// odd are events that readers stumble over, one of each sort.
func odd() []string {
	item := "INSERT INTO CalendarItem (ROWID, summary, start_date, start_tz, end_date, end_tz, all_day, calendar_id, unique_identifier, UUID, entity_type, last_modified, "
	m := "2, " + at(2026, 1, 2, 3, 4)
	return append(append([]string{}, ddl...),
		// 18:00 in Berlin every Monday and Wednesday; one left out, one moved by an hour.
		item+"sequence_num, location_id, status, travel_time) VALUES (1, 'Choir; practice', "+at(2026, 3, 9, 17, 0)+", 'Europe/Berlin', "+at(2026, 3, 9, 18, 30)+", 'Europe/Berlin', 0, 21, 'UID-1', 'U1', "+m+", 3, 5, 1, 900)",
		"INSERT INTO Recurrence VALUES (1, 2, 1, 1, 0, "+at(2026, 4, 8, 16, 0)+", 'D=0MO,0WE;', 0, 1)",
		"INSERT INTO ExceptionDate VALUES (1, 1, "+at(2026, 3, 16, 17, 0)+"), (2, 1, "+at(2026, 3, 30, 16, 0)+")",
		item+"orig_item_id, orig_date) VALUES (2, 'Choir, later', "+at(2026, 3, 30, 17, 0)+", 'Europe/Berlin', "+at(2026, 3, 30, 18, 30)+", 'Europe/Berlin', 0, 21, 'UID-1', 'U2', "+m+", 1, "+at(2026, 3, 30, 16, 0)+")",
		// Two whole days; a wall clock; a day on which seconds count from 0.
		item+"availability) VALUES (3, 'Fair', "+at(2026, 5, 1, 0, 0)+", '_float', "+at(2026, 5, 2, 23, 59)+" + 59, '_float', 1, 21, 'UID-3', 'U3', "+m+", 1)",
		item+"hidden) VALUES (4, 'Water the plants', "+at(2026, 5, 1, 8, 0)+", '_float', "+at(2026, 5, 1, 9, 0)+", '_float', 0, 21, 'UID-4', 'U4', "+m+", 1)",
		item+"hidden) VALUES (5, 'New millennium', 0, '_float', 86399, '_float', 1, 21, 'UID-5', 'U5', "+m+", 0)",
		// A birthday without a year, and one with.
		item+"birthday_id, calendar_scale) VALUES (6, 'Ann’s Birthday', "+at(1604, 2, 29, 0, 0)+", '_float', "+at(1604, 2, 29, 0, 0)+", '_float', 1, 22, 'UID-6', 'U6', "+m+", 12, 'gregorian')",
		"INSERT INTO Recurrence VALUES (2, 4, 1, 0, 0, 0, NULL, NULL, 6)",
		// The last working day of each month; guests; alarms; an invitation in two calendars.
		item+"organizer_id, url, description, privacy_level, conference_url_detected) VALUES (7, 'Pay day', "+at(2026, 1, 30, 9, 0)+", 'America/New_York', "+at(2026, 1, 30, 9, 0)+", 'America/New_York', 0, 21, 'UID-7', 'U7', "+m+", 1, 'zoommtg://x', 'one'||char(10)||'two 👋', 1, 'https://meet.example.com/x')",
		"INSERT INTO Recurrence VALUES (3, 3, 1, 1, 12, NULL, 'D=0MO,0TU,0WE,0TH,0FR;S=-1;', 0, 7)",
		"INSERT INTO Identity VALUES ('Ann', 'mailto:ann@example.com', 'Ann', 'Bee'), (NULL, 'tel:+15550100', 'Cal', 'Dee'), ('Room 2', NULL, NULL, NULL)",
		"INSERT INTO Participant VALUES (1, 8, 1, 1, 3, 1, 7, NULL, NULL, 0, NULL), (2, 7, 1, 2, 2, 2, 7, NULL, NULL, 0, 'sorry'), (3, 7, 2, 7, 1, 3, 7, NULL, NULL, 0, NULL), (4, 7, 1, 3, 1, 99, 7, 'me@example.org', NULL, 1, NULL)",
		"INSERT INTO Location VALUES (5, 'Hall \"B\"', 'Street 1, Town', 52.5, 13.25, 70, 1), (6, 'Home', NULL, 1, 2, 100, NULL), (7, 'Nowhere', NULL, 0, 0, 0, 8)",
		"INSERT INTO Alarm VALUES (1, NULL, -900, 0, 7, 'A1', 0, 0, NULL, NULL, 0), (2, "+at(2026, 1, 30, 8, 0)+", 0, 0, 7, 'A2', 0, 0, NULL, "+at(2026, 1, 30, 8, 1)+", 0), (3, NULL, 0, 0, 7, 'A3', 1, 0, 6, NULL, 0), (4, NULL, -60, 0, 7, 'A4', 0, 1, NULL, NULL, 0), (5, NULL, -30, 0, 7, 'A5', 0, 0, NULL, NULL, 1)",
		item+"location_id, phantom_master) VALUES (8, 'Pay day', "+at(2026, 1, 30, 9, 0)+", 'Mars/Olympus', NULL, NULL, 0, 23, 'UID-7', 'U8', "+m+", 7, 0)",
		// A task of an old iOS is no event. Nor is what stands for a series that is not here.
		item+"due_date) VALUES (9, 'Buy milk', NULL, NULL, NULL, NULL, 0, 21, 'UID-9', 'U9', 3, 0, "+at(2026, 1, 1, 0, 0)+")",
		item+"phantom_master) VALUES (10, 'Phantom', "+at(2026, 6, 1, 9, 0)+", 'Europe/Berlin', "+at(2026, 6, 1, 10, 0)+", 'Europe/Berlin', 0, 21, 'UID-10', 'U10', "+m+", 1)",
		item+"orig_item_id, orig_date) VALUES (11, 'One of the phantom', "+at(2026, 6, 8, 9, 0)+", 'Europe/Berlin', "+at(2026, 6, 8, 10, 0)+", 'Europe/Berlin', 0, 21, 'UID-10', 'U11', "+m+", 10, "+at(2026, 6, 8, 9, 0)+")",
		// In no calendar, without a start, with a rule that nobody knows.
		item+"hidden) VALUES (12, NULL, NULL, NULL, NULL, NULL, NULL, 99, NULL, NULL, "+m+", NULL)",
		item+"hidden) VALUES (13, 'Odd rule', "+at(2026, 7, 1, 9, 0)+", 'GMT+0200', "+at(2026, 7, 1, 10, 0)+", 'GMT+0200', 0, NULL, '', '', "+m+", NULL)",
		"INSERT INTO Recurrence VALUES (4, 4, 2, 0, 0, 63113904000, 'M=1;Z=9;', 64, 13)",
		"INSERT INTO AttachmentFile VALUES (1, 'https://example.com/a.pdf', 'a.pdf', 10, '/var/mobile/Library/Calendar/../../../etc/passwd'), (2, 'cid:1', 'b.pdf', 20, NULL)",
		"INSERT INTO Attachment VALUES (1, 13, 1), (2, 13, 2), (3, 13, 404)",
		"INSERT INTO Category VALUES (1, 'Work')", "INSERT INTO CategoryLink VALUES (1, 13, 1)")
}

func TestOdd(t *testing.T) {
	src := made(t, odd()...)
	t.Run("conform", func(t *testing.T) { extracttest.Conform(t, calendar.New(), src) })
	got := map[string]*calendar.Event{}
	var keys []string
	for _, e := range events(t, src, extract.Query{}) {
		got[e.ID] = e
		keys = append(keys, e.ID)
	}
	want := []string{"UID-6", "UID-5", "UID-7", "UID-7@U8", "UID-1", "UID-1/20260330T160000Z", "UID-3", "UID-4", "UID-10", "UID-10/20260608T090000Z", "row-13", "row-12"}
	if strings.Join(keys, " ") != strings.Join(want, " ") {
		t.Fatalf("keys %q, want %q", keys, want)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"series", got["UID-1"].Rules[0].String(), "FREQ=WEEKLY;UNTIL=20260408T160000Z;BYDAY=MO,WE"},
		{"series starts", got["UID-1"].Start.String(), "2026-03-09T18:00:00+01:00"},
		{"exceptions", got["UID-1"].Exceptions[1].String(), "2026-03-30T18:00:00+02:00"},
		{"detached", got["UID-1/20260330T160000Z"].Series, "UID-1"},
		{"detached from", got["UID-1/20260330T160000Z"].Occurrence.String(), "2026-03-30T18:00:00+02:00"},
		{"place", *got["UID-1"].Place, calendar.Place{Title: `Hall "B"`, Address: "Street 1, Town", Latitude: 52.5, Longitude: 13.25, Radius: 70, Known: true}},
		{"account", got["UID-1"].Account, "Exchange"},
		{"first day", got["UID-3"].Start.String(), "2026-05-01"},
		{"last day", got["UID-3"].End.String(), "2026-05-02"},
		{"free", got["UID-3"].Shown, "free"},
		{"floats", got["UID-4"].Start.String(), "2026-05-01T08:00:00"},
		{"hidden", got["UID-4"].Entry().Hidden, true},
		{"second 0", got["UID-5"].Start.String() + " " + got["UID-5"].End.String(), "2001-01-01 2001-01-01"},
		{"no year", got["UID-6"].Start.String(), "--02-29"},
		{"a birthday", got["UID-6"].Birthday, true},
		{"no year, no time", got["UID-6"].Entry().Time.IsZero(), true},
		{"for ever", got["UID-6"].Rules[0].String(), "FREQ=YEARLY"},
		{"last working day", got["UID-7"].Rules[0].String(), "FREQ=MONTHLY;COUNT=12;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"},
		{"host", got["UID-7"].Organizer.String(), "Ann <ann@example.com> (accepted)"},
		{"guests", fmt.Sprint(got["UID-7"].Attendees), "[Cal Dee <+15550100> (declined) Room 2 <me@example.org> (tentative)]"},
		{"me", got["UID-7"].Attendees[2].Me, true},
		{"a room", got["UID-7"].Attendees[1].Type, "room"},
		{"alarms", fmt.Sprint(got["UID-7"].Alarms), "[15m0s before 2026-01-30T08:00:00Z arrive Home 1m0s before 30s before]"},
		{"link", got["UID-7"].Conference, "https://meet.example.com/x"},
		{"nowhere has no coordinates", got["UID-7@U8"].Place.Known, false},
		{"untitled calendar", got["UID-7@U8"].Calendar, "Calendar"},
		{"unknown zone", got["UID-7@U8"].Start.String(), "2026-01-30T09:00:00Z"},
		{"unknown part", got["row-13"].Rules[0].Raw, "Z=9"},
		{"known parts", got["row-13"].Rules[0].String(), "FREQ=YEARLY;INTERVAL=2;BYMONTHDAY=1;BYMONTH=7"},
		{"fixed zone", got["row-13"].Start.String(), "2026-07-01T11:00:00+02:00"},
		{"no file outside", fmt.Sprint(got["row-13"].Attachments), "[{a.pdf https://example.com/a.pdf 10 } {b.pdf cid:1 20 } {  0 }]"},
		{"category", fmt.Sprint(got["row-13"].Categories), "[Work]"},
	} {
		if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	groups, err := calendar.New().Groups(t.Context(), src)
	if err != nil || fmt.Sprint(groups) != fmt.Sprint([]extract.Group{{Key: "CAL-22", Title: "Birthdays", Detail: "birthdays of contacts", Count: 1},
		{Key: "CAL-21", Title: `Team, "A"`, Detail: "Exchange · shared by me", Count: 8}, {Key: "calendar-23", Title: "Calendar", Detail: "Exchange", Count: 1}}) {
		t.Errorf("groups %+v, %v", groups, err)
	}
}

// TestBare reads tables that lack nearly every column, and one that is no table.
func TestBare(t *testing.T) {
	src := made(t, "CREATE TABLE CalendarItem (summary TEXT, start_date REAL)", "INSERT INTO CalendarItem VALUES ('a', 1), ('b', NULL), ('c', 'soon'), (x'00ff', 2)")
	if got := len(events(t, src, extract.Query{})); got != 4 {
		t.Errorf("%d events, want 4", got)
	}
	extracttest.Conform(t, calendar.New(), src)
	src = made(t, "CREATE TABLE other (x)", "CREATE VIEW CalendarItem AS SELECT 1")
	if err := calendar.New().Read(t.Context(), src, extract.Query{}, &extracttest.Collector{}); err == nil {
		t.Error("a view was read as a table")
	}
}

// TestTwin reads events that are the same in all that could tell them apart.
// Attachments and conferences as phones up to iOS 11 have them (public dumps of schemas).
func TestOlder(t *testing.T) {
	src := made(t, `CREATE TABLE CalendarItem (ROWID INTEGER PRIMARY KEY, summary TEXT, start_date REAL, start_tz TEXT, unique_identifier TEXT, entity_type INTEGER, due_date REAL, conference TEXT)`,
		`CREATE TABLE Attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER, url TEXT, UUID TEXT, data BLOB, format TEXT, is_binary INTEGER, filename TEXT, local_url TEXT, file_size INTEGER)`,
		`INSERT INTO CalendarItem VALUES (1, 'Talk', 500000000, 'UTC', 'T', 2, NULL, 'tel:+12025550100'), (2, 'a task', NULL, NULL, 'U', 3, 1, NULL)`,
		`INSERT INTO Attachment (owner_id, url, filename, local_url, file_size) VALUES (1, 'https://example.com/1', 'Plan.pdf', 'file:///var/mobile/Library/Calendar/Calendar.sqlitedb', 12)`)
	list := events(t, src, extract.Query{})
	if len(list) != 1 || list[0].Conference != "tel:+12025550100" || len(list[0].Attachments) != 1 {
		t.Fatalf("%+v", list)
	}
	if a := list[0].Attachments[0]; a.Name != "Plan.pdf" || a.Size != 12 || a.File != database || a.URL != "https://example.com/1" {
		t.Errorf("%+v", a)
	}
}

func TestTwin(t *testing.T) {
	src := made(t, append(append([]string{}, ddl...), "INSERT INTO CalendarItem (summary, start_date, unique_identifier, UUID, calendar_id) VALUES ('a', 1, 'U', 'X', 21), ('a', 1, 'U', 'X', 21), ('a', 1, 'U', 'Y', 21)")...)
	extracttest.Conform(t, calendar.New(), src)
	if got := events(t, src, extract.Query{}); got[0].ID != "U" || got[1].ID != "U#2" || got[2].ID != "U@Y" {
		t.Errorf("keys %s %s %s", got[0].ID, got[1].ID, got[2].ID)
	}
}
