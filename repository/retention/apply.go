package retention

import (
	"fmt"
	"slices"
	"time"
)

// Decision is what a policy says of one snapshot.
type Decision struct {
	Snapshot Snapshot
	Keep     bool
	// Reasons are the rules that keep it, in the words of restic: "daily
	// snapshot", "oldest monthly snapshot", "within 14d", "has tags [a, b]".
	Reasons []string
	// Left is how many each counted rule may still keep after this snapshot.
	Left Counters
}

// Counters are numbers of the rules of a Policy that count.
type Counters struct {
	Last    int `json:"last,omitempty"`
	Hourly  int `json:"hourly,omitempty"`
	Daily   int `json:"daily,omitempty"`
	Weekly  int `json:"weekly,omitempty"`
	Monthly int `json:"monthly,omitempty"`
	Yearly  int `json:"yearly,omitempty"`
}

// Apply decides about the snapshots of one group, newest first. now is the
// time: snapshots from the future do not move the end that durations count
// back from. list is not changed. A policy that Check refuses is an error.
//
// The rules are those of restic's current forget. Old releases, 0.14 among
// them, do not keep the oldest snapshot while a rule is not used up.
func Apply(p Policy, list []Snapshot, now time.Time) ([]Decision, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	list = slices.SortedFunc(slices.Values(list), newestFirst)
	latest := latestBefore(list, now)
	counted, within := p.counted(), p.within()
	decisions := make([]Decision, len(list))
	for i, s := range list {
		oldest := i == len(list)-1
		reasons := p.tagged(s)
		if !p.Within.IsZero() && s.Time.After(p.Within.before(latest)) {
			reasons = append(reasons, fmt.Sprintf("within %v", p.Within))
		}
		for n := range counted {
			if r := &counted[n]; r.left != 0 {
				if kept := r.take(s.Time, i, oldest); kept != "" {
					reasons = append(reasons, kept+" snapshot")
					if r.left > 0 {
						r.left--
					}
				}
			}
		}
		for n := range within {
			if r := &within[n]; !r.span.IsZero() && s.Time.After(r.span.before(latest)) {
				if kept := r.take(s.Time, i, oldest); kept != "" {
					reasons = append(reasons, fmt.Sprintf("%s within %v", kept, r.span))
				}
			}
		}
		decisions[i] = Decision{Snapshot: s, Keep: len(reasons) > 0, Reasons: reasons, Left: Counters{
			counted[0].left, counted[1].left, counted[2].left, counted[3].left, counted[4].left, counted[5].left}}
	}
	return decisions, nil
}

// tagged are the reasons to keep s that its tags give.
func (p Policy) tagged(s Snapshot) []string {
	var reasons []string
	for _, tags := range p.Tags {
		if s.hasTags(tags) {
			reasons = append(reasons, fmt.Sprintf("has tags %v", tags))
		}
	}
	return reasons
}

// latestBefore is the time of the newest snapshot that is not from the future;
// the zero time if all are.
func latestBefore(list []Snapshot, now time.Time) time.Time {
	for _, s := range list {
		if s.Time.Before(now) {
			return s.Time
		}
	}
	return time.Time{}
}

// rule keeps the newest snapshot of each period.
type rule struct {
	period string // names the rule: "hourly"
	number func(t time.Time) int
	left   int      // of a counted rule: how many it may still keep
	span   Duration // of a rule within a duration

	began bool
	last  int // the number of the period of the last snapshot that was kept
}

// take tells whether the rule keeps a snapshot made at t, and what for:
// "daily", or "oldest daily". It is "" if it does not. position counts the
// snapshots of the group from the newest.
func (r *rule) take(t time.Time, position int, oldest bool) string {
	n := position
	if r.number != nil {
		n = r.number(t)
	}
	fresh := !r.began || n != r.last
	switch {
	case fresh:
		r.began, r.last = true, n
		return r.period
	case oldest:
		return "oldest " + r.period
	}
	return ""
}

func (p Policy) counted() []rule {
	return []rule{
		{period: "last", left: p.Last},
		{period: "hourly", number: hour, left: p.Hourly},
		{period: "daily", number: day, left: p.Daily},
		{period: "weekly", number: week, left: p.Weekly},
		{period: "monthly", number: month, left: p.Monthly},
		{period: "yearly", number: year, left: p.Yearly},
	}
}

func (p Policy) within() []rule {
	return []rule{
		{period: "hourly", number: hour, span: p.WithinHourly},
		{period: "daily", number: day, span: p.WithinDaily},
		{period: "weekly", number: week, span: p.WithinWeekly},
		{period: "monthly", number: month, span: p.WithinMonthly},
		{period: "yearly", number: year, span: p.WithinYearly},
	}
}

// The numbers of periods need only differ for different ones.

func year(t time.Time) int  { return t.Year() }
func month(t time.Time) int { return 12*t.Year() + int(t.Month()) }
func day(t time.Time) int   { return 366*t.Year() + t.YearDay() - 1 }
func hour(t time.Time) int  { return 24*day(t) + t.Hour() }
func week(t time.Time) int  { y, w := t.ISOWeek(); return 53*y + w - 1 }
