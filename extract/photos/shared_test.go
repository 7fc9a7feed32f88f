package photos

import (
	"errors"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// What others have shared is a table of its own, with its own files, and is in no
// album.
func TestRead_sharedWithYou(t *testing.T) {
	for _, ios := range extracttest.Generations {
		fsys := phone(t, ios)
		src := extracttest.Source(t, fsys)
		got := read(t, src, extract.Query{Table: tableShared})
		if ios < "15" {
			if len(got) != 0 {
				t.Errorf("iOS %s: %d photos", ios, len(got))
			}
			continue
		}
		want := extracttest.SQL(t, fsys, sharedWithYou.db, `SELECT 'shared/' || a.ZUUID, x.ZORIGINALFILENAME, a.ZDIRECTORY || '/' || a.ZFILENAME FROM ZASSET a
			JOIN ZADDITIONALASSETATTRIBUTES x ON x.ZASSET = a.Z_PK ORDER BY a.ZDATECREATED`)
		if len(got) != len(want) || len(got) != 2 {
			t.Fatalf("iOS %s: %d photos, sqlite3 has %d", ios, len(got), len(want))
		}
		for i, p := range got {
			if p.Key != want[i][0] || p.Name != want[i][1] || p.folder+"/"+p.fileName != want[i][2] || !p.Shared || len(p.Albums) > 0 {
				t.Errorf("iOS %s: %+v, want %q", ios, p, want[i])
			}
			if (p.Availability == Original) != (i == 0) || p.File != "" && p.File != sharedWithYou.media+"/"+want[i][2] {
				t.Errorf("iOS %s: %s %s", ios, p.File, p.Availability)
			}
			_, err := New().Preview(t.Context(), src, p.Key, 200)
			if (err == nil) != (i == 0) || err != nil && !errors.Is(err, extract.ErrNoPreview) {
				t.Errorf("iOS %s: preview of %s: %v", ios, p.Name, err)
			}
		}
	}
}

// Either library is read without the other.
func TestRead_oneLibrary(t *testing.T) {
	whole := phone(t, "18.6")
	inRoll := func(name string) bool { return strings.HasPrefix(name, "CameraRollDomain") }
	alone := extracttest.Source(t, without(whole, inRoll))
	extracttest.Conform(t, New(), alone)
	broken := without(whole, inRoll)
	for name, f := range camera([]byte("this is no database")) {
		broken[name] = f
	}
	c := extracttest.Read(t, New(), extracttest.Source(t, broken), extract.Query{})
	if len(c.Records) != 2 || len(c.Problems) != 1 || !errors.Is(c.Problems[0], sqlitefs.ErrDamaged) {
		t.Errorf("%d records, %v", len(c.Records), c.Problems)
	}
	extracttest.Damage(t, New(), whole, sharedWithYou.db)
}
