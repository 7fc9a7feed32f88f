package schedule

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
// until To, over midnight if To is earlier, the whole day if they are equal.
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
