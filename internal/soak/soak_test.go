package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets this program be the child that is killed, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArgs[0] {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestSoak lives through a day. "go run ./internal/soak" lives through a month.
func TestSoak(t *testing.T) {
	var out strings.Builder
	if err := soak(t.Context(), t.TempDir(), 1, 7, discard(), &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestRules: the judge of prompts finds those that are against the rules.
func TestRules(t *testing.T) {
	zone := time.FixedZone("", 3600)
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, zone) }
	for _, c := range []struct {
		name  string
		diary []time.Time
		acts  []time.Time
		wrong int
	}{
		{"none", nil, nil, 0},
		{"a window each", []time.Time{at(1, 19), at(2, 19), at(3, 18)}, nil, 0},
		{"twice in a window", []time.Time{at(1, 18), at(1, 22)}, nil, 2},
		{"twice until the next window", []time.Time{at(1, 18), at(2, 9)}, nil, 1},
		{"soon after midnight", []time.Time{at(1, 17), at(1, 19)}, nil, 1},
		{"asked for", []time.Time{at(1, 18), at(1, 20)}, []time.Time{at(1, 19)}, 0},
		{"asked for before", []time.Time{at(1, 18), at(1, 20)}, []time.Time{at(1, 17)}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &house{clock: newClock(at(5, 0)), wrong: map[string]int{}}
			p := &person{acts: c.acts}
			p.policy.Window.From, p.policy.Window.To = 18*60, 23*60
			for _, d := range c.diary {
				p.diary = append(p.diary, entry{at: d})
			}
			h.checkPrompts(p)
			if len(h.complaints) != c.wrong {
				t.Errorf("got %v", h.complaints)
			}
		})
	}
}

// TestClock: alarms go off in their time, by leaps and without.
func TestClock(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := newClock(start)
	soon, late := c.After(time.Minute), c.After(100*time.Hour)
	if at := <-soon; at.Before(start.Add(time.Minute)) || at.After(start.Add(100*time.Hour)) {
		t.Errorf("the first went off at %v", at)
	}
	c.leap(start.Add(99 * time.Hour))
	select {
	case at := <-late:
		t.Errorf("the other went off at %v", at)
	default:
	}
	c.leap(start.Add(100 * time.Hour))
	if at := <-late; at.Before(start.Add(100 * time.Hour)) {
		t.Errorf("the other went off at %v", at)
	}
	c.leap(start)
	if c.Now().Before(start.Add(100 * time.Hour)) {
		t.Error("the clock went back")
	}
}
