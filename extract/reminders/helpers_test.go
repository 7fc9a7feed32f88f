package reminders_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "time/tzdata" // the same zones wherever this runs

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/reminders"
)

const (
	homeStores  = "HomeDomain/Library/Reminders/Container_v1/Stores"
	groupStores = "AppDomainGroup-group.com.apple.reminders/Container_v1/Stores"
	calendarDB  = "HomeDomain/Library/Calendar/Calendar.sqlitedb"
)

var (
	phonesMu sync.Mutex
	phones   = map[string]fs.FS{}
	kept     []string
)

// phone gives the reminders of a virtual phone, made once.
func phone(t *testing.T, ios string) fs.FS {
	t.Helper()
	phonesMu.Lock()
	defer phonesMu.Unlock()
	if phones[ios] != nil {
		return phones[ios]
	}
	dir, err := os.MkdirTemp("", "reminders")
	if err != nil {
		t.Fatal(err)
	}
	kept = append(kept, dir)
	fsys := extracttest.Phone(t, ios)
	for _, domain := range []string{"HomeDomain/Library/Reminders", "HomeDomain/Library/Calendar", "AppDomainGroup-group.com.apple.reminders"} {
		if _, err := fs.Stat(fsys, domain); err != nil {
			continue
		}
		part, err := fs.Sub(fsys, domain)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, filepath.FromSlash(domain)), part); err != nil {
			t.Fatal(err)
		}
	}
	phones[ios] = os.DirFS(dir)
	return phones[ios]
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range kept {
		if err := os.RemoveAll(dir); err != nil {
			code = 1
		}
	}
	os.Exit(code)
}

// made makes a phone with stores of its own: statements by path.
func made(t testing.TB, stores map[string][]string) *extract.Source {
	t.Helper()
	dir := t.TempDir()
	for name, statements := range stores {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "sqlite") && !strings.HasSuffix(name, "sqlitedb") {
			if err := os.WriteFile(p, []byte(strings.Join(statements, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
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
	}
	return extracttest.Source(t, os.DirFS(dir))
}

func all(t testing.TB, src *extract.Source) []*reminders.Reminder {
	t.Helper()
	c := extracttest.Read(t, reminders.New(), src, extract.Query{})
	for _, p := range c.Problems {
		t.Errorf("problem: %v", p)
	}
	list := make([]*reminders.Reminder, len(c.Records))
	for i, r := range c.Records {
		list[i] = r.(*reminders.Reminder)
	}
	return list
}
