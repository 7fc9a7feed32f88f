package schedule

import (
	"errors"
	"fmt"
)

// Policy is when a phone is to be backed up.
type Policy struct {
	// Automatic is the switch "Automatically back up": without it a backup starts
	// only when somebody asks for one.
	Automatic bool `json:"automatic"`
	// EveryDays is how old the last backup may become, 1 to 30.
	EveryDays int `json:"every_days"`
	// Window is when backups may start by themselves.
	Window Window `json:"window"`
	// OnConnect starts one as soon as a cable is plugged in, at any hour, when one
	// is due.
	OnConnect bool `json:"on_connect"`
	// OnPower wants the phone to be charging.
	OnPower bool `json:"on_power"`
	// MinBattery is the least charge in percent when it is not; 0 is any.
	MinBattery int `json:"min_battery"`
	// OnUnlock starts it, when due, when the owner has just unlocked the phone: the
	// phone is in the hand that can enter the passcode.
	OnUnlock bool `json:"on_unlock"`
	// Media copies music and pictures every night, which asks nobody anything.
	Media bool `json:"media"`
	// RemindAfterDays without a verified backup its owner is told; 0 is never.
	RemindAfterDays int `json:"remind_after_days"`
}

// Window is a part of every day in the zone of the clock on the wall: from From
// until To, over midnight if To is earlier. If they are equal it is the whole day:
// a new window begins whenever the last one ends, at From.
type Window struct {
	From Clock `json:"from"`
	To   Clock `json:"to"`
}

// Clock is a time of day in minutes since midnight, 0 to 1439; as text "22:30".
type Clock int

// Default is what a new phone gets: every day, on power, or when it is unlocked
// in the evening.
func Default() Policy {
	return Policy{Automatic: true, EveryDays: 1, Window: Window{From: 0, To: 0}, OnConnect: true, OnUnlock: true, MinBattery: 20, Media: true, RemindAfterDays: 7}
}

// The bounds of a Policy.
const (
	MaxEveryDays  = 30
	MaxRemindDays = 365
)

// Validate tells all that is wrong with the policy; nil is nothing.
func (p Policy) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("policy: "+format, args...)) }
	if p.EveryDays < 1 || p.EveryDays > MaxEveryDays {
		wrong("a backup every %d days is not possible: choose 1 to %d", p.EveryDays, MaxEveryDays)
	}
	if !p.Window.From.valid() || !p.Window.To.valid() {
		wrong("the window begins or ends at no time of the day: choose 00:00 to 23:59")
	}
	if p.MinBattery < 0 || p.MinBattery > 100 {
		wrong("a charge of %d%% is not possible: choose 0 to 100", p.MinBattery)
	}
	if p.RemindAfterDays < 0 || p.RemindAfterDays > MaxRemindDays {
		wrong("reminding after %d days is not possible: choose 0, which is never, to %d", p.RemindAfterDays, MaxRemindDays)
	}
	return errors.Join(errs...)
}

// tame makes any policy one that can be reckoned with, such as the zero value of
// a record that never got one: what is out of bounds is taken as its default.
func (p Policy) tame() Policy {
	d := Default()
	if p.EveryDays < 1 || p.EveryDays > MaxEveryDays {
		p.EveryDays = d.EveryDays
	}
	if !p.Window.From.valid() || !p.Window.To.valid() {
		p.Window = d.Window
	}
	if p.MinBattery < 0 || p.MinBattery > 100 {
		p.MinBattery = d.MinBattery
	}
	if p.RemindAfterDays < 0 {
		p.RemindAfterDays = 0
	}
	return p
}
