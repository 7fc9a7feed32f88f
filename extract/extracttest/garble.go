package extracttest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
)

// garbage are values that columns of a phone that nobody has seen may hold.
var garbage = []string{"NULL", "'text'", "x'ff00fe'", "9e999", "-1", "9223372036854775807"}

// Garble fills every column of a database with what does not belong there, but for
// primary keys, and makes sure that no record is lost or there twice, and that
// groups have as many as they say. Columns of the names in keep stay as they are:
// those that say what a row is, where one table has rows of many kinds.
func Garble(t *testing.T, x extract.Extractor, fsys fs.FS, name string, keep ...string) {
	t.Helper()
	whole := len(Read(t, x, Source(t, fsys), extract.Query{}).Records)
	columns := SQL(t, fsys, name, `SELECT m.name, p.name FROM (SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite%' ORDER BY rowid) m, pragma_table_info(m.name) p
		WHERE p.pk = 0`) // virtual tables have tokenizers that only the phone knows
	for _, value := range garbage {
		t.Run(value, func(t *testing.T) {
			var script strings.Builder
			script.WriteString("PRAGMA ignore_check_constraints=1; BEGIN;\n")
			for _, c := range columns {
				if slices.Contains(keep, c[1]) {
					continue
				}
				fmt.Fprintf(&script, "UPDATE OR IGNORE \"%s\" SET \"%s\" = %s;\n", c[0], c[1], value)
			}
			script.WriteString("COMMIT; PRAGMA journal_mode=DELETE;\n")
			src := Source(t, replaced{fsys, name, changed(t, fsys, name, script.String())})
			c := Read(t, x, src, extract.Query{})
			if len(c.Records) < whole {
				t.Errorf("%d records, the whole database has %d", len(c.Records), whole)
			}
			keys, groups := map[string]bool{}, map[string]int{}
			for _, r := range c.Records {
				e := r.Entry()
				if keys[e.Key] {
					t.Errorf("key %q is there twice", e.Key)
				}
				keys[e.Key] = true
				groups[e.Group]++
				if _, err := json.Marshal(r); err != nil {
					t.Errorf("%s: %v", e.Key, err)
				}
				r.Row()
			}
			conformGroups(t, x, src, groups)
			pages(t, x, src, true, len(c.Records))
		})
	}
}

// changed gives a database after a script of sqlite3; a statement that fails is left
// out.
func changed(t *testing.T, fsys fs.FS, name, script string) []byte {
	t.Helper()
	at := filepath.Join(t.TempDir(), "db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := fs.ReadFile(fsys, name+suffix)
		if err != nil && suffix != "" {
			continue
		}
		if err == nil {
			err = os.WriteFile(at+suffix, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sqlite3", at)
	cmd.Stdin = strings.NewReader(script)
	// The status is that of the last statement that failed, such as of a constraint.
	if out, err := cmd.CombinedOutput(); err != nil && len(out) == 0 {
		t.Fatalf("sqlite3: %v", err)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
