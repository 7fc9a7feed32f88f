package contacts_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

const crowd = 10_000

// BenchmarkVCard writes 10,000 people: one file each and one with all of them.
func BenchmarkVCard(b *testing.B) {
	fsys := many(b, crowd)
	for b.Loop() {
		src := &extract.Source{FS: fsys}
		tree, err := outtree.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if err := contacts.New().Export(b.Context(), src, extract.ExportOptions{}, tree, &extracttest.Collector{}); err != nil {
			b.Fatal(err)
		}
		if n := tree.Stats().Written; n != crowd+1 {
			b.Fatalf("%d files", n)
		}
		if err := tree.Close(); err != nil {
			b.Fatal(err)
		}
		src.Close()
	}
}

// BenchmarkBundle makes the one file with 10,000 people.
func BenchmarkBundle(b *testing.B) {
	fsys := many(b, crowd)
	for b.Loop() {
		src := &extract.Source{FS: fsys}
		var bytes counter
		if err := contacts.New().Files(b.Context(), src, func(f extract.File) error {
			if err := f.Make(b.Context(), &bytes); err != nil {
				return err
			}
			return extract.ErrStop
		}); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(bytes))
		src.Close()
	}
}

// BenchmarkNames makes the list of whose number is whose, of 10,000 people.
func BenchmarkNames(b *testing.B) {
	fsys := many(b, crowd)
	for b.Loop() {
		src := &extract.Source{FS: fsys}
		n, err := contacts.ReadNames(b.Context(), src)
		if err != nil || n.Name("+442000000017") == "" {
			b.Fatal("nobody", err)
		}
		src.Close()
	}
}

// BenchmarkPage reads a page of 50 out of 10,000 people.
func BenchmarkPage(b *testing.B) {
	fsys := many(b, crowd)
	for b.Loop() {
		src := &extract.Source{FS: fsys}
		if c := extracttest.Read(b, contacts.New(), src, extract.Query{Skip: 5000, Limit: 50}); len(c.Records) != 50 {
			b.Fatal("too few")
		}
		src.Close()
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
