package search

import (
	"strings"
	"testing"
	"unicode"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/kinds"
)

// Everything on a phone is found by its own words, and read again it is nothing new.
func TestIndex_phone(t *testing.T) {
	fsys := extracttest.Phone(t, "17.6")
	ix := open(t, t.TempDir())
	for n, id := range []string{"v1", "v2"} {
		if err := ix.Add(t.Context(), Version{ID: id, Time: day(n)}, kinds.All(), extracttest.Source(t, fsys), nil); err != nil {
			t.Fatal(err)
		}
	}
	s, err := ix.Stats()
	if err != nil || s.Segments != 1 {
		t.Errorf("%+v, %v: the same phone gave new documents", s, err)
	}
	versions, err := ix.Versions()
	if err != nil {
		t.Fatal(err)
	}
	src := extracttest.Source(t, fsys)
	records := 0
	for i, x := range kinds.All() {
		kind := versions[0].Kinds[i]
		if kind.Kind != x.Info().Kind || kind.State == Failed {
			t.Errorf("%+v", kind)
		}
		if kind.State != Read {
			continue
		}
		for n, r := range extracttest.Read(t, x, src, extract.Query{}).Records {
			records++
			if n%17 != 0 {
				continue
			}
			e := r.Entry()
			// Its longest word without signs that a query gives a meaning to.
			word := ""
			for _, w := range strings.FieldsFunc(e.Title+" "+e.Detail+" "+e.Text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
				if len(w) > len(word) {
					word = w
				}
			}
			found := false
			for h, err := range ix.All(t.Context(), Query{Text: word + " ", Kinds: []string{kind.Kind}}) {
				if err != nil {
					t.Fatal(err)
				}
				if h.Key == e.Key && h.Table == e.Table {
					found = h.Gone == false && len(h.InVersions) == 2 && h.Time.Equal(e.Time) && h.Group == e.Group
					break
				}
			}
			if !found {
				t.Errorf("%s %q is not found by %q", kind.Kind, e.Key, word)
			}
		}
	}
	if records < 100 {
		t.Errorf("%d records", records)
	}
}
