package sqlitefs_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Two of the public phones keep everything in the log; sqlite3 is the judge.
func TestOpen_publicPhones(t *testing.T) {
	for _, x := range []struct{ folder, file, table string }{
		{"ios15-contacts", "AddressBook.sqlitedb", "ABMultiValue"},
		{"ios15-contacts", "AddressBookImages.sqlitedb", "ABThumbnailImage"},
		{"ios15-voicemail", "voicemail.db", "voicemail"},
		{"ios15-whatsapp", "ChatStorage.sqlite", "ZWAMESSAGE"},
		{"ios17-notes", "NoteStore.sqlite", "ZICCLOUDSYNCINGOBJECT"},
	} {
		t.Run(x.file, func(t *testing.T) {
			fsys := extracttest.Public(t, x.folder, "d")
			db, err := sqlitefs.Open(t.Context(), fsys, "d/"+x.file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, query := range []string{
				"SELECT name, type, sql FROM sqlite_master ORDER BY name, type",
				"SELECT count(*), total(length(hex(CAST(quote(x.ROWID) AS BLOB)))) FROM " + x.table + " x",
			} {
				if got, want := texts(t, db, query), extracttest.SQL(t, fsys, "d/"+x.file, query); !equal(got, want) {
					t.Errorf("%s:\n%v\nsqlite3:\n%v", query, got, want)
				}
			}
			var integrity string
			if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil {
				t.Fatal(err)
			}
			// AddressBook's own functions are not there: only the pages are judged.
			t.Log(integrity)
		})
	}
}

func texts(t *testing.T, db *sqlitefs.DB, query string) [][]string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var list [][]string
	for rows.Next() {
		cells, into := make([]sqlitefs.Text, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(columns))
		for i, c := range cells {
			row[i] = c.String
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func equal(a, b [][]string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if len(a[i]) != len(b[i]) {
			return false
		}
		for j := range a[i] {
			if a[i][j] != b[i][j] && a[i][j]+".0" != b[i][j] {
				return false
			}
		}
	}
	return true
}

// made writes a database with real SQLite and gives its files as they are while it
// is open: with a log, or with a hot journal.
func made(t *testing.T, pragma string, statements ...string) fstest.MapFS {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "x.db")+"?_pragma="+pragma)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	fsys := fstest.MapFS{}
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if data, err := os.ReadFile(filepath.Join(dir, "x.db"+suffix)); err == nil {
			fsys["x.db"+suffix] = &fstest.MapFile{Data: data, Mode: 0o600}
		}
	}
	return fsys
}

const thousand = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, hex(zeroblob(100)) FROM n"

func count(t *testing.T, fsys fs.FS) int {
	t.Helper()
	db, err := sqlitefs.Open(t.Context(), fsys, "x.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	var integrity string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity: %s, %v", integrity, err)
	}
	return n
}

func TestOpen_log(t *testing.T) {
	fsys := made(t, "journal_mode(wal)", "PRAGMA wal_autocheckpoint=0", "CREATE TABLE t(a,b)", thousand, thousand, "DELETE FROM t WHERE a > 900")
	if n := count(t, fsys); n != 1800 {
		t.Errorf("%d rows, want 1800", n)
	}
	log := fsys["x.db-wal"].Data
	t.Run("last commit torn", func(t *testing.T) {
		fsys["x.db-wal"] = &fstest.MapFile{Data: log[:len(log)-1], Mode: 0o600}
		if n := count(t, fsys); n != 2000 {
			t.Errorf("%d rows, want 2000: those before the commit that is torn", n)
		}
	})
	t.Run("another database's", func(t *testing.T) {
		noise := append([]byte("not a log at all"), make([]byte, 5000)...)
		fsys["x.db-wal"] = &fstest.MapFile{Data: noise, Mode: 0o600}
		db, err := sqlitefs.Open(t.Context(), fsys, "x.db")
		if err == nil { // what is in the database itself, whatever that is
			db.Close()
		} else if !errors.Is(err, sqlitefs.ErrDamaged) {
			t.Error(err)
		}
	})
}

func TestOpen_hotJournal(t *testing.T) {
	// The cache spills: pages of a transaction that never ends are in the file.
	fsys := made(t, "journal_mode(delete)", "CREATE TABLE t(a,b)", thousand, "PRAGMA cache_size=10", "BEGIN",
		"UPDATE t SET b = hex(zeroblob(150)), a = -a", thousand, thousand)
	if _, ok := fsys["x.db-journal"]; !ok {
		t.Fatal("no journal: this proves nothing")
	}
	if n := count(t, fsys); n != 1000 {
		t.Errorf("%d rows, want the 1000 from before the transaction", n)
	}
}

func TestOpen_refuses(t *testing.T) {
	ctx := context.Background()
	fsys := fstest.MapFS{"empty": {}, "noise": {Data: []byte("SQLCipher bytes that are no database at all")}, "dir/f": {}}
	for name, want := range map[string]error{"empty": sqlitefs.ErrDamaged, "noise": sqlitefs.ErrEncrypted, "gone": fs.ErrNotExist, "dir": sqlitefs.ErrDamaged} {
		if _, err := sqlitefs.Open(ctx, fsys, name); !errors.Is(err, want) {
			t.Errorf("open %s: %v, want %v", name, err, want)
		}
	}
}

// A view that takes a table's name is not asked.
func TestHas_knowsTablesOnly(t *testing.T) {
	fsys := made(t, "journal_mode(delete)", "CREATE TABLE t(a, b TIMESTAMP)", "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n",
		"INSERT INTO t VALUES (1, 600000000)")
	db, err := sqlitefs.Open(t.Context(), fsys, "x.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Has("v") || !db.Has("T", "A") || db.Has("t", "c") {
		t.Error("Has is wrong")
	}
	if got := db.List("t", "x", "a", "gone"); got != `+x."a", NULL` {
		t.Error(got)
	}
	var n sqlitefs.Int
	if err := db.QueryRow("SELECT " + db.Column("t", "t", "gone", "b") + " FROM t").Scan(&n); err != nil || n.Int != 600000000 {
		t.Errorf("a TIMESTAMP of Core Data: %v, %v", n, err)
	}
}

func TestOpen_boundsCells(t *testing.T) {
	fsys := made(t, "journal_mode(delete)", "CREATE TABLE t(a)", "INSERT INTO t VALUES (zeroblob(67108865))")
	db, err := sqlitefs.Open(t.Context(), fsys, "x.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b sqlitefs.Blob
	if err := db.QueryRow("SELECT a FROM t").Scan(&b); err == nil {
		t.Errorf("a cell of %d bytes was given", len(b))
	}
}
