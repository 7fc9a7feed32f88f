package vault

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// makeDatabase runs statements on a new database and gives its bytes and those of
// its log, as they are while it is open.
func makeDatabase(t testing.TB, statements ...string) (db, wal []byte) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "x.db")
	d, err := sql.Open("sqlite", at)
	if err != nil {
		t.Fatal(err)
	}
	d.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := d.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return data
	}
	db, wal = read(at), read(at+"-wal")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return db, wal
}

const filled = `CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);
	WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000) INSERT INTO t SELECT x, 'text ' || x FROM n;`

func check(t *testing.T, data []byte) Verdict {
	t.Helper()
	d, err := newDatabases()
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.check(t.Context(), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDatabases_check(t *testing.T) {
	good, _ := makeDatabase(t, filled)
	if v := check(t, good); v != (Verdict{}) {
		t.Errorf("good: %+v", v)
	}
	damage := func(name string, change func([]byte) []byte) {
		if v := check(t, change(bytes.Clone(good))); v.Damage == "" {
			t.Errorf("%s: no damage seen", name)
		}
	}
	damage("cut in half", func(b []byte) []byte { return b[:len(b)/2] })
	damage("cut inside a page", func(b []byte) []byte { return b[:len(b)-100] })
	damage("a page of another", func(b []byte) []byte { copy(b[8192:12288], b[12288:16384]); return b })
	damage("a page of zeros", func(b []byte) []byte { clear(b[8192:12288]); return b })
	damage("damaged schema", func(b []byte) []byte { clear(b[100:4096]); return b })
	damage("nothing but the first words", func(b []byte) []byte { return b[:16] })
}

// What only the app has is no damage; what else is wrong is seen all the same.
func TestDatabases_needsApp(t *testing.T) {
	db, _ := makeDatabase(t, filled, "CREATE TABLE odd(name TEXT)", "CREATE INDEX oddly ON odd(name COLLATE NOCASE)")
	db = bytes.Replace(db, []byte("COLLATE NOCASE"), []byte("COLLATE ABCASE"), 1)
	if v := check(t, db); v.Damage != "" || v.Unchecked == "" {
		t.Errorf("unknown collation: %+v", v)
	}
	copy(db[8192:12288], bytes.Repeat([]byte{9}, 4096))
	if v := check(t, db); v.Damage == "" {
		t.Errorf("unknown collation and damage: %+v", v)
	}
}

func TestDatabases_cancelled(t *testing.T) {
	good, _ := makeDatabase(t, filled)
	d, err := newDatabases()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := d.check(ctx, bytes.NewReader(good), int64(len(good))); err == nil {
		t.Errorf("checked for nobody: %+v", v)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
}

// A database and its log are one: half of a transaction may lie in each.
func TestRestore_together(t *testing.T) {
	db, wal := makeDatabase(t, "PRAGMA journal_mode = WAL", filled, "PRAGMA wal_checkpoint", "PRAGMA wal_autocheckpoint = 0", "DELETE FROM t WHERE a % 2", "INSERT INTO t VALUES (9000, 'more')")
	if len(wal) < 4096 {
		t.Fatal("no log")
	}
	// A transaction that was interrupted: the old pages are in the journal.
	hot, old := hotJournal(t)
	for _, test := range []struct {
		name    string
		db, log []byte
		journal bool
		damaged bool
	}{
		{"with its log", db, wal, false, false},
		{"damaged under a log of others", broken(db), make([]byte, 100), false, true},
		{"interrupted", hot, old, true, false},
		{"interrupted, damaged elsewhere", broken(hot), old[:28], true, true},
		{"no database", []byte("text, and nothing else"), wal, false, false},
	} {
		for _, order := range []bool{false, true} {
			v := New(t.TempDir())
			r, err := v.Begin()
			if err != nil {
				t.Fatal(err)
			}
			first, second := itunesbackup.FileID{1}, itunesbackup.FileID{2}
			r.Together(first, second, test.journal)
			put := func(id itunesbackup.FileID, data []byte) {
				f := r.File(t.Context(), id)
				if _, err := f.Write(data); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(true); err != nil {
					t.Fatal(err)
				}
			}
			if order {
				put(second, test.log)
				put(first, test.db)
			} else {
				put(first, test.db)
				put(second, test.log)
			}
			if got := r.verdicts[first]; (got.Damage != "") != test.damaged || got.Unchecked != "" {
				t.Errorf("%s: %+v", test.name, got)
			}
			if r.files[first].size != int64(len(test.db)) || r.files[second].size != int64(len(test.log)) {
				t.Errorf("%s: sizes %+v", test.name, r.files)
			}
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func broken(db []byte) []byte {
	db = bytes.Clone(db)
	copy(db[8192:], bytes.Repeat([]byte{9}, 4096))
	return db
}

// hotJournal gives a database in the middle of a transaction, and the journal with
// the pages as they were.
func hotJournal(t *testing.T) (db, journal []byte) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "x.db")
	d, err := sql.Open("sqlite", at)
	if err != nil {
		t.Fatal(err)
	}
	d.SetMaxOpenConns(1)
	tx := []string{"PRAGMA journal_mode = DELETE", filled, "PRAGMA cache_size = 5", "PRAGMA cache_spill = 5", "BEGIN", "UPDATE t SET b = 'another ' || b || ' and longer'"}
	for _, s := range tx {
		if _, err := d.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if db, err = os.ReadFile(at); err != nil {
		t.Fatal(err)
	}
	if journal, err = os.ReadFile(at + "-journal"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if v := check(t, db); v.Damage == "" {
		t.Fatal("the transaction has not reached the database")
	}
	return db, journal
}

func FuzzWithJournal(f *testing.F) {
	f.Add([]byte(journalMagic+"\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x02\x00\x00\x00\x02\x00"), 600)
	f.Add([]byte(journalMagic), 0)
	f.Add([]byte("no journal"), 10)
	f.Fuzz(func(t *testing.T, journal []byte, size int) {
		if size < 0 || size > 1<<20 {
			return
		}
		r, n, _ := withJournal(bytes.NewReader(make([]byte, size)), int64(size), journal)
		buf := make([]byte, 2000)
		for _, off := range []int64{0, 511, n - 1, n, n + 1} {
			if off >= 0 {
				if got, err := r.ReadAt(buf, off); got < len(buf) && err == nil {
					t.Errorf("%d bytes at %d without an error", got, off)
				}
			}
		}
	})
}
