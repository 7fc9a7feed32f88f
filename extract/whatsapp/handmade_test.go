package whatsapp_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

const business = "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared"

// database makes a database of statements.
func database(t testing.TB, statements ...string) *fstest.MapFile {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%v: %s", err, s)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: data, Mode: 0o600}
}

// old is a store of an app that knew little: no groups' members, no receipts, no
// order, media joined from their side only, entities with other numbers.
func old(t testing.TB) fs.FS {
	return fstest.MapFS{
		chats: database(t,
			"CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER)",
			"CREATE TABLE ZWACHATSESSION (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZCONTACTJID VARCHAR, ZPARTNERNAME VARCHAR)",
			"CREATE TABLE ZWAMESSAGE (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZCHATSESSION INTEGER, ZISFROMME INTEGER, ZMESSAGETYPE INTEGER, ZMESSAGEDATE TIMESTAMP, ZFROMJID VARCHAR, ZPUSHNAME VARCHAR, ZTEXT VARCHAR, ZSTANZAID VARCHAR)",
			"CREATE TABLE ZWAMEDIAITEM (Z_PK INTEGER PRIMARY KEY, ZMESSAGE INTEGER, ZMEDIALOCALPATH VARCHAR, ZTITLE VARCHAR)",
			"INSERT INTO ZWACHATSESSION VALUES (1, 9, '12025550100@s.whatsapp.net', '\u200eJane\u200f'), (2, 9, '1203-1@g.us', 'Group'), (3, 9, '12025550100@s.whatsapp.net', 'Jane again'), (4, 9, NULL, NULL), (5, 9, '555@lid', NULL)",
			`INSERT INTO ZWAMESSAGE VALUES
				(1, 4, 1, 0, 0, 500000000, '12025550100:3@s.whatsapp.net', NULL, 'hello', 'A'),
				(2, 4, 1, 1, 1, 500000001.5, NULL, NULL, NULL, 'B'),
				(3, 4, 2, 0, 0, 500000002, '1203-1@g.us', 'Omar', 'in the group', 'C'),
				(4, 4, 2, 0, 6, 500000003, '1203-1@g.us', NULL, NULL, 'C'),
				(5, 4, 3, 0, 0, 500000004, NULL, NULL, 'the second of the same address', 'A'),
				(6, 4, 4, 0, 0, 500000005, NULL, NULL, 'nobody', NULL),
				(7, 4, NULL, 0, 0, 500000006, '777@lid', 'Anna', 'of no conversation', 'D'),
				(8, 4, 99, 0, 0, 63113904000, 'x', NULL, 'of one that is gone', 'E'),
				(9, 4, 1, 0, 3, 500000008, NULL, NULL, NULL, 'F/#1'),
				(10, 4, 1, 'x', 'y', 'z', 1, 2, x'00ff', 5)`,
			`INSERT INTO ZWAMEDIAITEM VALUES (1, 2, 'Media/a/b.jpg', 'caption'), (2, 9, '../../../HomeDomain/secret', NULL)`),
		domain + "/Message/Media/a/b.jpg": {Data: []byte("jpeg")},
		"HomeDomain/secret":               {Data: []byte("secret")},
		domain + "/CallHistory.sqlite": database(t,
			"CREATE TABLE ZWACDCALLEVENT (Z_PK INTEGER PRIMARY KEY, Z77CALLEVENTS INTEGER, ZDATE TIMESTAMP, ZOUTCOME INTEGER)",
			"CREATE TABLE ZWAAGGREGATECALLEVENT (Z_PK INTEGER PRIMARY KEY, ZINCOMING INTEGER)",
			"CREATE TABLE ZWACDCALLEVENTPARTICIPANT (Z_PK INTEGER PRIMARY KEY, Z5PARTICIPANTS INTEGER, ZJIDSTRING VARCHAR)",
			"INSERT INTO ZWAAGGREGATECALLEVENT VALUES (7, 1)",
			"INSERT INTO ZWACDCALLEVENT VALUES (3, 7, 500000010, 9), (4, NULL, NULL, NULL)",
			"INSERT INTO ZWACDCALLEVENTPARTICIPANT VALUES (1, 3, '12025550100@s.whatsapp.net'), (2, 3, '555@lid')"),
		domain + "/LID.sqlite": database(t,
			"CREATE TABLE ZWAZACCOUNT (Z_PK INTEGER PRIMARY KEY, ZIDENTIFIER VARCHAR, ZPHONENUMBER VARCHAR)",
			"INSERT INTO ZWAZACCOUNT VALUES (1, '555@lid', '+1 202 555 0100'), (2, 'x', 'y')"),
	}
}

func TestOldStore(t *testing.T) {
	src := extracttest.Source(t, old(t))
	extracttest.Conform(t, whatsapp.New(), src)
	byText := map[string]chat.Message{}
	all := messages(t, src, extract.Query{})
	for _, m := range all {
		byText[m.Text] = m
	}
	if len(all) != 10 {
		t.Errorf("%d messages, want 10", len(all))
	}
	for text, want := range map[string][2]string{ // key and sender
		"hello":                          {"12025550100@s.whatsapp.net/A", "Jane"},
		"in the group":                   {"1203-1@g.us/C", "~Omar"},
		"the second of the same address": {"12025550100@s.whatsapp.net#3/A", "Jane"},
		"nobody":                         {"#4/#6", "Unknown"},
		"of no conversation":             {"#none/D", "~Anna"},
		"of one that is gone":            {"#none/E", "x"},
	} {
		if m := byText[text]; m.Key != want[0] || m.Sender() != want[1] {
			t.Errorf("%q is %s of %s, want %s of %s", text, m.Key, m.Sender(), want[0], want[1])
		}
	}
	for _, m := range all {
		for _, a := range m.Attachments {
			if strings.Contains(a.Path, "secret") || strings.Contains(a.Path, "..") {
				t.Errorf("a path out of the app's folder: %s", a.Path)
			}
			if a.Caption == "caption" && a.Path != domain+"/Message/Media/a/b.jpg" {
				t.Errorf("%+v", a)
			}
		}
	}
	calls := extracttest.Read(t, whatsapp.New(), src, extract.Query{Table: "calls", Newest: true}).Records
	c := calls[0].(*whatsapp.Call)
	if len(calls) != 2 || !c.Incoming || c.Outcome != "outcome 9" || len(c.People) != 2 || c.People[1].Address != "+12025550100" || c.People[1].Name != "Jane" {
		t.Errorf("%d calls, the first %+v", len(calls), c)
	}
}

// TestMediaByMessage: a message may not say which media item is its own, and a call may
// not have what says whether it came in.
func TestMediaByMessage(t *testing.T) {
	src := extracttest.Source(t, fstest.MapFS{
		chats: database(t,
			"CREATE TABLE ZWACHATSESSION (Z_PK INTEGER PRIMARY KEY, ZCONTACTJID VARCHAR, ZPARTNERNAME VARCHAR)",
			"CREATE TABLE ZWAMESSAGE (Z_PK INTEGER PRIMARY KEY, ZCHATSESSION INTEGER, ZISFROMME INTEGER, ZMESSAGETYPE INTEGER, ZMESSAGEDATE TIMESTAMP, ZMEDIAITEM INTEGER, ZSTANZAID VARCHAR, ZTOJID VARCHAR)",
			"CREATE TABLE ZWAMEDIAITEM (Z_PK INTEGER PRIMARY KEY, ZMESSAGE INTEGER, ZMEDIALOCALPATH VARCHAR, ZTITLE VARCHAR)",
			"INSERT INTO ZWACHATSESSION VALUES (1, '12025550100@s.whatsapp.net', 'Jane')",
			"INSERT INTO ZWAMESSAGE VALUES (1, 1, 0, 1, 500000000, NULL, 'A', '12025550199@s.whatsapp.net'), (2, 1, 0, 1, 500000001, 7, 'B', NULL), (3, 1, 0, 0, 500000002, NULL, 'C', NULL)",
			"INSERT INTO ZWAMEDIAITEM VALUES (5, 1, 'Media/a.jpg', 'one'), (7, 2, 'Media/b.jpg', 'two'), (8, 2, 'Media/c.jpg', 'three')"),
		domain + "/Message/Media/a.jpg": {Data: []byte("a")},
		domain + "/Message/Media/b.jpg": {Data: []byte("b")},
		domain + "/CallHistory.sqlite": database(t,
			"CREATE TABLE ZWACDCALLEVENT (Z_PK INTEGER PRIMARY KEY, ZDATE TIMESTAMP, ZOUTCOME INTEGER, ZGROUPCALLCREATORUSERJIDSTRING VARCHAR)",
			"INSERT INTO ZWACDCALLEVENT VALUES (1, 500000010, 0, '12025550100@s.whatsapp.net'), (2, 500000011, 0, '12025550199@s.whatsapp.net'), (3, 500000012, 0, NULL)"),
	})
	extracttest.Conform(t, whatsapp.New(), src)
	var got []string
	for _, m := range messages(t, src, extract.Query{}) {
		for _, a := range m.Attachments {
			got = append(got, a.Caption+" "+a.Path)
		}
	}
	if want := "one " + domain + "/Message/Media/a.jpg|two " + domain + "/Message/Media/b.jpg"; strings.Join(got, "|") != want {
		t.Errorf("files %q", got)
	}
	files := 0
	if err := whatsapp.New().Files(t.Context(), src, func(extract.File) error { files++; return nil }); err != nil || files != 2 {
		t.Errorf("%d files, %v", files, err)
	}
	for i, r := range extracttest.Read(t, whatsapp.New(), src, extract.Query{Table: "calls"}).Records {
		if c := r.(*whatsapp.Call); c.Incoming != (i == 0) {
			t.Errorf("call %+v", c)
		}
	}
}

// both has the messages of the public phone in both apps, and a second of the
// virtual phone's.
func both(t *testing.T) fs.FS {
	fsys := fstest.MapFS{}
	maps.Copy(fsys, phone(t, "17.3").(fstest.MapFS))
	for name, f := range extracttest.Public(t, "ios15-whatsapp", business).(fstest.MapFS) {
		fsys[name] = f
	}
	return fsys
}

func TestBusiness(t *testing.T) {
	src := extracttest.Source(t, both(t))
	extracttest.Conform(t, whatsapp.New(), src)
	counts := map[string]int{}
	var last chat.Message
	for _, m := range messages(t, src, extract.Query{}) {
		counts[m.Service]++
		if m.Time.Before(last.Time) {
			t.Errorf("%s comes after %s", m.Key, last.Key)
		}
		last = m
		if strings.HasPrefix(m.Key, "business:") != (m.Service == "WhatsApp Business") {
			t.Errorf("%s is of %s", m.Key, m.Service)
		}
	}
	if counts["WhatsApp Business"] != 32 || counts["WhatsApp"] == 0 {
		t.Errorf("messages: %v", counts)
	}
}

// TestOneBroken reads one app when the store of the other is damaged, and says so.
func TestOneBroken(t *testing.T) {
	fsys := both(t).(fstest.MapFS)
	fsys[business+"/ChatStorage.sqlite"] = &fstest.MapFile{Data: []byte("no database"), Mode: 0o600}
	delete(fsys, business+"/ChatStorage.sqlite-wal")
	for _, q := range []extract.Query{{}, {Limit: 3}, {Table: "messages"}} {
		c := extracttest.Read(t, whatsapp.New(), extracttest.Source(t, fsys), q)
		if len(c.Records) == 0 || len(c.Problems) != 1 {
			t.Errorf("%+v: %d records, problems %v", q, len(c.Records), c.Problems)
		}
	}
	delete(fsys, chats)
	delete(fsys, domain+"/CallHistory.sqlite")
	src := extracttest.Source(t, fsys)
	if err := whatsapp.New().Read(t.Context(), src, extract.Query{}, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("with nothing but a damaged store: %v", err)
	}
	delete(fsys, business+"/ChatStorage.sqlite")
	if err := whatsapp.New().Read(t.Context(), extracttest.Source(t, fsys), extract.Query{}, &extracttest.Collector{}); !errors.Is(err, extract.ErrAbsent) {
		t.Errorf("with nothing but names: %v", err)
	}
}

// TestCallsOnly: an app without conversations is not an app that is not there.
func TestCallsOnly(t *testing.T) {
	fsys := old(t).(fstest.MapFS)
	delete(fsys, chats)
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, whatsapp.New(), src)
	if n := len(messages(t, src, extract.Query{})); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// TestNames says where names come from: the contacts of the phone, then those of the
// app, then what conversations are called, then what people call themselves.
func TestNames(t *testing.T) {
	fsys := old(t).(fstest.MapFS)
	src := extracttest.Source(t, fsys)
	src.ReadNames = func(_ context.Context, _ *extract.Source) (extract.Names, error) { return contacts{}, nil }
	for _, m := range messages(t, src, extract.Query{}) {
		if m.Text == "hello" && (m.From.Name != "Doctor Jane" || m.In != "Doctor Jane") {
			t.Errorf("%+v", m)
		}
	}
	groups, err := whatsapp.New().Groups(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g.Key == "555@lid" && g.Title != "Doctor Jane" {
			t.Errorf("the hidden number is %q", g.Title)
		}
	}
}

type contacts struct{}

func (contacts) Name(address string) string {
	if address == "+12025550100" {
		return "Doctor Jane"
	}
	return ""
}

// A name that was changed in the contacts changes no call.
func TestLastingCall(t *testing.T) {
	call := func(name string) *whatsapp.Call {
		return &whatsapp.Call{Key: "call/1", People: []chat.Person{{Address: "+1", Name: name}}}
	}
	one, other := call("Jane"), call("Janet")
	if slices.Equal(one.Row(), other.Row()) || !slices.Equal(one.Lasting(), other.Lasting()) || one.People[0].Name != "Jane" {
		t.Errorf("%q and %q", one.Lasting(), other.Lasting())
	}
}
