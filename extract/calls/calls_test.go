package calls_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // as database/sql's driver

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calls"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

const (
	store     = "HomeDomain/Library/CallHistoryDB/CallHistory.storedata"
	storeTemp = "HomeDomain/Library/CallHistoryDB/CallHistoryTemp.storedata"
	storeOld  = "WirelessDomain/Library/CallHistory/call_history.db"
)

func query(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// ask gives the calls of a store as sqlite3 finds them.
func ask(t *testing.T, fsys fs.FS, name string) [][]string {
	t.Helper()
	n := extracttest.SQL(t, fsys, name, query(t, "names.sql"))[0]
	q := strings.NewReplacer("JOIN j", n[0]+" j", "j.CALLS", "j."+n[1], "j.HANDLES", "j."+n[2]).Replace(query(t, "calls.sql"))
	return extracttest.SQL(t, fsys, name, q)
}

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := extracttest.Phone(t, ios)
			src := extracttest.Source(t, fsys)
			extracttest.Conform(t, calls.New(), src)
			judge(t, fsys, src)
			if ios == "17.3" {
				extracttest.Damage(t, calls.New(), fsys, store)
				extracttest.Damage(t, calls.New(), fsys, storeTemp)
				extracttest.Garble(t, calls.New(), fsys, store)
			}
		})
	}
}

// judge compares what is read with what sqlite3 finds in both lists.
func judge(t *testing.T, fsys fs.FS, src *extract.Source) {
	t.Helper()
	want := ask(t, fsys, store)
	for _, row := range ask(t, fsys, storeTemp) {
		if !slices.ContainsFunc(want, func(other []string) bool { return other[0] == row[0] }) {
			want = append(want, row)
		}
	}
	c := extracttest.Read(t, calls.New(), src, extract.Query{})
	var got [][]string
	for _, r := range c.Records {
		c := r.(*calls.Call)
		var others []string
		for _, p := range c.Participants {
			others = append(others, p.Address)
		}
		id := c.Key
		if strings.HasPrefix(id, "row ") {
			id = ""
		}
		got = append(got, []string{id, extract.FormatTime(c.Time.Truncate(time.Second)), c.Direction, c.Outcome, c.Kind, c.Address, c.ShownAs, c.App, fmt.Sprint(int64(math.Round(c.Seconds * 1000))),
			c.Location, bit(c.Cause == 6), bit(c.Emergency), strings.Join(others, "|")})
		if !r.Entry().Volatile {
			t.Error("a call is not volatile")
		}
	}
	checkValues(t, fsys, c)
	for _, list := range [][][]string{want, got} {
		slices.SortFunc(list, func(a, b []string) int { return strings.Compare(strings.Join(a, ","), strings.Join(b, ",")) })
	}
	if diff := cmp.Diff(want, got); diff != "" || len(c.Problems) > 0 {
		t.Errorf("problems %v, calls (- sqlite3, + read):\n%s", c.Problems, diff)
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// database makes the bytes of a database.
func database(t testing.TB, script string) *fstest.MapFile {
	t.Helper()
	name := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: data, Mode: 0o600}
}

func byKey(t *testing.T, src *extract.Source) (map[string]*calls.Call, []*extract.Problem) {
	t.Helper()
	c := extracttest.Read(t, calls.New(), src, extract.Query{})
	all := map[string]*calls.Call{}
	for _, r := range c.Records {
		all[r.Entry().Key] = r.(*calls.Call)
	}
	return all, c.Problems
}

// Other numbers of entities, hardly any columns, two groups, and what no phone writes.
const odd = `
CREATE TABLE ZCALLRECORD (Z_PK INTEGER PRIMARY KEY, ZDATE TIMESTAMP, ZDURATION FLOAT, ZADDRESS BLOB, ZORIGINATED INTEGER, ZUNIQUE_ID VARCHAR, ZNAME VARCHAR, ZINITIATOR INTEGER);
CREATE TABLE ZHANDLE (Z_PK INTEGER PRIMARY KEY, ZVALUE VARCHAR, ZNORMALIZEDVALUE VARCHAR);
CREATE TABLE Z_17REMOTEPARTICIPANTHANDLES (Z_17REMOTEPARTICIPANTCALLS INTEGER, Z_39REMOTEPARTICIPANTHANDLES INTEGER);
CREATE TABLE Z_18REMOTEPARTICIPANTHANDLES (SOMETHING INTEGER, ELSE_ INTEGER);
INSERT INTO ZHANDLE VALUES (1, '+12025550111', NULL), (2, NULL, '+12025550122'), (3, '', '');
INSERT INTO ZCALLRECORD VALUES (1, 700000000.5, 12, CAST('+12025550111' AS BLOB), 0, 'A', NULL, 2), (2, 700000001, 0, NULL, 1, 'A', NULL, NULL), (3, 'x', 'NaN', 5, 'y', NULL, x'80ff', 99),
	(4, 63113904000, -5, 'group', 0, '', 'Friends', NULL), (5, 1e300, 9e99, '', 0, 'E', NULL, NULL);
INSERT INTO Z_17REMOTEPARTICIPANTHANDLES VALUES (1, 1), (4, 1), (4, 2), (4, 3), (5, 2), (77, 1), (1, 77);
INSERT INTO Z_18REMOTEPARTICIPANTHANDLES VALUES (1, 2);
`

func TestOdd(t *testing.T) {
	src := extracttest.Source(t, fstest.MapFS{store: database(t, odd)})
	src.ReadNames = func(context.Context, *extract.Source) (extract.Names, error) { return known{"+12025550122": "Bo"}, nil }
	extracttest.Conform(t, calls.New(), src)
	all, problems := byKey(t, src)
	if len(all) != 5 || len(problems) != 0 {
		t.Fatalf("%d calls, problems %v", len(all), problems)
	}
	if c := all["A"]; c.Address != "+12025550111" || c.Initiator != "+12025550122" || len(c.Participants) != 1 || c.Outcome != calls.Answered || c.Kind != calls.Phone {
		t.Errorf("call A: %+v", c)
	}
	if c := all["A/0:2"]; c == nil || c.Outcome != calls.NotConnected || c.Entry().Title != "No Caller ID" {
		t.Errorf("the other call A: %+v", c)
	}
	if c := all["row 0:4"]; c == nil || c.Entry().Title != "+12025550111, Bo" || !c.Time.IsZero() || c.Name != "Friends" {
		t.Errorf("group call: %+v", c)
	}
	if c := all["E"]; c.Address != "+12025550122" || c.Name != "Bo" || c.Entry().Title != "Bo" {
		t.Errorf("call of a participant only: %+v", c)
	}
}

type known map[string]string

func (k known) Name(address string) string { return k[address] }

func TestOld(t *testing.T) {
	fsys := fstest.MapFS{storeOld: database(t, `CREATE TABLE call (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT, date INTEGER, duration INTEGER, flags INTEGER, id INTEGER);
		INSERT INTO call VALUES (7, '+12025550111', 1330000000, 65, 4, 1), (8, '+12025550111', 1330000100, 0, 5, 1), (9, 'a@example.com', 1330000200, 0, 16, -1), (12, NULL, 1330000300, 3, 17, -1)`)}
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, calls.New(), src)
	var got []string
	for _, r := range extracttest.Read(t, calls.New(), src, extract.Query{}).Records {
		c := r.(*calls.Call)
		got = append(got, fmt.Sprintf("%s %s %s %s %s %v %d", c.Time.Format(time.RFC3339), c.Direction, c.Outcome, c.Kind, c.Address, c.Seconds, c.Flags))
	}
	want := []string{"2012-02-23T12:26:40Z incoming answered phone +12025550111 65 4", "2012-02-23T12:28:20Z outgoing not connected phone +12025550111 0 5",
		"2012-02-23T12:30:00Z incoming missed FaceTime video a@example.com 0 16", "2012-02-23T12:31:40Z outgoing connected FaceTime video  3 17"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (- want, + got):\n%s", diff)
	}
}

// A phone of iOS 9: the new list without what came later, its addresses blobs, and the
// list of before the update beside it (the tables are those of public dumps).
func TestUpdated(t *testing.T) {
	src := extracttest.Source(t, fstest.MapFS{
		store: database(t, `CREATE TABLE ZCALLRECORD (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZANSWERED INTEGER, ZCALLTYPE INTEGER, ZDISCONNECTED_CAUSE INTEGER, ZFACE_TIME_DATA INTEGER,
			ZNUMBER_AVAILABILITY INTEGER, ZORIGINATED INTEGER, ZREAD INTEGER, ZDATE TIMESTAMP, ZDURATION FLOAT, ZDEVICE_ID VARCHAR, ZISO_COUNTRY_CODE VARCHAR, ZLOCATION VARCHAR, ZNAME VARCHAR,
			ZUNIQUE_ID VARCHAR UNIQUE, ZADDRESS BLOB);
			INSERT INTO ZCALLRECORD VALUES (1, 1, 1, 1, 1, 0, NULL, 0, 0, 1, 351692800.25, 65, NULL, 'us', 'Ohio', NULL, 'A', x'2b3132303235353530313131'), (2, 1, 1, 0, 8, 6, 0, 0, 0, 0, 351700000, 0, NULL, NULL, NULL, NULL, 'B', x'61406578616d706c652e636f6d')`),
		storeOld: database(t, `CREATE TABLE call (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT, date INTEGER, duration INTEGER, flags INTEGER, id INTEGER, name TEXT, country_code TEXT, network_code TEXT,
			read INTEGER, assisted INTEGER, face_time_data BLOB, originalAddress TEXT, answered INTEGER DEFAULT '1');
			INSERT INTO call (address, date, duration, flags, read, face_time_data) VALUES ('+12025550111', 1330000000, 65, 4, 1, NULL), ('+12025550122', 1329990000, 0, 4, 0, x'00ff')`),
	})
	extracttest.Conform(t, calls.New(), src)
	var got []string
	for _, r := range extracttest.Read(t, calls.New(), src, extract.Query{}).Records {
		c := r.(*calls.Call)
		got = append(got, fmt.Sprintf("%s %s %s %s %v %t", c.Time.Format("2006-01-02 15:04"), c.Outcome, c.Kind, c.Address, c.Seconds, c.Unseen))
	}
	want := []string{"2012-02-23 09:40 missed phone +12025550122 0 true", "2012-02-23 12:26 answered phone +12025550111 65 false", "2012-02-23 14:26 missed FaceTime video a@example.com 0 true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (- want, + got):\n%s", diff)
	}
}

// A list that cannot be read does not stop the others; all of them is an error.
func TestOneOfTwo(t *testing.T) {
	noise := &fstest.MapFile{Data: []byte(strings.Repeat("no database ", 1000)), Mode: 0o600}
	fsys := fstest.MapFS{store: database(t, odd), storeTemp: noise}
	src := extracttest.Source(t, fsys)
	for range 2 { // what is remembered is told each time
		all, problems := byKey(t, src)
		if len(all) != 5 || len(problems) != 1 || problems[0].What != storeTemp {
			t.Errorf("%d calls, problems %v", len(all), problems)
		}
	}
	fsys = fstest.MapFS{store: noise, storeTemp: noise}
	if err := calls.New().Read(t.Context(), extracttest.Source(t, fsys), extract.Query{}, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("two broken lists give %v", err)
	}
}

func TestRow(t *testing.T) {
	c := &calls.Call{Time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Direction: calls.Incoming, Outcome: calls.Missed, Kind: calls.OtherApp, App: "net.whatsapp.WhatsApp", Address: "+12025550111",
		Name: "Ann", Participants: []calls.Participant{{"+12025550111", "Ann"}, {"+12025550122", ""}}, Seconds: 1.25, Emergency: true}
	want := []string{"2026-03-01T10:00:00Z", "incoming", "missed", "app", "Ann", "+12025550111", "Ann <+12025550111>\n+12025550122", "1.25", "", "net.whatsapp.WhatsApp", "yes"}
	if diff := cmp.Diff(want, c.Row()); diff != "" {
		t.Error(diff)
	}
	e := c.Entry()
	if e.Title != "Ann, +12025550122" || e.Detail != "missed, net.whatsapp.WhatsApp" || !strings.Contains(e.Text, "+12025550111") {
		t.Errorf("entry %+v", e)
	}
}

// BenchmarkPage reads a page of 100 out of 100,000 calls.
func BenchmarkPage(b *testing.B) {
	fsys := fstest.MapFS{store: database(b, `CREATE TABLE ZCALLRECORD (Z_PK INTEGER PRIMARY KEY, ZDATE TIMESTAMP, ZDURATION FLOAT, ZADDRESS VARCHAR, ZORIGINATED INTEGER, ZUNIQUE_ID VARCHAR);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO ZCALLRECORD SELECT i, 600000000 + i, i % 100, '+1202555' || (i % 10000), i % 2, hex(i) FROM n`)}
	for b.Loop() {
		src := &extract.Source{FS: fsys}
		if c := extracttest.Read(b, calls.New(), src, extract.Query{Newest: true, Limit: 100}); len(c.Records) != 100 {
			b.Fatal("too few")
		}
		src.Close()
	}
}
