package photos

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestFiles(t *testing.T) {
	for _, ios := range extracttest.Generations {
		src := extracttest.Source(t, phone(t, ios))
		paths, origins := map[string]bool{}, map[string]bool{}
		err := New().Files(t.Context(), src, func(f extract.File) error {
			at := strings.Join(f.Path, "/")
			if paths[at] {
				t.Errorf("%s is there twice", at)
			}
			if !src.Has(f.Origin) || f.Time.IsZero() {
				t.Errorf("%s: %q, %v", at, f.Origin, f.Time)
			}
			paths[at] = true
			if f.Path[0] != albumsFolder {
				origins[f.Origin] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range read(t, src, extract.Query{}) {
			for _, part := range p.parts() {
				if !origins[part.origin] {
					t.Errorf("%s is not among the files", part.origin)
				}
			}
		}
		for _, want := range []string{"2023/2023-06/IMG_0001.HEIC", "2023/2023-08/IMG_0003.MOV", "Albums/Travel/Lisboa & back 🚋/IMG_0028.JPG", "Albums/Family/IMG_0028.JPG",
			"Hidden/2024/2024-02/IMG_0008.HEIC", "Recently Deleted/2024/2024-03/IMG_0009.JPG", "2024/2024-05/IMG_0010 (edited).jpg"} {
			if !paths[want] {
				t.Errorf("iOS %s: no %s", ios, want)
			}
		}
	}
	n := 0
	err := New().Files(t.Context(), extracttest.Source(t, phone(t, "18.6")), func(extract.File) error { n++; return extract.ErrStop })
	if err != nil || n != 1 {
		t.Errorf("ErrStop after %d files: %v", n, err)
	}
	if err := New().Files(t.Context(), extracttest.Source(t, without(phone(t, "18.6"), func(string) bool { return true })), nil); !errors.Is(err, extract.ErrAbsent) {
		t.Errorf("files of nothing: %v", err)
	}
}

// Names in a folder are told apart whatever their endings, and what belongs together
// is called alike.
func TestNamer(t *testing.T) {
	n, dir := namer{}, []string{"2026"}
	got := []string{n.name(dir, "IMG_1", "a"), n.name(dir, "img_1", "b"), n.name(dir, "IMG_1", "a"), n.name([]string{"2027"}, "IMG_1", "c"), n.name(dir, "IMG_1", "d")}
	if want := []string{"IMG_1", "img_1 (2)", "IMG_1", "IMG_1", "IMG_1 (3)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
