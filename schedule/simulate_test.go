package schedule

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawPolicy(t *rapid.T) Policy {
	yes := func(name string) bool { return rapid.Bool().Draw(t, name) }
	return Policy{
		Automatic: rapid.IntRange(0, 9).Draw(t, "automatic") > 0, EveryDays: rapid.SampledFrom([]int{1, 1, 1, 2, 3, 7, 30}).Draw(t, "every"), Window: drawWindow(t),
		OnConnect: yes("on connect"), OnPower: yes("on power"), MinBattery: rapid.IntRange(0, 50).Draw(t, "battery"), OnUnlock: yes("on unlock"), Media: yes("media"),
		RemindAfterDays: rapid.IntRange(0, 30).Draw(t, "remind"),
	}
}

// life is a phone, its owner and a computer over some months.
type life struct {
	t       *rapid.T
	p       Policy
	f       Facts
	willing int // of 10 prompts so many are answered

	prompts []prompted
}

// prompted is what the phone's own diary has of a prompt.
type prompted struct {
	at     time.Time
	answer Answer
	byAct  bool      // Back Up Now or a signal
	actAt  time.Time // when that was
}

func newLife(t *rapid.T) *life {
	l := &life{t: t, p: drawPolicy(t), willing: rapid.IntRange(0, 10).Draw(t, "willing")}
	l.f = Facts{Now: drawTime(t), Phone: "Phone", Paired: true, Battery: 50, Asks: rapid.IntRange(0, 3).Draw(t, "asks") > 0, Away: Away{EverPaired: true}}
	l.f.Passcode = Passcode(rapid.IntRange(0, 2).Draw(t, "passcode"))
	return l
}

// chance is true once in n times.
func (l *life) chance(n int, what string) bool { return rapid.IntRange(1, n).Draw(l.t, what) == 1 }

// happen lets things happen to the phone.
func (l *life) happen() {
	f := &l.f
	switch rapid.IntRange(0, 30).Draw(l.t, "event") {
	case 0, 1, 2:
		if f.Reach == Nowhere {
			f.ConnectedAt = f.Now
		}
		f.Reach, f.CableAt = WiFi, time.Time{}
	case 3, 4:
		if f.Reach == Nowhere {
			f.ConnectedAt = f.Now
		}
		if f.Reach != Cable {
			f.Reach, f.CableAt, f.Charging, f.ChargingAt = Cable, f.Now, true, f.Now
		}
	case 5, 6:
		f.Reach, f.ConnectedAt, f.CableAt = Nowhere, time.Time{}, time.Time{}
	case 7, 8, 9, 10:
		f.UnlockedAt = f.Now
	case 11, 12:
		f.Charging, f.ChargingAt = true, f.Now
	case 13:
		f.Charging = false
	case 14:
		f.Battery = rapid.IntRange(-1, 100).Draw(l.t, "charge")
	case 15:
		f.Request = f.Now
	case 16:
		f.Signal = f.Now
	case 17:
		f.Busy = !f.Busy
	case 18:
		f.Place = rapid.SampledFrom([]string{"", "", "the disk is not there"}).Draw(l.t, "place")
	case 19:
		f.InSetup = !f.InSetup && l.chance(3, "set-up")
	case 20:
		if l.chance(4, "new policy") {
			l.p.Window = drawWindow(l.t)
			l.prompts = append(l.prompts, prompted{}) // another window begins whenever it is changed
		}
	case 21:
		off := Span{f.Now, f.Now.Add(time.Duration(rapid.IntRange(1, 72).Draw(l.t, "off")) * time.Hour)}
		f.Now, f.Off = off.End, append(f.Off, off)
	}
}

// run is what becomes of a backup that starts.
func (l *life) run(d Decision) {
	f := &l.f
	a := Attempt{At: f.Now, Failures: f.Last.Failures + 1}
	took := time.Duration(rapid.IntRange(0, 90).Draw(l.t, "minutes")) * time.Minute
	a.Outcome = rapid.SampledFrom([]Outcome{Good, Good, Good, Broke, Broke, Failed, Stopped, Cancelled}).Draw(l.t, "outcome")
	if d.Prompt {
		answer := No
		if rapid.IntRange(1, 10).Draw(l.t, "answer") <= l.willing {
			answer = Yes
		} else {
			a.Outcome = Refused
			if l.chance(2, "ignored") {
				answer = Ignored
			}
		}
		p := prompted{at: f.Now, answer: answer}
		switch d.Reason {
		case StartSignal:
			p.byAct, p.actAt = true, f.Signal
		case StartRequest:
			p.byAct, p.actAt = true, f.Request
		}
		l.checkPrompt(d, p)
		l.prompts = append(l.prompts, p)
		f.Prompts = append(f.Prompts, Prompt{p.at, p.answer})
	}
	f.Now = f.Now.Add(took)
	a.Ended = f.Now
	if f.Last = a; a.Outcome == Good {
		f.LastGood, f.Last.Failures = f.Now, 0
	}
}

// checkPrompt checks a new prompt against the phone's diary, by a clock on the
// wall and not by the arithmetic of windows.
func (l *life) checkPrompt(d Decision, p prompted) {
	if len(l.prompts) == 0 {
		return
	}
	last := l.prompts[len(l.prompts)-1]
	if p.byAct {
		if !p.actAt.After(last.at) {
			l.t.Fatalf("the phone asks again at %v for an act at %v, before the prompt at %v", p.at, p.actAt, last.at)
		}
		return
	}
	if last.at.IsZero() {
		return // the window was changed
	}
	if p.at.Sub(last.at) < 6*time.Hour {
		l.t.Fatalf("the phone asks by itself at %v and %v", last.at, p.at)
	}
	if !begins(l.p.Window.From, last.at, p.at) {
		l.t.Fatalf("the phone asks at %v and %v, and no window %v begins between", last.at, p.at, l.p.Window)
	}
}

// begins tells whether a clock on the wall comes to, or is put forward over, a time of
// day after a, until b.
func begins(c Clock, a, b time.Time) bool {
	before := a
	for t := a.Truncate(time.Minute).Add(time.Minute); !t.After(b); t = t.Add(time.Minute) {
		x, y := before.Hour()*60+before.Minute(), t.Hour()*60+t.Minute()
		if y == int(c) || (y-x+minutesOfDay)%minutesOfDay < 120 && (int(c)-x+minutesOfDay)%minutesOfDay <= (y-x+minutesOfDay)%minutesOfDay && int(c) != x {
			return true
		}
		before = t
	}
	return false
}

// permitted checks that the policy allows a start.
func (l *life) permitted(d Decision) {
	p, f := l.p, l.f
	t := l.t
	if f.Reach == Nowhere || !f.Paired || f.InSetup || f.Place != "" || f.Busy || f.Running {
		t.Fatalf("%s though it cannot be: %+v", d.Reason, f)
	}
	if d.Prompt != (f.Asks && f.Passcode != NoPasscode) {
		t.Fatalf("%s: prompt is %v", d.Reason, d.Prompt)
	}
	switch d.Reason {
	case StartRequest:
		if f.Request.IsZero() || f.Now.Sub(f.Request) > 12*time.Hour {
			t.Fatalf("nobody pressed Back Up Now")
		}
		return
	case StartSignal:
		if f.Signal.IsZero() || f.Now.Sub(f.Signal) > 15*time.Minute || f.Now.Sub(f.LastGood) < min(12*time.Hour, time.Duration(p.EveryDays)*18*time.Hour) {
			t.Fatalf("there is no signal, or it is not due")
		}
		return
	}
	if !p.Automatic || f.Now.Sub(f.LastGood) < 12*time.Hour {
		t.Fatalf("%s is not wanted: %v after the last one", d.Reason, f.Now.Sub(f.LastGood))
	}
	if p.OnPower && !f.Charging || !f.Charging && f.Battery >= 0 && f.Battery < p.MinBattery {
		t.Fatalf("%s without power", d.Reason)
	}
	if d.Reason == StartCable {
		if !p.OnConnect || f.Reach != Cable {
			t.Fatal("there is no cable")
		}
		return
	}
	s := p.Window.latest(f.Now)
	for _, off := range f.Off {
		if !off.Start.After(s.End) && !off.End.Before(s.End) {
			return // the end of the window was missed
		}
	}
	if d.Reason == StartCatchUp {
		t.Fatalf("the computer was on in the window %v", s)
	}
	now := Clock(f.Now.Hour()*60 + f.Now.Minute())
	in := now >= p.Window.From && now < p.Window.To
	if p.Window.To <= p.Window.From {
		in = now >= p.Window.From || now < p.Window.To
	}
	if _, at := p.Window.At(f.Now); in != at && !changesZone(f.Now) || !at {
		t.Fatalf("%s at %v, out of the window %v", d.Reason, f.Now, p.Window)
	}
}

// changesZone tells whether clocks are changed about t.
func changesZone(t time.Time) bool {
	return offset(t.Add(-26*time.Hour), t.Location()) != offset(t.Add(26*time.Hour), t.Location())
}

// until checks that nothing starts before Until while nothing happens.
func (l *life) until(d Decision, decide func(Policy, Facts) Decision) {
	if d.Start {
		return
	}
	f := l.f
	end := f.Now.AddDate(0, 0, 40)
	if !d.Until.IsZero() {
		if !d.Until.After(f.Now) {
			l.t.Fatalf("%s until %v at %v", d.Reason, d.Until, f.Now)
		}
		end = d.Until
	}
	span := end.Sub(f.Now)
	for _, n := range []time.Duration{1000, 900, 500, 50, 1} {
		f.Now = end.Add(-1 - span*(1000-n)/1000).In(f.Now.Location())
		if !f.Now.After(l.f.Now) {
			continue
		}
		if got := decide(l.p, f); got.Start {
			l.t.Fatalf("%s at %v until %v, and %s at %v", d.Reason, l.f.Now, d.Until, got.Reason, f.Now)
		}
	}
}

func said(t *rapid.T, d Decision) {
	if d.Text == "" || d.Reason == "" {
		t.Fatalf("%+v says nothing", d)
	}
	for _, text := range []string{d.Text, d.Do, d.Why} {
		if text != "" && !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "{}%!") && !strings.Contains(text, "% ") && !strings.Contains(text, "%.") || strings.Contains(text, "  ") {
			t.Fatalf("%s says %q", d.Reason, text)
		}
	}
}

// TestDecide_months: whatever happens, the rules hold.
func TestDecide_months(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		t.Repeat(map[string]func(*rapid.T){
			"live": func(t *rapid.T) {
				l.t = t
				for range 6 {
					l.live()
				}
			},
		})
	})
}

// live lets some hours pass and does what is decided then.
func (l *life) live() {
	l.f.Now = l.f.Now.Add(time.Duration(rapid.IntRange(1, 600).Draw(l.t, "minutes")) * time.Minute)
	for range rapid.IntRange(0, 4).Draw(l.t, "events") {
		l.happen()
	}
	d := Decide(l.p, l.f)
	said(l.t, d)
	l.until(d, Decide)
	m := DecideMedia(l.p, l.f)
	said(l.t, m)
	l.until(m, DecideMedia)
	switch {
	case d.Start:
		l.permitted(d)
		l.run(d)
	case m.Start && m.Prompt:
		l.t.Fatal("a media copy asks")
	case m.Start:
		l.f.LastMedia = l.f.Now
	}
}

// TestDecide_reachesWilling: a phone that can be reached and whose owner is
// willing is backed up within EveryDays windows and one more.
func TestDecide_reachesWilling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		p.Automatic, p.OnPower, p.EveryDays = true, false, rapid.IntRange(1, 4).Draw(t, "every")
		f := Facts{Now: drawTime(t), Paired: true, Battery: 50, Asks: rapid.Bool().Draw(t, "asks"), Reach: WiFi, Away: Away{EverPaired: true}}
		p.MinBattery = 20
		f.ConnectedAt, f.LastGood = f.Now, f.Now
		always := rapid.Bool().Draw(t, "always there")
		comes := rapid.IntRange(0, 999).Draw(t, "comes") // thousandths of each window
		windows := 0
		for range 200 {
			d := Decide(p, f)
			if d.Start {
				if d.Prompt {
					f.Prompts = append(f.Prompts, Prompt{f.Now, Yes})
				}
				f.Last = Attempt{At: f.Now, Ended: f.Now.Add(time.Minute), Outcome: Good}
				f.Now = f.Last.Ended
				f.LastGood, windows = f.Now, 0
			}
			// What comes next: a window begins, the phone comes or goes, or it is time.
			next := p.Window.After(f.Now).Start
			opens := next
			there := func(now time.Time) Span {
				s, _ := p.Window.At(now)
				at := s.Start.Add(s.End.Sub(s.Start) * time.Duration(comes) / 1000)
				return Span{at, at.Add(time.Minute)}
			}
			here := there(f.Now)
			for _, at := range []time.Time{here.Start, here.End, d.Until} {
				if at.After(f.Now) && at.Before(next) {
					next = at
				}
			}
			f.Now = next.In(f.Now.Location())
			if f.Reach = WiFi; !always && !there(f.Now).Has(f.Now) {
				f.Reach = Nowhere
			}
			if f.Now.Equal(opens) {
				if windows++; windows > p.EveryDays+2 {
					t.Fatalf("%v: no backup since %v, at %v: %s", p.Window, f.LastGood, f.Now, Decide(p, f).Reason)
				}
			}
		}
	})
}
