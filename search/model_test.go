package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keepsake-backup/keepsake/extract"
)

// model is the index as plain lists, searched by looking at everything.
type model struct{ versions map[string]*modelVersion }

type modelVersion struct {
	Version
	kinds map[string]*fake
}

// answer is what is compared of a hit.
type answer struct {
	Kind, Key, Text string
	In              []string
	Changed, Gone   bool
	GoneSince       string
	Doubtful        bool
}

func (m *model) ordered() []*modelVersion {
	return slices.SortedFunc(maps.Values(m.versions), func(a, b *modelVersion) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
	})
}

func (v *modelVersion) conclusive(kind string) bool {
	f := v.kinds[kind]
	return f != nil && (f.err == nil || errors.Is(f.err, extract.ErrAbsent) && f.needs == "")
}

func (v *modelVersion) records(kind string) []*record {
	if f := v.kinds[kind]; f != nil {
		return f.records
	}
	return nil
}

// modelQuery is a query whose text the model understands: words of which each has to
// be there, or not, or next to each other.
type modelQuery struct {
	Query
	words, without []string
	phrase         []string
	prefix         string
}

func (q *modelQuery) text() string {
	var parts []string
	parts = append(parts, q.words...)
	for _, w := range q.without {
		parts = append(parts, "-"+w)
	}
	if len(q.phrase) > 0 {
		parts = append(parts, `"`+strings.Join(q.phrase, " ")+`"`)
	}
	if q.prefix != "" {
		return strings.Join(append(parts, q.prefix), " ")
	}
	return strings.Join(parts, " ") + " "
}

func (q *modelQuery) matches(kind string, r *record) bool {
	fields := [][]string{strings.Fields(r.Title), strings.Fields(r.Detail), strings.Fields(r.Text)}
	any := func(ok func(string) bool) bool {
		return slices.ContainsFunc(fields, func(f []string) bool { return slices.ContainsFunc(f, ok) })
	}
	for _, w := range q.words {
		if !any(func(s string) bool { return s == w }) {
			return false
		}
	}
	for _, w := range q.without {
		if any(func(s string) bool { return s == w }) {
			return false
		}
	}
	if q.prefix != "" && !any(func(s string) bool { return strings.HasPrefix(s, q.prefix) }) {
		return false
	}
	if len(q.phrase) > 0 && !slices.ContainsFunc(fields, func(f []string) bool {
		return strings.Contains(" "+strings.Join(f, " ")+" ", " "+strings.Join(q.phrase, " ")+" ")
	}) {
		return false
	}
	if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, kind) {
		return false
	}
	if (!q.From.IsZero() || !q.To.IsZero()) && (r.Time.IsZero() || r.Time.Before(q.From) || !q.To.IsZero() && !r.Time.Before(q.To)) {
		return false
	}
	return true
}

// search gives the answers in groups of those with the same time, whose order is open.
func (m *model) search(q *modelQuery) [][]answer {
	versions := m.ordered()
	type doc struct{ kind, form string }
	form := func(r *record) string { return fmt.Sprintf("%+v", *r) }
	docs := map[doc]*record{}
	in := map[doc][]int{}
	keys := map[string][]int{} // versions that have a key
	for i, v := range versions {
		for kind := range v.kinds {
			seen := map[doc]bool{}
			for _, r := range v.records(kind) {
				d := doc{kind, form(r)}
				docs[d] = r
				if !seen[d] {
					in[d] = append(in[d], i)
				}
				seen[d] = true
				keys[kind+"/"+r.Key] = append(keys[kind+"/"+r.Key], i)
			}
		}
	}
	byTime := map[int64][]answer{}
	for d, r := range docs {
		if !q.matches(d.kind, r) {
			continue
		}
		wanted := len(q.Versions) == 0
		for _, i := range in[d] {
			wanted = wanted || slices.Contains(q.Versions, versions[i].ID)
		}
		if q.Latest {
			wanted = slices.Contains(in[d], len(versions)-1)
		}
		if !wanted {
			continue
		}
		a := answer{Kind: d.kind, Key: r.Key, Text: r.Text}
		for _, i := range in[d] {
			a.In = append(a.In, versions[i].ID)
		}
		last := slices.Max(keys[d.kind+"/"+r.Key])
		a.Changed = last == len(versions)-1 && !slices.Contains(in[d], last)
		for i := last + 1; i < len(versions); i++ {
			if versions[i].conclusive(d.kind) && !r.Volatile {
				if !a.Gone {
					a.GoneSince = versions[i].ID
				}
				a.Gone = true
				a.Doubtful = versions[i].kinds[d.kind].broken > 0
			}
		}
		rank := int64(1) << 62
		if !r.Time.IsZero() {
			rank = r.Time.UnixMicro()
		}
		byTime[rank] = append(byTime[rank], a)
	}
	var out [][]answer
	for _, rank := range slices.Backward(slices.Sorted(maps.Keys(byTime))) {
		sortAnswers(byTime[rank])
		out = append(out, byTime[rank])
	}
	return out
}

func sortAnswers(list []answer) {
	slices.SortFunc(list, func(a, b answer) int { return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b)) })
}

// ask asks the index page by page.
func ask(t *rapid.T, ix *Index, q *modelQuery, page int) [][]answer {
	var out [][]answer
	var last time.Time
	query := q.Query
	query.Text, query.Limit = q.text(), page
	for pages := 0; ; pages++ {
		if pages > 1000 {
			t.Fatal("the pages do not end")
		}
		r, err := ix.Search(context.Background(), query)
		if err != nil {
			t.Fatalf("search: %v", err)
		}
		for _, h := range r.Hits {
			if out == nil || !h.Time.Equal(last) {
				out = append(out, nil)
			}
			last = h.Time
			if h.FirstVersion != h.InVersions[0] || h.LastVersion != h.InVersions[len(h.InVersions)-1] {
				t.Fatalf("first %s, last %s of %v", h.FirstVersion, h.LastVersion, h.InVersions)
			}
			n := len(out) - 1
			out[n] = append(out[n], answer{h.Kind, h.Key, h.Text, h.InVersions, h.Changed, h.Gone, h.GoneSince, h.Doubtful})
		}
		if r.Next == "" {
			break
		}
		query.After = r.Next
	}
	for _, list := range out {
		sortAnswers(list)
	}
	return out
}

var (
	someWords = []string{"plum", "plumber", "cake", "cat", "ca", "dog", "düne", "x", "zebra"}
	someKinds = []string{"contacts", "messages", "safari"}
)

func drawFake(t *rapid.T, kind string) *fake {
	f := &fake{kind: kind}
	words := rapid.SliceOfN(rapid.SampledFrom(someWords), 0, 4)
	n := rapid.IntRange(0, 12).Draw(t, "records")
	keys := map[int]bool{}
	for range n {
		key := rapid.IntRange(0, 15).Draw(t, "key")
		if keys[key] {
			continue
		}
		keys[key] = true
		r := &record{Table: "t", Key: fmt.Sprint(kind, key), Title: strings.Join(words.Draw(t, "title"), " "), Detail: fmt.Sprint("n", key%3), Volatile: kind == "safari"}
		if rapid.Bool().Draw(t, "text") {
			r.Text = strings.Join(words.Draw(t, "text"), " ")
		}
		if kind != "contacts" {
			r.Time = day(key / 2)
		}
		f.records = append(f.records, r)
	}
	switch rapid.IntRange(0, 9).Draw(t, "state") {
	case 0:
		f.err = errors.New("damaged")
	case 1:
		f.records, f.err = nil, errAbsent
	case 2:
		f.records, f.err, f.needs = nil, errAbsent, "an encrypted backup"
	case 3:
		f.broken = 1
	}
	return f
}

func drawQuery(t *rapid.T, versions []string) *modelQuery {
	word := rapid.SampledFrom(someWords)
	plain := func(list []string) []string { // the model knows no accents
		return slices.DeleteFunc(list, func(s string) bool { return s == "düne" })
	}
	q := &modelQuery{words: plain(rapid.SliceOfN(word, 0, 2).Draw(t, "words")), without: plain(rapid.SliceOfN(word, 0, 1).Draw(t, "without"))}
	switch rapid.IntRange(0, 3).Draw(t, "more") {
	case 0:
		q.phrase = plain(rapid.SliceOfN(word, 2, 3).Draw(t, "phrase"))
	case 1:
		q.prefix = rapid.SampledFrom([]string{"p", "plu", "c", "cat", "z", "n1", "q"}).Draw(t, "prefix")
	}
	q.Kinds = rapid.SliceOfN(rapid.SampledFrom(someKinds), 0, 2).Draw(t, "kinds")
	if rapid.IntRange(0, 4).Draw(t, "times") == 0 {
		q.From = day(rapid.IntRange(0, 4).Draw(t, "from"))
		q.To = day(rapid.IntRange(3, 8).Draw(t, "to"))
	}
	switch rapid.IntRange(0, 4).Draw(t, "where") {
	case 0:
		q.Latest = true
	case 1:
		q.Versions = rapid.SliceOfN(rapid.SampledFrom(append(slices.Clone(versions), "unknown")), 1, 3).Draw(t, "versions")
	}
	return q
}

// After any versions in any order, forgotten, merged, opened again, the index answers
// as looking at everything does.
func TestIndex_asModel(t *testing.T) {
	top := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := filepath.Join(top, fmt.Sprint(n))
		defer os.RemoveAll(dir)
		ix, err := Open(context.Background(), dir, testKey)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { ix.Close() }()
		m := &model{map[string]*modelVersion{}}
		ids := func() []string { return slices.Sorted(maps.Keys(m.versions)) }
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				ix.runSize = rapid.SampledFrom([]int{1, 2000, 1 << 20}).Draw(rt, "run")
				id := fmt.Sprint("v", rapid.IntRange(0, 12).Draw(rt, "version"))
				v := &modelVersion{Version: Version{ID: id, Time: day(rapid.IntRange(0, 6).Draw(rt, "day"))}, kinds: map[string]*fake{}}
				if old := ids(); len(old) > 0 {
					v.Parent = rapid.SampledFrom(old).Draw(rt, "parent")
				}
				var list []extract.Extractor
				for _, kind := range someKinds {
					if rapid.IntRange(0, 5).Draw(rt, "read") > 0 {
						f := drawFake(rt, kind)
						v.kinds[kind] = f
						list = append(list, f)
					}
				}
				if err := ix.Add(context.Background(), v.Version, list, &extract.Source{}, nil); err != nil {
					rt.Fatal(err)
				}
				m.versions[id] = v
			},
			"forget": func(rt *rapid.T) {
				list := rapid.SliceOfN(rapid.SampledFrom(append(ids(), "unknown")), 1, 2).Draw(rt, "versions")
				if err := ix.Forget(context.Background(), list...); err != nil {
					rt.Fatal(err)
				}
				for _, id := range list {
					delete(m.versions, id)
				}
			},
			"compact": func(rt *rapid.T) {
				if rapid.IntRange(0, 3).Draw(rt, "really") > 0 {
					return
				}
				if err := ix.Compact(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
			"open again": func(rt *rapid.T) {
				if err := ix.Close(); err != nil {
					rt.Fatal(err)
				}
				if ix, err = Open(context.Background(), dir, testKey); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				if trouble := ix.Trouble(); len(trouble) > 0 {
					rt.Fatal(trouble)
				}
				q := drawQuery(rt, ids())
				got, want := ask(rt, ix, q, rapid.IntRange(1, 20).Draw(rt, "page")), m.search(q)
				if diff := gocmp.Diff(want, got); diff != "" {
					rt.Fatalf("%q %+v: %s", q.text(), q.Query, diff)
				}
				list, err := ix.Versions()
				if err != nil {
					rt.Fatal(err)
				}
				for i, v := range m.ordered() {
					if i >= len(list) || list[i].ID != v.ID || len(list) != len(m.versions) {
						rt.Fatalf("versions %+v", list)
					}
				}
				s, err := ix.Stats()
				if err != nil || s.Segments > maxSmall || s.Versions != len(list) {
					rt.Fatalf("stats %+v, %v", s, err)
				}
			},
		})
	})
}
