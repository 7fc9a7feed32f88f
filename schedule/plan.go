package schedule

import (
	"strconv"
	"time"
)

// plan reckons when the next backup is likely to start, and under what conditions.
func (d *decider) plan(out *Decision) {
	if out.Start || out.Reason == AlreadyRunning {
		out.Next = d.f.Now
		return
	}
	if !d.p.Automatic {
		return
	}
	at := later(d.f.Now, d.due)
	switch out.Reason {
	case WaitRetry, SaidNo, NotAnswered, BrokeAfter, GaveUp, WasCancelled:
		at = later(at, out.Until)
	}
	at = d.likely(at)
	out.Next, out.NextWhy = at, d.conditions()
}

// likely is the first moment at t or after that is in a window, and for a phone
// that asks in an hour at which the passcode is likely to be entered.
func (d *decider) likely(t time.Time) time.Time {
	s, in := d.p.Window.At(t)
	if _, open, missed := d.open(); open && missed && !d.asks && t.Equal(d.f.Now) {
		return t
	}
	if !in {
		t = s.Start
	}
	if !d.asks {
		return t
	}
	if at, ok := d.hours.first(t, s, goodShare); ok {
		return at
	}
	next := d.p.Window.After(t)
	if at, ok := d.hours.first(next.Start, next, goodShare); ok {
		return at
	}
	return next.Start
}

// conditions says under what conditions a backup starts: "when it is on its
// charger, between 22:00 and 06:00".
func (d *decider) conditions() string {
	text := "when it is here"
	switch {
	case d.p.OnPower:
		text = "when it is on its charger"
	case d.asks && d.p.OnUnlock:
		text = "when it is unlocked here"
	}
	if !d.p.Window.WholeDay() {
		text += ", " + d.p.Window.words()
	}
	if d.p.OnConnect && !d.p.Window.WholeDay() {
		text += ", or when it is plugged in"
	}
	return text
}

func percent(n int) string { return strconv.Itoa(n) + "%" }
