package search

import (
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract"
)

// Whatever people type, the index gives the records that have it, and marks are in them.
func FuzzSearch(f *testing.F) {
	for _, q := range []string{"plum", `"plum cake" -dog`, "+49 170 1234567", "don't", "東京タワー", "京", "🎂", "a*", `-"a b`, "“x", "0170 1234567 plum", "- -- \"\"", "ﬁ\xff", "anna@example.com", "1234567*"} {
		f.Add(q)
	}
	entries := []*record{
		{Key: "1", Title: "Anna Müller", Detail: "+49 170 1234567", Text: "anna@example.com\nplum cake"},
		{Key: "2", Title: "東京タワー", Text: "🎂👍🏽 don't 0170/1234567 cake plum", Time: day(1)},
		{Key: "3", Text: "a b c d 123 456 7 \xff\u0301 ﬁne fi", Time: day(2)},
		{Key: "4", Title: "x", Text: "12345678901234 1234567890123456789012345", Time: day(3)},
	}
	ix := open(f, f.TempDir())
	add(f, ix, "v1", 1, &fake{kind: "notes", records: entries})
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text)
		if err != nil {
			if !errors.Is(err, ErrQuery) {
				t.Fatal(err)
			}
			return
		}
		m := newMatcher(p)
		var want, got []string
		for _, r := range entries {
			e := extract.Entry(*r)
			if m.matches(&e) {
				want = append(want, r.Key)
			}
		}
		for h, err := range ix.All(t.Context(), Query{Text: text}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, h.Key)
			if !utf8.ValidString(h.Snippet.Text) {
				t.Fatalf("snippet %q", h.Snippet.Text)
			}
			for _, r := range h.Snippet.Marks {
				if r.Start < 0 || r.Start >= r.End || r.End > len(h.Snippet.Text) {
					t.Fatalf("mark %v of %q", r, h.Snippet.Text)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%q gives %q, want %q", text, got, want)
		}
	})
}

func FuzzParsePresence(f *testing.F) {
	f.Add([]byte{1, 1, 'a', 8, 0, 8})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parsePresence(data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if _, err := parsePresence(encodePresence(list)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"versions":[{"id":"v","time":"2026-01-01T00:00:00Z","kinds":[],"file":{"name":"ver-00000000000000000000000000000000","id":""}}],"segments":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseManifest(again); err != nil {
			t.Fatal(err)
		}
	})
}
