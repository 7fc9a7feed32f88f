package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// phonesOf gives both sides as versions of phones, if they are whole ones, and
// not sealed: then there is more to tell than which files differ.
func phonesOf(ctx context.Context, s *repository.Session, sides [2]inSnapshot) (both [2]*snapshot.Snapshot, ok bool) {
	for i, side := range sides {
		info := snapshot.Describe(side.snapshot)
		if side.path != "/" || info.Kind != snapshot.Backup || info.Sealed {
			return both, false
		}
		p, err := snapshot.Open(ctx, s, side.snapshot)
		if err != nil {
			return both, false // made by something else: as files, then
		}
		both[i] = p
	}
	return both, true
}

// diffPhones tells what became of a phone's files, by domain and app; with -v
// each of them.
func (a *app) diffPhones(ctx context.Context, both [2]*snapshot.Snapshot) error {
	var each func(snapshot.Change) error
	if a.verbose {
		each = func(c snapshot.Change) error {
			a.printf("%-8s %s\n", c.Action, printable(c.Path))
			return a.written()
		}
	}
	d, err := snapshot.Diff(ctx, both[0], both[1], each)
	if err != nil {
		return errors.Join(err, a.written())
	}
	if a.verbose && len(d.Domains) > 0 {
		a.printf("\n")
	}
	a.printf("%s\n%s", diffTitle(both[0].Info(), both[1].Info()), diffTable(d))
	return nil
}

func diffTitle(before, after snapshot.Info) string {
	day := func(i snapshot.Info) string { return i.Time.Local().Format("2 January 2006, 15:04") }
	if before.UDID == after.UDID {
		return fmt.Sprintf("%s, from %s to %s:", printable(after.Name), day(before), day(after))
	}
	return fmt.Sprintf("From %s, %s, to %s, %s:", printable(before.Name), day(before), printable(after.Name), day(after))
}

// diffTable has a line for each part of the phone with changes.
func diffTable(d *snapshot.Difference) string {
	if len(d.Domains) == 0 {
		return "No file was added, changed or removed.\n"
	}
	rows := [][]string{{"", "ADDED", "", "CHANGED", "", "REMOVED", ""}}
	row := func(title string, t snapshot.Tally) {
		cells := []string{printable(title)}
		for _, c := range []struct{ n, bytes int64 }{{t.Added, t.AddedBytes}, {t.Changed, t.ChangedBytes}, {t.Removed, t.RemovedBytes}} {
			if c.n == 0 {
				cells = append(cells, "", "")
				continue
			}
			cells = append(cells, progress.Count(c.n, "file", "files"), progress.Size(c.bytes))
		}
		rows = append(rows, cells)
	}
	for _, domain := range d.Domains {
		row(domainTitle(domain), domain.Tally)
	}
	row("All", d.Tally)
	text, _ := table(rows)
	return text
}

// domainTitle is an app's bundle ID, or the domain without the word.
func domainTitle(d snapshot.DomainTally) string {
	if d.App != "" {
		return "app " + d.App
	}
	return strings.TrimSuffix(d.Domain, "Domain")
}
