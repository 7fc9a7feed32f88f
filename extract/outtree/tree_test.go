package outtree_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract/outtree"
)

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"IMG_0001.HEIC": "IMG_0001.HEIC", "a:b?.txt": "a%3Ab%3F.txt", "100%": "100%25", "..": "%2E%2E", ".": "%2E", "": "%",
		".profile": ".profile", "dots. ": "dots.%20", "end.": "end%2E", "CON": "%43ON", "con.txt": "%63on.txt", "COM1.a.b": "%43OM1.a.b",
		"COM10": "COM10", "CONSOLE": "CONSOLE", "nul ": "%6Eul%20", "a/b\\c": "a%2Fb%5Cc", "\x00\x1f\x7f": "%00%1F%7F",
		"Zoë 🏝️ שלום": "Zoë 🏝️ שלום", "bad\xffutf8": "bad%FFutf8", "LPT¹": "%4CPT¹",
	} {
		if got := outtree.Escape(name); got != want {
			t.Errorf("Escape(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "..", "CON", strings.Repeat("é", 200), "a%41", "\xff", "x. ", strings.Repeat("%", 300) + ".jpg"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := outtree.Escape(name)
		if len(got) > 240 || !fs.ValidPath(got) || got == "." || strings.ContainsAny(got, "<>:\"/\\|?*\x00") || !utf8.ValidString(got) ||
			strings.HasSuffix(got, ".") || strings.HasSuffix(got, " ") {
			t.Errorf("Escape(%q) = %q", name, got)
		}
		if len(name) < 80 && outtree.Unescape(got) != name {
			t.Errorf("Unescape(%q) = %q, want %q", got, outtree.Unescape(got), name)
		}
	})
}

func put(t *testing.T, tree *outtree.Tree, f outtree.File, content string) outtree.Placed {
	t.Helper()
	p, err := tree.Put(t.Context(), f, func(w io.Writer) error { _, err := io.WriteString(w, content); return err })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, dir string) *outtree.Tree {
	t.Helper()
	tree, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// files are what is there, but the ledger, with their contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".keepsake-export.jsonl" {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		all[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func expect(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := files(t, dir)
	if len(got) != len(want) {
		t.Errorf("files: %q, want %q", got, want)
		return
	}
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s has %q, want %q", name, got[name], content)
		}
	}
}

func TestTree_addsOnlyWhatIsNew(t *testing.T) {
	dir := t.TempDir()
	taken := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	original := outtree.File{Path: []string{"Photos", "2024", "IMG_1.JPG"}, Key: "a", Stamp: "1", ModTime: taken}
	page := outtree.File{Path: []string{"Messages", "Anna: us.html"}, Key: "c", Stamp: "1", Document: true}
	tree := open(t, dir)
	put(t, tree, original, "one")
	put(t, tree, page, "hello")
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "Photos/2024/IMG_1.JPG")); err != nil || !info.ModTime().Equal(taken) {
		t.Errorf("time of an original: %v, %v", info.ModTime(), err)
	}

	tree = open(t, dir)
	if p := put(t, tree, original, "must not be written"); p.New || p.Path != "Photos/2024/IMG_1.JPG" {
		t.Errorf("an original that is there: %+v", p)
	}
	other := original
	other.Key = "b" // another picture of the same name
	put(t, tree, other, "two")
	changed := original
	changed.Stamp = "2"
	put(t, tree, changed, "one, edited")
	page.Stamp = "2"
	put(t, tree, page, "hello, and more")
	if s := tree.Stats(); s.Written != 3 || s.Kept != 1 {
		t.Errorf("stats %+v", s)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, dir, map[string]string{"Photos/2024/IMG_1.JPG": "one", "Photos/2024/IMG_1 (2).JPG": "two", "Photos/2024/IMG_1 (3).JPG": "one, edited",
		"Messages/Anna%3A us.html": "hello, and more"})
}

// What the owner has put there is never written over, nor what was exported before a
// ledger was lost, nor names that differ in case or composition only.
func TestTree_keepsApart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("the owner's"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir)
	for i, name := range []string{"mine.txt", "Zoe\u0301.vcf", "Zo\u00e9.vcf", "ZO\u00c9.VCF", ".keepsake-export.jsonl", "no ending", "no ending"} {
		put(t, tree, outtree.File{Path: []string{name}, Key: fmt.Sprint(i), Stamp: "1"}, fmt.Sprint(i))
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, dir, map[string]string{"mine.txt": "the owner's", "mine (2).txt": "0", "Zoe\u0301.vcf": "1", "Zo\u00e9 (2).vcf": "2", "ZO\u00c9 (3).VCF": "3",
		".keepsake-export (2).jsonl": "4", "no ending": "5", "no ending (2)": "6"})
}

func TestTree_failedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	tree := open(t, dir)
	f := outtree.File{Path: []string{"a", "film.mov"}, Key: "k", Stamp: "1"}
	broken := errors.New("a blob is missing")
	_, err := tree.Put(t.Context(), f, func(w io.Writer) error { io.WriteString(w, "half of it"); return broken })
	var host *outtree.HostError
	if !errors.Is(err, broken) || errors.As(err, &host) {
		t.Errorf("error %v", err)
	}
	expect(t, dir, map[string]string{})
	put(t, tree, f, "whole")
	tree.Close()
	expect(t, dir, map[string]string{"a/film.mov": "whole"})
}

// A run that was killed had written the file, but not that it is there.
func TestTree_afterACrash(t *testing.T) {
	dir := t.TempDir()
	f := outtree.File{Path: []string{"film.mov"}, Key: "k", Stamp: "1"}
	tree := open(t, dir)
	put(t, tree, f, "whole")
	// No Close: the lines that say so are not written yet.
	ledger, err := os.ReadFile(filepath.Join(dir, ".keepsake-export.jsonl"))
	if err != nil || strings.Contains(string(ledger), `"stamp":"1"`) {
		t.Fatalf("ledger %s, %v", ledger, err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".keepsake-export.jsonl"), append(ledger, `{"key":"x","st`...), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if p := put(t, again, f, "whole, once more"); !p.New || p.Path != "film.mov" {
		t.Errorf("%+v", p)
	}
	put(t, again, outtree.File{Path: []string{"other"}, Key: "o", Stamp: "1"}, "o")
	again.Close()
	expect(t, dir, map[string]string{"film.mov": "whole, once more", "other": "o"})
	third := open(t, dir)
	if p := put(t, third, f, "no"); p.New {
		t.Error("written a third time: the line that was cut short hid those behind it")
	}
}

// A ledger that somebody has changed cannot make the tree write elsewhere.
func TestTree_ledgerIsNotTrusted(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "in")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	line := `{"key":"k","stamp":"","path":"../escaped"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, ".keepsake-export.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir)
	put(t, tree, outtree.File{Path: []string{"name"}, Key: "k", Stamp: "1", Document: true}, "x")
	if _, err := tree.Put(t.Context(), outtree.File{Path: []string{"link", "escaped"}, Key: "l", Stamp: "1"}, func(io.Writer) error { return nil }); err == nil {
		t.Error("a link that leads out was followed")
	}
	tree.Close()
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

func TestLink(t *testing.T) {
	if got := outtree.Link("Messages/Anna%3A us/page 2.html", "Messages/Anna%3A us/media/a b'c.jpg"); got != "../../Messages/Anna%253A%20us/media/a%20b%27c.jpg" {
		t.Error(got)
	}
}

func TestCopy(t *testing.T) {
	var b strings.Builder
	if err := outtree.Copy(fstest.MapFS{"a": {Data: []byte("bytes")}}, "a")(&b); err != nil || b.String() != "bytes" {
		t.Error(b.String(), err)
	}
	if !slices.Contains([]string{"5/-62135596800"}, outtree.StampOf(info(t))) {
		t.Error(outtree.StampOf(info(t)))
	}
}

func info(t *testing.T) fs.FileInfo {
	t.Helper()
	i, err := fs.Stat(fstest.MapFS{"a": {Data: []byte("bytes")}}, "a")
	if err != nil {
		t.Fatal(err)
	}
	return i
}
