package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/restore"
)

type restoreFlags struct {
	snapshot                   string // "" with a folder
	folder, source             string
	dryRun, yes, wait          bool
	systemFiles, settings      bool
	keep, noReboot, copyBefore bool
	leaveOutApps, leaveOut     []string
	skipDamaged, verifyData    bool
	password                   *passwordSource
	changed                    func(flag string) bool
}

func newRestore(a *app) *cobra.Command {
	f := restoreFlags{password: currentPassword()}
	c := &cobra.Command{
		Use:   "restore SNAPSHOT | restore --folder DIR",
		Short: "Put a backup back onto a phone",
		Long: `Put a backup back onto the iPhone it was made of, or onto another one: erased, fresh from the box,
or in use. An erased phone becomes what the backup is. One that is in use keeps its settings and
whatever the backup does not have; for a true copy of the backup, erase it first.

SNAPSHOT is the version: the beginning of its ID, "latest" (the newest of this phone), or "latest:PHONE"
with a UDID, the beginning of it, or a name. --folder takes the backup out of an iTunes folder instead.

First everything that could stop a restore is looked at: Find My, the version of iOS, room, the
password, the backup itself. --dry-run ends there. Then the phone receives the backup, restarts, and
fetches its apps from the App Store; those that it cannot fetch are listed.

For an erased phone, choose "From Mac or PC" in its set-up, or simply connect it after choosing
language and Wi-Fi.

A damaged backup can be rescued without what is damaged: --skip-damaged leaves out the files that are
missing or broken, --leave-out-app an app and all its data, --leave-out-domain any other part. An erased
phone then lacks it. A phone in use keeps what it has of it, unless --keep=false is given, which is
refused. From iOS 27 on a phone in use would delete what it has of settings, messages and pictures when
they are not all there: that is refused, too.`,
		Example: `  keepsake restore latest -r /media/usb --dry-run
  keepsake restore latest:Anna -r /media/usb --udid 00008120
  keepsake restore 4bba301e -r /media/usb --skip-damaged
  keepsake restore --folder ~/Backups --source "Anna's iPhone"`,
		Annotations: exits("0 done; 1 error, or not possible; 10 no repository; 11 locked; 12 wrong password; 20 no phone; 21 refused or locked (Find My!); 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.take(cmd, args); err != nil {
				return err
			}
			a.interruptHint = "nothing on the phone changes before it restarts; start the same command again"
			return a.restore(cmd, f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.folder, "folder", "", "the `DIR` of the backups, or of one backup")
	flags.StringVar(&f.source, "source", "", "which `BACKUP` in it: UDID or name (else: that of the phone, or the only one)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say whether it would work")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask before replacing what is on the phone")
	flags.BoolVar(&f.wait, "wait", false, "wait for the phone when it is not connected")
	f.password.addFlag(c)
	flags.BoolVar(&f.systemFiles, "system-files", false, "restore system files too (always, unless =false)")
	flags.BoolVar(&f.settings, "settings", false, "the settings of the backup, not those on the phone (erased phone: yes; in use: no)")
	flags.BoolVar(&f.keep, "keep", false, "keep what is on the phone and not in the backup (erased phone: no; in use: yes)")
	flags.BoolVar(&f.noReboot, "no-reboot", false, "do not restart; the backup takes effect at the next start")
	flags.BoolVar(&f.copyBefore, "copy", false, "the phone copies the backup in its folder before it begins (slower)")
	flags.StringArrayVar(&f.leaveOutApps, "leave-out-app", nil, "leave out the app with the bundle `ID` and its data (may be repeated)")
	flags.StringArrayVar(&f.leaveOut, "leave-out-domain", nil, "leave out a whole `DOMAIN`, such as CameraRollDomain (may be repeated)")
	flags.BoolVar(&f.skipDamaged, "skip-damaged", false, "read everything, and leave out the files that are missing or damaged")
	flags.BoolVar(&f.verifyData, "verify-data", false, "read everything before the phone gets anything")
	return a.repositoryCommand(c)
}

// take looks at what the command is about.
func (f *restoreFlags) take(cmd *cobra.Command, args []string) error {
	f.changed = cmd.Flags().Changed
	switch {
	case len(args) > 1:
		return usageOf(cmd, fmt.Errorf("%s: unexpected %q", name(cmd), args[1]))
	case len(args) == 0 && f.folder == "":
		return &usageError{fmt.Errorf("%s: no backup given", name(cmd)), "say which version: keepsake restore latest -r LOCATION; or where the backups are: keepsake restore --folder DIR"}
	case len(args) == 0:
		return nil
	case f.folder != "":
		return usageOf(cmd, fmt.Errorf("%s: a snapshot and --folder contradict each other", name(cmd)))
	case f.source != "" || f.copyBefore:
		return usageOf(cmd, fmt.Errorf("%s: --source and --copy go with --folder", name(cmd)))
	}
	f.snapshot = args[0]
	return nil
}

// options leaves to package restore what no flag decides.
func (f *restoreFlags) options() restore.Options {
	opt := restore.Options{DryRun: f.dryRun, CopyFirst: f.copyBefore, LeaveOutApps: f.leaveOutApps, LeaveOutDomains: f.leaveOut,
		SkipDamaged: f.skipDamaged, VerifyData: f.verifyData}
	decide := func(flag string, value bool) *bool {
		if !f.changed(flag) {
			return nil
		}
		return &value
	}
	opt.SystemFiles = decide("system-files", f.systemFiles)
	opt.PreserveSettings = decide("settings", !f.settings)
	opt.RemoveItemsNotRestored = decide("keep", !f.keep)
	opt.Reboot = decide("no-reboot", !f.noReboot)
	return opt
}

func (a *app) restore(cmd *cobra.Command, f restoreFlags) error {
	ctx := cmd.Context()
	var report *restore.Report
	m := restoreSummary{MessageType: "summary", Command: "restore", DryRun: f.dryRun}
	var found []stored
	if f.folder != "" {
		var err error
		if found, err = findBackups(f.folder); err != nil {
			return err
		}
	}
	err := a.work(func(say progress.Reporter) (err error) {
		d, err := a.open(ctx, say, f.wait)
		if err != nil {
			return err
		}
		defer d.Close()
		m.UDID = d.UDID().String()
		say.Phase("", "")
		var from *restorable
		if f.folder != "" {
			from, err = a.restorableFolder(f, found, m.UDID)
		} else {
			from, err = a.restorableSnapshot(cmd, f.snapshot, d.UDID())
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, from.close()) }()
		m.Snapshot = from.id
		report, err = a.restoreFrom(ctx, d, from, f, &m, say)
		return err
	})
	a.showRestore(m, report)
	if err != nil {
		return err
	}
	switch {
	case f.dryRun:
		a.sentences("Nothing stands in the way of restoring this backup onto %s. Nothing has changed.\n", m.Name)
	case f.noReboot:
		a.sentences("%s has received the backup. It takes effect when the iPhone restarts.\n", m.Name)
	default:
		a.sentences("%s has received the backup and restarts. Leave it connected until it has shown \"Restore Completed\", then follow its screens: a new passcode, the Apple Account, Wi-Fi for the apps.\n", m.Name)
	}
	return nil
}

func (a *app) restoreFrom(ctx context.Context, d *device.Device, from *restorable, f restoreFlags, m *restoreSummary, say progress.Reporter) (*restore.Report, error) {
	opt := f.options()
	opt.Limits = a.Limits
	if from.encrypted {
		var err error
		if opt.Password, err = a.restorePassword(ctx, from, f, say); err != nil {
			return nil, err
		}
	}
	if err := trust(ctx, d, say); err != nil {
		return nil, err
	}
	m.Name = nameOf(ctx, d)
	say.Phase("", "")
	if err := a.confirmRestore(ctx, d, f, from, m.Name); err != nil {
		return nil, err
	}
	return from.restore(ctx, d, opt, say)
}

// restorePassword is the backup password: given, remembered, or typed. What is
// wrong with the memory is told, and hinders nobody who can type.
func (a *app) restorePassword(ctx context.Context, from *restorable, f restoreFlags, say progress.Reporter) (secret.BackupPassword, error) {
	p, given, err := f.password.given(a)
	if given || err != nil {
		return p, err
	}
	if from.recall != nil {
		p, ok, err := from.recall()
		if ok && err == nil {
			say.Say(progress.Detail, "The backup password is remembered on this computer.")
			return p, nil
		}
		if err != nil {
			say.Say(progress.Warn, fmt.Sprintf("A remembered backup password cannot be used: %v", err))
		}
	}
	return f.password.ask(ctx, a, "Backup password of "+from.title+": ")
}

// confirmRestore asks before a phone in use is overwritten, when there is
// somebody to ask.
func (a *app) confirmRestore(ctx context.Context, d *device.Device, f restoreFlags, from *restorable, name string) error {
	if _, isTerminal := terminal(a.Stdin); !isTerminal || f.yes || f.dryRun {
		return nil
	}
	if setup, err := d.SetupState(ctx); err == nil && setup != device.SetUp && setup != device.SetupUnknown {
		return nil
	}
	when := "an unknown day"
	if t := from.when; !t.IsZero() {
		when = t.Local().Format("2 January 2006, 15:04")
	}
	left := ""
	if f.options().Partial() {
		left = " What is left out of the backup stays on the phone as it is."
	}
	fmt.Fprintf(a.Stderr, "%s is in use. What is on it will be overwritten by the backup of %s of %s.%s\nGo on? Type yes: ", name, from.title, when, left)
	answer, err := readLine(ctx, a)
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, "yes") && !strings.EqualFold(answer, "y") {
		return &hintError{err: errors.New("restore: not confirmed; nothing has changed"), hint: "to see first what would happen: --dry-run"}
	}
	return nil
}

// readLine reads a line that somebody types. When ctx ends first, the reader
// hangs on until the program ends.
func readLine(ctx context.Context, a *app) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(a.Stdin).ReadString('\n')
		done <- result{strings.TrimSpace(line), err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
