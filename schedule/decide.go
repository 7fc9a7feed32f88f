package schedule

import (
	"slices"
	"time"
)

// Decision is what to do about a phone now, and the words for it.
type Decision struct {
	// Start: begin now.
	Start bool
	// Prompt: the phone will ask for its passcode when it begins.
	Prompt bool
	Reason Reason
	// Text says what is, or what is waited for: "Waits for Anna's iPhone to be put
	// on its charger." Do says who must do what; empty: nobody has to do anything.
	// Why says more, for those who want to know; it may be empty.
	Text, Do, Why string
	// Until is when to decide again, in the future; zero: nothing changes before one
	// of the facts does.
	Until time.Time
	// Next is when the next one is likely to start, NextWhy under what conditions:
	// "when it is on its charger, between 22:00 and 06:00". Zero: nothing is planned.
	Next    time.Time
	NextWhy string
	// Turn is the time within which the phone is asked at most once.
	Turn Span
}

const (
	// minAge is how old a backup is at least before the next one is due, if there is
	// one each day.
	minAge = 12 * time.Hour
	// quiet is how long after a prompt no other one comes without somebody's act,
	// whatever window begins meanwhile.
	quiet = 6 * time.Hour
	// firstRetry and lastRetry are how long the first and the last pause after a
	// broken connection are; each is twice as long as the one before.
	firstRetry = 5 * time.Minute
	lastRetry  = 4 * time.Hour
	// eagerFailures is how often in a row a phone that comes back is tried at once.
	eagerFailures = 3
)

// Decide tells whether to back a phone up now.
//
// The rules, in the order in which they are asked: what cannot be done; Back Up
// Now, which may always; the owner's signal, which may when a backup is as good as
// due; Automatic; whether one is due; what became of the last attempt; power and
// charge; then the moment. One is due in the window that begins EveryDays windows
// after the one of the last good backup, and overdue in those after it.
//
// A phone that asks for its passcode is asked at most once between the beginning
// of one window and that of the next, never within six hours of the last prompt,
// and then at a good moment: just plugged in, at any hour; just unlocked or put on
// its charger, or at an hour at which the passcode is usually entered, within the
// window; overdue, at any hour of the window at which that is not hopeless, and at
// hopeless ones if there was no better one in a whole turn. Only Back Up Now and
// the signal, made after the last prompt, may ask again: an unlock, a cable or a
// charger is no such act, since they happen without a wish for a backup.
//
// If this computer was off when the last window ended, that window lasts until the
// next one begins: what it has missed is caught up on.
func Decide(p Policy, f Facts) Decision {
	p = p.tame()
	d := newDecider(p, f)
	out := d.decide()
	out.Start = out.Reason.starting()
	out.Prompt = out.Start && d.asks
	out.Turn = d.turn
	if out.Start {
		out.Until = time.Time{}
	}
	d.plan(&out)
	d.words(&out)
	return out
}

// decider is a policy, facts, and what follows from them at once.
type decider struct {
	p     Policy
	f     Facts
	asks  bool
	act   act
	turn  Span
	hours Hours
	due   time.Time // the last backup is due then
	late  time.Time // and overdue then
}

func newDecider(p Policy, f Facts) *decider {
	d := &decider{p: p, f: f, asks: f.prompts(), act: f.act(), turn: p.Window.turn(f.Now)}
	d.hours = Learn(f.Prompts, d.turn.Start)
	if !f.LastGood.IsZero() {
		good := f.LastGood.In(f.Now.Location())
		if good.After(f.Now) {
			good = f.Now // the clock was put back
		}
		d.due = later(p.Window.daysAfter(good, p.EveryDays), good.Add(minAge))
		d.late = p.Window.After(d.due).Start
	}
	return d
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (d *decider) isDue() bool  { return !d.f.Now.Before(d.due) }
func (d *decider) isLate() bool { return !d.f.Now.Before(d.late) }

// asGoodAsDue is when a signal is enough: the phone is in the hand now.
func (d *decider) asGoodAsDue() time.Time {
	soon := d.f.LastGood.Add(time.Duration(d.p.EveryDays) * 18 * time.Hour)
	if d.f.LastGood.IsZero() || d.due.Before(soon) {
		return d.due
	}
	return soon
}

func (d *decider) decide() Decision {
	if d.f.Running {
		return Decision{Reason: AlreadyRunning}
	}
	if out, stop := d.wanted(); stop {
		return out
	}
	if out, stop := d.possible(); stop {
		return out
	}
	if d.act == noAct {
		if out, stop := d.lastAttempt(); stop {
			return out
		}
		if out, stop := d.power(); stop {
			return out
		}
	}
	if d.f.Busy {
		return Decision{Reason: QueueFull}
	}
	switch d.act {
	case requested:
		return Decision{Reason: StartRequest}
	case signalled:
		return Decision{Reason: StartSignal}
	}
	if d.asks {
		return d.moment()
	}
	return d.anyMoment()
}

// wanted tells whether there is nothing to do, now or at all.
func (d *decider) wanted() (Decision, bool) {
	if d.act == requested {
		return Decision{}, false
	}
	if d.act == signalled {
		at := d.asGoodAsDue()
		if !d.f.Now.Before(at) {
			return Decision{}, false
		}
		d.act = noAct
		if at.Before(d.f.Signal.Add(holdSignal)) && !d.isDue() {
			return Decision{Reason: UpToDate, Until: at}, true
		}
	}
	if !d.p.Automatic {
		return Decision{Reason: SwitchedOff}, true
	}
	if d.isDue() {
		return Decision{}, false
	}
	if r := d.f.away(); d.f.Reach == Nowhere && (r == AwayExpiring || r == AwayExpired) {
		return Decision{Reason: r}, true // somebody has to do something before one is due
	}
	return Decision{Reason: UpToDate, Until: d.due}, true
}

// possible tells whether it can be done now.
func (d *decider) possible() (Decision, bool) {
	switch {
	case d.f.Place != "":
		return Decision{Reason: NoPlace}, true
	case d.f.Reach == Nowhere:
		return Decision{Reason: d.f.away()}, true
	case d.f.InSetup:
		return Decision{Reason: InSetup}, true
	case !d.f.Paired:
		return Decision{Reason: NotPaired}, true
	}
	return Decision{}, false
}

// lastAttempt tells whether what became of the last attempt, or prompt, forbids
// the next one.
func (d *decider) lastAttempt() (Decision, bool) {
	if out, stop := d.lastPrompt(); stop {
		return out, true
	}
	a := d.f.Last
	if a.At.IsZero() || a.At.After(d.f.Now) || a.At.Before(d.f.LastGood) {
		return Decision{}, false
	}
	switch a.Outcome {
	case Cancelled, Failed, Refused:
		reason := map[Outcome]Reason{Cancelled: WasCancelled, Failed: GaveUp, Refused: NotAnswered}[a.Outcome]
		if !a.At.Before(d.turn.Start) {
			return Decision{Reason: reason, Until: d.turn.End}, true
		}
	case Broke:
		if at := d.retry(a); at.After(d.f.Now) {
			return Decision{Reason: WaitRetry, Until: at}, true
		}
	}
	return Decision{}, false
}

// lastPrompt keeps the rules of prompts.
func (d *decider) lastPrompt() (Decision, bool) {
	last := d.f.lastPrompt()
	if !d.asks || last.At.IsZero() || last.At.After(d.f.Now) {
		return Decision{}, false
	}
	again := last.At.Add(quiet)
	if !last.At.Before(d.turn.Start) {
		again = later(again, d.turn.End)
	}
	if !again.After(d.f.Now) {
		return Decision{}, false
	}
	reason := NotAnswered
	switch {
	case d.f.Last.Outcome == Cancelled && !d.f.Last.ended().Before(last.At):
		reason = WasCancelled
	case d.f.Last.Outcome == Failed && !d.f.Last.ended().Before(last.At):
		reason = GaveUp
	case last.Answer == No:
		reason = SaidNo
	case last.Answer == Yes || last.Answer == Open:
		reason = BrokeAfter
	}
	return Decision{Reason: reason, Until: again}, true
}

// retry is when a broken backup may be tried again: at once when the phone has
// been away since, unless that happens again and again.
func (d *decider) retry(a Attempt) time.Time {
	if a.Failures <= eagerFailures && d.f.ConnectedAt.After(a.ended()) {
		return d.f.ConnectedAt
	}
	pause := firstRetry
	for n := 1; n < a.Failures && pause < lastRetry; n++ {
		pause *= 2
	}
	return a.ended().Add(min(pause, lastRetry))
}

// power tells whether there is too little of it.
func (d *decider) power() (Decision, bool) {
	switch {
	case d.f.Charging:
	case d.p.OnPower:
		return Decision{Reason: WaitPower}, true
	case d.f.Battery >= 0 && d.f.Battery < d.p.MinBattery:
		return Decision{Reason: WaitBattery}, true
	}
	return Decision{}, false
}

// open is the time within which backups may start by themselves now, and whether
// that is because the window was missed.
func (d *decider) open() (s Span, open, missed bool) {
	last := d.p.Window.latest(d.f.Now)
	if last.Has(d.f.Now) {
		return last, true, false
	}
	wasOff := slices.ContainsFunc(d.f.Off, func(off Span) bool { return !off.Start.After(last.End) && !off.End.Before(last.End) })
	if wasOff && d.due.Before(last.End) {
		return Span{last.End, d.turn.End}, true, true
	}
	return Span{}, false, false
}

// anyMoment decides about a phone that asks nobody anything.
func (d *decider) anyMoment() Decision {
	_, open, missed := d.open()
	switch {
	case d.cable() && d.f.just(d.f.CableAt):
		return Decision{Reason: StartCable}
	case open && missed:
		return Decision{Reason: StartCatchUp}
	case open:
		return Decision{Reason: StartWindow}
	case d.cable():
		return Decision{Reason: StartCable}
	}
	return Decision{Reason: WaitWindow, Until: d.turn.End}
}

func (d *decider) cable() bool { return d.p.OnConnect && d.f.Reach == Cable }

// moment decides about a phone that asks for its passcode.
func (d *decider) moment() Decision {
	s, open, missed := d.open()
	switch {
	case d.cable() && d.f.just(d.f.CableAt):
		return Decision{Reason: StartCable}
	case !open:
		return Decision{Reason: WaitWindow, Until: d.turn.End}
	case d.p.OnUnlock && d.f.just(d.f.UnlockedAt):
		return Decision{Reason: StartUnlock}
	case d.f.Charging && d.f.just(d.f.ChargingAt):
		return Decision{Reason: StartCharger}
	}
	at, reason := d.goodMoment(s)
	switch {
	case at.After(d.f.Now):
		return Decision{Reason: WaitHour, Until: at}
	case missed:
		return Decision{Reason: StartCatchUp}
	}
	return Decision{Reason: reason}
}

// goodMoment is the first moment at which the phone may be asked though nobody is
// known to have it in hand.
func (d *decider) goodMoment(s Span) (time.Time, Reason) {
	if at, ok := d.hours.first(d.f.Now, s, goodShare); ok && !at.After(d.f.Now) {
		return at, StartHour
	}
	if d.isLate() {
		if d.promptsBefore() == 0 {
			return d.f.Now, StartLate
		}
		if at, ok := d.hours.first(d.f.Now, s, badShare); ok {
			return at, StartLate
		}
		return d.f.Now, StartLate // nothing better comes in this window
	}
	if at, ok := d.hours.first(d.f.Now, s, goodShare); ok {
		return d.sooner(at), StartHour
	}
	return d.sooner(d.turn.End), StartHour
}

// sooner is t, or when it becomes overdue if that is sooner.
func (d *decider) sooner(t time.Time) time.Time {
	if d.late.After(d.f.Now) && d.late.Before(t) {
		return d.late
	}
	return t
}

// promptsBefore counts the prompts of the turn before this one.
func (d *decider) promptsBefore() (n int) {
	before := d.p.Window.latest(d.turn.Start.Add(-time.Nanosecond)).Start
	for _, p := range d.f.Prompts {
		if !p.At.Before(before) && p.At.Before(d.turn.Start) {
			n++
		}
	}
	return n
}
