package calendar_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "time/tzdata" // the same zones wherever this runs

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

const database = "HomeDomain/Library/Calendar/Calendar.sqlitedb"

var (
	phonesMu sync.Mutex
	phones   = map[string]fs.FS{}
)

// phone gives a virtual phone, made once: its files are kept in memory.
func phone(t *testing.T, ios string) fs.FS {
	t.Helper()
	phonesMu.Lock()
	defer phonesMu.Unlock()
	if phones[ios] == nil {
		phones[ios] = only(t, extracttest.Phone(t, ios), database)
	}
	return phones[ios]
}

// only keeps some files of a file system beyond the test.
func only(t *testing.T, fsys fs.FS, names ...string) fs.FS {
	t.Helper()
	dir, err := os.MkdirTemp("", "calendar")
	if err != nil {
		t.Fatal(err)
	}
	kept = append(kept, dir)
	for _, name := range names {
		for _, suffix := range []string{"", "-wal"} {
			data, err := fs.ReadFile(fsys, name+suffix)
			if err != nil {
				continue
			}
			p := filepath.Join(dir, filepath.FromSlash(name+suffix))
			if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return os.DirFS(dir)
}

var kept []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range kept {
		if err := os.RemoveAll(dir); err != nil {
			code = 1
		}
	}
	os.Exit(code)
}

// made makes a phone with a calendar of its own.
func made(t testing.TB, statements ...string) *extract.Source {
	t.Helper()
	dir := t.TempDir()
	p := filepath.Join(dir, filepath.FromSlash(database))
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", p)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%v: %.200s", err, s)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return extracttest.Source(t, os.DirFS(dir))
}

// events reads all that q chooses.
func events(t testing.TB, src *extract.Source, q extract.Query) []*calendar.Event {
	t.Helper()
	c := extracttest.Read(t, calendar.New(), src, q)
	for _, p := range c.Problems {
		t.Errorf("problem: %v", p)
	}
	list := make([]*calendar.Event, len(c.Records))
	for i, r := range c.Records {
		list[i] = r.(*calendar.Event)
	}
	return list
}
