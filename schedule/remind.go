package schedule

import (
	"fmt"
	"time"
)

// Overdue is what Remind goes by.
type Overdue struct {
	// Now carries the zone of the clock on the wall.
	Now time.Time
	// Phone and Owner are as in Facts.
	Phone, Owner string
	// LastVerified is when the newest version that was verified was made, zero if
	// there is none; Known is since when the phone is to be backed up here.
	LastVerified, Known time.Time
	// LastSent is when the last reminder went out, zero if none did.
	LastSent time.Time
	// Do is what Decide says that somebody has to do; it may be empty.
	Do string
}

// Reminder is a message that is due.
type Reminder struct {
	Owner, Admin bool // whom to tell; both false: nobody, nothing is due
	Title, Text  string
	// Next is when to ask again at the latest; zero: not before a fact changes.
	Next time.Time
}

const (
	// remindFrom and remindTo are the hours of the day at which people are told.
	remindFrom Clock = 9 * 60
	remindTo   Clock = 21 * 60
	// remindPause is the longest time between two reminders in days.
	remindPause = 7
)

// Remind tells whether people have to be told that a phone has had no verified
// backup for long. The owner is told first RemindAfterDays after the last one, and
// then again each time half of that has passed, at least every week; from the
// double of it on, those who look after the service are told as well. Nobody is
// told at night. A version that was verified since ends it all.
func Remind(p Policy, o Overdue) Reminder {
	p = p.tame()
	since := o.LastVerified
	if since.IsZero() {
		since = o.Known
	}
	if p.RemindAfterDays == 0 || since.IsZero() {
		return Reminder{}
	}
	at := since.Add(time.Duration(p.RemindAfterDays) * day)
	if o.LastSent.After(since) {
		pause := min(max(p.RemindAfterDays/2, 1), remindPause)
		at = later(at, o.LastSent.Add(time.Duration(pause)*day))
	}
	hours := Window{From: remindFrom, To: remindTo}
	at = at.In(o.Now.Location())
	if s, in := hours.At(later(at, o.Now)); !in {
		at = s.Start
	}
	if at.After(o.Now) {
		return Reminder{Next: at}
	}
	n := int(o.Now.Sub(since) / day)
	r := Reminder{Owner: true, Admin: n >= 2*p.RemindAfterDays}
	r.Title, r.Text = o.words(n)
	return r
}

func (o Overdue) words(n int) (title, text string) {
	phone := Facts{Phone: o.Phone}.name()
	d := decider{f: Facts{Phone: o.Phone}}
	title = fmt.Sprintf("No verified backup for %s: %s", days(n), phone)
	text = d.fill("{phone} has had no verified backup for " + days(n) + ".")
	if o.LastVerified.IsZero() {
		title = "Not backed up yet: " + phone
		text = d.fill("{phone} has not been backed up since it was added " + days(n) + " ago.")
	}
	do := o.Do
	if do == "" {
		do = d.fill(Facts{Phone: o.Phone, Owner: o.Owner}.ask("plug {it} in and enter its passcode"))
	}
	return title, text + " " + do
}
