package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/keepsake-backup/keepsake/extract/ical"
)

var start = ical.Moment{Time: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)} // a Monday

func TestRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		row   Recurrence
		rule  string
		raw   string
		dates string // the first ones, by another program
	}{
		{"daily", Recurrence{Frequency: 1, Interval: 3}, "FREQ=DAILY;INTERVAL=3", "", "0302 0305 0308 0311"},
		{"weekly", Recurrence{Frequency: 2, Interval: 1, Specifier: "D=0MO,0WE;"}, "FREQ=WEEKLY;BYDAY=MO,WE", "", "0302 0304 0309 0311"},
		{"every other week from Sunday", Recurrence{Frequency: 2, Interval: 2, WeekStart: 1, Specifier: "D=0SU,0MO;"}, "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", "", "0302 0315 0316 0329"},
		{"day of the month", Recurrence{Frequency: 3, Interval: 1, Specifier: "M=15,-1;"}, "FREQ=MONTHLY;BYMONTHDAY=15,-1", "", "0315 0331 0415 0430"},
		{"second Tuesday", Recurrence{Frequency: 3, Interval: 1, Specifier: "D=2TU;"}, "FREQ=MONTHLY;BYDAY=2TU", "", "0310 0414 0512 0609"},
		{"last Friday", Recurrence{Frequency: 3, Interval: 2, Specifier: "d=-1fr"}, "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR", "", "0327 0529 0731 0925"},
		{"last working day", Recurrence{Frequency: 3, Interval: 1, Specifier: "D=0MO,0TU,0WE,0TH,0FR;S=-1;"}, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "", "0331 0430 0529 0630"},
		{"months, January is bit 0", Recurrence{Frequency: 4, Interval: 1, Months: 1<<2 | 1<<8}, "FREQ=YEARLY;BYMONTH=3,9", "", "0302 0902 0302 0902"},
		{"months, January is bit 1", Recurrence{Frequency: 4, Interval: 1, Months: 1<<3 | 1<<9}, "FREQ=YEARLY;BYMONTH=3,9", "", "0302 0902 0302 0902"},
		{"count", Recurrence{Frequency: 1, Interval: 1, Count: 2}, "FREQ=DAILY;COUNT=2", "", "0302 0303"},
		{"until", Recurrence{Frequency: 1, Interval: 1, Until: ical.Moment{Time: start.Time.AddDate(0, 0, 2)}}, "FREQ=DAILY;UNTIL=20260304T080000Z", "", "0302 0303 0304"},
		{"days of the year", Recurrence{Frequency: 4, Interval: 1, Specifier: "Y=100;W=20;"}, "FREQ=YEARLY;BYYEARDAY=100;BYWEEKNO=20", "", ""},
		{"unknown letter", Recurrence{Frequency: 2, Specifier: "D=0MO;Q=1,2;"}, "FREQ=WEEKLY;BYDAY=MO", "Q=1,2", "0302 0309"},
		{"broken parts", Recurrence{Frequency: 3, Specifier: "D=0XX;M=32;S=0;M=a;"}, "FREQ=MONTHLY", "D=0XX;M=32;S=0;M=a", ""},
		{"not allowed", Recurrence{Frequency: 2, Specifier: "D=2MO;M=1;"}, "FREQ=WEEKLY;BYDAY=MO", "BYDAY=2MO;BYMONTHDAY=1", ""},
		{"unknown frequency", Recurrence{Frequency: 7, Specifier: "D=0MO;"}, "", "frequency=7", ""},
		{"nothing", Recurrence{}, "", "frequency=0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := c.row.Rule(start)
			if got := rule.String(); got != c.rule || rule.Raw != c.raw {
				t.Fatalf("%q and %q, want %q and %q", got, rule.Raw, c.rule, c.raw)
			}
			if c.dates == "" {
				return
			}
			o, err := rrule.StrToROption(rule.String())
			if err != nil {
				t.Fatal(err)
			}
			o.Dtstart = start.Time
			r, err := rrule.NewRRule(*o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for next := r.Iterator(); len(got) < len(strings.Fields(c.dates)); {
				d, ok := next()
				if !ok {
					break
				}
				got = append(got, d.Format("0102"))
			}
			if strings.Join(got, " ") != c.dates {
				t.Errorf("dates %s, want %s", got, c.dates)
			}
		})
	}
}

// FuzzSpecifier makes sure that whatever a specifier says becomes a rule that others read.
func FuzzSpecifier(f *testing.F) {
	for _, s := range []string{"D=0MO,0WE;", "M=1,15,-1;", "D=-1FR;S=-1;", "W=20;Y=100;", "D=;=;;", "D=99999999999999999999MO", "M=" + strings.Repeat("1,", 500)} {
		f.Add(s, int64(3), int64(0x55))
	}
	f.Fuzz(func(t *testing.T, specifier string, frequency, months int64) {
		rule := Recurrence{Frequency: frequency, Interval: 1, Specifier: specifier, Months: months}.Rule(start)
		text := rule.String()
		if (text == "") != (frequency < 1 || frequency > 4) {
			t.Fatalf("frequency %d gives %q", frequency, text)
		}
		if text == "" {
			return
		}
		if strings.ContainsAny(text, "\r\n") {
			t.Fatalf("%q has lines", text)
		}
		if _, err := rrule.StrToROption(text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
