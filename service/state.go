package service

import (
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/schedule"
)

// stateOf says in words how a phone is, from what is known and what the schedule
// decides.
func stateOf(k *known, d schedule.Decision, u upkeep, knowsPassword bool) State {
	if k.job != nil && k.job.State == Running {
		return jobState(*k.job)
	}
	switch {
	case k.phone.Owner == 0:
		return strangerState(k)
	case k.phone.InSetup && k.near.sighting.Reachable():
		return State{Mood: Asking, Text: "It was reset: it shows its set-up.", Do: "Choose what to restore onto it, or finish its set-up and pair it afterwards.", Why: "Its versions are still here."}
	case k.job != nil:
		return State{Mood: Working, Text: waitingText(*k.job)}
	case u.Damage > 0:
		return State{Mood: Failed, Text: fmt.Sprintf("A check found %s in what is stored.", progress.Count(int64(u.Damage), "damaged thing", "damaged things")),
			Do: "Mend it from a target: keepsake targets repair.", Why: "Nothing is overwritten until it is mended. Activity has the details."}
	case k.late():
		return lateState(k, d)
	case d.Reason == schedule.GaveUp:
		return failedState(k, d)
	case !k.sum.rehearsal.IsZero() && !k.sum.rehearsalOK:
		return State{Mood: Failed, Text: "The last rehearsal found a version that cannot be restored as it is.", Do: "", Why: "The next backup is rehearsed again. Older versions stay."}
	case !knowsPassword && k.sum.newestSealed:
		return State{Mood: Asking, Text: "The newest version is stored as the phone encrypted it: its backup password is not known here.",
			Do: "Type the backup password of " + nameOr(k.phone) + " under “Encrypt backup”.", Why: "Without it nobody can look inside, and it cannot be verified."}
	case d.Do != "":
		return State{Mood: Asking, Text: d.Text, Do: d.Do, Why: d.Why}
	case (d.Reason == schedule.UpToDate || d.Reason == schedule.SwitchedOff) && !k.sum.verified.IsZero():
		return State{Mood: Good, Text: "Backed up " + when(k.sum.last, k.now) + " and verified.", Why: d.Why}
	}
	return State{Mood: Waiting, Text: d.Text, Do: d.Do, Why: d.Why}
}

func jobState(j Job) State {
	mood := Working
	if j.Do != "" {
		mood = Asking
	}
	text := j.Text
	if text == "" {
		text = doing[j.Kind]
	}
	return State{Mood: mood, Text: text, Do: j.Do}
}

// doing says what a job does before it says so itself.
var doing = map[JobKind]string{
	BackupJob: "The backup begins", MediaJob: "Copying music and pictures", RestoreJob: "The restore begins", PairJob: "Pairing",
	EncryptionJob: "Changing the encryption of backups", RehearseJob: "Rehearsing a restore", CheckJob: "Checking what is stored",
	ForgetJob: "Removing old versions", CopyJob: "Copying to a target", HandOverJob: "Handing over new photos",
}

// waitingText says that a job waits for its turn.
func waitingText(j Job) string {
	switch j.Kind {
	case BackupJob:
		return "The backup waits for its turn."
	case RestoreJob:
		return "The restore waits for its turn."
	}
	return doing[j.Kind] + ": waits for its turn."
}

// strangerState is of phones that nobody owns here.
func strangerState(k *known) State {
	switch {
	case k.phone.InSetup:
		return State{Mood: Asking, Text: "This phone is new or was reset: it shows its set-up.",
			Do: "Choose what to restore onto it, or finish its set-up and pair it afterwards."}
	case !k.phone.Paired:
		return State{Mood: Asking, Text: "Plugged in, and not known here yet.", Do: "Press “Pair”, then tap Trust on the phone."}
	}
	return State{Mood: Asking, Text: "It trusts this computer, and nobody owns it here.", Do: "Press “Pair” to make it yours."}
}

// late tells whether there was no verified backup for longer than the owner wants.
func (k *known) late() bool {
	limit := k.phone.Policy.RemindAfterDays
	if limit <= 0 {
		return false
	}
	since := k.sum.verified
	if since.IsZero() {
		since = k.phone.FirstSeen
	}
	return !since.IsZero() && days(since, k.now) >= limit
}

// days are whole days.
func days(since, now time.Time) int { return int(now.Sub(since) / (24 * time.Hour)) }

func lateState(k *known, d schedule.Decision) State {
	s := State{Mood: Late, Do: d.Do, Why: d.Text}
	if k.sum.verified.IsZero() {
		s.Text = "There is no verified backup yet."
	} else {
		s.Text = fmt.Sprintf("No verified backup for %s.", progress.Count(int64(days(k.sum.verified, k.now)), "day", "days"))
	}
	if d.Why != "" {
		s.Why += " " + d.Why
	}
	if s.Do == "" {
		s.Do = fmt.Sprintf("Plug %s in here and enter the passcode on it.", nameOr(k.phone))
	}
	return s
}

func failedState(k *known, d schedule.Decision) State {
	s := State{Mood: Failed, Text: d.Text, Do: d.Do, Why: d.Why}
	if k.past.failed.ID != 0 && k.past.failed.Error != "" {
		s.Why = k.past.failed.Error
		if k.past.failed.Hint != "" {
			s.Do = k.past.failed.Hint
		}
	}
	return s
}

// when says a moment of the past as people do.
func when(t, now time.Time) string {
	t = t.In(now.Location())
	y, m, d := now.Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, now.Location())
	switch {
	case t.After(now.Add(-10 * time.Minute)):
		return "just now"
	case !t.Before(today) && t.Hour() < 6:
		return "last night"
	case !t.Before(today):
		return "today at " + t.Format("15:04")
	case !t.Before(today.AddDate(0, 0, -1)):
		return "yesterday at " + t.Format("15:04")
	case t.Year() == now.Year():
		return "on " + t.Format("2 January")
	}
	return "on " + t.Format("2 January 2006")
}
