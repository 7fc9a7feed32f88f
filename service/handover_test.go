package service

import (
	"context"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
)

// album hands over into a folder and remembers what it gave.
func album(t *testing.T, from fs.FS, dir string, given map[catalog.Digest]bool) *giver {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &giver{from: from, into: root,
		given: func(_ context.Context, d catalog.Digest) (bool, error) { return given[d], nil },
		give:  func(_ context.Context, d catalog.Digest) error { given[d] = true; return nil },
		told:  func(int64, int64) {}}
}

func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, err := os.ReadFile(path.Join(dir, name))
			if err != nil {
				return err
			}
			list = append(list, name+"="+string(data))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestHandOver(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	file := func(text string, at time.Time) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(text), ModTime: at, Mode: 0o644}
	}
	phone := fstest.MapFS{
		photos + "/100APPLE/IMG_0001.HEIC":            file("one", at),
		photos + "/100APPLE/IMG_0002.MOV":             file("two", at),
		"CameraRollDomain/Media/PhotoData/cache.heic": file("no original", at),
	}
	dir, given := t.TempDir(), map[catalog.Digest]bool{}
	run := func() []string {
		t.Helper()
		if err := album(t, phone, dir, given).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return files(t, dir)
	}
	want := "100APPLE/IMG_0001.HEIC=one 100APPLE/IMG_0002.MOV=two"
	if got := strings.Join(run(), " "); got != want {
		t.Fatalf("got %s", got)
	}
	// What its owner removed from the folder does not come back.
	if err := os.Remove(path.Join(dir, "100APPLE/IMG_0002.MOV")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(run(), " "); got != "100APPLE/IMG_0001.HEIC=one" {
		t.Fatalf("got %s", got)
	}
	// The phone uses a name again.
	phone[photos+"/100APPLE/IMG_0001.HEIC"] = file("another", at.Add(time.Hour))
	if got := strings.Join(run(), " "); got != "100APPLE/IMG_0001 (2).HEIC=another 100APPLE/IMG_0001.HEIC=one" {
		t.Fatalf("got %s", got)
	}
	// The process died between the file and the note of it.
	clear(given)
	delete(phone, photos+"/100APPLE/IMG_0002.MOV")
	if got := strings.Join(run(), " "); got != "100APPLE/IMG_0001 (2).HEIC=another 100APPLE/IMG_0001.HEIC=one" {
		t.Fatalf("got %s", got)
	}
	if len(given) != 1 {
		t.Errorf("%d given", len(given))
	}
}

func TestHandOver_link(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, path.Join(dir, "100APPLE")); err != nil {
		t.Fatal(err)
	}
	phone := fstest.MapFS{photos + "/100APPLE/IMG_0001.HEIC": {Data: []byte("x"), Mode: 0o644}}
	if err := album(t, phone, dir, map[catalog.Digest]bool{}).run(t.Context()); err == nil {
		t.Error("a link that leads out was followed")
	}
	if got := files(t, outside); len(got) != 0 {
		t.Errorf("outside: %v", got)
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"IMG_0001.HEIC": "IMG_0001.HEIC", "..": "", ".": "", "": "", ".hidden": "", "a:b?.jpg": "a_b_.jpg", "con.txt": "_con.txt", "NUL": "_NUL",
		"Anna's iPhone": "Anna's iPhone", "trailing. ": "trailing", "a\x00b": "a_b", `..\..\x`: "", strings.Repeat("x", 201): "", "a/b": "a_b", "\xff.jpg": "_.jpg",
	} {
		if got := safeName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzSafePath(f *testing.F) {
	for _, seed := range []string{"100APPLE/IMG_0001.HEIC", "../../etc/passwd", "/a", "a//b", `..\x`, "CON/aux.txt", "\x00", "a/./b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := safePath(name)
		if got == "" {
			return
		}
		if !fs.ValidPath(got) || strings.ContainsAny(got, `\:*?"<>|`) {
			t.Errorf("%q: %q", name, got)
		}
		for part := range strings.SplitSeq(got, "/") {
			if strings.HasPrefix(part, ".") || strings.TrimRight(part, " .") != part || len(part) > 201 {
				t.Errorf("%q: %q", name, got)
			}
		}
	})
}
