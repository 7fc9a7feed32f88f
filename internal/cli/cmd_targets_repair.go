package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/targets"
)

type targetRepaired struct {
	MessageType string       `json:"message_type"` // "target_repaired"
	Name        string       `json:"name"`         // "" is the main repository
	Phone       string       `json:"phone,omitempty"`
	Location    string       `json:"location"`
	Result      string       `json:"result"` // "whole" (nothing was damaged), "mended" or "damaged" (something still is)
	Before      int          `json:"before"` // damaged things
	After       int          `json:"after"`
	From        []repairFrom `json:"from"`
}

type repairFrom struct {
	Name      string `json:"name"` // of the target; "" is the main repository, "-" the damaged one itself
	Pieces    int    `json:"pieces"`
	Saved     int    `json:"pieces_saved"` // that were good in damaged packs
	Snapshots int    `json:"snapshots"`
	Packs     int    `json:"packs_indexed"`
}

type targetUnavailable struct {
	MessageType string `json:"message_type"` // "target_unavailable"
	Name        string `json:"name"`
	Error       string `json:"error"`
	Hint        string `json:"hint,omitempty"`
}

func newTargetsRepair(a *app) *cobra.Command {
	var f targetFlags
	var readData bool
	c := &cobra.Command{
		Use:   "repair [NAME…]",
		Short: "Mend the main repository and the targets from each other",
		Long: `Look for damage in the main repository, and mend it from the targets that are plugged in, one after the
other; then the same for each of these targets, from the main repository and the others. It says what was
mended, and what none of them has.

Without --read-data, damage inside of files is not looked for, only what is missing or unreadable. Nothing is
removed before its replacement is there. If a disk is failing, copy what is on it first.`,
		Example: `  keepsake targets repair -r /mnt/disk/phone --read-data
  keepsake targets repair usb`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("0 mended, or nothing to mend; 1 error, something is still damaged, or a target that was named is not there; 2 usage; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.refuseNoLock(cmd); err != nil {
				return err
			}
			k, err := a.keeper(cmd, f)
			if err != nil {
				return err
			}
			chosen, err := chosenTargets(k.Book, args, false)
			if err != nil {
				return err
			}
			if len(f.paths) > 0 && len(chosen) != 1 {
				return usageOf(cmd, errors.New("targets repair: --path is for one target: name it"))
			}
			var names []string
			for _, t := range chosen {
				names = append(names, t.Name)
			}
			a.repo.noCache = true // copies would hide what is wrong
			a.interruptHint = "nothing is lost by that: start the same command again"
			left := 0
			err = a.eachMain(cmd, func(m targets.Main) error {
				var report *targets.RepairReport
				err := a.work(func(say progress.Reporter) error {
					var err error
					report, err = k.Repair(cmd.Context(), m, names, targets.RepairOptions{All: readData, Paths: f.paths,
						Step: func(text string) { say.Phase("repair", text) }, Progress: func(s repository.CheckStats) { checkProgress(say, s) }})
					return err
				})
				a.showTargetRepair(report)
				left += report.Damage()
				if len(args) > 0 { // they were wanted
					left += len(report.Unavailable)
				}
				return err
			})
			if err == nil && left > 0 {
				return reported{exitError}
			}
			return err
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&readData, "read-data", false, "look for damage by reading every byte")
	f.addFlags(c)
	return a.repositoryCommand(c)
}

func (a *app) showTargetRepair(report *targets.RepairReport) {
	for _, u := range report.Unavailable {
		hint := remedy(u.Err, exitCode(a.ctx, u.Err))
		if a.json {
			a.emit(targetUnavailable{"target_unavailable", u.Target, u.Err.Error(), hint})
			continue
		}
		a.printf("Target %s did not take part: %s.\n", u.Target, printable(u.Err.Error()))
	}
	for _, m := range report.Repositories {
		result := "mended"
		switch {
		case m.Before == 0:
			result = "whole"
		case m.After > 0:
			result = "damaged"
		}
		if a.json {
			a.emitTargetRepair(report.Phone, m, result)
			continue
		}
		a.printTargetRepair(m, result)
	}
}

func (a *app) emitTargetRepair(phone string, m targets.Mended, result string) {
	line := targetRepaired{"target_repaired", m.Target, phone, m.Where, result, m.Before, m.After, []repairFrom{}}
	for _, from := range m.From {
		line.From = append(line.From, repairFrom{from.Target, from.Stats.BlobsFetched, from.Stats.BlobsSaved, from.Stats.Snapshots, from.Stats.PacksRead})
	}
	for _, p := range m.Lost {
		a.emit(objectProblem{"problem", p.Severity.String(), p.Object, p.Err.Error()})
	}
	a.emit(line)
}

func (a *app) printTargetRepair(m targets.Mended, result string) {
	who := "Main repository"
	if m.Target != "" {
		who = "Target " + m.Target
	}
	a.printf("%s at %s\n", who, m.Where)
	if result == "whole" {
		a.printf("  Nothing is damaged, as far as was looked.\n")
		return
	}
	a.printf("  %s found.\n", progress.Count(int64(m.Before), "damaged thing was", "damaged things were"))
	for _, from := range m.From {
		if text := mendedInWords(from); text != "" {
			a.printf("  %s\n", text)
		}
	}
	if result == "mended" {
		a.printf("  Mended.\n")
		return
	}
	a.printObjectProblems(m.Lost)
	a.printf("  LOST as far as the repositories that are there can tell: %s.\n", progress.Count(int64(m.After), "thing is still damaged", "things are still damaged"))
	a.printf("  A target that is not plugged in may have it; \"keepsake check\" says which snapshots are affected.\n")
}

// mendedInWords says what one repository gave; "" if nothing.
func mendedInWords(from targets.MendedFrom) string {
	var got []string
	for _, c := range []struct {
		n         int
		one, many string
	}{{from.Stats.BlobsFetched, "piece", "pieces"}, {from.Stats.Snapshots, "snapshot file", "snapshot files"}} {
		if c.n > 0 {
			got = append(got, progress.Count(int64(c.n), c.one, c.many))
		}
	}
	source := map[string]string{"": "the main repository", targets.Itself: "its own packs"}[from.Target]
	if source == "" {
		source = "target " + from.Target
	}
	var text string
	if len(got) > 0 {
		text = "From " + source + ": " + strings.Join(got, ", ") + "."
	}
	if n := from.Stats.BlobsSaved; n > 0 {
		text += " Saved from damaged packs: " + progress.Count(int64(n), "piece", "pieces") + "."
	}
	if n := from.Stats.PacksRead; n > 0 {
		text += " Indexed anew: " + progress.Count(int64(n), "pack", "packs") + "."
	}
	return strings.TrimSpace(text)
}
