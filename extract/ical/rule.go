package ical

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Frequencies of a Rule.
const (
	Daily   = "DAILY"
	Weekly  = "WEEKLY"
	Monthly = "MONTHLY"
	Yearly  = "YEARLY"
)

// Rule says when something happens again (RFC 5545 3.3.10). What a phone has in its own
// form and could not be put into words here stays in Raw.
type Rule struct {
	Frequency  string   `json:"frequency,omitempty"` // Daily …; "" where the phone's number is unknown
	Interval   int      `json:"interval,omitempty"`  // every so many of them; 0 is 1
	Count      int      `json:"count,omitempty"`     // ends after so many times; 0 = does not
	Until      Moment   `json:"until,omitzero"`      // the last time; ignored beside Count
	WeekStart  string   `json:"week_start,omitempty"`
	ByDay      []string `json:"by_day,omitempty"` // "MO", "2TU", "-1FR"
	ByMonthDay []int    `json:"by_month_day,omitempty"`
	ByMonth    []int    `json:"by_month,omitempty"`
	ByYearDay  []int    `json:"by_year_day,omitempty"`
	ByWeekNo   []int    `json:"by_week_no,omitempty"`
	BySetPos   []int    `json:"by_set_pos,omitempty"`
	Raw        string   `json:"raw,omitempty"`
}

// String is the rule as the value of an RRULE; "" without a frequency. Until is written
// as it is: in UTC unless it is a day or a wall clock.
func (r Rule) String() string {
	if r.Frequency == "" {
		return ""
	}
	parts := []string{"FREQ=" + r.Frequency}
	if r.Interval > 1 {
		parts = append(parts, "INTERVAL="+strconv.Itoa(r.Interval))
	}
	switch {
	case r.Count > 0:
		parts = append(parts, "COUNT="+strconv.Itoa(r.Count))
	case !r.Until.IsZero():
		until := r.Until
		until.Zone = ""
		_, value := until.value()
		parts = append(parts, "UNTIL="+value)
	}
	if len(r.ByDay) > 0 {
		parts = append(parts, "BYDAY="+strings.Join(r.ByDay, ","))
	}
	for _, by := range []struct {
		name string
		list []int
	}{{"BYMONTHDAY", r.ByMonthDay}, {"BYMONTH", r.ByMonth}, {"BYYEARDAY", r.ByYearDay}, {"BYWEEKNO", r.ByWeekNo}, {"BYSETPOS", r.BySetPos}} {
		if len(by.list) > 0 {
			parts = append(parts, by.name+"="+numbers(by.list))
		}
	}
	if r.WeekStart != "" {
		parts = append(parts, "WKST="+r.WeekStart)
	}
	return strings.Join(parts, ";")
}

func numbers(list []int) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

// Weekdays are the names of days, Sunday first, as Apple numbers them from 1.
var Weekdays = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

// Day makes a part of ByDay: which ("FR") and the how manieth of them (−1 the last, 0
// every one); "" when that is none.
func Day(nth int, day string) string {
	if !slices.Contains(Weekdays, day) || nth < -53 || nth > 53 {
		return ""
	}
	if nth == 0 {
		return day
	}
	return strconv.Itoa(nth) + day
}

// Fit takes out what the RFC forbids beside the rest, and says what that was: a number
// before a day in daily and weekly rules, days of the month in weekly ones, days of the
// year in others than yearly ones, weeks likewise, positions without anything to choose
// from.
func (r *Rule) Fit() (dropped []string) {
	drop := func(name string, list *[]int, when bool) {
		if when && len(*list) > 0 {
			dropped = append(dropped, name+"="+numbers(*list))
			*list = nil
		}
	}
	if r.Frequency == Daily || r.Frequency == Weekly || r.Frequency == Yearly && len(r.ByWeekNo) > 0 {
		for i, d := range r.ByDay {
			if len(d) > 2 {
				dropped = append(dropped, "BYDAY="+d)
				r.ByDay[i] = d[len(d)-2:]
			}
		}
	}
	drop("BYMONTHDAY", &r.ByMonthDay, r.Frequency == Weekly)
	drop("BYYEARDAY", &r.ByYearDay, r.Frequency != Yearly)
	drop("BYWEEKNO", &r.ByWeekNo, r.Frequency != Yearly)
	drop("BYSETPOS", &r.BySetPos, len(r.ByDay)+len(r.ByMonthDay)+len(r.ByMonth)+len(r.ByYearDay)+len(r.ByWeekNo) == 0)
	return dropped
}

// Words says the rule in English, for tables: "every 2 weeks on MO, WE, 30 times".
func (r Rule) Words() string {
	unit := map[string]string{Daily: "day", Weekly: "week", Monthly: "month", Yearly: "year"}[r.Frequency]
	if unit == "" {
		return strings.TrimSpace("repeats " + r.Raw)
	}
	words := "every " + unit
	if r.Interval > 1 {
		words = fmt.Sprintf("every %d %ss", r.Interval, unit)
	}
	for _, by := range []struct{ name, list string }{{"on ", strings.Join(r.ByDay, ", ")}, {"on day ", numbers(r.ByMonthDay)}, {"in month ", numbers(r.ByMonth)},
		{"on day of the year ", numbers(r.ByYearDay)}, {"in week ", numbers(r.ByWeekNo)}, {"number ", numbers(r.BySetPos)}} {
		if by.list != "" {
			words += " " + by.name + by.list
		}
	}
	switch {
	case r.Count == 1:
		words += ", once"
	case r.Count > 0:
		words += fmt.Sprintf(", %d times", r.Count)
	case !r.Until.IsZero():
		words += " until " + r.Until.String()[:len(time.DateOnly)]
	}
	return words
}
