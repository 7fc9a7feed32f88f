package schedule

import (
	"slices"
	"time"
)

// Facts is what is known about one phone at one moment. The zero time is "never"
// everywhere.
type Facts struct {
	// Now carries the zone of the clock on the wall: windows and hours are read there.
	Now time.Time
	// Phone is what sentences call it: "Anna's iPhone"; empty is "the iPhone".
	Phone string
	// Owner is who has it in hand: "Anna"; empty if nobody is known.
	Owner string

	// Off is when this computer was off or asleep, or the service did not run, in the
	// last two days, in any order.
	Off []Span
	// Running: a job has the phone now.
	Running bool
	// Busy: as many phones as may are being backed up already.
	Busy bool
	// Place is why the place of the backups cannot be used now, in words without a
	// full stop; empty if it can.
	Place string

	// Reach is how the phone can be reached now, ConnectedAt since when in one way
	// or another, CableAt since when by cable.
	Reach       Reach
	ConnectedAt time.Time
	CableAt     time.Time
	// Away is what is known about reaching it, for when it cannot be reached.
	Away Away
	// Paired: it trusts this computer. InSetup: it shows its set-up screens.
	Paired, InSetup bool

	// Charging: it is connected to power, full or not; ChargingAt is since when, if
	// that was seen.
	Charging   bool
	ChargingAt time.Time
	// Battery is its charge in percent, -1 unknown.
	Battery int
	// UnlockedAt is when it was seen to be unlocked last.
	UnlockedAt time.Time
	// Passcode tells whether it has one, Asks whether its iOS asks for it at every
	// start of a backup (device.AsksForPasscode). It will ask if both may be.
	Passcode Passcode
	Asks     bool

	// Request is when somebody pressed Back Up Now for it last, Signal when its
	// owner's signal came last. Those that an attempt has followed do not count any
	// more, nor do old ones.
	Request, Signal time.Time

	// LastGood is when the newest version was made; Last is the attempt that ended
	// last.
	LastGood time.Time
	Last     Attempt
	// LastMedia and LastCopy are the same of media copies.
	LastMedia time.Time
	LastCopy  Attempt

	// Prompts are the times at which the phone asked for its passcode for us, in any
	// order; those of the last three months are enough.
	Prompts []Prompt
}

// Reach is how a phone can be reached.
type Reach int

// The ways to a phone.
const (
	Nowhere Reach = iota
	Cable
	WiFi
)

// Passcode is whether a phone has a passcode.
type Passcode int

// What may be known of it.
const (
	PasscodeUnknown Passcode = iota // taken as having one
	HasPasscode
	NoPasscode
)

// Prompt is one time that the phone asked for its passcode because of us, whoever
// started it.
type Prompt struct {
	At     time.Time
	Answer Answer
}

// Answer is what became of a prompt.
type Answer string

// The answers, as the catalog keeps them.
const (
	Open    Answer = ""        // not known: it is open, or was when the computer stopped
	Yes     Answer = "yes"     // the passcode was entered
	No      Answer = "no"      // somebody said no
	Ignored Answer = "ignored" // nobody did anything
)

// Attempt is a backup or a media copy that was tried and ended.
type Attempt struct {
	At, Ended time.Time // zero: there was none
	Outcome   Outcome
	// Failures is how many in a row, this one included, have not been good.
	Failures int
	// Error is why it was not good, in words without a full stop, and Hint what to
	// do about it; both may be empty.
	Error, Hint string
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Good      Outcome = "good"
	Stopped   Outcome = "stopped"   // this computer was shut down, or the service was stopped or killed
	Broke     Outcome = "broke"     // the connection was lost, the phone slept: it may go well the next time
	Failed    Outcome = "failed"    // for a reason that does not go away by itself
	Refused   Outcome = "refused"   // the passcode was not entered
	Cancelled Outcome = "cancelled" // somebody stopped it
)

// ended is when the attempt ended, at the earliest when it began.
func (a Attempt) ended() time.Time {
	if a.Ended.Before(a.At) {
		return a.At
	}
	return a.Ended
}

// prompts tells whether starting a backup makes the phone ask for its passcode.
func (f Facts) prompts() bool { return f.Asks && f.Passcode != NoPasscode }

// lastPrompt is the newest prompt. A backup that was refused without one on record
// counts as one.
func (f Facts) lastPrompt() Prompt {
	var last Prompt
	if len(f.Prompts) > 0 {
		last = slices.MaxFunc(f.Prompts, func(a, b Prompt) int { return a.At.Compare(b.At) })
	}
	if f.Last.Outcome == Refused && f.Last.At.After(last.At) {
		last = Prompt{f.Last.At, Ignored}
	}
	return last
}

// act is what the owner, or somebody for them, did that wants a backup now.
type act int

const (
	noAct act = iota
	signalled
	requested
)

const (
	// holdSignal is how long a signal counts: so long the phone is in the hand.
	holdSignal = 15 * time.Minute
	// holdRequest is how long Back Up Now waits for a phone that is not there.
	holdRequest = 12 * time.Hour
)

// act is the strongest act that still counts.
func (f Facts) act() act {
	prompt := f.lastPrompt().At
	var used time.Time
	if f.Last.Outcome != Stopped {
		used = f.Last.ended() // one that comes while a backup runs joins it
	}
	fresh := func(at time.Time, hold time.Duration) bool {
		return !at.IsZero() && !at.After(f.Now) && f.Now.Sub(at) < hold && at.After(used) && at.After(prompt)
	}
	switch {
	case fresh(f.Request, holdRequest):
		return requested
	case fresh(f.Signal, holdSignal):
		return signalled
	}
	return noAct
}

// just tells whether something happened so recently that the phone is in a hand.
func (f Facts) just(at time.Time) bool {
	return !at.IsZero() && !at.After(f.Now) && f.Now.Sub(at) < inHand
}

// inHand is how long after an unlock, a cable or a charger the phone is taken to
// be in somebody's hand, or near it.
const inHand = 10 * time.Minute
