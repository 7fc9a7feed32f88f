package schedule

import "time"

// Away is what is known about reaching a phone; discovery.Facts tells it.
type Away struct {
	// EverPaired: it was paired with this computer at some time.
	EverPaired bool
	// InSight: it was noticed, by cable or on the network, and has not told about
	// itself yet.
	InSight bool
	// WiFiOff: "Show this iPhone when on Wi-Fi" is known to be off.
	WiFiOff bool
	// LastContact is when a session with it was last opened.
	LastContact time.Time
	// Hindrance is what came of the last look for it.
	Hindrance Hindrance
	// PrivateAddress: it uses another Wi-Fi address than its own.
	PrivateAddress bool
	// NoCable and NoNetwork are why this computer cannot notice cables or phones on
	// the network, in words without a full stop; empty if it can.
	NoCable, NoNetwork string
}

// Hindrance is what keeps a phone that was looked for from being reached. The
// values are those of discovery.Failure.
type Hindrance string

// The hindrances.
const (
	NoHindrance Hindrance = ""
	NoRecord    Hindrance = "no-record"   // no pairing is known here
	NotFound    Hindrance = "not-found"   // nothing of it is on the network
	NoAnswer    Hindrance = "no-answer"   // it sleeps or left
	Closed      Hindrance = "closed"      // it is there and lets nobody in: the Wi-Fi switch
	Untrusted   Hindrance = "not-paired"  // it does not know this computer any more
	Locked      Hindrance = "locked"      // it wants its passcode first, as after a restart
	WrongPhone  Hindrance = "wrong-phone" // another phone is where it was
	Other       Hindrance = "other"
)

// The conditions under which a phone can be reached over Wi-Fi (protocol.md 5.1,
// field.md 2.3).
const (
	// ForgetsAfter is how long a pairing lasts without any contact; WarnAfter is
	// when to warn of it.
	ForgetsAfter = 30 * day
	WarnAfter    = 25 * day
	// UnlockEvery is how often a phone has to be unlocked to stay reachable.
	UnlockEvery = day

	day = 24 * time.Hour
)

// away is why the phone cannot be reached, what somebody has to do first.
func (f Facts) away() Reason {
	a := f.Away
	silence := f.Now.Sub(a.LastContact)
	switch {
	case a.InSight && a.Hindrance != Locked && a.Hindrance != Untrusted:
		if a.Hindrance == NoHindrance {
			return AwayMeeting
		}
		return AwaySilent
	case !a.EverPaired && !f.Paired, a.Hindrance == NoRecord:
		return AwayUnpaired
	case a.Hindrance == Untrusted:
		return AwayForgot
	case !a.LastContact.IsZero() && silence >= ForgetsAfter:
		return AwayExpired
	case a.NoNetwork != "" && (a.NoCable != "" || !a.WiFiOff):
		return AwayDeaf
	case !a.LastContact.IsZero() && silence >= WarnAfter:
		return AwayExpiring
	case a.Hindrance == Locked:
		return AwayRestart
	case a.WiFiOff || a.Hindrance == Closed:
		return AwayWiFiOff
	case !f.UnlockedAt.IsZero() && f.Now.Sub(f.UnlockedAt) >= UnlockEvery && silence >= UnlockEvery:
		return AwayLocked
	case a.Hindrance == NoAnswer || a.Hindrance == Other:
		return AwaySilent
	case a.Hindrance == WrongPhone, a.Hindrance == NotFound && a.PrivateAddress:
		return AwayPrivate
	case a.LastContact.IsZero():
		return AwayUnknown
	}
	return AwayNetwork
}

// Unreachable tells in words why the phone cannot be reached and what somebody
// can do about it, without asking whether a backup is due.
func Unreachable(f Facts) Decision {
	d := decider{f: f}
	out := Decision{Reason: f.away()}
	d.words(&out)
	return out
}
