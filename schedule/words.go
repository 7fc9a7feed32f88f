package schedule

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// words puts a decision into words.
func (d *decider) words(out *Decision) {
	s := d.sentence(out)
	out.Text, out.Why = d.fill(s.text), d.fill(s.why)
	if out.Do = s.admin; s.do != "" {
		out.Do = d.f.ask(s.do)
	}
	out.Do = d.fill(out.Do)
}

// sentence is what is said for a reason. {phone} stands for what the phone is
// called, {it} in do for the same or, beside its owner's name, for "the phone".
type sentence struct {
	text  string
	do    string // what the owner has to do: "unlock {it}", without a full stop
	admin string // or what somebody at this computer has to do, a whole sentence
	why   string
}

// ask addresses the owner: "Anna: unlock the phone." or "Unlock Anna's iPhone."
func (f Facts) ask(do string) string {
	if f.Owner != "" {
		return f.Owner + ": " + strings.ReplaceAll(do, "{it}", "the phone") + "."
	}
	first, n := utf8.DecodeRuneInString(do)
	return string(unicode.ToUpper(first)) + strings.ReplaceAll(do[n:], "{it}", "{phone}") + "."
}

// fill puts the name of the phone in. It is the last step, so that a name with
// braces in it stays what it is.
func (d *decider) fill(text string) string {
	return strings.ReplaceAll(capital(text, d.f.name()), "{phone}", d.f.name())
}

// capital begins a sentence that begins with {phone} with a capital letter if it
// is not a name that somebody gave.
func capital(text, name string) string {
	if rest, ok := strings.CutPrefix(text, "{phone}"); ok && name == unnamed {
		return "The" + strings.TrimPrefix(unnamed, "the") + rest
	}
	return text
}

const unnamed = "the iPhone"

func (f Facts) name() string {
	if f.Phone == "" {
		return unnamed
	}
	return f.Phone
}

// Sentences that are said in more than one place.
const (
	enterPasscode = "unlock {it} and enter its passcode when it asks for it"
	everyStart    = "Every iPhone with a passcode asks for it each time a backup starts; nothing can avoid that."
	plugIn        = "plug {it} into this computer and unlock it"
	joinWiFi      = "take {it} to the Wi-Fi network of this computer and unlock it, or plug it in here"
)

func (d *decider) sentence(out *Decision) sentence {
	r := out.Reason
	switch {
	case r.starting():
		return d.startSentence(r)
	case r.IsAway():
		return d.f.awaySentence(r)
	case r == SaidNo || r == NotAnswered || r == BrokeAfter || r == GaveUp || r == WasCancelled || r == WaitRetry:
		return d.againSentence(out)
	}
	return d.waitSentence(out)
}

func (d *decider) startSentence(r Reason) sentence {
	s := sentence{text: "A backup of {phone} starts.", why: map[Reason]string{
		StartRequest: "Back Up Now was pressed.",
		StartSignal:  "Its owner has it in hand.",
		StartCable:   "It was plugged in, and a backup is due.",
		StartUnlock:  "It was just unlocked, and a backup is due.",
		StartCharger: "It was just put on its charger, and a backup is due.",
		StartWindow:  "A backup is due.",
		StartHour:    "A backup is due, and at this hour the passcode is likely to be entered.",
		StartLate:    "A backup is overdue.",
		StartCatchUp: "A backup is due, and this computer was off when it was to be made.",
	}[r]}
	if d.asks {
		s.do = enterPasscode
	}
	return s
}

func (d *decider) waitSentence(out *Decision) sentence {
	f := d.f
	until := soon(out.Until, f.Now)
	switch out.Reason {
	case AlreadyRunning:
		return sentence{text: "{phone} is being worked on."}
	case SwitchedOff:
		return sentence{text: d.lastText() + " It is not backed up automatically.", why: "“Automatically back up” is off: a backup starts when somebody presses Back Up Now."}
	case UpToDate:
		return sentence{text: d.lastText(), why: "The next backup is due " + until + "."}
	case NotPaired:
		return sentence{text: "{phone} does not trust this computer yet.", do: "unlock {it}, tap Trust and enter its passcode", why: "A phone lets itself be backed up only by computers that it trusts."}
	case InSetup:
		return sentence{text: "{phone} shows its set-up: it is new, or was reset.", do: "go on with the set-up on {it}, or restore a backup onto it from here", why: "There is nothing on it to back up."}
	case NoPlace:
		return sentence{text: "The place of the backups cannot be used.", admin: "See to the place of the backups: connect its disk, or its network.", why: "A backup of {phone} is due and cannot be stored: " + f.Place + ". It starts when the place is back."}
	case QueueFull:
		return sentence{text: "{phone} waits for its turn.", why: "Other phones are being backed up; it follows them."}
	case WaitWindow:
		s := sentence{text: "A backup is due and starts " + until + ".", why: "Backups of {phone} start " + d.p.Window.words() + "."}
		if d.p.OnConnect {
			s.why += " Plugged into this computer it starts at any hour."
		}
		return s
	case WaitPower:
		return sentence{text: "Waits for {phone} to be put on its charger.", do: "put {it} on its charger", why: "A backup is due, and it is to be made only while the phone has power."}
	case WaitBattery:
		return sentence{text: "Waits for {phone} to be charged.", do: "put {it} on its charger", why: "A backup is due. It starts on a charger, or with at least " + percent(d.p.MinBattery) + " of charge; there is " + percent(f.Battery) + "."}
	case WaitHour:
		s := sentence{text: "A backup is due; {phone} asks for its passcode " + until + ".", why: "It is asked at hours at which the passcode is likely to be entered. " + everyStart}
		if d.p.OnUnlock {
			s.why += " Unlock the phone, and it starts sooner."
		}
		return s
	}
	return sentence{text: "Waits for {phone}."} // no reason is without words: the tests see to it
}

// againSentence says why a backup that did not go well is not tried at once.
func (d *decider) againSentence(out *Decision) sentence {
	until := soon(out.Until, d.f.Now)
	asked := ago(d.f.lastPrompt().At, d.f.Now)
	hint, because := d.f.Last.Hint, d.because()
	switch out.Reason {
	case SaidNo:
		return sentence{text: "The backup was refused on {phone}.", do: "press Back Up Now when it suits you, and enter the passcode on {it}", why: "Somebody dismissed the passcode prompt " + asked + ". Keepsake does not ask again before " + bare(until) + ". " + everyStart}
	case NotAnswered:
		return sentence{text: "Nobody entered the passcode on {phone}.", do: "press Back Up Now with the phone in your hand, and enter its passcode", why: "The phone asked for it " + asked + ". Keepsake does not ask again before " + bare(until) + ". " + everyStart}
	case BrokeAfter:
		return sentence{text: "The backup of {phone} broke off.", do: "press Back Up Now and enter the passcode on {it} once more", why: "It started " + asked + ". " + because + "What arrived is kept and not sent again. A new start needs the passcode again; by itself Keepsake asks for it " + until + "."}
	case WaitRetry:
		return sentence{text: "The backup of {phone} broke off and is tried again " + until + ".", why: because + "What arrived is kept and not sent again."}
	case WasCancelled:
		return sentence{text: "The backup of {phone} was cancelled.", why: "The next one is tried " + until + ", or when somebody presses Back Up Now."}
	}
	s := sentence{text: "The backup of {phone} failed.", why: because + "It is tried again " + until + "."}
	if s.admin = hint; hint == "" {
		s.admin = "Read what went wrong, put it right and press Back Up Now."
	}
	return s
}

// because says why the last attempt was not good, as the beginning of an
// explanation; it is empty if that is not known.
func (d *decider) because() string {
	if d.f.Last.Error == "" {
		return ""
	}
	return "The cause: " + strings.TrimSuffix(d.f.Last.Error, ".") + ". "
}

// bare takes the first preposition off, for "before tomorrow at 22:00".
func bare(when string) string {
	return strings.TrimPrefix(strings.TrimPrefix(when, "at "), "on ")
}

func (d *decider) lastText() string {
	if d.f.LastGood.IsZero() {
		return "{phone} was never backed up."
	}
	return "{phone} was backed up " + ago(d.f.LastGood, d.f.Now) + "."
}

func (f Facts) awaySentence(r Reason) sentence {
	a := f.Away
	seen := "It was never reached from here."
	if !a.LastContact.IsZero() {
		seen = "It was reached last " + ago(a.LastContact, f.Now) + "."
	}
	since := int(f.Now.Sub(a.LastContact) / day)
	switch r {
	case AwayMeeting:
		return sentence{text: "{phone} is here and is being asked how it is."}
	case AwayUnpaired:
		return sentence{"{phone} was never paired with this computer.", "plug {it} into this computer by cable, tap Trust and enter its passcode", "", "Phones are paired by cable only; afterwards Wi-Fi is enough."}
	case AwayExpired:
		return sentence{"{phone} has not been reached for " + days(since) + ".", "plug {it} into this computer by cable, tap Trust if it asks and enter its passcode", "", seen + " A phone forgets a computer after 30 days without contact and then has to be plugged in once."}
	case AwayExpiring:
		return sentence{"{phone} has not been reached for " + days(since) + ".", joinWiFi, "", seen + " After 30 days without contact it forgets this computer and has to be plugged in by cable: " + days(30-since) + " left."}
	case AwayForgot:
		return sentence{"{phone} does not trust this computer any more.", "plug {it} into this computer by cable, tap Trust and enter its passcode", "", seen + " It was reset, its trusted computers were reset, or there was no contact for 30 days."}
	case AwayRestart:
		return sentence{"{phone} waits to be unlocked.", "unlock {it} once", "", "After a restart a phone lets nobody in until its passcode was entered once."}
	case AwayLocked:
		return sentence{"{phone} has not been unlocked for a day.", "unlock {it} once, on the Wi-Fi network of this computer", "", seen + " A phone that was not unlocked for 24 hours cannot be reached over Wi-Fi."}
	case AwayWiFiOff:
		return sentence{"{phone} does not let itself be reached over Wi-Fi.", plugIn + ", then switch Wi-Fi on for it here", "", seen + " The switch “Show this iPhone when on Wi-Fi” is off, and it can be changed by cable only."}
	case AwayPrivate:
		return sentence{"{phone} is not recognised on Wi-Fi.", plugIn, "", seen + " It uses a private Wi-Fi address that has changed, so it cannot be told from other phones. By cable it is recognised, and on Wi-Fi again after that."}
	case AwayDeaf:
		return f.deafSentence()
	case AwaySilent:
		return sentence{"{phone} does not answer.", "", "", seen + " It sleeps, is out of reach or is in emergency mode. It is tried again by itself; unlocking it, or putting it on its charger, wakes it."}
	case AwayUnknown:
		return sentence{"{phone} has not been seen yet.", joinWiFi, "", seen}
	}
	return sentence{"{phone} is not on this network.", "", "", seen + " It is elsewhere, on another Wi-Fi network or switched off. A backup starts when it comes back; it can be plugged in here as well."}
}

func (f Facts) deafSentence() sentence {
	s := sentence{text: "This computer cannot look for {phone} on the network.", admin: "See to the network of this computer, or plug the phone in.", why: "Phones on Wi-Fi are not noticed: " + f.Away.NoNetwork + "."}
	if f.Away.NoCable != "" {
		s.text, s.admin = "This computer cannot look for {phone}.", "See to usbmuxd and to the network of this computer; “keepsake doctor” tells more."
		s.why += " Nor are phones that are plugged in: " + f.Away.NoCable + "."
	}
	return s
}
