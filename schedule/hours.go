package schedule

import (
	"math"
	"time"
)

// Hours tells how likely the passcode is entered when it is asked for in each
// hour of the day, 0 to 1. Make one with Learn.
type Hours [24]float64

// What hours are taken for before anything was learnt, as if Learn had seen
// priorWeight prompts: evenings are best, nights are hopeless.
var prior = Hours{
	.10, .06, .06, .06, .06, .08, .20, .35,
	.40, .40, .40, .40, .45, .45, .45, .45,
	.50, .55, .60, .60, .60, .60, .45, .25,
}

const (
	priorWeight = 2
	// halfLife is after how many days a prompt counts half.
	halfLife = 30
	// maxAge in days: older prompts are not looked at.
	maxAge = 180
	// nearby is what an answer counts for the hours before and after.
	nearby = 0.15

	// goodShare of the best hour of a window makes an hour good, badShare bad.
	goodShare = 0.7
	badShare  = 0.35
)

// Learn reckons from what became of prompts. A prompt counts for its hour on the
// clock on the wall of now, a little for the hours beside it, and less the older it
// is. Prompts after now, and open ones, do not count.
func Learn(prompts []Prompt, now time.Time) Hours {
	var yes, all [24]float64
	for _, p := range prompts {
		age := now.Sub(p.At).Hours() / 24
		if p.Answer == Open || age < 0 || age > maxAge {
			continue
		}
		weight := math.Exp2(-age / halfLife)
		hour := p.At.In(now.Location()).Hour()
		for step, w := range map[int]float64{-1: weight * nearby, 0: weight, 1: weight * nearby} {
			h := (hour + step + 24) % 24
			all[h] += w
			if p.Answer == Yes {
				yes[h] += w
			}
		}
	}
	var out Hours
	for h := range out {
		out[h] = (prior[h]*priorWeight + yes[h]) / (priorWeight + all[h])
	}
	return out
}

// Best is the likelihood of the best hour of a span.
func (h Hours) Best(s Span) float64 {
	best := 0.0
	for t := s.Start; t.Before(s.End); t = nextHour(t) {
		best = max(best, h[t.Hour()])
	}
	return best
}

// first is the first moment at t or after, within s, in an hour whose likelihood
// is at least share of the best one of s. The zone is that of s.
func (h Hours) first(t time.Time, s Span, share float64) (time.Time, bool) {
	best := h.Best(s)
	if t.Before(s.Start) {
		t = s.Start
	}
	for t = t.In(s.Start.Location()); t.Before(s.End); t = nextHour(t) {
		if h[t.Hour()] >= best*share {
			return t, true
		}
	}
	return time.Time{}, false
}

// nextHour is when the clock on the wall shows the next full hour.
func nextHour(t time.Time) time.Time {
	into := time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	return t.Add(time.Hour - into)
}
