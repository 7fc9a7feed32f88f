package contents

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A part has the bytes of the whole.
func TestGenerate_only(t *testing.T) {
	whole, part := t.TempDir(), t.TempDir()
	o := Options{Seed: 3, Profile: Tiny, IOS: "16.3"}
	if err := Generate(t.Context(), whole, o); err != nil {
		t.Fatal(err)
	}
	o.Only = []string{"safari", "photos", "voice memos", "media"}
	if err := Generate(t.Context(), part, o); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := filepath.WalkDir(part, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(part, p)
		if err != nil {
			return err
		}
		a, errA := os.ReadFile(p)
		b, errB := os.ReadFile(filepath.Join(whole, rel))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v, %v", rel, errA, errB)
		}
		infoA, infoB := stat(t, p), stat(t, filepath.Join(whole, rel))
		if !infoA.ModTime().Equal(infoB.ModTime()) {
			t.Errorf("%s is of %v and %v", rel, infoA.ModTime(), infoB.ModTime())
		}
		n++
		return nil
	})
	if err != nil || n < 100 {
		t.Errorf("%d files, %v", n, err)
	}
	o.Only = []string{"safarri"}
	if err := Generate(t.Context(), t.TempDir(), o); err == nil {
		t.Error("a store that does not exist was made")
	}
}

func stat(t *testing.T, name string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
