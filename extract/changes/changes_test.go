package changes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keepsake-backup/keepsake/extract"
)

func with(r *record, change func(*extract.Entry)) *record {
	c := *r
	change(&c.Entry)
	return &c
}

func written(t *testing.T, c *Changes) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteText(&b, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	deleted := func(e *extract.Entry) { e.Deleted = true }
	anna, bob, carl := rec("a", "Anna", "1", 0), rec("b", "Bob", "2", 0), rec("c", "Carl\x1b[2J\u202e", "3", 0)
	contacts := &fake{kind: "contacts", title: "Contacts", versions: map[string]*version{
		"old": {records: []*record{anna, bob, carl}},
		"new": {records: []*record{anna, rec("b", "Bob", "22", 0), rec("d", "Dora", "4", 0)}},
	}}
	photo := func(key string, day int) *record {
		return with(rec(key, "IMG_"+key, "", day), func(e *extract.Entry) { e.Files = []string{"x"} })
	}
	photos := &fake{kind: "photos", title: "Photos", groups: "albums", versions: map[string]*version{
		"old": {records: []*record{photo("1", 1), photo("2", 2), photo("3", 3), with(photo("4", 4), deleted), with(photo("5", 5), deleted), photo("6", 6)},
			groups: []extract.Group{{Key: "g", Title: "Holiday", Count: 5}, {Key: "h", Title: "Party", Count: 2}, {Key: "i", Title: "Old", Count: 1, Deleted: true}}},
		"new": {records: []*record{with(photo("1", 1), deleted), with(photo("2", 2), func(e *extract.Entry) { e.Files = nil }), photo("3", 3), photo("5", 5)},
			groups: []extract.Group{{Key: "g", Title: "Holiday", Count: 3}, {Key: "j", Title: "Spring", Count: 1}}},
	}}
	messages := &fake{kind: "messages", title: "Messages", groups: "conversations", versions: map[string]*version{
		"old": {records: []*record{with(rec("1", "A", "", 1), func(e *extract.Entry) { e.Group = "x" }), with(rec("2", "A", "", 2), func(e *extract.Entry) { e.Group = "x" })},
			groups: []extract.Group{{Key: "x", Title: "Anna", Count: -1}}},
		"new": {records: []*record{with(rec("2", "A", "", 2), func(e *extract.Entry) { e.Group = "x" })},
			groups: []extract.Group{{Key: "x", Title: "Anna", Count: -1}}},
	}}
	tabs := &fake{kind: "safari", title: "Safari", versions: map[string]*version{
		"old": {records: []*record{with(rec("t", "Tab", "", 1), func(e *extract.Entry) { e.Volatile = true })}},
		"new": {records: []*record{with(rec("u", "Tab", "", 1), func(e *extract.Entry) { e.Volatile = true })}},
	}}
	same := &fake{kind: "notes", title: "Notes", versions: map[string]*version{"old": {records: []*record{anna}}, "new": {records: []*record{anna}}}}
	none := &fake{kind: "whatsapp", title: "WhatsApp"}
	c := compare(t, contacts, photos, messages, tabs, same, none)
	const want = `From 2026-01-01 12:00, old, iOS 18.6
to   2026-01-08 12:00, new, iOS 18.6

Contacts: 1 added, 1 changed, 1 removed.
  added          Dora
  changed        Bob
                   Phone: “2” → “22”
  removed        Carl [2J

Photos: 1 removed, 1 moved to recently deleted, 1 recovered from recently deleted, 1 now only in iCloud, 1 gone from recently deleted, 1 album new, 1 album gone, 1 album shorter.
  removed        IMG_6 (2026-01-07 12:00)
  deleted        IMG_1 (2026-01-02 12:00)
  recovered      IMG_5 (2026-01-06 12:00)
  without files  IMG_2 (2026-01-03 12:00)
  new            Spring (1)
  gone           Party (2)
  shorter        Holiday (5 → 3)

Messages: 1 removed, 1 conversation shorter.
  removed        A (2026-01-02 12:00)
  shorter        Anna (2 → 1)

Safari: 1 gone by itself.

Nothing changed in Notes.
`
	if diff := cmp.Diff(want, written(t, c)); diff != "" {
		t.Error(diff)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`"removed":{"count":1,"examples":[{"table":"things","key":"6"`, `"fields":[{"name":"Phone","old":"2","new":"22"}]`, `"old":{"state":"read","records":3}`,
		`"groups_shorter":{"count":1`} {
		if !bytes.Contains(data, []byte(s)) {
			t.Errorf("no %s in %s", s, data)
		}
	}
}

func many(n int, prefix string) []*record {
	var list []*record
	for i := range n {
		list = append(list, rec(fmt.Sprintf("%s%05d", prefix, i), "Person", "", i+1))
	}
	return list
}

func TestWarnings(t *testing.T) {
	broken := errors.New("the database is damaged")
	deleted := func(list []*record) (out []*record) {
		for _, r := range list {
			out = append(out, with(r, func(e *extract.Entry) { e.Deleted = true }))
		}
		return out
	}
	groups := func(n int) (list []extract.Group) {
		for i := range n {
			list = append(list, extract.Group{Key: fmt.Sprint(i), Count: 1})
		}
		return list
	}
	all := many(50, "")
	for name, tt := range map[string]struct {
		old, new *version
		needs    string
		want     string
	}{
		"nothing":       {&version{records: all}, &version{records: all}, "", ""},
		"a few":         {&version{records: all}, &version{records: all[:40]}, "", ""},
		"more":          {&version{records: all}, &version{records: all[:39]}, "", "11 of 50 contacts are gone."},
		"some unread":   {&version{records: all}, &version{records: all[:20], broken: 1}, "", "30 of 50 contacts are gone. 1 thing could not be read and may be among them."},
		"few of few":    {&version{records: all[:9]}, &version{records: all[:1]}, "", ""},
		"all":           {&version{records: all[:3]}, &version{}, "", "All 3 contacts are gone."},
		"all of two":    {&version{records: all[:2]}, &version{}, "", ""},
		"app gone":      {&version{records: all}, nil, "", "All 50 contacts are gone."},
		"not in backup": {&version{records: all}, nil, "an encrypted backup", "Contacts: not in the newer version, which may be because it takes an encrypted backup. Nothing is known about what is gone."},
		"never there":   {nil, &version{records: all}, "an encrypted backup", ""},
		"failed":        {&version{records: all}, &version{err: broken}, "", "Contacts: could not be read in the newer version. Nothing is known about what is gone."},
		"failed before": {&version{records: all, err: broken}, &version{records: all}, "", "Contacts: could not be read in the older version. Nothing is known about what is gone."},
		"deleted": {&version{records: all}, &version{records: slices.Concat(deleted(all[:20]), all[21:])}, "",
			"20 of 50 contacts were moved to what the phone calls recently deleted, and 1 more is gone. The phone empties that after some weeks."},
		"groups": {&version{records: all, groups: groups(20)}, &version{records: all, groups: groups(5)}, "", "15 of 20 groups are gone."},
	} {
		f := &fake{kind: "contacts", title: "Contacts", groups: "groups", needs: tt.needs, versions: map[string]*version{}}
		if tt.old != nil {
			f.versions["old"] = tt.old
		}
		if tt.new != nil {
			f.versions["new"] = tt.new
		}
		c := compare(t, f)
		var got []string
		for _, w := range c.Warnings {
			got = append(got, w.Text)
		}
		if s := strings.Join(got, "\n"); s != tt.want {
			t.Errorf("%s: %q, want %q", name, s, tt.want)
		}
		if strings.Contains(tt.want, "known") && (c.Kinds[0].Removed.Count != 0 || c.Kinds[0].Unknown == "") {
			t.Errorf("%s: %+v", name, c.Kinds[0])
		}
	}
}

// Whatever the versions are, the numbers are those of sets, and examples are the newest.
func TestCompare_asSets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) []*record {
			var list []*record
			for _, key := range rapid.SliceOfNDistinct(rapid.IntRange(0, 60), 0, 60, func(i int) int { return i }).Draw(rt, name) {
				list = append(list, rec(fmt.Sprintf("k%02d", key), fmt.Sprint("T", key), fmt.Sprint(rapid.IntRange(0, 1).Draw(rt, "phone")), key))
			}
			return list
		}
		older, newer := draw("old"), draw("new")
		f := &fake{kind: "notes", title: "Notes", versions: map[string]*version{"old": {records: older}, "new": {records: newer}}}
		k := compare(t, f).Kinds[0]
		is := map[string]*record{}
		for _, r := range newer {
			is[r.Key] = r
		}
		var removed, changed []*record
		for _, r := range older {
			if n := is[r.Key]; n == nil {
				removed = append(removed, r)
			} else if n.row[1] != r.row[1] {
				changed = append(changed, r)
			}
			delete(is, r.Key)
		}
		var added []*record
		for _, r := range is {
			added = append(added, r)
		}
		for _, p := range []struct {
			name string
			got  Part
			want []*record
		}{{"added", k.Added, added}, {"changed", k.Changed, changed}, {"removed", k.Removed, removed}} {
			slices.SortFunc(p.want, func(a, b *record) int { return b.Time.Compare(a.Time) })
			var got, want []string
			for _, x := range p.got.Examples {
				got = append(got, x.Key)
			}
			for _, r := range p.want[:min(len(p.want), MaxExamples)] {
				want = append(want, r.Key)
			}
			if p.got.Count != len(p.want) || !slices.Equal(got, want) {
				rt.Fatalf("%s: %d %q, want %d %q", p.name, p.got.Count, got, len(p.want), want)
			}
		}
	})
}

// What was added is named without reading all once more.
func TestCompare_readsLittleAgain(t *testing.T) {
	all := many(5000, "")
	f := &fake{kind: "messages", title: "Messages", versions: map[string]*version{"old": {records: all[:4000]}, "new": {records: all}}}
	k := compare(t, f).Kinds[0]
	if k.Added.Count != 1000 || len(k.Added.Examples) != MaxExamples || k.Added.Examples[0].Key != "04999" {
		t.Errorf("added %d, first %v", k.Added.Count, k.Added.Examples)
	}
	if n := f.versions["new"].reads; n > 5100 {
		t.Errorf("%d records read", n)
	}
}

func TestCompare_cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &fake{kind: "messages", title: "Messages", versions: map[string]*version{"old": {}, "new": {records: many(3000, "")}}}
	if _, err := Compare(ctx, &extract.Source{}, &extract.Source{}, []extract.Extractor{f}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type reports []*extract.Problem

func (r *reports) Report(p *extract.Problem) { *r = append(*r, p) }

func TestCompare_reports(t *testing.T) {
	f := &fake{kind: "notes", title: "Notes", versions: map[string]*version{"old": {broken: 1}, "new": {err: errors.New("damaged")}}}
	var got reports
	if _, err := Compare(t.Context(), &extract.Source{Device: extract.Device{Name: "old"}}, &extract.Source{Device: extract.Device{Name: "new"}}, []extract.Extractor{f}, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Kind != "notes" || got[1].Kind != "notes" {
		t.Errorf("got %v", got)
	}
}

func TestTable(t *testing.T) {
	var tab table
	var h hasher
	const n = 50_000
	for i := range n {
		tab.add(entry{key: h.key(fmt.Sprint(i)), time: int64(i)})
		tab.add(entry{key: h.key(fmt.Sprint(i)), time: -1})
	}
	if tab.n != n {
		t.Fatalf("%d entries", tab.n)
	}
	for i := range n {
		if e := tab.find(h.key(fmt.Sprint(i))); e == nil || e.time != int64(i) {
			t.Fatalf("entry %d: %v", i, e)
		}
	}
	if tab.find(h.key("other")) != nil {
		t.Error("found what is not there")
	}
}
