package photos

import (
	"bytes"
	"errors"
	"image"
	_ "image/jpeg"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func without(fsys fs.FS, drop func(name string) bool) fstest.MapFS {
	out := fstest.MapFS{}
	for name, f := range fsys.(fstest.MapFS) {
		if !drop(name) {
			out[name] = f
		}
	}
	return out
}

func inThumbnails(name string) bool { return bytes.HasPrefix([]byte(name), []byte(thumbnails)) }

// The backup's own small pictures, and those that are made, of everything.
func TestPreview(t *testing.T) {
	whole := phone(t, "26.1")
	for what, x := range map[string]struct {
		fsys        fs.FS
		size, most  int
		haveThumb   bool
		makeMissing bool
	}{
		"own":         {whole, 200, 400, true, false},
		"own, larger": {whole, 640, 640, true, false},
		"made":        {without(whole, inThumbnails), 200, 200, false, true},
	} {
		t.Run(what, func(t *testing.T) {
			src := extracttest.Source(t, x.fsys)
			for _, p := range read(t, src, extract.Query{}) {
				got, err := New().Preview(t.Context(), src, p.Key, x.size)
				if p.Availability == Missing || p.Availability == ThumbnailOnly && !x.haveThumb {
					if !errors.Is(err, extract.ErrNoPreview) {
						t.Errorf("%s is not here: %v", p.Name, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", p.Name, err)
					continue
				}
				c, format, err := image.DecodeConfig(bytes.NewReader(got.Data))
				if err != nil || got.Type != "image/"+format || max(c.Width, c.Height) > x.most {
					t.Errorf("%s: %s %s of %dx%d, %v", p.Name, got.Type, format, c.Width, c.Height, err)
				}
			}
		})
	}
}

func TestPreview_unknown(t *testing.T) {
	src := extracttest.Source(t, phone(t, "18.6"))
	for _, key := range []string{"", "no such", "file/../../x.jpg", "file/DCIM/../PhotoData/Photos.sqlite", "file/PhotoData/Photos.sqlite", "file/DCIM/102SHOTS/none.JPG", "asset/1", "asset/x"} {
		if _, err := New().Preview(t.Context(), src, key, 200); !errors.Is(err, extract.ErrNoPreview) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", key, err)
		}
	}
}
