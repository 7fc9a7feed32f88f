package retention

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

var today = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// at makes snapshots of the given times, "2006-01-02 15:04" in UTC, named by
// their position in the list.
func at(t *testing.T, times ...string) []Snapshot {
	t.Helper()
	var list []Snapshot
	for i, s := range times {
		when, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Snapshot{ID: format.ID{byte(i)}, Time: when, Host: "keepsake", Paths: []string{"/phone"}})
	}
	return list
}

// verdict shows decisions as the position of each snapshot and its reasons.
func verdict(decisions []Decision) string {
	var lines []string
	for _, d := range decisions {
		line := string('0' + rune(d.Snapshot.ID[0]))
		if !d.Keep {
			line += " -"
		} else {
			line += " " + strings.Join(d.Reasons, "; ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestApply(t *testing.T) {
	week := at(t, "2026-07-30 20:00", "2026-07-30 08:00", "2026-07-28 20:00", "2026-07-27 20:00", "2026-07-26 20:00")
	tagged := slices.Clone(week)
	tagged[1].Tags, tagged[3].Tags = []string{"a", "b"}, []string{"b"}
	future := append(at(t, "2027-01-01 00:00", "2026-07-31 00:00", "2026-06-01 00:00"), week...)[:3]
	for _, c := range []struct {
		name   string
		policy Policy
		list   []Snapshot
		want   string
	}{
		{"days", Policy{Daily: 3}, week, "0 daily snapshot\n1 -\n2 daily snapshot\n3 daily snapshot\n4 -"},
		{"the oldest while the rule is not used up", Policy{Monthly: 3}, week, "0 monthly snapshot\n1 -\n2 -\n3 -\n4 oldest monthly snapshot"},
		{"not when it is", Policy{Monthly: 1}, week, "0 monthly snapshot\n1 -\n2 -\n3 -\n4 -"},
		{"all days", Policy{Daily: Unlimited}, week, "0 daily snapshot\n1 -\n2 daily snapshot\n3 daily snapshot\n4 daily snapshot"},
		{"everything", Policy{Last: Unlimited}, week, "0 last snapshot\n1 last snapshot\n2 last snapshot\n3 last snapshot\n4 last snapshot"},
		{"weeks begin on Monday", Policy{Weekly: 2}, week, "0 weekly snapshot\n1 -\n2 -\n3 -\n4 weekly snapshot"},
		{"several rules", Policy{Last: 1, Yearly: 1}, week, "0 last snapshot; yearly snapshot\n1 -\n2 -\n3 -\n4 -"},
		{"a span counts from the newest", Policy{Within: Duration{Days: 2}}, week, "0 within 2d\n1 within 2d\n2 -\n3 -\n4 -"},
		{"days of a span", Policy{WithinDaily: Duration{Days: 3}}, week, "0 daily within 3d\n1 -\n2 daily within 3d\n3 -\n4 -"},
		{"the oldest of a span", Policy{WithinYearly: Duration{Years: 1}}, week, "0 yearly within 1y\n1 -\n2 -\n3 -\n4 oldest yearly within 1y"},
		{"tags", Policy{Tags: []TagList{{"b"}, {"a", "b"}}}, tagged, "0 -\n1 has tags [b]; has tags [a, b]\n2 -\n3 has tags [b]\n4 -"},
		{"no tags", Policy{Tags: []TagList{ParseTagList("")}}, tagged, "0 has tags []\n1 -\n2 has tags []\n3 -\n4 has tags []"},
		{"a clock that was wrong", Policy{Within: Duration{Days: 1}}, future, "0 within 1d\n1 within 1d\n2 -"},
		{"nothing", Policy{Last: 1}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Apply(c.policy, c.list, today)
			if err != nil || verdict(got) != c.want {
				t.Errorf("%v\n%v\nwant\n%s", err, verdict(got), c.want)
			}
		})
	}
}

func TestApplyCounts(t *testing.T) {
	got, err := Apply(Policy{Last: 2, Daily: Unlimited}, at(t, "2026-07-30 20:00", "2026-07-29 08:00", "2026-07-28 20:00"), today)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Counters{{Last: 1, Daily: -1}, {Daily: -1}, {Daily: -1}} {
		if got[i].Left != want {
			t.Errorf("after %d: %+v, want %+v", i, got[i].Left, want)
		}
	}
}

// A day is one of the clock where the snapshot was made.
func TestApplyZone(t *testing.T) {
	east := time.FixedZone("", 13*3600)
	list := []Snapshot{
		{ID: format.ID{0}, Time: time.Date(2026, 7, 30, 0, 30, 0, 0, east)}, // 29 July in UTC
		{ID: format.ID{1}, Time: time.Date(2026, 7, 29, 23, 30, 0, 0, east)},
		{ID: format.ID{2}, Time: time.Date(2026, 7, 29, 10, 0, 0, 0, time.UTC)},
	}
	got, err := Apply(Policy{Daily: 2}, list, today)
	if want := "0 daily snapshot\n1 daily snapshot\n2 -"; err != nil || verdict(got) != want {
		t.Errorf("%v\n%v\nwant\n%s", err, verdict(got), want)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		policy Policy
		want   string
	}{
		{Policy{Last: 1}, ""},
		{Policy{Daily: Unlimited}, ""},
		{Policy{Tags: []TagList{{"a"}}}, ""},
		{Policy{WithinYearly: Duration{Hours: 1}}, ""},
		{Policy{}, "nothing to keep"},
		{Policy{Weekly: -2}, "-2 weekly snapshots"},
		{Policy{Last: 1, Within: Duration{Days: -1}}, "negative"},
	} {
		err := c.policy.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.policy, err, c.want)
		}
	}
	if _, err := Apply(Policy{}, nil, today); !errors.Is(err, ErrEmptyPolicy) {
		t.Errorf("Apply of an empty policy: %v", err)
	}
}

func TestPolicyString(t *testing.T) {
	for want, p := range map[string]Policy{
		"keep nothing":                                        {},
		"keep 3 latest, all daily snapshots":                  {Last: 3, Daily: -1},
		"keep daily snapshots within 7d":                      {WithinDaily: Duration{Days: 7}},
		"keep 1 yearly snapshots, hourly snapshots within 1m": {Yearly: 1, WithinHourly: Duration{Months: 1}},
		"keep 1 latest snapshots and all snapshots with tags [a, b] or [c] and all snapshots within 2h of the newest": {
			Last: 1, Tags: []TagList{{"a", "b"}, {"c"}}, Within: Duration{Hours: 2}},
	} {
		if got := p.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]Duration{
		"": {}, "2y5m7d3h": {2, 5, 7, 3}, "3h7d": {Days: 7, Hours: 3}, " 10d ": {Days: 10}, "0y": {},
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"7", "d", "7w", "-1d", "1d2d", "1.5h", "99999999999999999999h", "1d x"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("2y5m7d3h")
	f.Add("7")
	f.Add("1000001d")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q: %v, then %v, %v", text, d, again, err)
		}
	})
}

func TestFilter(t *testing.T) {
	s := Snapshot{Host: "mac", Paths: []string{"/a", "/b"}, Tags: []string{"x", "y"}}
	for _, c := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{Hosts: []string{"nas", "mac"}}, true},
		{Filter{Hosts: []string{"nas"}}, false},
		{Filter{Tags: []TagList{{"x", "y"}}}, true},
		{Filter{Tags: []TagList{{"x", "z"}}}, false},
		{Filter{Tags: []TagList{{"z"}, {"y"}}}, true},
		{Filter{Tags: []TagList{ParseTagList("")}}, false},
		{Filter{Paths: []string{"/b", "/a"}}, true},
		{Filter{Paths: []string{"/a", "/c"}}, false},
		{Filter{Hosts: []string{"mac"}, Paths: []string{"/c"}}, false},
	} {
		if got := c.filter.Match(s); got != c.want || c.filter.IsZero() != reflect.DeepEqual(c.filter, Filter{}) {
			t.Errorf("%+v: %v, want %v", c.filter, got, c.want)
		}
	}
	if !(Filter{Tags: []TagList{ParseTagList("")}}).Match(Snapshot{}) {
		t.Error("the empty tag does not fit a snapshot without tags")
	}
	if got := ParseTagList(" a, b "); !slices.Equal(got, TagList{"a", "b"}) {
		t.Errorf("ParseTagList: %q", got)
	}
}

func TestSort(t *testing.T) {
	list := at(t, "2026-07-01 00:00", "2026-07-03 00:00", "2026-07-02 00:00", "2026-07-02 00:00")
	list[0].Paths, list[1].Paths, list[2].Paths = []string{"/b", "/a"}, []string{"/a", "/b"}, []string{"/a"}
	list[0].Tags, list[3].Host = []string{"y", "x"}, "another"
	before := slices.Clone(list)
	show := func(by string) string {
		parsed, err := ParseGroupBy(by)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, g := range Sort(list, parsed) {
			line := g.String() + ":"
			for _, s := range g.Snapshots {
				line += " " + string('0'+rune(s.ID[0]))
			}
			lines = append(lines, line)
		}
		return strings.Join(lines, "\n")
	}
	for by, want := range map[string]string{
		"":            ": 1 2 3 0",
		"host":        "host another: 3\nhost keepsake: 1 2 0",
		"paths":       "paths /a: 2\npaths /a /b: 1 0\npaths /phone: 3",
		"tags":        ": 1 2 3\ntags x,y: 0",
		"host, path":  "host another, paths /phone: 3\nhost keepsake, paths /a: 2\nhost keepsake, paths /a /b: 1 0",
		"hosts,tag,,": "host another: 3\nhost keepsake: 1 2\nhost keepsake, tags x,y: 0",
	} {
		if got := show(by); got != want {
			t.Errorf("by %q:\n%s\nwant\n%s", by, got, want)
		}
	}
	if !reflect.DeepEqual(list, before) {
		t.Error("Sort changed its argument")
	}
	if _, err := ParseGroupBy("host,colour"); err == nil {
		t.Error("grouping by colour was accepted")
	}
	if got := DefaultGroupBy.String(); got != "host,paths" {
		t.Errorf("default: %q", got)
	}
}

// TestProperties draws lists and policies.
func TestProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	number := func() int { return []int{0, 0, 0, Unlimited, 1, 2, 3, 10}[random.IntN(8)] }
	span := func() Duration {
		if random.IntN(3) > 0 {
			return Duration{}
		}
		return Duration{Years: random.IntN(2), Months: random.IntN(4), Days: random.IntN(20), Hours: random.IntN(30)}
	}
	for range 2000 {
		p := Policy{Last: number(), Hourly: number(), Daily: number(), Weekly: number(), Monthly: number(), Yearly: number(),
			Within: span(), WithinHourly: span(), WithinDaily: span(), WithinWeekly: span(), WithinMonthly: span(), WithinYearly: span()}
		if p.Check() != nil {
			continue
		}
		var list []Snapshot
		for i := range random.IntN(40) {
			when := today.Add(-time.Duration(random.IntN(1000*3600)) * time.Second * time.Duration(1+random.IntN(20)))
			var id format.ID
			binary.BigEndian.PutUint32(id[:], uint32(i))
			list = append(list, Snapshot{ID: id, Time: when})
		}
		decisions, err := Apply(p, list, today)
		if err != nil || len(decisions) != len(list) {
			t.Fatalf("%v: %d decisions of %d, %v", p, len(decisions), len(list), err)
		}
		kept := map[format.ID]bool{}
		var survivors []Snapshot
		for i, d := range decisions {
			if i > 0 && d.Snapshot.Time.After(decisions[i-1].Snapshot.Time) {
				t.Fatal("not newest first")
			}
			if d.Keep != (len(d.Reasons) > 0) {
				t.Fatalf("kept %v for %q", d.Keep, d.Reasons)
			}
			if kept[d.Snapshot.ID] = d.Keep; d.Keep {
				survivors = append(survivors, d.Snapshot)
			}
		}
		if len(list) > 0 && !decisions[0].Keep {
			t.Fatalf("%v: the newest is removed", p)
		}
		checkCounts(t, p, decisions)
		// The order in which a store lists does not matter.
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if again, err := Apply(p, list, today); err != nil || !reflect.DeepEqual(again, decisions) {
			t.Fatalf("%v: depends on the order: %v", p, err)
		}
		// A second forget removes nothing.
		again, err := Apply(p, survivors, today)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range again {
			if !d.Keep {
				t.Fatalf("%v: %v is removed by the second run only", p, d.Snapshot.Time)
			}
		}
		// A policy with more rules keeps at least as much.
		more := p
		more.Last, more.Tags = Unlimited, []TagList{{"x"}}
		all, err := Apply(more, list, today)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if !d.Keep && kept[d.Snapshot.ID] {
				t.Fatalf("%v: kept less by more rules", p)
			}
		}
	}
}

// checkCounts: no rule keeps more than it may.
func checkCounts(t *testing.T, p Policy, decisions []Decision) {
	t.Helper()
	for _, r := range p.counted() {
		n := 0
		for _, d := range decisions {
			if slices.Contains(d.Reasons, r.period+" snapshot") || slices.Contains(d.Reasons, "oldest "+r.period+" snapshot") {
				n++
			}
		}
		if r.left == 0 && n > 0 || r.left > 0 && n > min(r.left, len(decisions)) {
			t.Fatalf("%v: %d %s snapshots", p, n, r.period)
		}
	}
}
