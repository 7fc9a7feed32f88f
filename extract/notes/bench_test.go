package notes

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// crowd is a store with many notes: the virtual phone's rich one, many times.
func crowd(b *testing.B, n int) fs.FS {
	b.Helper()
	from := phone(b, "17.6")
	dir := b.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := fs.ReadFile(from, storePath+suffix)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "db"+suffix), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "db"))
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []string{
		"CREATE TEMP TABLE k AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<" + fmt.Sprint(n) + ") SELECT i FROM c",
		`INSERT INTO ZICNOTEDATA (Z_PK, ZNOTE, ZDATA) SELECT 1000000+k.i, 1000000+k.i, d.ZDATA FROM k, ZICNOTEDATA d JOIN ZICCLOUDSYNCINGOBJECT n ON n.ZNOTEDATA=d.Z_PK WHERE n.ZTITLE1 LIKE 'A plan%'`,
		`INSERT INTO ZICCLOUDSYNCINGOBJECT (Z_PK, Z_ENT, ZIDENTIFIER, ZTITLE1, ZFOLDER, ZACCOUNT7, ZNOTEDATA, ZCREATIONDATE3, ZMODIFICATIONDATE1)
			SELECT 1000000+k.i, n.Z_ENT, 'COPY-'||k.i, 'Plan '||k.i, n.ZFOLDER, n.ZACCOUNT7, 1000000+k.i, 700000000+k.i, 700000000+k.i FROM k, ZICCLOUDSYNCINGOBJECT n WHERE n.ZTITLE1 LIKE 'A plan%'`,
		"PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		if _, err := db.Exec(q); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "db"))
	if err != nil {
		b.Fatal(err)
	}
	return fstest.MapFS{storePath: {Data: data, Mode: 0o600}}
}

const manyNotes = 10_000

func BenchmarkReadAll(b *testing.B) {
	fsys := crowd(b, manyNotes)
	for b.Loop() {
		c := &counter{}
		if err := New().Read(b.Context(), extracttest.Source(b, fsys), extract.Query{}, c); err != nil || c.n < manyNotes {
			b.Fatalf("%d notes, %v", c.n, err)
		}
	}
	b.ReportMetric(float64(manyNotes)*float64(b.N)/b.Elapsed().Seconds(), "notes/s")
}

func BenchmarkNewest(b *testing.B) {
	fsys := crowd(b, manyNotes)
	for b.Loop() {
		c := &counter{}
		if err := New().Read(b.Context(), extracttest.Source(b, fsys), extract.Query{Newest: true, Limit: 50}, c); err != nil || c.n != 50 {
			b.Fatalf("%d notes, %v", c.n, err)
		}
	}
}

func BenchmarkExport(b *testing.B) {
	fsys := crowd(b, 1000)
	for _, format := range formats {
		b.Run(format.Name, func(b *testing.B) {
			for b.Loop() {
				tree, err := outtree.Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				if err := New().Export(b.Context(), extracttest.Source(b, fsys), extract.ExportOptions{Format: format.Name}, tree, nil); err != nil {
					b.Fatal(err)
				}
				if err := tree.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "notes/s")
		})
	}
}

// counter counts notes.
type counter struct{ n int }

func (c *counter) Emit(extract.Record) error { c.n++; return nil }

func (*counter) Report(*extract.Problem) {}
