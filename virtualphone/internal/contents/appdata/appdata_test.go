package appdata

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

var testNow = time.Date(2025, 3, 14, 9, 30, 0, 0, time.UTC)

func tiny(ios string) Options { return Options{Seed: 42, IOS: ios, Now: testNow} }

// newPhone creates a phone in a new folder.
func newPhone(t *testing.T, o Options) string {
	t.Helper()
	dir := t.TempDir()
	if err := Create(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shared are phones that tests only read, by release.
var shared struct {
	sync.Mutex
	root   string
	phones map[string]string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.root != "" {
		if err := os.RemoveAll(shared.root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// sharedPhone gives a phone of a release that the test must not change.
func sharedPhone(t *testing.T, ios string) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.root == "" {
		root, err := os.MkdirTemp("", "appdata")
		if err != nil {
			t.Fatal(err)
		}
		shared.root, shared.phones = root, map[string]string{}
	}
	dir, ok := shared.phones[ios]
	if !ok {
		dir = filepath.Join(shared.root, ios)
		if err := Create(context.Background(), dir, tiny(ios)); err != nil {
			t.Fatal(err)
		}
		shared.phones[ios] = dir
	}
	return dir
}

// databases lists the database files below dir, by path relative to it.
func databases(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, 16)
		if n, _ := f.Read(head); n == 16 && string(head) == "SQLite format 3\x00" {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// open opens a copy of a database and, with sidecars, of its log.
func open(t *testing.T, dir, rel string, sidecars bool) *sql.DB {
	t.Helper()
	target := filepath.Join(t.TempDir(), "copy.db")
	suffixes := []string{""}
	if sidecars {
		suffixes = []string{"", "-wal", "-shm"}
	}
	for _, s := range suffixes {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(rel)) + s)
		if os.IsNotExist(err) && s != "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target+s, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := newConnector(target)
	if err != nil {
		t.Fatal(err)
	}
	d := sql.OpenDB(c)
	t.Cleanup(func() { d.Close() })
	return d
}

// query gives the rows of a query as strings, columns joined by "|".
func query(t *testing.T, d *sql.DB, q string, args ...any) []string {
	t.Helper()
	rows, err := d.Query(q, args...)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		vals := make([]sql.NullString, len(cols))
		ptrs := make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(cols))
		for i, v := range vals {
			parts[i] = v.String
			if !v.Valid {
				parts[i] = "NULL"
			}
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func one(t *testing.T, d *sql.DB, q string, args ...any) string {
	t.Helper()
	r := query(t, d, q, args...)
	if len(r) != 1 {
		t.Fatalf("%s: %d rows, want 1", q, len(r))
	}
	return r[0]
}

// tree maps every file to its hash, size and time.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)] = fmt.Sprintf("%x %s", sha256.Sum256(b), info.ModTime().UTC().Format(time.RFC3339Nano))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func checkIntegrity(t *testing.T, dir string) {
	t.Helper()
	for _, rel := range databases(t, dir) {
		d := open(t, dir, rel, true)
		if got := query(t, d, "PRAGMA integrity_check"); !cmp.Equal(got, []string{"ok"}) {
			t.Errorf("%s: integrity_check: %v", rel, got)
		}
		if got := query(t, d, "PRAGMA foreign_key_check"); len(got) != 0 {
			t.Errorf("%s: foreign_key_check: %v", rel, got)
		}
	}
}

func TestReleases(t *testing.T) {
	for _, c := range []struct {
		ios      string
		messages string
		group    bool   // reminders and memos are in app groups
		sms      string // kt_verified, tapback emoji, join's index_state
		notes    string // the columns that tell releases of NoteStore apart
	}{
		{"13.7", "60", false, "0|0|0", "0|0|0"},
		{"16.3", "60", false, "0|0|0", "0|0|0"},
		{"17.5.1", "60", true, "1|0|0", "1|0|0"},
		{"18.5", "63", true, "1|1|0", "1|1|0"},
		{"26.0", "63", true, "1|1|1", "1|1|1"},
	} {
		t.Run(c.ios, func(t *testing.T) {
			dir := sharedPhone(t, c.ios)
			checkIntegrity(t, dir)
			if n := len(databases(t, dir)); n != 19 {
				t.Errorf("%d databases, want 19: %v", n, databases(t, dir))
			}
			for rel, group := range map[string]bool{
				"MediaDomain/Media/Recordings/CloudRecordings.db":                    false,
				memosDomain + "/Recordings/CloudRecordings.db":                       true,
				"HomeDomain/Library/Reminders/Container_v1/Stores/Data-local.sqlite": false,
				remindersDomain + "/Container_v1/Stores/Data-local.sqlite":           true,
			} {
				_, err := os.Stat(filepath.Join(dir, rel))
				if there := err == nil; there != (group == c.group) {
					t.Errorf("%s exists: %v", rel, there)
				}
			}
			sms := open(t, dir, "HomeDomain/"+smsDB, true)
			if got := one(t, sms, "SELECT count(*) FROM message"); got != c.messages {
				t.Errorf("%s messages, want %s", got, c.messages)
			}
			if got := one(t, sms, `SELECT sum(name='is_kt_verified'), sum(name='associated_message_emoji'),
				(SELECT count(*) FROM pragma_table_info('chat_message_join') WHERE name='index_state') FROM pragma_table_info('message')`); got != c.sms {
				t.Errorf("columns of sms.db %s, want %s", got, c.sms)
			}
			notes := open(t, dir, notesDomain+"/"+noteStore, true)
			if got := one(t, notes, `SELECT sum(name='ZGENERATION'), sum(name='ZUNAPPLIEDENCRYPTEDRECORDDATA'), sum(name='ZATTRIBUTEDSNIPPET')
				FROM pragma_table_info('ZICCLOUDSYNCINGOBJECT')`); got != c.notes {
				t.Errorf("columns of NoteStore %s, want %s", got, c.notes)
			}
		})
	}
}

func TestSmallScale(t *testing.T) {
	o := tiny("")
	o.Scale = 1
	dir := newPhone(t, o)
	checkIntegrity(t, dir)
	for _, c := range []struct{ rel, q, want string }{
		{"HomeDomain/" + smsDB, "SELECT count(*) FROM message", "3000"},
		{"HomeDomain/" + addressBook, "SELECT count(*) FROM ABPerson", "134"},
		{"HomeDomain/" + callHistory, "SELECT count(*) FROM ZCALLRECORD", "205"},
		{"HomeDomain/" + calendarDB, "SELECT count(*) FROM CalendarItem", "150"},
		{whatsAppDomain + "/ChatStorage.sqlite", "SELECT count(*) FROM ZWAMESSAGE", "600"},
		{notesDomain + "/" + noteStore, "SELECT count(*) FROM ZICNOTEDATA", "40"},
	} {
		if got := one(t, open(t, dir, c.rel, true), c.q); got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.rel, c.q, got, c.want)
		}
	}
	checkAttachments(t, dir)
	checkBodies(t, dir)
}

func TestDeterministic(t *testing.T) {
	day := testNow.Add(20 * time.Hour)
	run := func(o Options) map[string]string {
		dir := newPhone(t, o)
		if err := Live(context.Background(), dir, o, day); err != nil {
			t.Fatal(err)
		}
		return tree(t, dir)
	}
	a := run(tiny("18.1"))
	if diff := cmp.Diff(a, run(tiny("18.1"))); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	other := tiny("18.1")
	other.Seed++
	for rel, v := range run(other) {
		// Nothing in these tells phones apart.
		plain := strings.HasSuffix(rel, "-shm") || strings.HasSuffix(rel, "Greeting.amr") || strings.HasSuffix(rel, "databaseInfo.plist")
		if a[rel] == v && !plain {
			t.Errorf("%s is the same under another seed", rel)
		}
	}
}

func TestFileTimes(t *testing.T) {
	for rel, v := range tree(t, sharedPhone(t, "17.5.1")) {
		_, stamp, _ := strings.Cut(v, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if at.After(testNow) || at.Nanosecond() != 0 || at.Year() < 2023 {
			t.Errorf("%s: modified %s", rel, stamp)
		}
	}
}

// TestHeaders checks what phones' files say of themselves: WAL mode in all but
// voicemail, larger pages in the contacts' pictures.
func TestHeaders(t *testing.T) {
	dir := sharedPhone(t, "17.5.1")
	for _, rel := range databases(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(rel)))
		if err != nil {
			t.Fatal(err)
		}
		mode, size := byte(2), 4096
		if strings.HasSuffix(rel, "voicemail.db") {
			mode = 1
		}
		if strings.HasSuffix(rel, "AddressBookImages.sqlitedb") {
			size = 8192
		}
		if b[18] != mode || b[19] != mode || pageSizeOf(b) != size {
			t.Errorf("%s: versions %d %d, page size %d; want %d %d, %d", rel, b[18], b[19], pageSizeOf(b), mode, mode, size)
		}
	}
}

func TestCoreDataStores(t *testing.T) {
	dir, n := sharedPhone(t, "17.5.1"), 0
	for _, rel := range databases(t, dir) {
		d := open(t, dir, rel, true)
		if one(t, d, "SELECT count(*) FROM sqlite_master WHERE name='Z_PRIMARYKEY'") == "1" {
			checkCoreData(t, d, rel)
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d Core Data stores, want 10", n)
	}
}

// TestEntityNumbers checks that seeds number entities differently, and that an
// account's reminders and the local ones never agree.
func TestEntityNumbers(t *testing.T) {
	last := func(m *model) string { e := m.ents[len(m.ents)-1]; return fmt.Sprint(e.name, m.num[e.name]) }
	for name, list := range map[string][]entity{"calls": callEntities, "memos": memoEntities, "notes": noteEntities, "whatsapp": whatsAppEntities,
		"whatsapp calls": whatsAppCallEntities, "reminders": reminderEntities(false), "local reminders": reminderEntities(true)} {
		seen := map[string]bool{}
		for seed := range uint64(20) {
			m := newModel((&world{seed: seed}).rng(name), list)
			seen[fmt.Sprint(m.num)] = true
			for _, e := range m.ents {
				if e.super != "" && m.num[e.super] == 0 {
					t.Errorf("%s: parent of %s is missing", name, e.name)
				}
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s: entities are numbered alike under every seed", name)
		}
	}
	w := &world{seed: 1}
	if a, b := last(newModel(w.rng("r"), reminderEntities(false))), last(newModel(w.rng("r"), reminderEntities(true))); a == b {
		t.Errorf("reminders: both stores end on %s", a)
	}
}

func checkCoreData(t *testing.T, d *sql.DB, rel string) {
	t.Helper()
	var version int
	var id string
	var blob []byte
	if err := d.QueryRow("SELECT Z_VERSION, Z_UUID, Z_PLIST FROM Z_METADATA").Scan(&version, &id, &blob); err != nil {
		t.Fatal(err)
	}
	var info map[string]any
	if err := plist.Unmarshal(blob, &info); err != nil || version != 1 || len(id) != 36 || info["NSStoreType"] != "SQLite" {
		t.Errorf("%s: metadata %d %q %v: %v", rel, version, id, info["NSStoreType"], err)
	}
	if one(t, d, "SELECT count(*) FROM Z_MODELCACHE") != "1" {
		t.Errorf("%s: no model cache", rel)
	}
	// Every row's entity is known and no key is above the recorded highest.
	for _, table := range query(t, d, "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type='table' AND c.name='Z_OPT'") {
		if n := one(t, d, "SELECT count(*) FROM "+table+" WHERE Z_ENT NOT IN (SELECT Z_ENT FROM Z_PRIMARYKEY)"); n != "0" {
			t.Errorf("%s: %s rows of %s have an unknown entity", rel, n, table)
		}
		if n := one(t, d, `WITH RECURSIVE up(ent, root, super) AS (SELECT Z_ENT, Z_ENT, Z_SUPER FROM Z_PRIMARYKEY UNION ALL
			SELECT ent, p.Z_ENT, p.Z_SUPER FROM up JOIN Z_PRIMARYKEY p ON p.Z_ENT=up.super)
			SELECT count(*) FROM `+table+` r JOIN up ON up.ent=r.Z_ENT AND up.super=0 JOIN Z_PRIMARYKEY p ON p.Z_ENT=up.root WHERE r.Z_PK > p.Z_MAX`); n != "0" {
			t.Errorf("%s: %s rows of %s are above Z_MAX", rel, n, table)
		}
	}
}

func TestBadOptions(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		dir string
		o   Options
	}{
		"no folder":   {"", tiny("")},
		"no time":     {"x", Options{}},
		"scale":       {"x", Options{Now: testNow, Scale: 3}},
		"old release": {"x", tiny("12.4")},
		"no release":  {"x", tiny("beta")},
	} {
		if err := Create(ctx, c.dir, c.o); err == nil {
			t.Errorf("%s: Create accepts it", name)
		}
		if err := Live(ctx, c.dir, c.o, testNow); err == nil {
			t.Errorf("%s: Live accepts it", name)
		}
	}
	if err := Live(ctx, t.TempDir(), tiny(""), time.Time{}); err == nil {
		t.Error("Live accepts no day")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Create(ctx, t.TempDir(), tiny("")); err == nil {
		t.Error("Create ignores cancellation")
	}
}

func TestCreateReplaces(t *testing.T) {
	dir := newPhone(t, tiny(""))
	first := tree(t, dir)
	if err := Create(context.Background(), dir, tiny("")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, tree(t, dir)); diff != "" {
		t.Errorf("creating again differs:\n%s", diff)
	}
}
