package retention

import (
	"fmt"
	"strings"
	"time"
)

// maxNumber bounds each number of a duration: more than any calendar holds.
const maxNumber = 1_000_000

// Duration is a span on the calendar: a month has as many days as it happens
// to have.
type Duration struct{ Years, Months, Days, Hours int }

// ParseDuration reads numbers followed by y, m (months), d or h: "2y5m7d3h".
// A unit may be given once. The empty text is the zero duration.
func ParseDuration(text string) (Duration, error) {
	var d Duration
	rest := strings.TrimSpace(text)
	seen := ""
	for rest != "" {
		n, digits := 0, 0
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' && n <= maxNumber {
			n = 10*n + int(rest[digits]-'0')
			digits++
		}
		switch {
		case digits == 0:
			return Duration{}, fmt.Errorf("parse duration %q: a number is missing before %q", text, rest)
		case n > maxNumber:
			return Duration{}, fmt.Errorf("parse duration %q: a number is above %d", text, maxNumber)
		case digits == len(rest):
			return Duration{}, fmt.Errorf("parse duration %q: a unit is missing behind %d: y, m (months), d or h", text, n)
		}
		unit := rest[digits : digits+1]
		field := map[string]*int{"y": &d.Years, "m": &d.Months, "d": &d.Days, "h": &d.Hours}[unit]
		if field == nil {
			return Duration{}, fmt.Errorf("parse duration %q: %q is none of y, m (months), d, h", text, rest[digits:])
		}
		if strings.Contains(seen, unit) {
			return Duration{}, fmt.Errorf("parse duration %q: %q occurs twice", text, unit)
		}
		*field, seen, rest = n, seen+unit, rest[digits+1:]
	}
	return d, nil
}

// IsZero tells whether the span is empty.
func (d Duration) IsZero() bool { return d == Duration{} }

// String is the form that ParseDuration reads.
func (d Duration) String() string {
	var b strings.Builder
	for _, f := range []struct {
		n    int
		unit byte
	}{{d.Years, 'y'}, {d.Months, 'm'}, {d.Days, 'd'}, {d.Hours, 'h'}} {
		if f.n != 0 {
			fmt.Fprintf(&b, "%d%c", f.n, f.unit)
		}
	}
	return b.String()
}

// before is the moment that lies d before t, on the calendar of t's zone.
func (d Duration) before(t time.Time) time.Time {
	return t.AddDate(-d.Years, -d.Months, -d.Days).Add(-time.Duration(d.Hours) * time.Hour)
}
