package restore

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

// emptied are the domains that a phone with iOS 27 makes equal to the backup
// whatever it is told: what a backup lacks of them it deletes at the next start
// (protocol.md 11.9).
var emptied = []string{"HomeDomain", "CameraRollDomain", "KeyboardDomain"}

// checkLeftOut says what leaving out means, and refuses what would cost the
// owner what is on the phone.
func (r *Report) checkLeftOut(state device.SetupState, version string) {
	if !r.LeftOut.Any() {
		return
	}
	inUse := state != device.SetupNew && state != device.InSetup
	what := r.LeftOut.describe()
	for _, group := range r.LeftOut.Groups {
		r.add(checkLeftOut, Warning, fmt.Sprintf("%s is restored: by its name it belongs to an app that is left out, but others may share it", group), "To leave it out too: --leave-out-domain "+group)
	}
	if !inUse {
		r.add(checkLeftOut, Warning, "left out, so that the phone will not have it: "+what, "Keep the backup: what is left out exists nowhere else.")
		return
	}
	if r.Choice.RemoveItemsNotRestored {
		r.add(checkLeftOut, Blocker, "with parts of the backup left out, the phone would remove what it has of them", "Restore with --keep, or erase the phone first.")
		return
	}
	if version != "" && device.CompareVersions(version, "27") < 0 {
		r.add(checkLeftOut, Warning, "left out, so that the phone keeps what it has of it: "+what, "")
		return
	}
	r.checkSince27(what, version)
}

// checkSince27 is for phones in use from iOS 27 on, and those that do not say
// their version: only whole domains may be left out, and not the emptied ones.
func (r *Report) checkSince27(what, version string) {
	const remedy = "Erase the phone first (Settings → General → Transfer or Reset) and restore during its set-up, or restore another version as a whole."
	with := "iOS " + version
	if version == "" {
		with = "an unknown iOS"
	}
	for _, domain := range emptied {
		if r.LeftOut.lacks(domain) {
			r.add(checkLeftOut, Blocker, fmt.Sprintf("a phone in use with %s would delete what it has of %s when the backup lacks a part of it: settings, messages or pictures", with, domain), remedy)
			return
		}
	}
	if partly := slices.Sorted(maps.Keys(r.LeftOut.partly)); len(partly) > 0 {
		r.add(checkLeftOut, Blocker, fmt.Sprintf("a phone in use with %s is given only whole domains, and damaged files are missing from %s", with, first(partly, 3)),
			"Leave out all of it with --leave-out-domain (or the app with --leave-out-app), or erase the phone first.")
		return
	}
	r.add(checkLeftOut, Warning, fmt.Sprintf("left out, so that the phone keeps what it has of it, as far as is known of %s: %s", with, what), "Back the phone up before you restore.")
}

// describe names what is left out.
func (l LeftOut) describe() string {
	var parts []string
	if n := len(l.Apps); n > 0 {
		parts = append(parts, fmt.Sprintf("%s and all its data", first(l.Apps, 5)))
	}
	var others []string
	for _, domain := range l.Domains {
		if !slices.ContainsFunc(l.Apps, func(id string) bool {
			return domain == appDomain+id || strings.HasPrefix(domain, pluginDomain+id)
		}) {
			others = append(others, domain)
		}
	}
	if len(others) > 0 {
		parts = append(parts, first(others, 5))
	}
	if l.DamagedFiles > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", progress.Count(l.DamagedFiles, "damaged file", "damaged files"), first(l.Damaged, 3)))
	}
	return strings.Join(parts, "; ")
}

// first joins the first n of list and says how many more there are.
func first(list []string, n int) string {
	text := strings.Join(list[:min(n, len(list))], ", ")
	if more := len(list) - n; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
