package ical

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same zones wherever this runs
)

// written gives what f writes.
func written(t testing.TB, f func(w *Writer)) string {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	f(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriter(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(w *Writer)
		want string
	}{
		{"text", func(w *Writer) { w.Text("SUMMARY", "a\\b; c, d\r\ne\nf\rg\x00\x07h") }, "SUMMARY:a\\\\b\\; c\\, d\\ne\\nf\\ngh\r\n"},
		{"no text", func(w *Writer) { w.Text("SUMMARY", "") }, ""},
		{"parameters", func(w *Writer) {
			w.Line("ATTENDEE", "mailto:a@example.com", "CN", `Ann "A", B^C`, "ROLE", "", "X", "y\nz")
		},
			"ATTENDEE;CN=\"Ann ^'A^', B^^C\";X=y^nz:mailto:a@example.com\r\n"},
		{"injected line", func(w *Writer) { w.Line("URL", "https://example.com/\r\nEND:VCALENDAR") }, "URL:https://example.com/END:VCALENDAR\r\n"},
		{"no UTF-8", func(w *Writer) { w.Text("SUMMARY", "a\xffb") }, "SUMMARY:a\uFFFDb\r\n"},
		{"fold", func(w *Writer) { w.Line("X", strings.Repeat("a", 80)) }, "X:" + strings.Repeat("a", 73) + "\r\n " + strings.Repeat("a", 7) + "\r\n"},
		{"fold between letters", func(w *Writer) { w.Line("X", strings.Repeat("a", 72)+"é"+"b") }, "X:" + strings.Repeat("a", 72) + "\r\n éb\r\n"},
		{"day", func(w *Writer) {
			w.Moment("DTSTART", Moment{Time: time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC), Date: true}, nil)
		}, "DTSTART;VALUE=DATE:20260310\r\n"},
		{"wall clock", func(w *Writer) {
			w.Moment("DTSTART", Moment{Time: time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC), Floating: true}, nil)
		}, "DTSTART:20260310T080000\r\n"},
		{"UTC", func(w *Writer) { w.Moment("DTSTART", Moment{Time: time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)}, nil) }, "DTSTART:20260310T080000Z\r\n"},
		{"zone", func(w *Writer) {
			w.Moment("DTSTART", Moment{Time: time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC), Zone: "Europe/Berlin"}, &Zones{})
		},
			"DTSTART;TZID=Europe/Berlin:20260310T090000\r\n"},
		{"no such zone", func(w *Writer) {
			w.Moment("DTSTART", Moment{Time: time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC), Zone: "../etc/passwd"}, &Zones{})
		},
			"DTSTART:20260310T080000Z\r\n"},
		{"none", func(w *Writer) { w.Moment("DTSTART", Moment{}, nil); w.UTC("CREATED", time.Time{}) }, ""},
	} {
		if got := written(t, c.f); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.com/a?b=c": "https://example.com/a?b=c", " mailto:a@example.com ": "mailto:a@example.com", "tel:+15550100": "tel:+15550100",
		"javascript:alert(1)": "", "JavaScript:alert(1)": "", "data:text/html,x": "", "file:///etc/passwd": "", "": "", "no address": "", "https://a b/": "", "%zz": "",
	} {
		if got := Address(in); got != want {
			t.Errorf("Address(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "PT0S", -15 * time.Minute: "-PT15M", 24 * time.Hour: "P1D", -36 * time.Hour: "-P1DT12H", 14 * 24 * time.Hour: "P2W", 3661 * time.Second: "PT1H1M1S",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestRule(t *testing.T) {
	day := time.Date(2026, 12, 31, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		rule        Rule
		text, words string
	}{
		{Rule{}, "", "repeats"},
		{Rule{Frequency: Daily, Interval: 1}, "FREQ=DAILY", "every day"},
		{Rule{Frequency: Weekly, Interval: 2, Count: 30, Until: Moment{Time: day}, ByDay: []string{"MO", "WE"}, WeekStart: "SU"},
			"FREQ=WEEKLY;INTERVAL=2;COUNT=30;BYDAY=MO,WE;WKST=SU", "every 2 weeks on MO, WE, 30 times"},
		{Rule{Frequency: Monthly, Until: Moment{Time: day, Zone: "Asia/Tokyo"}, ByDay: []string{"-1FR"}},
			"FREQ=MONTHLY;UNTIL=20261231T220000Z;BYDAY=-1FR", "every month on -1FR until 2027-01-01"},
		{Rule{Frequency: Yearly, Until: Moment{Time: day, Date: true}, ByMonth: []int{3, 9}, ByMonthDay: []int{-1}},
			"FREQ=YEARLY;UNTIL=20261231;BYMONTHDAY=-1;BYMONTH=3,9", "every year on day -1 in month 3,9 until 2026-12-31"},
		{Rule{Raw: "frequency=9"}, "", "repeats frequency=9"},
	} {
		if got := c.rule.String(); got != c.text {
			t.Errorf("String: %q, want %q", got, c.text)
		}
		if got := c.rule.Words(); got != c.words {
			t.Errorf("Words: %q, want %q", got, c.words)
		}
	}
	r := Rule{Frequency: Weekly, ByDay: []string{"2MO", "FR"}, ByMonthDay: []int{1}, BySetPos: []int{-1}}
	if dropped := strings.Join(r.Fit(), " "); dropped != "BYDAY=2MO BYMONTHDAY=1" || r.String() != "FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=-1" {
		t.Errorf("dropped %q, left %q", dropped, r.String())
	}
}

// judgeZone asks dateutil, which reads VTIMEZONE, and zoneinfo, which reads the system's
// time zones, for the offsets at many moments.
const judgeZone = `
import io, sys, datetime as d
from dateutil.tz import tzical
from zoneinfo import ZoneInfo
text = sys.stdin.read()
zones = tzical(io.StringIO(text))
bad = n = 0
for name in zones.keys():
    a, b = zones.get(name), ZoneInfo(name)
    t = d.datetime(int(sys.argv[1]), 1, 1, 1, 30, tzinfo=d.timezone.utc)
    while t.year < 2060:
        local = t.astimezone(b)
        naive = local.replace(tzinfo=None)
        once = naive.replace(tzinfo=b, fold=0).utcoffset() == naive.replace(tzinfo=b, fold=1).utcoffset()
        n += 1
        if once and naive.replace(tzinfo=a).utcoffset() != local.utcoffset():
            bad += 1
            if bad < 5: print(name, local, naive.replace(tzinfo=a).utcoffset(), local.utcoffset())
        t += d.timedelta(days=5, hours=7)
print(len(list(zones.keys())), n > 1000, bad)
`

func TestZonesAgainstPython(t *testing.T) {
	names := []string{"Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Asia/Kolkata", "Asia/Jerusalem", "Australia/Lord_Howe",
		"America/Sao_Paulo", "Africa/Casablanca", "Europe/Dublin", "Pacific/Apia", "America/Godthab", "Asia/Tehran"}
	for _, since := range []int{1985, 2021} {
		text := written(t, func(w *Writer) {
			w.Begin("VCALENDAR")
			zones := &Zones{}
			for _, name := range names {
				zones.add(Moment{Time: time.Date(since, 1, 1, 0, 0, 0, 0, time.UTC), Zone: name})
			}
			zones.Write(w)
			w.End("VCALENDAR")
		})
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", judgeZone, map[int]string{1985: "1985", 2021: "2021"}[since])
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if want := "13 True 0\n"; err != nil || string(out) != want {
			t.Errorf("since %d: %v: %s", since, err, out)
		}
	}
}

func TestEveryZoneEnds(t *testing.T) {
	for _, name := range []string{"UTC", "GMT+0200", "GMT-5", "GMT+05:30", "Europe/London", "Antarctica/Troll", "Africa/Juba", "America/Scoresbysund"} {
		zone := LoadZone(name)
		if zone == nil {
			t.Fatalf("%s is not known", name)
		}
		for _, since := range []int{1604, 1900, 2000, 2037, 2150} {
			text := written(t, func(w *Writer) { writeZone(w, name, zone, time.Date(since, 6, 1, 0, 0, 0, 0, time.UTC)) })
			if n := strings.Count(text, "BEGIN:"); n < 2 || n > 80 || len(text) > 40_000 {
				t.Errorf("%s since %d: %d components, %d bytes", name, since, n, len(text))
			}
		}
	}
	for _, name := range []string{"", "Local", "Mars/Olympus", "../zoneinfo/UTC", "GMT+99", "GMT+", "UTC+-1", strings.Repeat("x", 100)} {
		if zone := LoadZone(name); zone != nil {
			t.Errorf("%q is %v", name, zone)
		}
	}
}

func TestMoment(t *testing.T) {
	at := time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)
	tokyo := LoadZone("Asia/Tokyo")
	for _, c := range []struct {
		m    Moment
		text string
		in   time.Time
	}{
		{Moment{}, "", time.Time{}},
		{Moment{Time: at}, "2026-03-10T08:00:00Z", at},
		{Moment{Time: at, Zone: "Asia/Tokyo"}, "2026-03-10T17:00:00+09:00", at},
		{Moment{Time: at, Zone: "Nowhere"}, "2026-03-10T08:00:00Z", at},
		{Moment{Time: at, Floating: true}, "2026-03-10T08:00:00", at.Add(-9 * time.Hour)},
		{Moment{Time: at.Truncate(24 * time.Hour), Date: true}, "2026-03-10", at.Add(-17 * time.Hour)},
		{Moment{Time: time.Date(1604, 5, 12, 0, 0, 0, 0, time.UTC), Date: true}, "--05-12", time.Date(1604, 5, 12, 0, 0, 0, 0, tokyo)},
	} {
		if got := c.m.String(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
		if got := c.m.In(tokyo); !got.Equal(c.in) {
			t.Errorf("%s in Tokyo is %v, want %v", c.text, got, c.in)
		}
	}
}

// FuzzLine makes sure that whatever is written stays one property: no line is longer than
// allowed, and unfolded it is what was meant.
func FuzzLine(f *testing.F) {
	f.Add("Choir\r\nEND:VEVENT", "a\"b;c")
	f.Add(strings.Repeat("é", 200), "")
	f.Add("\xff\xfe\u2028", "^n")
	f.Fuzz(func(t *testing.T, text, param string) {
		got := written(t, func(w *Writer) { w.Text("SUMMARY", text, "CN", param) })
		if text == "" {
			return
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(got, "\r\n"), "\r\n") {
			if len(line) > lineLimit || strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("line of %d bytes: %q", len(line), line)
			}
		}
		whole := strings.ReplaceAll(got, "\r\n ", "")
		if strings.Count(whole, "\r\n") != 1 || !strings.HasPrefix(whole, "SUMMARY") {
			t.Fatalf("%q is not one property", whole)
		}
	})
}
