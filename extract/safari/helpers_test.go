package safari_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

const folder = "HomeDomain/Library/Safari"

var (
	phonesMu sync.Mutex
	phones   = map[string]fs.FS{}
	kept     []string
)

// phone gives the stores of Safari of a virtual phone, made once.
func phone(t *testing.T, ios string) fs.FS {
	t.Helper()
	phonesMu.Lock()
	defer phonesMu.Unlock()
	if phones[ios] != nil {
		return phones[ios]
	}
	dir, err := os.MkdirTemp("", "safari")
	if err != nil {
		t.Fatal(err)
	}
	kept = append(kept, dir)
	part, err := fs.Sub(extracttest.Phone(t, ios, "safari"), folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, filepath.FromSlash(folder)), part); err != nil {
		t.Fatal(err)
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

// statement is SQL with its arguments.
type statement struct {
	sql  string
	args []any
}

func do(sql string, args ...any) statement { return statement{sql, args} }

// made makes a phone with stores of its own: statements by name below Safari's folder.
func made(t testing.TB, stores map[string][]statement) *extract.Source {
	t.Helper()
	dir := t.TempDir()
	for name, statements := range stores {
		p := filepath.Join(dir, filepath.FromSlash(folder), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", p)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if _, err := db.Exec(s.sql, s.args...); err != nil {
				t.Fatalf("%v: %.200s", err, s.sql)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return extracttest.Source(t, os.DirFS(dir))
}

// read reads one table.
func read[T extract.Record](t testing.TB, src *extract.Source, table string) []T {
	t.Helper()
	c := extracttest.Read(t, safari.New(), src, extract.Query{Table: table})
	for _, p := range c.Problems {
		t.Errorf("problem: %v", p)
	}
	list := make([]T, len(c.Records))
	for i, r := range c.Records {
		list[i] = r.(T)
	}
	return list
}
