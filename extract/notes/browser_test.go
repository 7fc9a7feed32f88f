package notes

import (
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/chromiumtest"
)

// Every page of an export opens offline, asks for nothing outside, fits a phone. The
// pictures of the pages are kept where KEEPSAKE_SCREENSHOTS says.
func TestPagesInChromium(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	exported(t, opened(t, phone(t, "18.6"), "keepsake"), "html", dir)
	b := chromiumtest.Open(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "Notes", "*", "*.html"))
	if err != nil || len(files) < 9 {
		t.Fatalf("pages %v, %v", files, err)
	}
	nested, err := filepath.Glob(filepath.Join(dir, "Notes", "House", "Garden", "*.html"))
	if err != nil || len(nested) != 2 {
		t.Fatalf("pages %v, %v", nested, err)
	}
	for i, file := range append(files, nested...) {
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		b.Visit([]int64{390, 1280}[i%2], i%3 == 0, rel)
		b.Inspect(rel)
		b.Picture("notes " + filepath.Base(file))
	}
}
