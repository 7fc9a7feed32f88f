package schedule

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones without those of the computer

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func moment(t testing.TB, loc *time.Location, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func window(t testing.TB, text string) Window {
	t.Helper()
	w, err := ParseWindow(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestClock_text(t *testing.T) {
	for _, text := range []string{"00:00", "07:05", "22:30", "23:59"} {
		c, err := ParseClock(text)
		if err != nil || c.String() != text {
			t.Errorf("ParseClock(%q) = %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "7:05", "24:00", "12:60", "12.30", "1230", "-1:30", "+1:30", "12:3a", "12:30:00", "１２:30"} {
		if c, err := ParseClock(text); err == nil {
			t.Errorf("ParseClock(%q) = %v, want an error", text, c)
		}
	}
	if _, err := Clock(1440).MarshalText(); err == nil {
		t.Error("1440 minutes were written")
	}
}

func TestPolicy_json(t *testing.T) {
	p := Default()
	p.Window = window(t, "22:30-06:00")
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"window":{"from":"22:30","to":"06:00"}`; !strings.Contains(string(data), want) {
		t.Errorf("got %s, want %s in it", data, want)
	}
	var back Policy
	if err := json.Unmarshal(data, &back); err != nil || back != p {
		t.Errorf("read back %+v, %v", back, err)
	}
	for _, bad := range []string{`{"window":{"from":"24:00","to":"06:00"}}`, `{"window":{"from":1350}}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestPolicy_Validate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*Policy)
		want   string
	}{
		{func(p *Policy) { p.EveryDays = 0 }, "policy: a backup every 0 days is not possible: choose 1 to 30"},
		{func(p *Policy) { p.EveryDays = 31 }, "policy: a backup every 31 days is not possible: choose 1 to 30"},
		{func(p *Policy) { p.Window.To = 1440 }, "policy: the window begins or ends at no time of the day: choose 00:00 to 23:59"},
		{func(p *Policy) { p.Window.From = -1 }, "policy: the window begins or ends at no time of the day: choose 00:00 to 23:59"},
		{func(p *Policy) { p.MinBattery = 101 }, "policy: a charge of 101% is not possible: choose 0 to 100"},
		{func(p *Policy) { p.RemindAfterDays = -1 }, "policy: reminding after -1 days is not possible: choose 0, which is never, to 365"},
		{func(p *Policy) { p.MinBattery, p.EveryDays = -1, 0 }, "policy: a backup every 0 days is not possible: choose 1 to 30\npolicy: a charge of -1% is not possible: choose 0 to 100"},
	} {
		p := Default()
		c.change(&p)
		if err := p.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if err := p.tame().Validate(); err != nil {
			t.Errorf("tamed: %v", err)
		}
	}
}

func TestWindow_At(t *testing.T) {
	const form = "2006-01-02 15:04 -07"
	for _, c := range []struct{ name, zone, window, now, start, end string }{
		{"in it", "Europe/Berlin", "22:00-06:00", "2026-05-04 23:10", "2026-05-04 22:00 +02", "2026-05-05 06:00 +02"},
		{"past midnight", "Europe/Berlin", "22:00-06:00", "2026-05-05 05:59", "2026-05-04 22:00 +02", "2026-05-05 06:00 +02"},
		{"its end is outside", "Europe/Berlin", "22:00-06:00", "2026-05-05 06:00", "2026-05-05 22:00 +02", "2026-05-06 06:00 +02"},
		{"within a day", "Europe/Berlin", "18:00-21:30", "2026-05-05 21:30", "2026-05-06 18:00 +02", "2026-05-06 21:30 +02"},
		{"all day", "Europe/Berlin", "all day", "2026-05-05 00:00", "2026-05-05 00:00 +02", "2026-05-06 00:00 +02"},
		{"all day from noon", "Europe/Berlin", "12:00-12:00", "2026-05-05 11:59", "2026-05-04 12:00 +02", "2026-05-05 12:00 +02"},

		{"a night of 23 hours", "Europe/Berlin", "22:00-06:00", "2026-03-29 05:00", "2026-03-28 22:00 +01", "2026-03-29 06:00 +02"},
		{"begins in the hour left out", "Europe/Berlin", "02:30-05:00", "2026-03-29 03:10", "2026-03-29 03:00 +02", "2026-03-29 05:00 +02"},
		{"ends in the hour left out", "Europe/Berlin", "01:00-02:30", "2026-03-29 03:10", "2026-03-29 01:00 +01", "2026-03-29 03:30 +02"},
		{"lies in the hour left out", "Europe/Berlin", "02:10-02:50", "2026-03-29 03:10", "2026-03-29 03:00 +02", "2026-03-29 03:50 +02"},
		{"meets itself in it", "Europe/Berlin", "02:30-02:10", "2026-03-28 12:00", "2026-03-28 02:30 +01", "2026-03-29 03:00 +02"},
		{"begins in the hour that comes twice", "Europe/Berlin", "02:30-05:00", "2026-10-25 03:10", "2026-10-25 02:30 +02", "2026-10-25 05:00 +01"},
		{"ends in the hour that comes twice", "Europe/Berlin", "01:00-02:30", "2026-10-25 01:10", "2026-10-25 01:00 +02", "2026-10-25 02:30 +02"},
		{"a day of 25 hours", "Europe/Berlin", "all day", "2026-10-25 12:00", "2026-10-25 00:00 +02", "2026-10-26 00:00 +01"},
		{"no midnight", "America/Havana", "all day", "2026-03-08 12:00", "2026-03-08 01:00 -04", "2026-03-09 00:00 -04"},
		{"midnight comes twice", "America/Havana", "all day", "2026-11-01 12:00", "2026-11-01 00:00 -04", "2026-11-02 00:00 -05"},
		{"no such day", "Pacific/Apia", "22:00-06:00", "2011-12-31 01:00", "2011-12-31 00:00 +14", "2011-12-31 06:00 +14"},
	} {
		t.Run(c.name, func(t *testing.T) {
			loc := zone(t, c.zone)
			s, _ := window(t, c.window).At(moment(t, loc, c.now))
			if got := s.Start.Format(form); got != c.start {
				t.Errorf("starts %s, want %s", got, c.start)
			}
			if got := s.End.Format(form); got != c.end {
				t.Errorf("ends %s, want %s", got, c.end)
			}
		})
	}
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "America/Santiago"}

func drawWindow(t *rapid.T) Window {
	w := Window{Clock(rapid.IntRange(0, 1439).Draw(t, "from")), Clock(rapid.IntRange(0, 1439).Draw(t, "to"))}
	if rapid.Bool().Draw(t, "whole day") {
		w.To = w.From
	}
	return w
}

func drawTime(t *rapid.T) time.Time {
	loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(rapid.Int64Range(1767225600, 1767225600+2*366*86400).Draw(t, "unix"), 0).In(loc)
}

// TestWindow_properties: every moment belongs to exactly one turn, a window never
// ends before it begins, and one begins every day.
func TestWindow_properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, now := drawWindow(t), drawTime(t)
		back, err := ParseWindow(w.String())
		if err != nil || back != w {
			t.Fatalf("%s was read as %v, %v", w, back, err)
		}
		turn := w.turn(now)
		if !turn.Has(now) {
			t.Fatalf("%v is not in its turn %v", now, turn)
		}
		if d := turn.End.Sub(turn.Start); d < 21*time.Hour || d > 27*time.Hour {
			t.Fatalf("a turn of %s", d)
		}
		s, in := w.At(now)
		if in != s.Has(now) || !s.Start.Before(s.End) {
			t.Fatalf("At(%v) = %v, %v", now, s, in)
		}
		if in && (s.Start != turn.Start || s.End.After(turn.End)) || !in && s.Start != turn.End {
			t.Fatalf("At(%v) = %v, %v in the turn %v", now, s, in, turn)
		}
		if w.WholeDay() && !in {
			t.Fatal("outside of the whole day")
		}
		if got := w.turn(turn.End.Add(-1)); got != turn {
			t.Fatalf("the turn %v has %v in it", turn, got)
		}
		if got := w.daysAfter(now, 1); !got.Equal(turn.End) {
			t.Fatalf("the window after %v begins %v, want %v", turn, got, turn.End)
		}
	})
}
