package notes

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

func opened(t testing.TB, fsys fs.FS, passwords ...string) *extract.Source {
	t.Helper()
	src := extracttest.Source(t, fsys)
	for _, p := range passwords {
		src.NotePasswords = append(src.NotePasswords, secret.NewText(p))
	}
	return src
}

// exported writes a source into a folder.
func exported(t testing.TB, src *extract.Source, format, dir string) (outtree.Stats, []*extract.Problem) {
	t.Helper()
	tree, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	rep := &extracttest.Collector{}
	if err := New().Export(t.Context(), src, extract.ExportOptions{Format: format, Files: true}, tree, rep); err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	return tree.Stats(), rep.Problems
}

// everything is a note with one of each thing that a note can have.
func everything() *Note {
	text := func(s string, l Look) Run { return Run{Text: s, Look: l} }
	line := func(style Style, indent int, s string) Paragraph {
		return Paragraph{Style: style, Indent: indent, Runs: []Run{{Text: s}}}
	}
	tag := &Attachment{Key: "TAG", Kind: KindTag, Text: "#garden"}
	link := &Attachment{Key: "NL", Kind: KindNoteLink, Text: "Seeds", URL: "applenotes:note/other-note"}
	cell := func(s string) Document { return Document{line(Body, 0, s)} }
	table := &Attachment{Key: "TAB", Kind: KindTable, Table: &Table{Rows: [][]Document{{cell("Bed"), cell("Plant | seed")}, {cell("1"), {line(Body, 0, "Beans"), {Runs: []Run{text("late", Look{Italic: true})}}}}, {nil, cell("<b>")}}}}
	rtl := &Attachment{Key: "RTL", Kind: KindTable, Table: &Table{RightToLeft: true, Rows: [][]Document{{cell("ימין"), cell("שמאל")}}}}
	picture := &Attachment{Key: "PIC", Kind: KindImage, Name: "a (1).jpg", Path: "x.jpg", File: "Notes/Home/Plan files/a (1).jpg"}
	heic := &Attachment{Key: "HEIC", Kind: KindImage, Name: "b.heic", Path: "x.heic", File: "Notes/Home/Plan files/b.heic", poster: "Notes/Home/Plan files/b preview.png"}
	page := &Attachment{Key: "WEB", Kind: KindLink, Title: "A <page>", URL: "https://example.org/?a=1&b=2"}
	evil := &Attachment{Key: "EVIL", Kind: KindLink, Title: "Evil", URL: "javascript:alert(1)"}
	html := &Attachment{Key: "HTML", Kind: KindFile, Name: "x.html", Path: "x.html", File: "Notes/Home/Plan files/x.html"}
	cloud := &Attachment{Key: "CLOUD", Kind: KindVideo, Name: "film.mov", Missing: true}
	sound := &Attachment{Key: "SND", Kind: KindAudio, Name: "call.m4a", Title: "Call with Wren", Path: "x.m4a", File: "Notes/Home/Plan files/call.m4a"}
	scan := &Attachment{Key: "GAL", Kind: KindGallery, Items: []*Attachment{picture, {Key: "P2", Kind: KindImage, Name: "p2.jpg", Missing: true}}}
	part := func(a *Attachment) Paragraph { return Paragraph{Runs: []Run{{Ref: a.Key, attachment: a}}} }
	n := &Note{Key: "ALL", Title: "Plan", Account: "iCloud", Folder: []string{"Home"}, Created: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Modified: time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC),
		Pinned: true, Shared: true, Attachments: []*Attachment{tag, link, table, rtl, picture, heic, page, evil, html, cloud, sound, scan}}
	n.Body = Document{line(Title, 0, "Plan"), line(Body, 0, "First line"), line(Body, 0, "second line, 1. not a list"), {}, line(Heading, 0, "Looks #1"),
		{Runs: []Run{text("bold", Look{Bold: true}), text(" and ", Look{}), text("italic", Look{Italic: true}), text("glued", Look{Bold: true, Italic: true}), text(" x", Look{}), text("2", Look{Script: 1}),
			text("i", Look{Script: -1}), text(" struck", Look{Strike: true}), text(" under", Look{Underline: true}), text(" red", Look{Color: "#cc3319"}), text(" marked", Look{Emphasis: "mint"}), text(" ls", Look{Monospace: true}),
			text(" link", Look{Link: "https://example.org/a_(b)"}), text(" bad", Look{Link: "javascript:alert(2)"})}},
		{Align: "center", Runs: []Run{{Text: "in the middle"}}}, line(Subheading, 0, "Lists"),
		line(Dotted, 0, "a"), line(Dotted, 1, "aa"), line(Numbered, 2, "aaa"), line(Numbered, 2, "aab"), line(Dotted, 0, "b"), line(Dashed, 0, "dash"), line(Numbered, 0, "one"), line(Numbered, 0, "two"),
		{Style: Checkbox, Done: true, Runs: []Run{{Text: "done"}}}, {Style: Checkbox, Indent: 1, Runs: []Run{{Text: "open"}}}, {Style: Checkbox},
		{Quote: true, Runs: []Run{{Text: "quoted"}}}, {Quote: true, Style: Dotted, Runs: []Run{{Text: "in a list"}}}, line(Monospace, 0, "if a < b {"), line(Monospace, 0, "\treturn `x`"), line(Monospace, 0, "```"),
		{Runs: []Run{{Text: "Tagged "}, {Text: "#garden", Ref: "TAG", attachment: tag}, {Text: ", see "}, {Text: "Seeds", Ref: "NL", attachment: link}}},
		part(table), part(rtl), {Runs: []Run{{Text: "before "}, {Ref: "PIC", attachment: picture}, {Text: " after"}}}, part(heic), part(page), part(evil), part(html), part(cloud), part(sound), part(scan),
		line(Body, 0, "<script>alert(3)</script> שלום 🥾 & more")}
	n.finish()
	return n
}

// The page and the Markdown of everything are what they were.
func TestGolden(t *testing.T) {
	src := extracttest.Source(t, fstest.MapFS{})
	for ext, write := range map[string]func(link, note func(string) string) []byte{
		".html": func(link, note func(string) string) []byte {
			var b bytes.Buffer
			if err := writePage(t, &b, everything(), src, link, note); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		},
		".md": func(link, note func(string) string) []byte { return []byte(markdownOf(everything(), link, note)) },
	} {
		own := "Notes/Home/Plan" + ext
		got := write(func(f string) string { return nearLink(own, f) }, func(address string) string {
			if noteAddress(address) == "OTHER-NOTE" {
				return nearLink(own, "Notes/Work/Seeds"+ext)
			}
			return ""
		})
		file := filepath.Join("testdata", "everything"+ext)
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s differs from %s; go test -update writes it anew\n%s", ext, file, got)
		}
		for _, bad := range []string{"javascript:", "<script>alert", "x.html\""} {
			if bytes.Contains(got, []byte(bad)) {
				t.Errorf("%s has %s", ext, bad)
			}
		}
	}
}

// A second run writes nothing; files have the times of their notes.
func TestExportAgain(t *testing.T) {
	for _, format := range []string{"html", "markdown"} {
		dir := t.TempDir()
		src := opened(t, phone(t, "18.6"), "keepsake")
		first, problems := exported(t, src, format, dir)
		if len(problems) > 0 || first.Written < 15 {
			t.Fatalf("%s: %d written, problems %v", format, first.Written, problems)
		}
		if again, _ := exported(t, src, format, dir); again.Written != 0 {
			t.Errorf("%s: a second run wrote %d files", format, again.Written)
		}
		list, _ := readAll(t, src)
		for _, n := range list {
			file := filepath.Join(append(append([]string{dir, "Notes"}, n.Folder...), outtree.Escape(n.Title)+map[string]string{"html": ".html", "markdown": ".md"}[format])...)
			info, err := os.Stat(file)
			if err != nil {
				t.Error(err)
				continue
			}
			if !info.ModTime().Equal(n.Modified.Truncate(time.Second)) && !info.ModTime().Equal(n.Modified) {
				t.Errorf("%s is of %v, the note of %v", file, info.ModTime(), n.Modified)
			}
		}
	}
	tree, err := outtree.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if err := New().Export(t.Context(), opened(t, public(t)), extract.ExportOptions{Format: "pdf"}, tree, nil); err == nil || !strings.Contains(err.Error(), "markdown") {
		t.Errorf("an unknown format: %v", err)
	}
}

// Every address in Markdown and pages leads to a file that was exported.
func TestLinksLeadSomewhere(t *testing.T) {
	dir := t.TempDir()
	exported(t, opened(t, phone(t, "17.6"), "keepsake"), "markdown", dir)
	links := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".md" {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s := judge(t, string(data))
		for _, href := range append(s.pictures, s.links...) {
			if strings.Contains(href, "://") {
				continue
			}
			links++
			rel := strings.NewReplacer("%20", " ", "%25", "%").Replace(href)
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), filepath.FromSlash(rel))); err != nil {
				t.Errorf("%s links to %s: %v", filepath.Base(p), href, err)
			}
		}
		return nil
	})
	if err != nil || links < 9 {
		t.Errorf("%d links, %v", links, err)
	}
}

func TestFiler(t *testing.T) {
	src := opened(t, phone(t, "17.6"), "keepsake")
	files := map[string]extract.File{}
	err := New().Files(t.Context(), src, func(f extract.File) error {
		name := path.Join(f.Path...)
		if _, twice := files[name]; twice {
			t.Errorf("%s twice", name)
		}
		files[name] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	made, origins := 0, 0
	for name, f := range files {
		if f.Origin != "" {
			origins++
			if !src.Has(f.Origin) {
				t.Errorf("%s: no %s", name, f.Origin)
			}
			continue
		}
		made++
		var a, b bytes.Buffer
		if err := errors.Join(f.Make(t.Context(), &a), f.Make(t.Context(), &b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a.Len() == 0 || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: made %d bytes, then %d", name, a.Len(), b.Len())
		}
		for _, href := range judge(t, a.String()).pictures {
			target := path.Join(path.Dir(name), strings.NewReplacer("%20", " ").Replace(href))
			if _, ok := files[target]; !ok {
				t.Errorf("%s shows %s, which is no file", name, target)
			}
		}
	}
	if made != 12 || origins != 7 {
		t.Errorf("%d notes and %d files of them, want 12 and 7", made, origins)
	}
	if err := New().Files(t.Context(), src, func(extract.File) error { return extract.ErrStop }); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestPreview(t *testing.T) {
	src := opened(t, phone(t, "17.6"), "keepsake")
	list, _ := readAll(t, src)
	with, without := 0, 0
	for _, n := range list {
		p, err := New().Preview(t.Context(), src, n.Key, 200)
		switch {
		case errors.Is(err, extract.ErrNoPreview):
			without++
		case err != nil:
			t.Errorf("%s: %v", n.Title, err)
		default:
			with++
			if n.Locked != "" || !strings.HasPrefix(p.Type, "image/") {
				t.Errorf("%s: %s", n.Title, p.Type)
			}
		}
	}
	if with != 1 || without != len(list)-1 {
		t.Errorf("%d with a picture, %d without", with, without)
	}
	if _, err := New().Preview(t.Context(), src, "no such note", 200); !errors.Is(err, extract.ErrNoPreview) {
		t.Errorf("of no note: %v", err)
	}
}
