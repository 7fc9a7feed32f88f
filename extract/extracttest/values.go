package extracttest

import (
	"io/fs"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Value is what a record gives, and the SQL that sqlite3 finds it with.
type Value[R any] struct {
	Name string
	// Needs is a column, "TABLE.COLUMN", of which schemas that have it not have no such
	// value; "" is none.
	Needs string
	SQL   string
	Give  func(R) string
}

// Values holds every record of a reader, by its key, against the rows of a database,
// value by value: from is the rest of a SELECT, and key an expression for a row's key.
func Values[R any](t *testing.T, fsys fs.FS, name, key, from string, records map[string]R, values []Value[R]) {
	t.Helper()
	have := map[string]bool{"": true}
	for _, row := range SQL(t, fsys, name, "SELECT m.name || '.' || p.name FROM (SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%') m, pragma_table_info(m.name) p") {
		have[row[0]] = true
	}
	query := "SELECT " + key
	for _, v := range values {
		if have[v.Needs] {
			query += ", " + v.SQL
		} else {
			query += ", ''"
		}
	}
	rows := SQL(t, fsys, name, query+" "+from)
	if len(rows) != len(records) || len(rows) == 0 {
		t.Errorf("%d records, sqlite3 has %d", len(records), len(rows))
	}
	wrong := map[string]int{}
	for _, row := range rows {
		r, ok := records[row[0]]
		if !ok {
			t.Errorf("%s is not there", row[0])
			continue
		}
		for i, v := range values {
			if got := v.Give(r); got != row[i+1] {
				if wrong[v.Name]++; wrong[v.Name] < 4 {
					t.Errorf("%s of %s: %q, sqlite3 has %q", v.Name, row[0], got, row[i+1])
				}
			}
		}
	}
}

// Cocoa is the SQL for a column with seconds since 2001 as [Seconds] gives a time.
func Cocoa(column string) string {
	return "CASE WHEN ifnull(" + column + ", 0) = 0 THEN '' ELSE strftime('%Y-%m-%dT%H:%M:%SZ', CAST(" + column + " AS INTEGER) + 978307200, 'unixepoch') END"
}

// Seconds is a time in UTC without parts of seconds; "" for none.
func Seconds(t time.Time) string { return extract.FormatTime(t.UTC().Truncate(time.Second)) }
