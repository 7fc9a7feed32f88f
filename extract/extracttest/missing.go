package extracttest

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	_ "modernc.org/sqlite" // for Missing

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Missing takes from a database one column after the other, and one table after the
// other, under another name, as phones have schemas that nobody has seen. The records
// must be there each time, with keys and groups as [Conform] wants them. vital are
// columns ("TABLE.COLUMN") and tables without which there may be fewer, or an error that
// says what is damaged; never absence. Columns that the reader's own files do not name
// are left out: nothing asks for them.
func Missing(t *testing.T, x extract.Extractor, fsys fs.FS, name string, vital ...string) {
	t.Helper()
	whole := len(Read(t, x, Source(t, fsys), extract.Query{}).Records)
	at := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(at, changed(t, fsys, name, "PRAGMA journal_mode=DELETE;"), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	do := func(statement string) error {
		_, err := db.ExecContext(t.Context(), statement)
		return err
	}
	if err := do("PRAGMA legacy_alter_table=ON; PRAGMA synchronous=OFF"); err != nil {
		t.Fatal(err)
	}
	try := func(what string, there, gone string) {
		if do(gone) != nil {
			return // what triggers of the phone's own functions hold fast
		}
		data, err := os.ReadFile(at)
		if err == nil {
			err = do(there)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		without(t, x, replaced{fsys, name, data}, what, whole, slices.Contains(vital, what))
	}
	asked := words(t)
	for _, table := range tables(t, db) {
		if !asked(table.name) {
			continue
		}
		quoted, another := sqlitefs.Quote(table.name), sqlitefs.Quote("gone "+table.name)
		try(table.name, "ALTER TABLE "+another+" RENAME TO "+quoted, "ALTER TABLE "+quoted+" RENAME TO "+another)
		for _, c := range table.columns {
			if asked(c) {
				rename := func(from, to string) string {
					return "ALTER TABLE " + quoted + " RENAME COLUMN " + sqlitefs.Quote(from) + " TO " + sqlitefs.Quote(to)
				}
				try(table.name+"."+c, rename("gone "+c, c), rename(c, "gone "+c))
			}
		}
	}
}

// without reads a source that lacks something.
func without(t *testing.T, x extract.Extractor, fsys fs.FS, what string, whole int, vital bool) {
	t.Helper()
	src := &extract.Source{FS: fsys}
	defer src.Close()
	c := &Collector{}
	err := x.Read(t.Context(), src, extract.Query{}, c)
	switch {
	case errors.Is(err, extract.ErrAbsent):
		t.Errorf("without %s it was taken for absent: %v", what, err)
	case err != nil && !vital:
		t.Errorf("without %s: %v", what, err)
	case len(c.Records) < whole && !vital:
		t.Errorf("without %s: %d records, the whole database has %d", what, len(c.Records), whole)
	}
	if err != nil || vital {
		return
	}
	keys, groups := map[string]bool{}, map[string]int{}
	for _, r := range c.Records {
		e := r.Entry()
		if e.Key == "" || keys[e.Key] {
			t.Errorf("without %s: key %q is empty or there twice", what, e.Key)
		}
		keys[e.Key] = true
		groups[e.Group]++
		r.Row()
	}
	list, err := x.Groups(t.Context(), src)
	if err != nil {
		t.Errorf("groups without %s: %v", what, err)
	}
	for _, g := range list {
		delete(groups, g.Key)
	}
	delete(groups, "")
	for key, n := range groups {
		t.Errorf("without %s: %d records lie in group %s, which is none", what, n, key)
	}
	one := &Collector{}
	if err := x.Read(t.Context(), src, extract.Query{Newest: true, Limit: 1}, one); err != nil || len(one.Records) != min(1, len(c.Records)) {
		t.Errorf("the newest one without %s: %d records, %v", what, len(one.Records), err)
	}
	if len(c.Records) > 0 {
		key := c.Records[len(c.Records)/2].Entry().Key
		one := &Collector{}
		if err := x.Read(t.Context(), src, extract.Query{Key: key}, one); err != nil || len(one.Records) != 1 || one.Records[0].Entry().Key != key {
			t.Errorf("record %s without %s: %d records, %v", key, what, len(one.Records), err)
		}
	}
}

type table struct {
	name    string
	columns []string
}

// tables lists those of a database, in the order in which they were made.
func tables(t *testing.T, db *sql.DB) []table {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, p.name FROM (SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite%' ORDER BY rowid) m, pragma_table_info(m.name) p`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []table
	for rows.Next() {
		var name, column string
		if err := rows.Scan(&name, &column); err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, table{name: name})
		}
		list[len(list)-1].columns = append(list[len(list)-1].columns, column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// joins are names of which readers know how they are made only: Z_28ASSETS.
var joins = regexp.MustCompile(`^Z_(FOK_)?\d`)

// words tells which names the files of the package under test have.
func words(t *testing.T) func(string) bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.FieldsFunc(string(data), func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			known[word] = true
		}
	}
	return func(name string) bool { return known[name] || joins.MatchString(name) }
}
