package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/rehearse"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

func newRehearse(a *app) *cobra.Command {
	password := currentPassword()
	noReceipt := false
	c := &cobra.Command{
		Use:   "rehearse SNAPSHOT",
		Short: "Prove that a version can be restored, on a virtual phone",
		Long: `Restore a version onto an erased virtual phone, as "keepsake restore" restores it onto an iPhone: SNAPSHOT is the
beginning of an ID, "latest", or "latest:PHONE". The virtual phone checks what an iPhone checks. It keeps digests and no files:
nothing of the backup lies in clear on a disk.

Then every file, mode, time and link is compared with what the repository has, read in another way, and every SQLite
database is opened and checked. What was proven is kept as a receipt in the repository, and shown by "keepsake snapshots".
It says "rehearsed on the virtual phone", since no iPhone was asked.

Without the backup password a version that is not sealed is rehearsed with the keys that it keeps; that the password
is still known is then not proven.`,
		Example: `  keepsake rehearse latest
  keepsake rehearse "latest:Anna's iPhone" --backup-password-file pw
  keepsake rehearse 4bba301e --json`,
		Args:        exactly(1, "say which version: keepsake rehearse latest"),
		Annotations: exits("0 passed; 1 not passed, or error; 2 usage; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !noReceipt {
				if err := a.refuseNoLock(cmd); err != nil {
					return err
				}
			}
			a.interruptHint = "nothing has changed: start the same command again"
			return a.withSessions(cmd, wish{snapshots: args}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				return a.rehearse(ctx, s, args[0], noReceipt, password)
			})
		},
	}
	c.Flags().SortFlags = false
	password.addFlag(c)
	c.Flags().BoolVar(&noReceipt, "no-receipt", false, "leave no receipt in the repository")
	return a.repositoryCommand(c)
}

func (a *app) rehearse(ctx context.Context, s *repository.Session, text string, noReceipt bool, source *passwordSource) error {
	info, err := findSnapshot(ctx, s, text)
	if err != nil {
		return err
	}
	if info.Kind != snapshot.Backup {
		return &hintError{err: fmt.Errorf("rehearse %s: %w", info.ID.Short(), snapshot.ErrNotPhone), hint: "\"keepsake snapshots\" lists what there is"}
	}
	password, err := a.rehearsalPassword(ctx, s, info, source)
	if err != nil {
		return err
	}
	opt := rehearse.Options{Password: password, Program: "keepsake " + version(), DontStore: noReceipt}
	elapsed := stopwatch()
	var res *rehearse.Result
	err = a.work(func(say progress.Reporter) error {
		res, err = rehearse.Named(ctx, s, info, opt, say)
		return err
	})
	if res == nil {
		return err
	}
	if a.json {
		a.emitRehearsal(res, elapsed())
	} else {
		a.showRehearsal(info, res)
	}
	switch {
	case err != nil: // the receipt could not be stored
		return err
	case !res.Passed:
		return reported{exitError}
	}
	return nil
}

// rehearsalPassword is the one given, or remembered on this computer; only a
// sealed version needs one.
func (a *app) rehearsalPassword(ctx context.Context, s *repository.Session, info snapshot.Info, source *passwordSource) (secret.BackupPassword, error) {
	password, ok, err := source.given(a)
	if ok || err != nil {
		return password, err
	}
	password, ok, err = a.recallPassword(ctx, s, info)
	switch {
	case ok && err == nil:
		return password, nil
	case ctx.Err() != nil:
		return secret.BackupPassword{}, context.Cause(ctx)
	case err != nil: // what cannot be read of the version is told by its rehearsal
		a.mention(progress.Detail, fmt.Sprintf("no remembered backup password: %v", err))
	}
	if info.Sealed {
		return source.ask(ctx, a, "Backup password: ")
	}
	return secret.BackupPassword{}, nil
}

type rehearsalFinding struct {
	MessageType string `json:"message_type"` // "finding"
	receipt.Finding
}

type rehearseSummary struct {
	MessageType string  `json:"message_type"` // "summary"
	Command     string  `json:"command"`      // "rehearse"
	Result      string  `json:"result"`       // "passed" or "failed"
	ReceiptID   string  `json:"receipt_id,omitempty"`
	Seconds     float64 `json:"seconds"`
	receipt.Receipt
}

func (a *app) emitRehearsal(res *rehearse.Result, seconds float64) {
	for _, f := range res.Findings {
		a.emit(rehearsalFinding{"finding", f})
	}
	sum := rehearseSummary{MessageType: "summary", Command: "rehearse", Result: "passed", Seconds: seconds, Receipt: *res.Receipt}
	if !res.Passed {
		sum.Result = "failed"
	}
	sum.Findings = nil // they have been told
	if res.Stored.ID != (format.ID{}) {
		sum.ReceiptID = res.Stored.ID.String()
	}
	a.emit(sum)
}

func (a *app) showRehearsal(info snapshot.Info, res *rehearse.Result) {
	who := info.Name
	if who == "" {
		who = info.UDID
	}
	title := fmt.Sprintf("Snapshot %s of %s, %s,", info.ID.Short(), printable(who), info.Time.Local().Format(time.DateTime))
	if !res.Passed {
		a.sentences("%s did not pass its rehearsal on the %s:\n", title, res.Phone)
		a.showFindings(res.Failures(), res.FindingsTotal)
		a.showFindings(res.Warnings(), 0)
		a.sentences("\nIt cannot be restored as it is. Rehearse an older version; \"keepsake check --read-data\" tells whether the repository is damaged, " +
			"\"keepsake targets repair\" and \"keepsake repair\" mend it.\n")
		return
	}
	a.sentences("%s was rehearsed on the %s, and passed.\n", title, res.Phone)
	a.sentences("%s, %s and %s, %s, came back as they are kept; %s opened and sound.\n", progress.Count(res.Files, "file", "files"),
		progress.Count(res.Directories, "folder", "folders"), progress.Count(res.Links, "link", "links"), progress.Size(res.Bytes),
		progress.Count(res.Databases, "database was", "databases were"))
	a.showFindings(res.Warnings(), 0)
	if res.AppsByHand > 0 {
		a.sentences("%s must be installed by hand after a restore.\n", progress.Count(res.AppsByHand, "app", "apps"))
	}
	if res.Password == receipt.PasswordUnproven {
		a.sentences("The backup password was not tried: the version keeps the keys. To prove it, too: --backup-password-file FILE.\n")
	}
	a.sentences("No iPhone was asked: this proves what is stored, not the phone.\n")
}

func (a *app) showFindings(list []receipt.Finding, total int) {
	for i, f := range list {
		if i == shownProblems && !a.verbose {
			a.printf("  and %d more: see with --verbose\n", max(total, len(list))-i)
			return
		}
		a.printf("  %s\n", printable(strings.TrimSpace(f.String())))
	}
}
