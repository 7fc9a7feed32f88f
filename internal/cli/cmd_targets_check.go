package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/targets"
)

type targetChecked struct {
	MessageType string  `json:"message_type"` // "target_checked"
	Name        string  `json:"name"`
	Phone       string  `json:"phone,omitempty"`
	Location    string  `json:"location"`
	Result      string  `json:"result"` // "whole" or "damaged"
	Part        int     `json:"part"`   // that was read, of ten; 0: every byte
	Snapshots   int     `json:"snapshots"`
	Packs       int     `json:"packs"`
	PacksRead   int     `json:"packs_read"`
	BytesRead   int64   `json:"bytes_read"`
	NumErrors   int     `json:"num_errors"`
	Notices     int     `json:"notices"`
	Seconds     float64 `json:"seconds"`
}

func newTargetsCheck(a *app) *cobra.Command {
	var f targetFlags
	var readData bool
	c := &cobra.Command{
		Use:   "check NAME…",
		Short: "Prove that targets are whole",
		Long: `Look whether all that the versions on a target need is there, and read a tenth of its bytes: another tenth
at each check, so that ten checks read everything. With --read-data everything is read now.

It needs the target and its password, not the main repository (which opens a remembered password: -r). That
it passed is remembered for "keepsake targets status"; damage is remembered until a check passes.`,
		Example: `  keepsake targets check usb
  keepsake targets check usb offsite --read-data`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("targets check: want a name"), `"keepsake targets list" shows them`}
			}
			return nil
		},
		Annotations: exits("0 whole; 1 damaged, or error; 2 usage; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := a.keeper(cmd, f)
			if err != nil {
				return err
			}
			chosen, err := chosenTargets(k.Book, args, false)
			if err != nil {
				return err
			}
			if len(f.paths) > 0 && len(chosen) != 1 {
				return usageOf(cmd, errors.New("targets check: --path is for one target"))
			}
			check := func(t targets.Target, phone string, main *repository.Repository) error {
				return a.checkTarget(cmd, k, t.Name, phone, main, targets.CheckOptions{All: readData, Paths: f.paths})
			}
			worst := reported{exitOK}
			note := func(t targets.Target, err error) error {
				code := exitCode(a.ctx, err)
				if told := (reported{}); err != nil && !errors.As(err, &told) {
					if cmd.Context().Err() != nil || len(chosen) == 1 && len(chosen[0].Copies) == 1 {
						return err
					}
					a.tell(code, err.Error(), remedy(err, code))
				}
				worst = worse(worst, code)
				return nil
			}
			for _, t := range chosen {
				if needsMain(t) && a.repo.where(a) != "" {
					err = a.eachMain(cmd, func(m targets.Main) error {
						if t.Copy(m.Phone) == nil {
							return nil
						}
						return note(t, check(t, m.Phone, m.Repo))
					})
					if err != nil {
						return err
					}
					continue
				}
				for _, c := range t.Copies {
					if err := note(t, check(t, c.Phone, nil)); err != nil {
						return err
					}
				}
			}
			if worst.code == exitOK {
				return nil
			}
			return worst
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&readData, "read-data", false, "read every byte, not a tenth")
	f.addFlags(c)
	return a.repositoryCommand(c)
}

// needsMain tells whether the main repository has to be open for the password.
func needsMain(t targets.Target) bool { return t.PasswordKind() == "sealed" }

func (a *app) checkTarget(cmd *cobra.Command, k *targets.Keeper, name, phone string, main *repository.Repository, o targets.CheckOptions) error {
	began := stopwatch()
	var r *targets.CheckResult
	err := a.work(func(say progress.Reporter) error {
		say.Phase("check", "Checking target "+name)
		o.Progress = func(s repository.CheckStats) { checkProgress(say, s) }
		var err error
		r, err = k.Check(cmd.Context(), name, phone, main, o)
		return err
	})
	if err != nil {
		return unknownTarget(err)
	}
	m := targetChecked{"target_checked", name, phone, r.Where, "whole", r.Part, r.Stats.Snapshots, r.Stats.Packs, r.Stats.Read, r.Stats.ReadBytes, r.Stats.Damage, r.Stats.Notices, began()}
	var result error
	if r.Stats.Damage > 0 {
		m.Result, result = "damaged", reported{exitError}
	}
	if a.json {
		for _, p := range r.Problems {
			a.emit(objectProblem{"problem", p.Severity.String(), p.Object, p.Err.Error()})
		}
		a.emit(m)
		return result
	}
	a.printf("Target %s at %s\n", name, r.Where)
	a.printObjectProblems(r.Problems)
	if result != nil {
		a.printf("  DAMAGED: %s.\n", progress.Count(int64(r.Stats.Damage), "thing is missing or wrong", "things are missing or wrong"))
		a.printf("  \"keepsake targets repair\" mends it from the main repository or another target.\n")
		return result
	}
	a.printf("  %s: %s\n", countSnapshots(r.Stats.Snapshots), provedOfRepository(r.Stats))
	if r.Part > 0 {
		a.printf("  That was part %d of %d; the next check reads another.\n", r.Part, targets.Parts)
	}
	return nil
}
