package retention

import (
	"errors"
	"fmt"
	"strings"
)

// Unlimited as the number of a rule keeps all.
const Unlimited = -1

// Policy says what to keep. Numbers are how many snapshots a rule may keep,
// or Unlimited; 0 is no rule. The durations count back from the newest
// snapshot of the group, not from today, so that a phone that was not backed
// up for a year loses nothing.
type Policy struct {
	Last, Hourly, Daily, Weekly, Monthly, Yearly int

	Within Duration // every snapshot that is younger

	// The newest snapshot of each hour, day… that is younger.
	WithinHourly, WithinDaily, WithinWeekly, WithinMonthly, WithinYearly Duration

	Tags []TagList // every snapshot that has all tags of one of the lists
}

// ErrEmptyPolicy: a policy without a rule would keep nothing.
var ErrEmptyPolicy = errors.New("the policy says nothing to keep")

// Check refuses a policy that nobody can mean: without a rule (ErrEmptyPolicy)
// or with negative numbers other than Unlimited.
func (p Policy) Check() error {
	for _, r := range p.counted() {
		if r.left < Unlimited {
			return fmt.Errorf("check policy: %d %s snapshots: a negative number", r.left, r.period)
		}
	}
	for _, r := range append(p.within(), rule{span: p.Within}) {
		if d := r.span; d.Years < 0 || d.Months < 0 || d.Days < 0 || d.Hours < 0 {
			return fmt.Errorf("check policy: duration %v: a negative number", d)
		}
	}
	if p.empty() {
		return fmt.Errorf("check policy: %w", ErrEmptyPolicy)
	}
	return nil
}

func (p Policy) empty() bool {
	for _, r := range p.counted() {
		if r.left != 0 {
			return false
		}
	}
	for _, r := range p.within() {
		if !r.span.IsZero() {
			return false
		}
	}
	return len(p.Tags) == 0 && p.Within.IsZero()
}

// String says the policy in a sentence: "keep 7 daily, 4 weekly snapshots and
// all snapshots within 14d of the newest".
func (p Policy) String() string {
	var counts, spans []string
	for _, r := range p.counted() {
		period := strings.Replace(r.period, "last", "latest", 1)
		switch {
		case r.left > 0:
			counts = append(counts, fmt.Sprintf("%d %s", r.left, period))
		case r.left == Unlimited:
			counts = append(counts, "all "+period)
		}
	}
	var parts []string
	if len(counts) > 0 {
		spans = append(spans, strings.Join(counts, ", ")+" snapshots")
	}
	for _, r := range p.within() {
		if !r.span.IsZero() {
			spans = append(spans, fmt.Sprintf("%s snapshots within %v", r.period, r.span))
		}
	}
	if len(spans) > 0 {
		parts = append(parts, strings.Join(spans, ", "))
	}
	if len(p.Tags) > 0 {
		var lists []string
		for _, l := range p.Tags {
			lists = append(lists, l.String())
		}
		parts = append(parts, "all snapshots with tags "+strings.Join(lists, " or "))
	}
	if !p.Within.IsZero() {
		parts = append(parts, fmt.Sprintf("all snapshots within %v of the newest", p.Within))
	}
	if len(parts) == 0 {
		return "keep nothing"
	}
	return "keep " + strings.Join(parts, " and ")
}
