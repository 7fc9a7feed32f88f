package chat_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds each format to what it was, byte for byte, and sees that a second
// run writes nothing.
func TestGolden(t *testing.T) {
	for format, ext := range map[string]string{"html": "html", "text": "txt", "json": "json"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			first, rep := export(t, dir, everything(), source(files), extract.ExportOptions{Format: format, Files: true})
			if len(rep) > 0 {
				t.Errorf("problems: %q", rep)
			}
			golden(t, "club."+ext, read(t, dir, "Test/Book club/conversation."+ext))
			if format == "html" {
				golden(t, "index.html", read(t, dir, "Test/index.html"))
			}
			again, _ := export(t, dir, everything(), source(files), extract.ExportOptions{Format: format, Files: true})
			if again.Written != 0 || again.Kept != first.Written {
				t.Errorf("a second run wrote %d and kept %d files, the first wrote %d", again.Written, again.Kept, first.Written)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range g {
			if i >= len(w) || g[i] != w[i] {
				t.Fatalf("%s differs from line %d on (-update writes it anew):\n%s", file, i+1, g[i])
			}
		}
		t.Fatalf("%s has more lines", file)
	}
}

// TestTree says where files go, and what they are called.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	export(t, dir, everything(), source(files), extract.ExportOptions{Format: "html", Files: true})
	var got []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{
		".keepsake-export.jsonl",
		"Test/..%2F%3Cb%3ECON%3C%2Fb%3E %22x%22/conversation.html",
		"Test/Book club/conversation.html",
		"Test/Book club/media/Bundle/a/one.txt",
		"Test/Book club/media/Bundle/two.txt",
		"Test/Book club/media/IMG_0001.PNG",
		"Test/Book club/media/IMG_0002.HEIC",
		"Test/Book club/media/card.vcf",
		"Test/Book club/media/evil.html",
		"Test/Book club/media/evil.svg",
		"Test/Book club/media/film (preview).jpg",
		"Test/Book club/media/no ending.png",
		"Test/Book club/media/plan.pdf",
		"Test/Book club/media/sound.wav",
		"Test/Book club/media/sticker 100%25%3F.webp",
		"Test/Book club/media/tall.png",
		"Test/Jane Doe (+12025550101)/conversation.html",
		"Test/index.html",
		"Test/jane doe (+12025550109)/conversation.html",
	}
	if !slices.Equal(got, want) {
		t.Errorf("files:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHostile makes sure that nothing that was sent becomes part of a page, of a
// terminal's commands or of JSON's.
func TestHostile(t *testing.T) {
	dir := t.TempDir()
	for _, format := range []string{"html", "text", "json"} {
		export(t, dir, everything(), source(files), extract.ExportOptions{Format: format, Files: true})
	}
	page := read(t, dir, "Test/Book club/conversation.html")
	for _, bad := range []string{"<script", "<img src=https", `href="javascript`, `evil.html"`, `evil.svg"`, "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	contains(t, "page", page, `href="https://www.example.com/chapter_%287%29?q=1&amp;r=2"`, "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'")
	odd := read(t, dir, "Test/..%2F%3Cb%3ECON%3C%2Fb%3E %22x%22/conversation.txt")
	if strings.ContainsAny(odd, "\x1b\x07\u202e") {
		t.Errorf("text with commands for a terminal: %q", odd)
	}
	var doc struct {
		Conversation chat.Conversation
		Messages     []chat.Message
	}
	if err := json.Unmarshal([]byte(read(t, dir, "Test/Book club/conversation.json")), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Messages) != 20 || doc.Conversation.Title != "Book club" || doc.Messages[9].Attachments[0].File != "Test/Book club/media/IMG_0001.PNG" {
		t.Errorf("%d messages of %q", len(doc.Messages), doc.Conversation.Title)
	}
}

// TestWithoutFiles tells names only.
func TestWithoutFiles(t *testing.T) {
	dir := t.TempDir()
	export(t, dir, everything(), source(files), extract.ExportOptions{})
	if _, err := os.Stat(filepath.Join(dir, "Test", "Book club", "media")); err == nil {
		t.Error("media were taken unasked")
	}
	contains(t, "page", read(t, dir, "Test/Book club/conversation.html"), "IMG_0001.PNG", "plan.pdf")
}

// TestGroup exports one conversation, and leaves the list of all as it is.
func TestGroup(t *testing.T) {
	dir := t.TempDir()
	stats, _ := export(t, dir, everything(), source(files), extract.ExportOptions{Query: extract.Query{Group: "jane"}})
	if stats.Written != 1 {
		t.Errorf("%d files written, want 1", stats.Written)
	}
}

// TestMissing reports an attachment that is not there, and goes on.
func TestMissing(t *testing.T) {
	s := long(3)
	s.messages["long"][1].Attachments = []chat.Attachment{{Name: "gone.jpg", Path: "Media/gone.jpg"}, {Name: "x", Path: "../../etc/passwd"}}
	dir := t.TempDir()
	_, rep := export(t, dir, s, source(files), extract.ExportOptions{Files: true})
	if len(rep) != 2 {
		t.Errorf("problems: %q", rep)
	}
	contains(t, "page", read(t, dir, "Test/Long/conversation.html"), "message 2<", "gone.jpg")
}
