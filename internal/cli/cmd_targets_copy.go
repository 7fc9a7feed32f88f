package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/targets"
)

type targetCopied struct {
	MessageType string       `json:"message_type"` // "target_copied"
	Name        string       `json:"name"`
	Phone       string       `json:"phone,omitempty"`
	Result      string       `json:"result"` // "copied", "absent", "damaged" (some were left out) or "failed"
	Location    string       `json:"location"`
	Copied      []copiedJSON `json:"copied"`
	Skipped     []copiedJSON `json:"skipped"`
	Damaged     []string     `json:"damaged"` // versions of the main repository that cannot be copied
	Stored      int64        `json:"stored_bytes"`
	Versions    int          `json:"versions"`
	Behind      int          `json:"behind"`
	Size        int64        `json:"size"`
	Free        int64        `json:"free"` // -1: not known
	LastCopied  *time.Time   `json:"last_copied"`
	Error       string       `json:"error,omitempty"`
	Hint        string       `json:"hint,omitempty"`
	Seconds     float64      `json:"seconds"`
}

func newTargetsCopy(a *app) *cobra.Command {
	var f targetFlags
	var all bool
	c := &cobra.Command{
		Use:   "copy [NAME… | --all]",
		Short: "Bring the targets up to date",
		Long: `Copy what is missing to the targets that are named, or to all: versions, rehearsal receipts and media,
the newest first. What an interrupted copy brought is not brought again.

A target that is not plugged in is no failure, unless it was named; one that fails does not hold up the
others. Versions that "keepsake forget" removed from the main repository stay on targets until forget is run
there.`,
		Example: `  keepsake targets copy -r /mnt/disk/phone
  keepsake targets copy usb --path /mnt/other/keepsake`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("0 done, or not plugged in; 1 error, or a target that was named is not there; 2 usage; 3 done, but versions of the main repository are damaged; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := a.keeper(cmd, f)
			if err != nil {
				return err
			}
			chosen, err := chosenTargets(k.Book, args, all)
			if err != nil {
				return err
			}
			if len(f.paths) > 0 && len(chosen) != 1 {
				return usageOf(cmd, errors.New("targets copy: --path is for one target: name it"))
			}
			a.interruptHint = "nothing is lost: start the same command again"
			worst := reported{exitOK}
			err = a.eachMain(cmd, func(m targets.Main) error {
				for _, t := range chosen {
					err := a.copyToTarget(cmd.Context(), k, t, m, f.paths, len(args) > 0)
					if cmd.Context().Err() != nil {
						return err
					}
					worst = worse(worst, exitCode(a.ctx, err))
				}
				return nil
			})
			if err != nil || worst.code == exitOK {
				return err
			}
			return worst
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&all, "all", false, "all targets, and all phones: what is meant without names")
	f.addFlags(c)
	return a.repositoryCommand(c)
}

// worse is the exit code of several pieces of work.
func worse(so reported, code int) reported {
	if so.code == exitOK || so.code == exitIncomplete && code != exitOK {
		return reported{code}
	}
	return so
}

// copyToTarget copies to one target and says what came of it. Its error is for the
// exit code: it has been told.
func (a *app) copyToTarget(ctx context.Context, k *targets.Keeper, t targets.Target, m targets.Main, paths []string, named bool) error {
	began := stopwatch()
	var r *targets.CopyResult
	err := a.work(func(say progress.Reporter) error {
		say.Phase("copy", "Copying to target "+t.Name)
		var err error
		r, err = k.Copy(ctx, t.Name, m, targets.CopyOptions{Paths: paths, Select: a.ofPhone(), Progress: func(sn repository.Snapshot) {
			say.Phase("copy", fmt.Sprintf("Copying snapshot %s of %s to target %s", sn.ID.Short(), sn.Time.Local().Format(time.DateTime), t.Name))
		}})
		return err
	})
	if ctx.Err() != nil {
		return err
	}
	var absent *targets.AbsentError
	switch {
	case errors.As(err, &absent):
		a.showCopied(t, r, "absent", err, named, began())
		if named {
			return reported{exitError}
		}
		return nil
	case err != nil:
		a.showCopied(t, r, "failed", err, named, began())
		return reported{exitCode(a.ctx, err)}
	case len(r.Failed) > 0:
		a.showCopied(t, r, "damaged", nil, named, began())
		return errIncomplete
	}
	a.showCopied(t, r, "copied", nil, named, began())
	return nil
}

// ofPhone chooses the versions of the phone that --udid names, with its media and
// receipts; nil is all.
func (a *app) ofPhone() func(repository.Snapshot) bool {
	if a.phone == "" {
		return nil
	}
	return func(sn repository.Snapshot) bool {
		return slices.ContainsFunc(sn.Tags, func(tag string) bool {
			udid, isUDID := strings.CutPrefix(tag, "udid:")
			name, isName := strings.CutPrefix(tag, "name:")
			return isUDID && len(udid) >= len(a.phone) && strings.EqualFold(udid[:len(a.phone)], a.phone) || isName && phonename.Is(name, a.phone)
		})
	}
}

func (a *app) showCopied(t targets.Target, r *targets.CopyResult, result string, err error, named bool, took float64) {
	last := t.LastCopied()
	code := exitCode(a.ctx, err)
	if a.json {
		m := targetCopied{MessageType: "target_copied", Name: t.Name, Phone: r.Phone, Result: result, Location: r.Where,
			Copied: copiedIDs(r.Stats.Copied), Skipped: copiedIDs(r.Stats.Skipped), Damaged: []string{}, Stored: r.Stats.Stored,
			Versions: r.Held, Behind: r.Behind, Size: r.Size, Free: r.Free, LastCopied: timeOrNil(last), Seconds: took}
		if r.Where == "" {
			m.Location = t.Location
		}
		if err == nil {
			m.LastCopied = timeOrNil(now())
		} else {
			m.Error, m.Hint = err.Error(), remedy(err, code)
		}
		for _, f := range r.Failed {
			m.LastCopied = timeOrNil(last)
			m.Damaged = append(m.Damaged, f.Snapshot.ID.String())
		}
		a.emit(m)
		return
	}
	who := t.Name
	if r.Phone != "" {
		who += " (" + r.Phone + ")"
	}
	switch {
	case result == "absent" && (t.Many || isDisk(err)):
		a.printf("%s: not plugged in, last copied %s.\n", who, since(last))
		if named {
			fmt.Fprintln(a.Stderr, sentence(remedy(err, code)))
		}
		return
	case result == "absent":
		a.printf("%s: out of reach, last copied %s.\n", who, since(last))
		writeError(a.Stderr, err.Error(), "")
		return
	case result == "failed":
		a.printf("%s: failed, last copied %s.\n", who, since(last))
		writeError(a.Stderr, err.Error(), remedy(err, code))
		return
	}
	a.printf("%s: %s", who, copiedInWords(r))
	if r.Free >= 0 {
		a.printf(" %s free.", progress.Size(r.Free))
	}
	a.printf("\n")
	for _, f := range r.Failed {
		a.printf("  DAMAGED in the main repository, left out: snapshot %s: %s\n", f.Snapshot.ID.Short(), printable(f.Err.Error()))
	}
	if len(r.Failed) > 0 {
		a.printf("  \"keepsake targets repair\" mends what a target still has.\n")
	}
}

func isDisk(err error) bool {
	var absent *targets.AbsentError
	return errors.As(err, &absent) && absent.Disk
}

func copiedInWords(r *targets.CopyResult) string {
	var b strings.Builder
	if len(r.Stats.Copied) == 0 {
		b.WriteString("nothing new")
	} else {
		fmt.Fprintf(&b, "copied %s, %s stored", countSnapshots(len(r.Stats.Copied)), progress.Size(r.Stats.Stored))
	}
	fmt.Fprintf(&b, "; %s there, %s.", countSnapshots(r.Held), progress.Size(r.Size))
	if r.Behind > 0 {
		fmt.Fprintf(&b, " %s of the main repository missing.", countSnapshots(r.Behind))
	}
	return b.String()
}

// timeOrNil shows a time that never was as null.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
