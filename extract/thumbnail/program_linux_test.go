package thumbnail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

const templates = "../../virtualphone/internal/contents/picture/templates"

func TestMake_programs(t *testing.T) {
	before := leftovers(t)
	for name, wide := range map[string]int{"still0.heic": 128, "film0.mov": 128, "film1.mov": 128} {
		p, err := New().Make(t.Context(), os.DirFS(templates), name, 128)
		img := decoded(t, p, err)
		if b := img.Bounds(); b.Dx() != wide || b.Dy() != 96 {
			t.Errorf("%s: %v", name, b)
		}
	}
	var full bytes.Buffer
	if err := New().JPEG(t.Context(), os.DirFS(templates), "still0.heic", &full); err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(&full); err != nil || c.Width != 640 || c.Height != 480 {
		t.Errorf("converted to %+v, %v", c, err)
	}
	if after := leftovers(t); after != before {
		t.Errorf("%d folders were left behind", after-before)
	}
}

// A film of 8 GiB costs no more than a short one: most of it is a hole.
func TestMake_largeFilm(t *testing.T) {
	film, err := os.ReadFile(filepath.Join(templates, "film0.mov"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 30
	at := filepath.Join(t.TempDir(), "large.mov")
	film = append(film, 0, 0, 0, 1, 'f', 'r', 'e', 'e')
	film = binary.BigEndian.AppendUint64(film, uint64(size-len(film)+8))
	if err := errors.Join(os.WriteFile(at, film, 0o600), os.Truncate(at, size)); err != nil {
		t.Fatal(err)
	}
	p, err := New().Make(t.Context(), os.DirFS(filepath.Dir(at)), "large.mov", 128)
	if b := decoded(t, p, err).Bounds(); b.Dx() != 128 {
		t.Errorf("%v", b)
	}
}

func leftovers(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob(memoryFolder + "/keepsake-*")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
