package main

import (
	"time"
)

// quiet is how long no second prompt comes by itself.
const quiet = 6 * time.Hour

// checkPrompts checks the diary of a phone: between two prompts somebody asked for
// a backup, or some hours went by and a window began.
func (h *house) checkPrompts(p *person) {
	diary, acts := p.prompts(), p.ownActs()
	for i := 1; i < len(diary); i++ {
		last, next := diary[i-1].at, diary[i].at
		if between(acts, last, next) {
			continue
		}
		if next.Sub(last) < quiet {
			h.complain("%s: the phone asked by itself at %v (%s) and at %v", p.who.Name, last, diary[i-1].answer, next)
		}
		if !begins(int(p.policy.Window.From), last, next) {
			h.complain("%s: the phone asked by itself at %v (%s) and at %v, and no window began", p.who.Name, last, diary[i-1].answer, next)
		}
	}
}

// between tells whether one of times lies between a and b. What people did a
// moment before a prompt may be the cause of that one only: it is noted before.
func between(times []time.Time, a, b time.Time) bool {
	for _, t := range times {
		if t.After(a) && !t.After(b) {
			return true
		}
	}
	return false
}

// begins tells whether a clock on the wall comes to, or is put forward over, the
// given minute of the day after a, until b.
func begins(minute int, a, b time.Time) bool {
	const day = 24 * 60
	before := a
	for t := a.Truncate(time.Minute).Add(time.Minute); !t.After(b); t = t.Add(time.Minute) {
		x, y := before.Hour()*60+before.Minute(), t.Hour()*60+t.Minute()
		went := (y - x + day) % day // 61 when clocks are put forward, and nearly a day when back
		if went < 120 && x != minute && (minute-x+day)%day <= went {
			return true
		}
		before = t
	}
	return false
}
