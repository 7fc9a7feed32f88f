package search

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func titles(hits []*Hit) string {
	var list []string
	for _, h := range hits {
		list = append(list, h.Title)
	}
	return strings.Join(list, ", ")
}

func TestSearch(t *testing.T) {
	ix := open(t, t.TempDir())
	contacts := &fake{kind: "contacts", records: []*record{
		{Key: "c1", Title: "Anna Müller", Detail: "+49 170 1234567", Text: "anna.mueller@example.com\nBäckerei Größe"},
		{Key: "c2", Title: "Bob Smith", Text: "smith@example.org"},
	}}
	messages := &fake{kind: "messages", records: []*record{
		{Key: "m1", Title: "Anna Müller", Text: "The plum cake was great 🎂", Time: day(-3), Group: "g1"},
		{Key: "m2", Title: "Bob", Text: "cake of plums, and don't forget 東京タワー", Time: day(-2)},
		{Key: "m3", Title: "Me", Text: "Call 0170/123 45 67 about the plumber", Time: day(-1), Hidden: true},
	}}
	add(t, ix, "v1", 0, contacts, messages)
	for _, tt := range []struct{ text, want string }{
		{"", "Anna Müller, Bob Smith, Me, Bob, Anna Müller"},
		{"plum cake", "Anna Müller"},
		{"plum ", "Anna Müller"},
		{"plum", "Me, Bob, Anna Müller"},
		{"pl* cake ", "Bob, Anna Müller"},
		{`"plum cake"`, "Anna Müller"},
		{`"cake plum"`, ""},
		{`cake -plum `, "Bob"},
		{`-"plum cake" cake `, "Bob"},
		{"cake -great", "Bob"},
		{"muller", "Anna Müller, Anna Müller"},
		{"MÜLLER ", "Anna Müller, Anna Müller"},
		{"grosse", "Anna Müller"},
		{"anna.mueller@example.com", "Anna Müller"},
		{"example.com ", "Anna Müller"},
		{"don't", "Bob"},
		{"東京", "Bob"},
		{"京タワ", "Bob"},
		{"京", "Bob"},
		{"京東", ""},
		{"🎂", "Anna Müller"},
		{"+49 (170) 1234567", "Anna Müller, Me"},
		{"01701234567", "Anna Müller, Me"},
		{"0049 170 1234567 plumber", "Me"},
		{"123 4567", "Anna Müller, Me"},
		{"0170 12345", "Anna Müller, Me"},
		{"1234568", ""},
		{"nothing", ""},
		{"- -", "Anna Müller, Bob Smith, Me, Bob, Anna Müller"},
		{"“plum cake”", "Anna Müller"},
		{`"plum cake`, "Anna Müller"},
	} {
		if got := titles(find(t, ix, Query{Text: tt.text})); got != tt.want {
			t.Errorf("%q gives %s, want %s", tt.text, got, tt.want)
		}
	}
	if got := titles(find(t, ix, Query{Kinds: []string{"messages"}, Text: "anna"})); got != "Anna Müller" {
		t.Errorf("of messages: %s", got)
	}
	if got := titles(find(t, ix, Query{From: day(-2), To: day(-1)})); got != "Bob" {
		t.Errorf("of a day: %s", got)
	}
}

func TestHit_snippet(t *testing.T) {
	ix := open(t, t.TempDir())
	long := strings.Repeat("lorem ipsum ", 100)
	add(t, ix, "v1", 0, &fake{kind: "notes", records: []*record{{Key: "n", Title: "A plum", Detail: "today", Text: long + "the Plüm\tcake " + long}}})
	h := find(t, ix, Query{Text: "plum"})[0]
	if diff := cmp.Diff([]Range{{2, 6}}, h.TitleMarks); diff != "" {
		t.Error(diff)
	}
	if len(h.Snippet.Marks) != 1 || h.Snippet.Text[h.Snippet.Marks[0].Start:h.Snippet.Marks[0].End] != "Plüm" ||
		!strings.Contains(h.Snippet.Text, "the Plüm cake") || !strings.HasPrefix(h.Snippet.Text, "…") || !strings.HasSuffix(h.Snippet.Text, "…") || len(h.Snippet.Text) > 260 {
		t.Errorf("snippet %q %v", h.Snippet.Text, h.Snippet.Marks)
	}
}

// When did this contact vanish?
func TestHit_gone(t *testing.T) {
	ix := open(t, t.TempDir())
	anna := &record{Key: "c1", Title: "Anna"}
	changed := &record{Key: "c1", Title: "Anna", Detail: "+49"}
	bob := &record{Key: "c2", Title: "Bob"}
	tab := &record{Key: "t", Title: "Tab", Volatile: true}
	contacts := func(list ...*record) *fake { return &fake{kind: "contacts", records: list} }
	add(t, ix, "v1", 1, contacts(anna, bob), &fake{kind: "safari", records: []*record{tab}}, &fake{kind: "calls", needs: "an encrypted backup", records: []*record{{Key: "k", Title: "Call"}}})
	add(t, ix, "v2", 2, contacts(changed, bob), &fake{kind: "safari"}, &fake{kind: "calls", needs: "an encrypted backup", err: errAbsent})
	add(t, ix, "v3", 3, &fake{kind: "contacts", err: errors.New("damaged")})
	want := func(text string, want *Hit) {
		t.Helper()
		hits := find(t, ix, Query{Text: text + " "})
		if len(hits) != 1 {
			t.Fatalf("%s: %d hits", text, len(hits))
		}
		h := hits[0]
		got := &Hit{InVersions: h.InVersions, Changed: h.Changed, Gone: h.Gone, GoneSince: h.GoneSince, Doubtful: h.Doubtful}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Hit{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	want("bob", &Hit{InVersions: []string{"v1", "v2"}})
	want("tab", &Hit{InVersions: []string{"v1"}})
	want("call", &Hit{InVersions: []string{"v1"}})
	f := contacts(changed)
	f.broken = 1
	add(t, ix, "v4", 4, f)
	want("bob", &Hit{InVersions: []string{"v1", "v2"}, Gone: true, GoneSince: "v4", Doubtful: true})
	want("49", &Hit{InVersions: []string{"v2", "v4"}})
	add(t, ix, "v5", 5, &fake{kind: "contacts", err: errAbsent})
	want("bob", &Hit{InVersions: []string{"v1", "v2"}, Gone: true, GoneSince: "v4"})
	want("49", &Hit{InVersions: []string{"v2", "v4"}, Gone: true, GoneSince: "v5"})
	hits := find(t, ix, Query{Text: "anna", Versions: []string{"v1"}})
	if len(hits) != 1 || !hits[0].Gone || hits[0].GoneSince != "v5" || hits[0].Changed {
		t.Errorf("the first form: %+v", hits)
	}
	if got := titles(find(t, ix, Query{Latest: true})); got != "" {
		t.Errorf("in the newest version: %s", got)
	}
}
