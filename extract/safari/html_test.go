package safari_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

func export(t testing.TB, src *extract.Source, dir string, q extract.Query) (string, outtree.Stats) {
	t.Helper()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := safari.New().Export(t.Context(), src, extract.ExportOptions{Query: q}, out, nil); err != nil {
		t.Fatal(err)
	}
	stats := out.Stats()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "Safari", "Bookmarks.html"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), stats
}

// outline is what a browser's parser makes of a file: each folder and link with the
// folders that it lies in.
func outline(t testing.TB, page string) []string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	var walk func(n *html.Node, folders []string) string
	walk = func(n *html.Node, folders []string) (heading string) {
		text := func(n *html.Node) string {
			if n.FirstChild == nil {
				return ""
			}
			return n.FirstChild.Data
		}
		switch n.Data {
		case "h3":
			heading = text(n)
			list = append(list, strings.Join(append(folders, heading), "/")+"/")
			return heading
		case "a":
			href := "none"
			for _, a := range n.Attr {
				if a.Key == "href" {
					href = a.Val
				}
			}
			list = append(list, fmt.Sprintf("%s -> %s", strings.Join(append(folders, text(n)), "/"), href))
		case "script", "img", "iframe", "style", "b", "it":
			t.Errorf("there is a <%s>", n.Data)
		case "dl":
			// The heading before the list is the folder's.
		}
		last := ""
		for c := range n.ChildNodes() {
			in := folders
			if c.Data == "dl" && last != "" {
				in = append(append([]string{}, folders...), last)
			}
			if h := walk(c, in); h != "" {
				last = h
			}
		}
		return last
	}
	walk(doc, nil)
	return list
}

func TestHTML(t *testing.T) {
	src := made(t, odd(t))
	page, _ := export(t, src, t.TempDir(), extract.Query{})
	want, err := os.ReadFile(filepath.Join("testdata", "bookmarks.html"))
	if err != nil {
		t.Fatal(err)
	}
	if page != string(want) {
		t.Errorf("the page differs from testdata/bookmarks.html:\n%s", page)
	}
	got := strings.Join(outline(t, page), "\n")
	if want := `Favorites/
Favorites/https://example.com/untitled -> https://example.com/untitled
Favorites/A <b> & "c"/
Favorites/A <b> & "c"/First -> none
Favorites/A <b> & "c"/Second -> https://example.com/?a=1&b=%222%22
Reading List/
Reading List/Later -> https://example.com/later
Reading List/Later too -> https://example.com/later2
Lost -> https://example.com/lost
Round/
Round/And round/
Round/And round/Round it goes -> https://example.com/round`; got != want {
		t.Errorf("parsed:\n%s\nwant\n%s", got, want)
	}
	page, _ = export(t, src, t.TempDir(), extract.Query{Table: "reading-list"})
	if got := strings.Join(outline(t, page), "\n"); got != "Reading List/\nReading List/Later -> https://example.com/later\nReading List/Later too -> https://example.com/later2" {
		t.Errorf("the reading list alone:\n%s", got)
	}
}

func TestHTMLAgain(t *testing.T) {
	dir, src := t.TempDir(), made(t, odd(t))
	first, _ := export(t, src, dir, extract.Query{})
	second, stats := export(t, src, dir, extract.Query{})
	if first != second || stats.Written != 0 || stats.Kept != 4 {
		t.Errorf("second run: %+v", stats)
	}
	files := 0
	err := safari.New().Files(t.Context(), src, func(f extract.File) error {
		var b bytes.Buffer
		if err := f.Make(t.Context(), &b); err != nil {
			return err
		}
		files++
		written, err := os.ReadFile(filepath.Join(dir, "Safari", filepath.Join(f.Path...)))
		if err != nil || !bytes.Equal(b.Bytes(), written) {
			t.Errorf("file %v differs, %v", f.Path, err)
		}
		return nil
	})
	if err != nil || files != 4 {
		t.Errorf("%d files, %v", files, err)
	}
	full := errors.New("full")
	for stop, want := range map[error]error{extract.ErrStop: nil, full: full} {
		for after := range 4 {
			n := 0
			err := safari.New().Files(t.Context(), src, func(extract.File) error {
				if n++; n > after {
					return stop
				}
				return nil
			})
			if !errors.Is(err, want) || n != after+1 {
				t.Errorf("%v after %d files: %d were given, %v", stop, after, n, err)
			}
		}
	}
	without := odd(t)
	delete(without, "Bookmarks.db")
	src = made(t, without)
	dir = t.TempDir()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := safari.New().Export(t.Context(), src, extract.ExportOptions{Query: extract.Query{Table: "bookmarks"}}, out, nil); !errors.Is(err, extract.ErrAbsent) {
		t.Errorf("without bookmarks: %v", err)
	}
	if err := safari.New().Export(t.Context(), src, extract.ExportOptions{}, out, nil); err != nil || out.Stats().Written != 3 {
		t.Errorf("without bookmarks: %+v, %v", out.Stats(), err)
	}
}

// TestPages finds every visit and tab of a phone on the pages.
func TestPages(t *testing.T) {
	dir, src := t.TempDir(), extracttest.Source(t, phone(t, "17.3"))
	export(t, src, dir, extract.Query{})
	page := func(pattern string) string {
		all := ""
		names, err := filepath.Glob(filepath.Join(dir, "Safari", pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s, %v", pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all += string(data)
		}
		return all
	}
	history, tabs := page("History/*.html"), page("Open Tabs.html")
	visits := read[*safari.Visit](t, src, "history")
	if n := strings.Count(history, "<li>"); n != len(visits) || n == 0 {
		t.Errorf("%d lines of history, %d visits", n, len(visits))
	}
	for _, v := range visits {
		at := v.Time.In(src.Local())
		if !strings.Contains(history, html.EscapeString(v.URL)) || !strings.Contains(history, at.Format("15:04")) || !strings.Contains(history, at.Format("2 January 2006")) {
			t.Errorf("not there: %+v", v)
		}
	}
	n := 0
	for _, tab := range read[*safari.Tab](t, src, "tabs") {
		if !tab.Deleted {
			n++
		}
	}
	if links := strings.Count(tabs, "<DT><A"); links != n || n == 0 || strings.Count(tabs, "<DL>") != strings.Count(tabs, "</DL>") {
		t.Errorf("%d links for %d tabs:\n%s", links, n, tabs)
	}
}

// TestDeep has folders in folders, deeper than anything that calls itself survives.
func TestDeep(t *testing.T) {
	src := made(t, map[string][]statement{"Bookmarks.db": {do(bookmarksDDL), do(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
		INSERT INTO bookmarks (id, parent, type, title, url, order_index) SELECT i, nullif(i - 1, 0), i < 3000, 'F', iif(i < 3000, NULL, 'https://example.com/'), 0 FROM n`)}})
	page, _ := export(t, src, t.TempDir(), extract.Query{})
	if n := strings.Count(page, "<DL>"); n != 3000 || strings.Count(page, "</DL>") != n {
		t.Errorf("%d lists", n)
	}
}
