package notes

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	mdhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// seen is what a reader of Markdown makes of it.
type seen struct {
	text                                     string
	boxes, ticked, tables, cells, bold, ital int
	pictures, links                          []string
}

// judge renders Markdown with a parser that is not ours.
func judge(t testing.TB, md string) seen {
	t.Helper()
	var b bytes.Buffer
	parser := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList), goldmark.WithRendererOptions(mdhtml.WithUnsafe()))
	if err := parser.Convert([]byte(md), &b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	var text strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			text.WriteString(n.Data)
		}
		if n.Type == html.ElementNode {
			attr := map[string]string{}
			for _, a := range n.Attr {
				attr[a.Key] = a.Val
			}
			switch n.Data {
			case "input":
				s.boxes++
				if _, ok := attr["checked"]; ok {
					s.ticked++
				}
			case "table":
				s.tables++
			case "td", "th":
				s.cells++
				text.WriteByte(' ')
			case "strong":
				s.bold++
			case "em":
				s.ital++
			case "img":
				s.pictures = append(s.pictures, attr["src"])
			case "a":
				s.links = append(s.links, attr["href"])
			case "p", "li", "br", "tr", "h1", "h2", "h3", "pre", "blockquote":
				text.WriteByte(' ')
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	s.text = plainWords(text.String())
	return s
}

// plainWords makes all blanks one.
func plainWords(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' }), " ")
}

func asMarkdown(d Document) string {
	w := &writer{link: func(s string) string { return s }}
	return w.markdown(d)
}

// Whatever a note says, Markdown says the same, and has as many boxes and tables.
func roundTrip(t testing.TB, d Document) {
	t.Helper()
	md := asMarkdown(d)
	got := judge(t, md)
	if want := plainWords(d.Plain()); got.text != want {
		t.Errorf("text %q\nbecame %q\nMarkdown:\n%s", want, got.text, md)
	}
	boxes, ticked, tables := 0, 0, 0
	for _, p := range d {
		if p.Style == Checkbox {
			boxes++
			if p.Done {
				ticked++
			}
		}
		for _, r := range p.Runs {
			if r.attachment != nil && r.attachment.Table != nil {
				tables++
			}
		}
	}
	if got.boxes != boxes || got.ticked != ticked || got.tables != tables {
		t.Errorf("%d boxes, %d ticked, %d tables; want %d, %d, %d:\n%s", got.boxes, got.ticked, got.tables, boxes, ticked, tables, md)
	}
}

// nasty are words that mean something in Markdown, or nearly.
var nasty = []string{"a", "B", "ö", "שלום", "🥾", "word", " ", "  ", "\t", "*", "**", "_", "__", "~~", "`", "``", "#", "# x", "- ", "+ ", "* ", "1. ", "12) ", "> ", "| a | b |", "|", "---", "===", "```", "~~~",
	"[x]", "[ ] ", "[a](b)", "![a](b)", "<b>", "</b>", "<!-- ", "-->", "<script>alert(1)</script>", "&amp;", "&lt", "&#65;", "\\", "\\*", "http://example.org/a_b_c", "snake_case_word", "a*b*c",
	"!", "(", ")", "\"", "'", ":", ":-", ":---", "$x$", "^", "{", "}", "@x", "\u00a0", "\u2028", "\r", "\x01", "é", "e\u0301", "—", "…", "1.5", "v2.0.", "=", "-", "+"}

// randomDocument makes a document of nasty words.
func randomDocument(r *rand.Rand) Document {
	words := func() string {
		var b strings.Builder
		for range r.IntN(4) {
			b.WriteString(nasty[r.IntN(len(nasty))])
		}
		return strings.ReplaceAll(b.String(), "\n", "")
	}
	look := func() Look {
		if r.IntN(3) > 0 {
			return Look{}
		}
		l := Look{Bold: r.IntN(3) == 0, Italic: r.IntN(3) == 0, Strike: r.IntN(5) == 0, Underline: r.IntN(7) == 0, Monospace: r.IntN(9) == 0, Script: []int{-1, 0, 0, 0, 0, 0, 0, 0, 1}[r.IntN(9)]}
		if r.IntN(6) == 0 {
			l.Link = "https://example.org/(" + string(rune('a'+r.IntN(26))) + ")"
		}
		return l
	}
	list := []Style{Body, Body, Body, Title, Heading, Subheading, Monospace, Dotted, Dashed, Numbered, Checkbox}
	var d Document
	for range 1 + r.IntN(8) {
		p := Paragraph{Style: list[r.IntN(len(list))], Indent: r.IntN(4) * r.IntN(2), Quote: r.IntN(6) == 0}
		p.Done = p.Style == Checkbox && r.IntN(2) == 0
		for range r.IntN(4) {
			p.Runs = append(p.Runs, Run{Text: words(), Look: look()})
		}
		if r.IntN(12) == 0 && p.Style != Monospace {
			cell := func() Document {
				return Document{{Runs: []Run{{Text: words(), Look: look()}}}, {Runs: []Run{{Text: words()}}}}
			}
			p.Runs = append(p.Runs, Run{Ref: "T", attachment: &Attachment{Key: "T", Kind: KindTable, Table: &Table{Rows: [][]Document{{cell(), cell()}, {nil, cell()}}}}})
		}
		d = append(d, p)
	}
	return d
}

func TestMarkdownSaysTheSame(t *testing.T) {
	for seed := range uint64(3000) {
		roundTrip(t, randomDocument(rand.New(rand.NewPCG(seed, 1))))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"a\n# b", "1. x", "*a* **b**", "| a | b |\n| --- | --- |", "\tcode", "- [ ] x", "<b>&amp;", "a\\\nb", "\u2028", "Setext\n---", "a_b_ _c_"} {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, s string, style uint8) {
		list := []Style{Body, Title, Heading, Subheading, Monospace, Dotted, Dashed, Numbered, Checkbox}
		s = strings.ToValidUTF8(s, "?")
		if len(s) > 2000 || strings.ContainsAny(s, "\x00\ufffc\ufffd") || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			return // what parsers of HTML change, too
		}
		var d Document
		for line := range strings.SplitSeq(s, "\n") {
			d = append(d, Paragraph{Style: list[int(style)%len(list)], Runs: []Run{{Text: line}}})
		}
		roundTrip(t, d)
	})
}

// The notes of phones say the same in Markdown.
func TestMarkdownOfPhones(t *testing.T) {
	for _, ios := range append([]string{"public"}, extracttest.Generations...) {
		fsys := public(t)
		if ios != "public" {
			fsys = phone(t, ios)
		}
		list, _ := readAll(t, opened(t, fsys, "keepsake"))
		for _, n := range list {
			if n.Unread != "" {
				continue
			}
			got := judge(t, markdownOf(n, func(s string) string { return s }, nil))
			files := 0
			n.files(func(a *Attachment) {
				if !a.Inline() && a.Kind != KindTable {
					files++
				}
			})
			if files == 0 && got.text != plainWords(n.Text) {
				t.Errorf("%s: %q became %q", ios, plainWords(n.Text), got.text)
			}
			if got.boxes != n.Todo || got.ticked != n.Done {
				t.Errorf("%s: %q has %d boxes, %d ticked; want %d, %d", ios, n.Title, got.boxes, got.ticked, n.Todo, n.Done)
			}
		}
	}
}
