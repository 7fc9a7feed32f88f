package schedule

import (
	"fmt"
	"strconv"
	"time"
)

// minutesOfDay is one more than the last Clock.
const minutesOfDay = 24 * 60

// ParseClock reads a time of day as "22:30", with two digits each, 00:00 to 23:59.
func ParseClock(text string) (Clock, error) {
	bad := fmt.Errorf("read time of day %.10q: it is no time such as 22:30", text)
	if len(text) != 5 || text[2] != ':' {
		return 0, bad
	}
	h, err := strconv.ParseUint(text[:2], 10, 8)
	m, err2 := strconv.ParseUint(text[3:], 10, 8)
	if err != nil || err2 != nil || h > 23 || m > 59 {
		return 0, bad
	}
	return Clock(h*60 + m), nil
}

// String is the form that ParseClock reads.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

func (c Clock) valid() bool { return c >= 0 && c < minutesOfDay }

// MarshalText gives "22:30"; JSON has it as that string.
func (c Clock) MarshalText() ([]byte, error) {
	if !c.valid() {
		return nil, fmt.Errorf("write time of day: %d minutes after midnight are in no day", int(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads "22:30".
func (c *Clock) UnmarshalText(text []byte) error {
	v, err := ParseClock(string(text))
	if err == nil {
		*c = v
	}
	return err
}

// moments are the instants at which a clock on the wall in loc shows c on a day:
// first is the first of them. When clocks are put forward over c there is none:
// then first is when they were put forward, and shifted what they show as much
// later as they were put forward. Else both are the same.
func (c Clock) moments(year int, month time.Month, day int, loc *time.Location) (first, shifted time.Time) {
	wall := time.Date(year, month, day, int(c)/60, int(c)%60, 0, 0, time.UTC)
	// Offsets change at most once within a day of it, so one of these two is right.
	before := wall.Add(-offset(wall.Add(-24*time.Hour), loc)).In(loc)
	after := wall.Add(-offset(wall.Add(24*time.Hour), loc)).In(loc)
	switch {
	case shows(before, wall) && shows(after, wall):
		if after.Before(before) {
			return after, after
		}
		return before, before
	case shows(before, wall):
		return before, before
	case shows(after, wall):
		return after, after
	}
	first, _ = before.ZoneBounds()
	return first, before
}

// offset is what clocks in loc are ahead of UTC at t.
func offset(t time.Time, loc *time.Location) time.Duration {
	_, seconds := t.In(loc).Zone()
	return time.Duration(seconds) * time.Second
}

// shows tells whether the clock on the wall of t shows what wall shows.
func shows(t, wall time.Time) bool {
	return t.Add(offset(t, t.Location())).Equal(wall)
}
