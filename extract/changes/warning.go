package changes

import (
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/progress"
)

// Warning is something that the owner should look at.
type Warning struct {
	Kind string `json:"kind"`
	// Reason is what it is about: "vanished", "deleted", "offloaded", "groups", "unknown".
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// When so much is gone at once, it was hardly a person who tidied up: an account that
// was signed out takes all its contacts, a synchronisation that went wrong a large part
// of them, an app that was removed everything. A person deletes a few at a time.
const (
	// muchShare is in percent of what was there. People who keep messages for a year
	// lose some percent each month.
	muchShare = 20
	// muchAtLeast: a fifth of twenty contacts is no accident.
	muchAtLeast = 10
	// allAtLeast: who had one or two of a kind deleted them.
	allAtLeast = 3
)

// much tells whether it is worth a warning that lost of had things are gone.
func much(lost, had int) bool {
	if lost >= had {
		return had >= allAtLeast
	}
	return lost >= muchAtLeast && lost*100 > had*muchShare
}

func (k *comparison) warnings() []Warning {
	var list []Warning
	warn := func(reason, format string, args ...any) {
		list = append(list, Warning{k.info.Kind, reason, fmt.Sprintf(format, args...)})
	}
	if k.Unknown != "" {
		// What an unencrypted backup does not have is no surprise when it was not there
		// before either.
		if k.Old.State != Absent {
			warn("unknown", "%s: %s. Nothing is known about what is gone.", k.Title, k.Unknown)
		}
		return list
	}
	had := k.Old.Lasting
	maybe := ""
	if n := k.New.Problems; n > 0 {
		maybe = fmt.Sprintf(" %s could not be read and may be among them.", progress.Count(int64(n), "thing", "things"))
	}
	switch lost := k.Removed.Count; {
	case lost > 0 && much(lost, had):
		warn("vanished", "%s.%s", k.noun.gone(lost, had), maybe)
	case k.Deleted.Count > 0 && much(lost+k.Deleted.Count, had):
		more := ""
		if lost > 0 {
			more = fmt.Sprintf(", and %s more %s gone", number(lost), areOrIs(lost))
		}
		warn("deleted", "%s %s moved to what the phone calls recently deleted%s. The phone empties that after some weeks.%s",
			k.noun.of(k.Deleted.Count, had), wereOrWas(k.Deleted.Count), more, maybe)
	}
	if n := k.Offloaded.Count; n > 0 && much(n, had) {
		warn("offloaded", "%s %s, so backups no longer have %s.", k.noun.of(n, had), k.noun.offloaded(n), itOrThem(n))
	}
	if k.GroupsGone.Count > 0 && much(k.GroupsGone.Count, k.oldGroups) {
		warn("groups", "%s of %s %s gone.", number(k.GroupsGone.Count), countGroups(k.oldGroups, k.GroupsAre), areOrIs(k.GroupsGone.Count))
	}
	return list
}
