package schedule

// Reason is why a Decision is as it is.
type Reason string

// The reasons to start a backup or a media copy.
const (
	StartRequest Reason = "start-request" // somebody pressed Back Up Now
	StartSignal  Reason = "start-signal"  // the owner has signalled that the phone is in hand
	StartCable   Reason = "start-cable"   // it was plugged in, and one is due
	StartUnlock  Reason = "start-unlock"  // it was unlocked, and one is due
	StartCharger Reason = "start-charger" // it was put on its charger, and one is due
	StartWindow  Reason = "start-window"  // one is due, and it asks nobody anything
	StartHour    Reason = "start-hour"    // one is due, and at this hour the passcode is entered
	StartLate    Reason = "start-late"    // one is overdue: any hour of the window will do
	StartCatchUp Reason = "start-catchup" // this computer was off when the last window ended
)

// The reasons not to start one.
const (
	AlreadyRunning Reason = "running"
	SwitchedOff    Reason = "off"          // the policy wants none
	UpToDate       Reason = "up-to-date"   // none is due
	NotPaired      Reason = "not-paired"   // it does not trust this computer
	InSetup        Reason = "in-setup"     // it shows its set-up screens
	NoPlace        Reason = "no-place"     // the repository cannot be reached
	QueueFull      Reason = "queue"        // other phones first
	WaitWindow     Reason = "wait-window"  // for the window
	WaitPower      Reason = "wait-power"   // for the charger
	WaitBattery    Reason = "wait-battery" // for more charge
	WaitHour       Reason = "wait-hour"    // for an hour at which the passcode is entered
	WaitRetry      Reason = "wait-retry"   // a while after the connection broke
	SaidNo         Reason = "said-no"      // the passcode prompt of this window was dismissed
	NotAnswered    Reason = "not-answered" // or nobody did anything about it
	BrokeAfter     Reason = "broke-after"  // or it was answered, and the backup broke all the same
	GaveUp         Reason = "gave-up"      // it failed, and would do so again
	WasCancelled   Reason = "cancelled"    // somebody stopped it
)

// The reasons why a phone cannot be reached.
const (
	AwayUnknown  Reason = "away-unknown"  // never seen, or nothing is known
	AwayMeeting  Reason = "away-meeting"  // it is there, and is being asked about itself
	AwayUnpaired Reason = "away-unpaired" // it was never paired by cable
	AwayExpired  Reason = "away-expired"  // 30 days without contact
	AwayExpiring Reason = "away-expiring" // 25 days without contact
	AwayForgot   Reason = "away-forgot"   // it does not trust this computer any more
	AwayRestart  Reason = "away-restart"  // it was restarted and not unlocked since
	AwayLocked   Reason = "away-locked"   // 24 hours without an unlock
	AwayWiFiOff  Reason = "away-wifi-off" // its Wi-Fi switch for this computer is off
	AwayPrivate  Reason = "away-private"  // its Wi-Fi address changed
	AwayDeaf     Reason = "away-deaf"     // this computer can hear neither cables nor networks
	AwaySilent   Reason = "away-silent"   // it is known where it is, and it does not answer
	AwayNetwork  Reason = "away-network"  // nothing of it is on this network
)

// starting tells whether the reason is one to start.
func (r Reason) starting() bool {
	switch r {
	case StartRequest, StartSignal, StartCable, StartUnlock, StartCharger, StartWindow, StartHour, StartLate, StartCatchUp:
		return true
	}
	return false
}

// IsAway tells whether the reason is that the phone cannot be reached.
func (r Reason) IsAway() bool { return len(r) > 5 && r[:5] == "away-" }
