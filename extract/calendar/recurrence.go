package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract/ical"
)

// frequencies by Recurrence.frequency (content-schemas.md 8).
var frequencies = map[int64]string{1: ical.Daily, 2: ical.Weekly, 3: ical.Monthly, 4: ical.Yearly}

// The most that one part of a specifier may list; there are 366 days in a year.
const maxListed = 366

// parseSpecifier reads Recurrence.specifier into r and gives the parts that it does not
// know, as they are.
func parseSpecifier(specifier string, r *ical.Rule) (rest string) {
	var unknown []string
	for part := range strings.SplitSeq(specifier, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		letter, list, _ := strings.Cut(part, "=")
		if !parsePart(strings.ToUpper(strings.TrimSpace(letter)), strings.Split(list, ","), r) {
			unknown = append(unknown, part)
		}
	}
	return strings.Join(unknown, ";")
}

// parsePart reads one part, all of it or nothing.
func parsePart(letter string, list []string, r *ical.Rule) bool {
	if len(list) > maxListed {
		return false
	}
	if letter == "D" {
		days := make([]string, 0, len(list))
		for _, s := range list {
			day := parseDay(s)
			if day == "" {
				return false
			}
			days = append(days, day)
		}
		r.ByDay = days
		return true
	}
	var into *[]int
	var limit int
	switch letter {
	case "M":
		into, limit = &r.ByMonthDay, 31
	case "S":
		into, limit = &r.BySetPos, 366
	case "W":
		into, limit = &r.ByWeekNo, 53
	case "Y":
		into, limit = &r.ByYearDay, 366
	default:
		return false
	}
	values := make([]int, 0, len(list))
	for _, s := range list {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n == 0 || n > limit || n < -limit {
			return false
		}
		values = append(values, n)
	}
	*into = values
	return true
}

// parseDay reads "0MO", "-1FR", "TU".
func parseDay(s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) < 2 {
		return ""
	}
	nth := 0
	if number := s[:len(s)-2]; number != "" {
		n, err := strconv.Atoi(number)
		if err != nil {
			return ""
		}
		nth = n
	}
	return ical.Day(nth, s[len(s)-2:])
}

// months reads by_month_months. Whether January is bit 0 or bit 1 no source says: the
// month in which the event starts is among them, which mostly tells.
func months(bits int64, start ical.Moment) []int {
	if bits <= 0 || bits >= 1<<13 {
		return nil
	}
	january := 0
	if !start.IsZero() {
		zone := ical.LoadZone(start.Zone)
		t := start.Time
		if zone != nil {
			t = t.In(zone)
		}
		if month := int64(t.Month()); bits>>(month-1)&1 == 0 && bits>>month&1 == 1 {
			january = 1
		}
	}
	if bits>>12&1 == 1 {
		january = 1
	}
	if bits&1 == 1 {
		january = 0
	}
	var list []int
	for month := 1; month <= 12; month++ {
		if bits>>(month-1+january)&1 == 1 {
			list = append(list, month)
		}
	}
	return list
}

// Recurrence is a row of the table of that name. Zero is none.
type Recurrence struct {
	Frequency, Interval, Count, WeekStart int64
	Months                                int64 // by_month_months
	Specifier                             string
	Until                                 ical.Moment // of the sort that the start is
}

// Rule puts a row into words, for something that starts at start.
func (row Recurrence) Rule(start ical.Moment) ical.Rule {
	r := ical.Rule{Frequency: frequencies[row.Frequency], Until: row.Until}
	var rest []string
	if r.Frequency == "" {
		rest = append(rest, fmt.Sprintf("frequency=%d", row.Frequency))
	}
	if row.Interval > 0 && row.Interval < 1<<16 {
		r.Interval = int(row.Interval)
	}
	if row.Count > 0 && row.Count < 1<<31 {
		r.Count = int(row.Count)
	}
	if unknown := parseSpecifier(row.Specifier, &r); unknown != "" {
		rest = append(rest, unknown)
	}
	r.ByMonth = months(row.Months, start)
	if r.Frequency == ical.Weekly && r.Interval > 1 && row.WeekStart >= 1 && row.WeekStart <= 7 {
		r.WeekStart = ical.Weekdays[row.WeekStart-1]
	}
	if dropped := r.Fit(); len(dropped) > 0 {
		rest = append(rest, dropped...)
	}
	r.ByDay = unique(r.ByDay)
	r.Raw = strings.Join(rest, ";")
	return r
}

func unique(list []string) []string {
	var kept []string
	for _, s := range list {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}
