package retention

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

var testMarks = Marks{Owner: "udid:", Apart: map[string]string{"media": "media"}, Proof: "receipt", Of: "of:", Failed: "failed", Sealed: "sealed"}

// moment is a snapshot in a few letters: "1 anna", "2 anna sealed", "3 receipt of:1",
// "4 anna original:2". The first word is its name and its day.
func moment(text string) Snapshot {
	words := strings.Fields(text)
	s := Snapshot{ID: format.Hash([]byte(words[0])), Host: "keepsake"}
	var day int
	if _, err := fmt.Sscan(strings.TrimRight(words[0], "abc"), &day); err != nil {
		panic(err)
	}
	s.Time = time.Date(2026, 3, day, 12, 0, 0, 0, time.UTC)
	for _, w := range words[1:] {
		of, isOf := strings.CutPrefix(w, "of:")
		original, isCopy := strings.CutPrefix(w, "original:")
		switch {
		case isOf:
			s.Tags = append(s.Tags, "of:"+format.Hash([]byte(of)).String())
		case isCopy:
			id := format.Hash([]byte(original))
			s.Original = &id
		case w == "anna" || w == "ben":
			s.Tags, s.Paths = append(s.Tags, "udid:"+w), []string{"/" + w}
		default:
			s.Tags = append(s.Tags, w)
		}
	}
	return s
}

func TestPlan(t *testing.T) {
	for name, c := range map[string]struct {
		all    []string
		chosen func(Snapshot) bool // nil: all
		last   int                 // keep so many
		unsafe bool
		damage []string
		keep   map[string]string // what stays, and why beside the policy
		remove string            // what goes
	}{
		"as restic does": {
			all: []string{"1", "2", "3"}, last: 2,
			keep: map[string]string{"3": "", "2": ""}, remove: "1",
		},
		"newest good": {
			all: []string{"1 anna", "2 anna", "3 anna"}, last: 1,
			keep: map[string]string{"3": NewestGood}, remove: "1 2",
		},
		"newest rehearsed": {
			all: []string{"1 anna", "2 anna", "3 anna", "4 receipt of:1", "5 receipt of:2"}, last: 1,
			keep: map[string]string{"3": NewestGood, "2": NewestRehearsed, "5": "proof of"}, remove: "1 4",
		},
		"rehearsal failed": {
			all: []string{"1 anna", "2 anna", "3 anna", "4 receipt of:1", "5 receipt of:2", "6 receipt failed of:2", "7 receipt failed of:3"}, last: 1,
			keep: map[string]string{"3": "", "1": NewestRehearsed + " " + NewestGood, "4": "proof of", "7": "proof of"}, remove: "2 5 6",
		},
		"failed once, passed later": {
			all: []string{"1 anna", "2 anna", "4 receipt failed of:1", "5 receipt of:1"}, last: 1,
			keep: map[string]string{"2": NewestGood, "1": NewestRehearsed, "4": "proof of", "5": "proof of"},
		},
		"all have failed": {
			all: []string{"1 anna", "2 anna", "4 receipt failed of:1", "5 receipt failed of:2"}, last: 1,
			keep: map[string]string{"2": NewestAtAll, "5": "proof of"}, remove: "1 4",
		},
		"sealed": {
			all: []string{"1 anna", "2 anna", "3 anna sealed", "4 anna sealed"}, last: 1,
			keep: map[string]string{"4": NewestSealed, "2": NewestGood}, remove: "1 3",
		},
		"sealed is all there is": {
			all: []string{"3 anna sealed", "4 anna sealed"}, last: 1,
			keep: map[string]string{"4": NewestSealed}, remove: "3",
		},
		"unsealed": {
			all: []string{"2 anna sealed", "2b anna original:2", "3 anna sealed", "3b anna original:3"}, last: 2,
			keep: map[string]string{"3b": NewestGood, "2b": ""}, remove: "2 3",
		},
		"unsealed to something that failed": {
			all: []string{"2 anna sealed", "2b anna original:2", "5 receipt failed of:2b"}, last: 3,
			keep: map[string]string{"2": NewestSealed, "2b": "", "5": "proof of"},
		},
		"each phone": {
			all: []string{"1 anna", "2 ben", "3 anna", "4 receipt of:2"}, last: 1,
			keep: map[string]string{"3": NewestGood, "2": NewestGood + " " + NewestRehearsed, "4": "proof of"}, remove: "1",
		},
		"media are a line of their own": {
			all: []string{"1 anna", "2 anna", "3 anna media", "4 anna media"}, last: 1,
			keep: map[string]string{"2": NewestGood, "4": "newest version of media"}, remove: "1 3",
		},
		"a receipt of what is nowhere": {
			all: []string{"1 anna", "2 receipt of:9"}, last: 1,
			keep: map[string]string{"1": NewestGood}, remove: "2",
		},
		"a receipt of what cannot be read": {
			all: []string{"1 anna", "2 receipt of:9"}, last: 1, damage: []string{"9"},
			keep: map[string]string{"1": NewestGood, "2": "proof of"},
		},
		"a receipt of what was copied": {
			all: []string{"1 anna original:7", "2 anna original:8", "3 receipt of:7"}, last: 1,
			keep: map[string]string{"2": NewestGood, "1": NewestRehearsed, "3": "proof of"},
		},
		"receipts go although they were not chosen": {
			all: []string{"1 anna", "2 anna", "3 receipt of:1", "4 anna", "5 receipt of:2"}, last: 1,
			chosen: func(s Snapshot) bool { return len(s.Paths) > 0 },
			keep:   map[string]string{"4": NewestGood, "2": NewestRehearsed}, remove: "1 3",
		},
		"unsafe": {
			all: []string{"1 anna", "2 anna sealed", "3 receipt of:1"}, last: 1, unsafe: true,
			keep: map[string]string{"2": ""}, remove: "1 3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			names := map[format.ID]string{}
			r := Request{Policy: Policy{Last: c.last}, By: DefaultGroupBy, Now: moment("30").Time, Unprotected: c.unsafe}
			for _, text := range c.all {
				s := moment(text)
				names[s.ID] = strings.Fields(text)[0]
				r.All = append(r.All, s)
				if c.chosen == nil || c.chosen(s) {
					r.Chosen = append(r.Chosen, s)
				}
			}
			for _, d := range c.damage {
				r.Damaged = append(r.Damaged, format.Hash([]byte(d)))
			}
			plan, err := testMarks.Plan(r)
			if err != nil {
				t.Fatal(err)
			}
			kept, removed := map[string]string{}, []string{}
			for _, g := range plan {
				for _, d := range g.Decisions {
					if !d.Keep {
						removed = append(removed, names[d.Snapshot.ID])
						continue
					}
					kept[names[d.Snapshot.ID]] = strings.Join(d.Reasons, " ")
				}
			}
			slices.Sort(removed)
			if got := strings.Join(removed, " "); got != c.remove {
				t.Errorf("removes %q, want %q", got, c.remove)
			}
			if len(kept) != len(c.keep) {
				t.Errorf("keeps %v, want %v", kept, c.keep)
			}
			for n, why := range c.keep {
				for _, word := range strings.Split(why, " newest") {
					if got, ok := kept[n]; !ok || !strings.Contains(got, word) {
						t.Errorf("%s: kept %v as %q, want %q", n, ok, got, word)
					}
				}
			}
		})
	}
}

// Grouping that throws phones together takes nothing from one of them that is
// protected.
func TestPlanOneGroup(t *testing.T) {
	all := []Snapshot{moment("1 anna"), moment("2 ben"), moment("3 anna")}
	plan, err := testMarks.Plan(Request{Policy: Policy{Last: 1}, Chosen: all, All: all, Now: moment("30").Time})
	if err != nil || len(plan) != 1 || len(plan[0].Decisions) != 3 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for i, want := range []bool{true, true, false} {
		if plan[0].Decisions[i].Keep != want {
			t.Errorf("decision %d: %v", i, plan[0].Decisions[i])
		}
	}
	if _, err := testMarks.Plan(Request{}); err == nil {
		t.Error("an empty policy: no error")
	}
}

// The marks of nothing change nothing.
func TestPlanWithoutMarks(t *testing.T) {
	all := []Snapshot{moment("1 anna"), moment("2 anna receipt of:1"), moment("3 anna media")}
	plan, err := Marks{}.Plan(Request{Policy: Policy{Last: 1}, By: DefaultGroupBy, Chosen: all, All: all, Now: moment("30").Time})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Apply(Policy{Last: 1}, all, moment("30").Time)
	if err != nil || len(plan) != 1 || len(plan[0].Decisions) != 3 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for i, d := range plan[0].Decisions {
		if d.Keep != want[i].Keep || d.Snapshot.ID != want[i].Snapshot.ID {
			t.Errorf("%d: %+v, want %+v", i, d, want[i])
		}
	}
}

func TestNamed(t *testing.T) {
	one, two, three := moment("1 anna"), moment("2 anna"), moment("4 anna")
	proof := moment("3 receipt of:1")
	shared := moment("5 receipt of:7")
	copied := moment("6 ben original:7")
	all := []Snapshot{one, two, three, proof, shared, copied, moment("7 ben")}
	remove, protected := testMarks.Named([]Snapshot{two}, all, nil)
	if len(remove) != 1 || len(protected) != 0 {
		t.Errorf("%v, %v", remove, protected)
	}
	remove, protected = testMarks.Named([]Snapshot{one}, all, nil)
	if len(remove) != 2 || remove[1].ID != proof.ID || !slices.Equal(protected[one.ID], []string{NewestRehearsed}) {
		t.Errorf("%v, %v", remove, protected)
	}
	if _, protected = testMarks.Named([]Snapshot{three}, all, nil); !slices.Equal(protected[three.ID], []string{NewestGood}) {
		t.Errorf("%v", protected)
	}
	if remove, _ = testMarks.Named([]Snapshot{copied}, all, nil); len(remove) != 1 {
		t.Errorf("a receipt went although what it proves is there: %v", remove)
	}
}
