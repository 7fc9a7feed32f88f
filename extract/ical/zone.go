package ical

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LoadZone gives a time zone by its name on the phone: that of the time zone database,
// or "GMT+0200" and the like. UTC by whatever name is [time.UTC]. An unknown name is nil.
func LoadZone(name string) *time.Location {
	if name == "" || len(name) > 64 || name == "Local" {
		return nil
	}
	if known, ok := loaded.Load(name); ok {
		return known.(*time.Location)
	}
	zone := load(name)
	if zone != nil { // unknown names are as many as somebody likes
		loaded.Store(name, zone)
	}
	return zone
}

// loaded are zones by name, which are read from the disk.
var loaded sync.Map

func load(name string) *time.Location {
	switch name {
	case "UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z", "Zulu":
		return time.UTC
	}
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	for _, prefix := range []string{"GMT", "UTC"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return fixed(name, rest)
		}
	}
	return nil
}

// fixed reads "+0200", "-05:30", "+3".
func fixed(name, offset string) *time.Location {
	if len(offset) < 2 || offset[0] != '+' && offset[0] != '-' {
		return nil
	}
	digits := strings.Replace(offset[1:], ":", "", 1)
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nil
	}
	seconds := int(n) * 3600
	if len(digits) > 2 {
		seconds = int(n)/100*3600 + int(n)%100*60
	}
	if seconds > 15*3600 {
		return nil
	}
	if offset[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone(name, seconds)
}

// Zones collects the time zones that moments need, and from when on.
type Zones struct{ since map[string]time.Time }

func (z *Zones) add(m Moment) {
	if z == nil {
		return
	}
	if z.since == nil {
		z.since = map[string]time.Time{}
	}
	if since, ok := z.since[m.Zone]; !ok || m.Time.Before(since) {
		z.since[m.Zone] = m.Time
	}
}

// Write writes a VTIMEZONE for each zone, in the order of their names.
func (z *Zones) Write(w *Writer) {
	names := make([]string, 0, len(z.since))
	for name := range z.since {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		writeZone(w, name, LoadZone(name), z.since[name])
	}
}

// lastYear is how far the changes of a zone are looked at. Where those of the last years
// follow a rule, the rule is written, which has no end.
const lastYear = 2099

// change is one of a zone's offset.
type change struct {
	wall     time.Time // wall clock before it, as if in UTC
	from, to int       // seconds east of UTC
	name     string    // afterwards
	daylight bool      // afterwards
}

func writeZone(w *Writer, name string, zone *time.Location, since time.Time) {
	w.Begin("VTIMEZONE")
	w.Line("TZID", name)
	for _, o := range group(changesOf(zone, since)) {
		o.write(w)
	}
	w.End("VTIMEZONE")
}

// changesOf lists what a zone does from since on: first the change to how it is then.
func changesOf(zone *time.Location, since time.Time) []change {
	at := since.In(zone)
	start, end := at.ZoneBounds()
	abbreviation, offset := at.Zone()
	first := change{wall: time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), from: offset, to: offset, name: abbreviation, daylight: at.IsDST()}
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		first.from, first.wall = before, asUTC(start, before)
	}
	list := []change{first}
	for !end.IsZero() && end.Year() <= lastYear {
		to, offsetTo := end.Zone()
		if _, from := end.Add(-time.Second).Zone(); from != offsetTo || end.IsDST() != end.Add(-time.Second).IsDST() {
			list = append(list, change{wall: asUTC(end, from), from: from, to: offsetTo, name: to, daylight: end.IsDST()})
		}
		end = boundAfter(end)
	}
	return list
}

// boundAfter is where the next stretch of a zone ends, after the one that ends at t; the
// zero time when there is none. Beyond the list of a zone the time package also gives
// ends of years, at which nothing changes, and those of some leap years again and again.
func boundAfter(t time.Time) time.Time {
	for step := range 72 {
		_, end := t.Add(time.Duration(step) * time.Hour).ZoneBounds()
		if end.IsZero() || end.After(t) {
			return end
		}
	}
	return time.Time{}
}

// asUTC is the wall clock at an instant for an offset.
func asUTC(t time.Time, offset int) time.Time {
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// observance is a set of changes to the same offset by the same name.
type observance struct {
	changes []change
	rule    string // of all changes and those after them
}

// group puts changes of one sort together: those that follow a yearly rule to the end
// of what is known, and all before.
func group(changes []change) []observance {
	type sort struct {
		from, to int
		name     string
		daylight bool
	}
	var order []sort
	sorts := map[sort][]change{}
	for _, c := range changes {
		k := sort{c.from, c.to, c.name, c.daylight}
		if sorts[k] == nil {
			order = append(order, k)
		}
		sorts[k] = append(sorts[k], c)
	}
	var list []observance
	for _, k := range order {
		all := sorts[k]
		tail, rule := yearly(all)
		if early := all[:len(all)-tail]; len(early) > 0 {
			list = append(list, observance{changes: early})
		}
		if tail > 0 {
			list = append(list, observance{changes: all[len(all)-tail:], rule: rule})
		}
	}
	return list
}

// yearly finds how many of the last changes follow one rule to lastYear, and that rule.
func yearly(all []change) (n int, rule string) {
	if last := all[len(all)-1]; last.wall.Year() != lastYear {
		return 0, ""
	}
	for n = 1; n < len(all); n++ {
		a, b := all[len(all)-n-1], all[len(all)-n]
		if a.wall.Year()+1 != b.wall.Year() || ruleOf(all[len(all)-n-1:]) == "" {
			break
		}
	}
	if n < 2 {
		return 0, ""
	}
	return n, ruleOf(all[len(all)-n:])
}

// ruleOf puts changes, one a year, into one rule; "" when they follow none.
func ruleOf(list []change) string {
	first := list[0].wall
	nth, last, low, high := true, true, 31, 1
	for _, c := range list {
		t := c.wall
		if t.Month() != first.Month() || t.Weekday() != first.Weekday() || t.Sub(t.Truncate(24*time.Hour)) != first.Sub(first.Truncate(24*time.Hour)) {
			return ""
		}
		nth = nth && (t.Day()-1)/7 == (first.Day()-1)/7
		last = last && t.AddDate(0, 0, 7).Month() != t.Month()
		low, high = min(low, t.Day()), max(high, t.Day())
	}
	day := Weekdays[first.Weekday()]
	r := Rule{Frequency: Yearly, ByMonth: []int{int(first.Month())}}
	switch {
	case last:
		r.ByDay = []string{"-1" + day}
	case nth:
		r.ByDay = []string{strconv.Itoa((first.Day()-1)/7+1) + day}
	case high-low <= 6:
		r.ByDay = []string{day}
		for d := min(low, 25); len(r.ByMonthDay) < 7; d++ {
			r.ByMonthDay = append(r.ByMonthDay, d)
		}
	default:
		return ""
	}
	return r.String()
}

func (o observance) write(w *Writer) {
	component := "STANDARD"
	if o.changes[0].daylight {
		component = "DAYLIGHT"
	}
	w.Begin(component)
	w.Line("DTSTART", o.changes[0].wall.Format("20060102T150405"))
	w.Line("TZOFFSETFROM", offsetOf(o.changes[0].from))
	w.Line("TZOFFSETTO", offsetOf(o.changes[0].to))
	if o.rule != "" {
		w.Line("RRULE", o.rule)
	} else {
		for _, c := range o.changes[1:] {
			w.Line("RDATE", c.wall.Format("20060102T150405"))
		}
	}
	w.Text("TZNAME", o.changes[0].name)
	w.End(component)
}

// offsetOf writes +HHMM, with seconds where a zone had them long ago.
func offsetOf(seconds int) string {
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	text := sign + two(seconds/3600) + two(seconds/60%60)
	if s := seconds % 60; s != 0 {
		text += two(s)
	}
	return text
}

func two(n int) string { return string([]byte{byte('0' + n/10%10), byte('0' + n%10)}) }
