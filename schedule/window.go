package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Span is a stretch of time, from Start until just before End.
type Span struct{ Start, End time.Time }

// Has tells whether t lies in the span.
func (s Span) Has(t time.Time) bool { return !t.Before(s.Start) && t.Before(s.End) }

// WholeDay tells whether the window has no end: it is one window for each day.
func (w Window) WholeDay() bool { return w.From == w.To }

// String is "22:30-06:00", or "all day" for the days from midnight to midnight.
func (w Window) String() string {
	if w.WholeDay() && w.From == 0 {
		return "all day"
	}
	return w.From.String() + "-" + w.To.String()
}

// ParseWindow reads what String gives.
func ParseWindow(text string) (Window, error) {
	if text == "all day" {
		return Window{}, nil
	}
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return Window{}, fmt.Errorf("read window %.20q: it is no window such as 22:30-06:00", text)
	}
	f, err := ParseClock(from)
	if err != nil {
		return Window{}, fmt.Errorf("read window: %w", err)
	}
	t, err := ParseClock(to)
	if err != nil {
		return Window{}, fmt.Errorf("read window: %w", err)
	}
	return Window{From: f, To: t}, nil
}

// words is how the window is said in a sentence: "between 22:30 and 06:00".
func (w Window) words() string {
	if w.WholeDay() {
		return "at any hour"
	}
	return "between " + w.From.String() + " and " + w.To.String()
}

// span is the window that begins on a day. When clocks are put forward, one that
// begins in the hour that is left out begins when they are put forward, and one
// that ends in it ends as much later; when they are put back, the first of the
// two hours of one name counts. So each day but one that a country leaves out
// altogether has its window, and no two of them meet.
func (w Window) span(year int, month time.Month, day int, loc *time.Location) Span {
	start, _ := w.From.moments(year, month, day, loc)
	next, _ := w.From.moments(year, month, day+1, loc)
	if w.WholeDay() {
		return Span{start, next}
	}
	if w.To < w.From {
		day++
	}
	_, end := w.To.moments(year, month, day, loc)
	if end.After(next) {
		end = next
	}
	return Span{start, end}
}

// latest is the window that began last, at t or before: t lies in it or between
// it and the next one. The zone is that of t.
func (w Window) latest(t time.Time) Span {
	year, month, day := t.Date()
	for ; ; day-- {
		if s := w.span(year, month, day, t.Location()); s.Start.Before(s.End) && !s.Start.After(t) {
			return s
		}
	}
}

// After is the first window that begins after t, on clocks in the zone of t.
func (w Window) After(t time.Time) Span {
	year, month, day := t.Date()
	for day--; ; day++ {
		if s := w.span(year, month, day, t.Location()); s.Start.Before(s.End) && s.Start.After(t) {
			return s
		}
	}
}

// At is the window that t lies in, on clocks in the zone of t. When it lies in
// none, it is the next one, and in is false.
func (w Window) At(t time.Time) (s Span, in bool) {
	if s = w.latest(t); s.Has(t) {
		return s, true
	}
	return w.After(t), false
}

// turn is the time that counts as one window for prompts: from the beginning of
// the window that began last until the next one begins.
func (w Window) turn(t time.Time) Span {
	return Span{w.latest(t).Start, w.After(t).Start}
}

// daysAfter is the beginning of the window that is n windows after the one to
// whose turn t belongs.
func (w Window) daysAfter(t time.Time, n int) time.Time {
	year, month, day := w.latest(t).Start.Date()
	for ; ; n++ {
		if s := w.span(year, month, day+n, t.Location()); s.Start.Before(s.End) {
			return s.Start
		}
	}
}
