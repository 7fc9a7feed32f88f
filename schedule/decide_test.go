package schedule

import (
	"testing"
	"time"
)

// evening is a Monday on which a phone that was backed up yesterday is at home.
func evening(t testing.TB) (Policy, Facts) {
	loc := zone(t, "Europe/Berlin")
	now := moment(t, loc, "2026-05-04 19:10")
	p := Default()
	p.Window = window(t, "18:00-23:00")
	f := Facts{
		Now: now, Phone: "Anna's iPhone", Owner: "Anna",
		Reach: WiFi, ConnectedAt: now.Add(-time.Hour), Paired: true, Battery: 60, UnlockedAt: now.Add(-50 * time.Minute),
		Passcode: HasPasscode, Asks: true, LastGood: now.AddDate(0, 0, -1),
		Last: Attempt{At: now.AddDate(0, 0, -1), Ended: now.AddDate(0, 0, -1).Add(time.Minute), Outcome: Good},
		Away: Away{EverPaired: true, LastContact: now.Add(-time.Hour)},
	}
	return p, f
}

func TestDecide(t *testing.T) {
	at := func(text string) time.Time { return moment(t, zone(t, "Europe/Berlin"), text) }
	asked := func(f *Facts, when string, a Answer) { f.Prompts = append(f.Prompts, Prompt{at(when), a}) }
	for _, c := range []struct {
		name   string
		change func(p *Policy, f *Facts)
		want   Reason
		until  string
	}{
		{"at a good hour", nil, StartHour, ""},
		{"not due", func(p *Policy, f *Facts) { f.LastGood = at("2026-05-04 18:30") }, UpToDate, "2026-05-05 18:00"},
		{"due at noon after midnight", func(p *Policy, f *Facts) {
			p.Window = Window{}
			f.LastGood = at("2026-05-03 23:30")
			f.Now = at("2026-05-04 10:00")
		}, UpToDate, "2026-05-04 11:30"},
		{"never backed up", func(p *Policy, f *Facts) { f.LastGood = time.Time{} }, StartHour, ""},
		{"three days", func(p *Policy, f *Facts) { p.EveryDays = 3 }, UpToDate, "2026-05-06 18:00"},
		{"clock put back", func(p *Policy, f *Facts) { f.LastGood = at("2026-06-20 18:30") }, UpToDate, "2026-05-05 18:00"},
		{"switched off", func(p *Policy, f *Facts) { p.Automatic = false }, SwitchedOff, ""},
		{"running", func(p *Policy, f *Facts) { f.Running = true }, AlreadyRunning, ""},
		{"no place", func(p *Policy, f *Facts) { f.Place = "the disk is not there" }, NoPlace, ""},
		{"set-up", func(p *Policy, f *Facts) { f.InSetup = true }, InSetup, ""},
		{"not paired", func(p *Policy, f *Facts) { f.Paired = false }, NotPaired, ""},
		{"away", func(p *Policy, f *Facts) { f.Reach = Nowhere }, AwayNetwork, ""},
		{"away and not due", func(p *Policy, f *Facts) { f.Reach, f.LastGood = Nowhere, at("2026-05-04 18:30") }, UpToDate, "2026-05-05 18:00"},
		{"away for long and not due", func(p *Policy, f *Facts) {
			p.EveryDays, f.Reach, f.LastGood, f.Away.LastContact = 30, Nowhere, at("2026-04-08 18:30"), at("2026-04-08 18:30")
		}, AwayExpiring, ""},
		{"queue", func(p *Policy, f *Facts) { f.Busy = true }, QueueFull, ""},

		{"on power", func(p *Policy, f *Facts) { p.OnPower = true }, WaitPower, ""},
		{"on power, charging", func(p *Policy, f *Facts) { p.OnPower, f.Charging = true, true }, StartHour, ""},
		{"little charge", func(p *Policy, f *Facts) { f.Battery = 19 }, WaitBattery, ""},
		{"little charge, charging", func(p *Policy, f *Facts) { f.Battery, f.Charging = 3, true }, StartHour, ""},
		{"charge unknown", func(p *Policy, f *Facts) { f.Battery = -1 }, StartHour, ""},

		{"outside the window", func(p *Policy, f *Facts) { f.Now = at("2026-05-05 17:10") }, WaitWindow, "2026-05-05 18:00"},
		{"outside, no passcode", func(p *Policy, f *Facts) { f.Now, f.Passcode = at("2026-05-05 17:10"), NoPasscode }, WaitWindow, "2026-05-05 18:00"},
		{"in the window, no passcode", func(p *Policy, f *Facts) { f.Now, f.Passcode = at("2026-05-04 22:50"), NoPasscode }, StartWindow, ""},
		{"old iOS does not ask", func(p *Policy, f *Facts) { f.Now, f.Asks = at("2026-05-04 22:50"), false }, StartWindow, ""},
		{"plugged in outside", func(p *Policy, f *Facts) { f.Now, f.Reach = at("2026-05-05 09:10"), Cable; f.CableAt = f.Now }, StartCable, ""},
		{"plugged in long ago outside", func(p *Policy, f *Facts) {
			f.Now, f.Reach, f.CableAt = at("2026-05-05 09:10"), Cable, at("2026-05-05 08:10")
		}, WaitWindow, "2026-05-05 18:00"},
		{"plugged in long ago outside, no passcode", func(p *Policy, f *Facts) {
			f.Now, f.Reach, f.CableAt, f.Passcode = at("2026-05-05 09:10"), Cable, at("2026-05-05 08:10"), NoPasscode
		}, StartCable, ""},
		{"plugged in, switched off", func(p *Policy, f *Facts) {
			p.OnConnect, f.Now, f.Reach = false, at("2026-05-05 09:10"), Cable
			f.CableAt = f.Now
		}, WaitWindow, "2026-05-05 18:00"},

		{"a bad hour", func(p *Policy, f *Facts) { p.Window = Window{}; f.Now = at("2026-05-04 07:40") }, WaitHour, "2026-05-04 12:00"},
		{"night", func(p *Policy, f *Facts) {
			p.Window = Window{}
			f.LastGood = at("2026-05-03 10:00")
			f.Now = at("2026-05-04 02:40")
		}, WaitHour, "2026-05-04 12:00"},
		{"night, unlocked", func(p *Policy, f *Facts) {
			p.Window = Window{}
			f.LastGood, f.Now, f.UnlockedAt = at("2026-05-03 10:00"), at("2026-05-04 02:40"), at("2026-05-04 02:35")
		}, StartUnlock, ""},
		{"night, unlocked, switched off", func(p *Policy, f *Facts) {
			p.Window, p.OnUnlock = Window{}, false
			f.LastGood, f.Now, f.UnlockedAt = at("2026-05-03 10:00"), at("2026-05-04 02:40"), at("2026-05-04 02:35")
		}, WaitHour, "2026-05-04 12:00"},
		{"night, charger", func(p *Policy, f *Facts) {
			p.Window = Window{}
			f.LastGood, f.Now, f.Charging, f.ChargingAt = at("2026-05-03 10:00"), at("2026-05-04 02:40"), true, at("2026-05-04 02:39")
		}, StartCharger, ""},
		{"late at night", func(p *Policy, f *Facts) {
			p.Window = Window{}
			f.LastGood = at("2026-05-02 10:00")
			f.Now = at("2026-05-04 02:40")
		}, StartLate, ""},
		{"late at night, refused yesterday", func(p *Policy, f *Facts) {
			p.Window = Window{}
			f.LastGood, f.Now = at("2026-05-02 10:00"), at("2026-05-04 02:40")
			asked(f, "2026-05-03 12:00", No)
		}, WaitHour, "2026-05-04 07:00"},
		{"the last hour, refused yesterday", func(p *Policy, f *Facts) {
			p.Window = window(t, "20:00-02:00")
			f.LastGood, f.Now = at("2026-05-01 20:30"), at("2026-05-04 01:40")
			asked(f, "2026-05-02 21:00", No)
		}, StartLate, ""},
		{"learnt: breakfast", func(p *Policy, f *Facts) {
			p.Window, f.LastGood = Window{}, at("2026-05-03 06:40")
			for _, day := range []string{"26", "27", "28", "29", "30"} {
				asked(f, "2026-04-"+day+" 06:40", Yes)
				asked(f, "2026-04-"+day+" 18:40", Ignored)
			}
			f.Now = at("2026-05-04 05:30")
		}, WaitHour, "2026-05-04 06:00"},

		{"said no in this window", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", No) }, SaidNo, "2026-05-05 18:00"},
		{"ignored in this window", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", Ignored) }, NotAnswered, "2026-05-05 18:00"},
		{"answered and broken", func(p *Policy, f *Facts) {
			asked(f, "2026-05-04 18:05", Yes)
			f.Last = Attempt{At: at("2026-05-04 18:04"), Ended: at("2026-05-04 18:20"), Outcome: Broke, Failures: 1}
		}, BrokeAfter, "2026-05-05 18:00"},
		{"refused, no prompt on record", func(p *Policy, f *Facts) {
			f.Last = Attempt{At: at("2026-05-04 18:04"), Ended: at("2026-05-04 18:20"), Outcome: Refused, Failures: 1}
		}, NotAnswered, "2026-05-05 18:00"},
		{"unlocked after a refusal", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", No); f.UnlockedAt = f.Now }, SaidNo, "2026-05-05 18:00"},
		{"plugged in after a refusal", func(p *Policy, f *Facts) {
			asked(f, "2026-05-04 18:05", No)
			f.Reach, f.CableAt = Cable, f.Now
		}, SaidNo, "2026-05-05 18:00"},
		{"refused after the window, before the next", func(p *Policy, f *Facts) { asked(f, "2026-05-04 23:30", No); f.Now = at("2026-05-05 12:00") }, SaidNo, "2026-05-05 18:00"},
		{"refused before midnight", func(p *Policy, f *Facts) {
			p.Window, f.LastGood, f.Now = Window{}, at("2026-05-01 12:00"), at("2026-05-04 00:10")
			asked(f, "2026-05-03 23:50", No)
		}, SaidNo, "2026-05-04 05:50"},
		{"Back Up Now after a refusal", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", No); f.Request = f.Now.Add(-time.Minute) }, StartRequest, ""},
		{"Back Up Now before the refusal", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", No); f.Request = at("2026-05-04 18:04") }, SaidNo, "2026-05-05 18:00"},
		{"signal after a refusal", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", No); f.Signal = f.Now }, StartSignal, ""},
		{"old signal", func(p *Policy, f *Facts) { asked(f, "2026-05-04 18:05", No); f.Signal = at("2026-05-04 18:50") }, SaidNo, "2026-05-05 18:00"},
		{"signal, not due", func(p *Policy, f *Facts) { f.LastGood = at("2026-05-04 08:30"); f.Signal = f.Now }, UpToDate, "2026-05-04 20:30"},
		{"signal, nearly due", func(p *Policy, f *Facts) { f.Now = at("2026-05-04 17:30"); f.Signal = f.Now }, StartSignal, ""},
		{"signal, soon as good as due", func(p *Policy, f *Facts) {
			p.Window = window(t, "22:00-23:00")
			f.LastGood, f.Signal = at("2026-05-04 01:15"), f.Now
		}, UpToDate, "2026-05-04 19:15"},
		{"signal, switched off", func(p *Policy, f *Facts) { p.Automatic = false; f.Signal = f.Now }, StartSignal, ""},
		{"Back Up Now, switched off, not due, no charge", func(p *Policy, f *Facts) {
			p.Automatic, p.OnPower, f.Battery, f.LastGood, f.Request = false, true, 2, f.Now.Add(-time.Hour), f.Now
		}, StartRequest, ""},
		{"Back Up Now, away", func(p *Policy, f *Facts) { f.Reach, f.Request = Nowhere, f.Now }, AwayNetwork, ""},
		{"Back Up Now pressed while one ran", func(p *Policy, f *Facts) {
			f.Request = at("2026-05-04 18:10")
			f.Last = Attempt{At: at("2026-05-04 18:04"), Ended: at("2026-05-04 18:20"), Outcome: Good}
			f.LastGood = f.Last.Ended
		}, UpToDate, "2026-05-05 18:00"},
		{"Back Up Now, and the service was stopped", func(p *Policy, f *Facts) {
			p.Automatic, f.Asks, f.Request = false, false, at("2026-05-04 18:10")
			f.Last = Attempt{At: at("2026-05-04 18:11"), Ended: at("2026-05-04 18:20"), Outcome: Stopped, Failures: 1}
		}, StartRequest, ""},

		{"broken", func(p *Policy, f *Facts) {
			f.Passcode = NoPasscode
			f.Last = Attempt{At: at("2026-05-04 19:00"), Ended: at("2026-05-04 19:06"), Outcome: Broke, Failures: 1}
		}, WaitRetry, "2026-05-04 19:11"},
		{"broken for the fourth time", func(p *Policy, f *Facts) {
			f.Passcode = NoPasscode
			f.Last = Attempt{At: at("2026-05-04 19:00"), Ended: at("2026-05-04 19:06"), Outcome: Broke, Failures: 4}
			f.ConnectedAt = at("2026-05-04 19:08")
		}, WaitRetry, "2026-05-04 19:46"},
		{"broken, and back", func(p *Policy, f *Facts) {
			f.Passcode = NoPasscode
			f.Last = Attempt{At: at("2026-05-04 19:00"), Ended: at("2026-05-04 19:06"), Outcome: Broke, Failures: 1}
			f.ConnectedAt = at("2026-05-04 19:08")
		}, StartWindow, ""},
		{"broken before it asked", func(p *Policy, f *Facts) {
			f.Last = Attempt{At: at("2026-05-04 18:00"), Ended: at("2026-05-04 18:01"), Outcome: Broke, Failures: 1}
		}, StartHour, ""},
		{"broken a hundred times", func(p *Policy, f *Facts) {
			f.Passcode = NoPasscode
			f.Last = Attempt{At: at("2026-05-04 18:00"), Ended: at("2026-05-04 18:01"), Outcome: Broke, Failures: 1 << 40}
		}, WaitRetry, "2026-05-04 22:01"},
		{"stopped", func(p *Policy, f *Facts) {
			f.Passcode = NoPasscode
			f.Last = Attempt{At: at("2026-05-04 19:00"), Ended: at("2026-05-04 19:06"), Outcome: Stopped, Failures: 1}
		}, StartWindow, ""},
		{"failed", func(p *Policy, f *Facts) {
			f.Passcode = NoPasscode
			f.Last = Attempt{At: at("2026-05-04 18:00"), Ended: at("2026-05-04 18:01"), Outcome: Failed, Failures: 1}
		}, GaveUp, "2026-05-05 18:00"},
		{"failed yesterday", func(p *Policy, f *Facts) {
			f.Passcode, f.LastGood = NoPasscode, at("2026-05-01 18:00")
			f.Last = Attempt{At: at("2026-05-03 18:00"), Ended: at("2026-05-03 18:01"), Outcome: Failed, Failures: 1}
		}, StartWindow, ""},
		{"cancelled", func(p *Policy, f *Facts) {
			f.Last = Attempt{At: at("2026-05-04 18:00"), Ended: at("2026-05-04 18:01"), Outcome: Cancelled, Failures: 1}
		}, WasCancelled, "2026-05-05 18:00"},

		{"the computer was off", func(p *Policy, f *Facts) {
			f.Now, f.Off = at("2026-05-05 12:10"), []Span{{at("2026-05-04 20:00"), at("2026-05-05 12:00")}}
		}, StartCatchUp, ""},
		{"the computer was off, no passcode", func(p *Policy, f *Facts) {
			f.Now, f.Off, f.Passcode = at("2026-05-05 07:10"), []Span{{at("2026-05-01 07:00"), at("2026-05-05 07:00")}, {f.Now, f.Now}}, NoPasscode
		}, StartCatchUp, ""},
		{"the computer came up within the window", func(p *Policy, f *Facts) {
			f.Now, f.Off = at("2026-05-05 12:10"), []Span{{at("2026-05-04 17:00"), at("2026-05-04 22:00")}, {at("2026-05-05 01:00"), at("2026-05-05 12:00")}}
		}, WaitWindow, "2026-05-05 18:00"},
		{"the computer was off, in the morning", func(p *Policy, f *Facts) {
			f.Now, f.Off = at("2026-05-05 02:10"), []Span{{at("2026-05-04 20:00"), at("2026-05-05 02:00")}}
		}, WaitHour, "2026-05-05 08:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := evening(t)
			if c.change != nil {
				c.change(&p, &f)
			}
			got := Decide(p, f)
			if got.Reason != c.want {
				t.Errorf("got %s (until %v), want %s", got.Reason, got.Until, c.want)
			}
			if got.Start != c.want.starting() {
				t.Errorf("start is %v", got.Start)
			}
			if c.until != "" && !got.Until.Equal(at(c.until)) || c.until == "" && !got.Until.IsZero() {
				t.Errorf("until %v, want %q", got.Until, c.until)
			}
			if got.Prompt != (got.Start && f.Asks && f.Passcode != NoPasscode) {
				t.Errorf("prompt is %v", got.Prompt)
			}
		})
	}
}
