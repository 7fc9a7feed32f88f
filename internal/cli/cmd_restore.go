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
	"github.com/keepsake-backup/keepsake/restore"
)

type restoreFlags struct {
	folder, source             string
	dryRun, yes, wait          bool
	systemFiles, settings      bool
	keep, noReboot, copyBefore bool
	password                   *passwordSource
	changed                    func(flag string) bool
}

func newRestore(a *app) *cobra.Command {
	f := restoreFlags{password: currentPassword()}
	c := &cobra.Command{
		Use:   "restore --folder DIR",
		Short: "Put a backup back onto a phone",
		Long: `Put a backup back onto the iPhone it was made of, or onto another one: erased, fresh from the box,
or in use. An erased phone becomes what the backup is. One that is in use keeps its settings and
whatever the backup does not have; for a true copy of the backup, erase it first.

First everything that could stop a restore is looked at: Find My, the version of iOS, room, the
password, the backup itself. --dry-run ends there. Then the phone receives the backup, restarts, and
fetches its apps from the App Store; those that it cannot fetch are listed.

For an erased phone, choose "From Mac or PC" in its set-up, or simply connect it after choosing
language and Wi-Fi.`,
		Example: `  keepsake restore --folder ~/Backups --dry-run
  keepsake restore --folder ~/Backups
  keepsake restore --folder ~/Backups --udid 00008120 --source "Anna's iPhone"`,
		Args:        noArgs,
		Annotations: exits("0 done; 1 error, or not possible; 12 wrong password; 20 no phone; 21 refused or locked (Find My!); 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needFolder(cmd, f.folder); err != nil {
				return err
			}
			f.changed = cmd.Flags().Changed
			a.interruptHint = "nothing on the phone changes before it restarts; start the same command again"
			return a.restore(cmd.Context(), f)
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
	flags.BoolVar(&f.copyBefore, "copy", false, "the phone copies the backup before it begins (slower)")
	return c
}

// options leaves to package restore what no flag decides.
func (f *restoreFlags) options() restore.Options {
	opt := restore.Options{DryRun: f.dryRun, CopyFirst: f.copyBefore}
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

func (a *app) restore(ctx context.Context, f restoreFlags) error {
	found, err := findBackups(f.folder)
	if err != nil {
		return err
	}
	var report *restore.Report
	m := restoreSummary{MessageType: "summary", Command: "restore", DryRun: f.dryRun}
	err = a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, f.wait)
		if err != nil {
			return err
		}
		defer d.Close()
		m.UDID = d.UDID().String()
		source, err := choose(found, f.source, m.UDID)
		if err != nil {
			return err
		}
		opt := f.options()
		opt.Source, opt.Limits = source.name, a.Limits
		encrypted, err := source.encrypted()
		if err != nil {
			return err
		}
		if encrypted {
			say.Phase("", "")
			if opt.Password, err = f.password.get(ctx, a); err != nil {
				return err
			}
		}
		if err := trust(ctx, d, say); err != nil {
			return err
		}
		m.Name = nameOf(ctx, d)
		say.Phase("", "")
		if err := a.confirmRestore(ctx, d, f, source, m.Name); err != nil {
			return err
		}
		report, err = restore.FromFolder(ctx, d, f.folder, opt, say)
		return err
	})
	a.showRestore(m, report)
	if err != nil {
		return err
	}
	if f.dryRun {
		a.printf("Nothing stands in the way of restoring this backup onto %s. Nothing has changed.\n", m.Name)
		return nil
	}
	if f.noReboot {
		a.printf("%s has received the backup. It takes effect when the iPhone restarts.\n", m.Name)
		return nil
	}
	a.printf("%s has received the backup and restarts. Leave it connected until it has shown\n\"Restore Completed\", then follow its screens: a new passcode, the Apple Account, Wi-Fi for the apps.\n", m.Name)
	return nil
}

// confirmRestore asks before a phone in use is overwritten, when there is
// somebody to ask.
func (a *app) confirmRestore(ctx context.Context, d *device.Device, f restoreFlags, source stored, name string) error {
	if _, isTerminal := terminal(a.Stdin); !isTerminal || f.yes || f.dryRun {
		return nil
	}
	if setup, err := d.SetupState(ctx); err == nil && setup != device.SetUp && setup != device.SetupUnknown {
		return nil
	}
	when := "an unknown day"
	if t := source.info.LastBackupDate; !t.IsZero() {
		when = t.Local().Format("2 January 2006, 15:04")
	}
	fmt.Fprintf(a.Stderr, "%s is in use. What is on it will be overwritten by the backup of %s of %s.\nGo on? Type yes: ", name, source.title(), when)
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

type restoreSummary struct {
	MessageType string           `json:"message_type"` // "summary"
	Command     string           `json:"command"`
	DryRun      bool             `json:"dry_run"`
	UDID        string           `json:"udid"` // of the phone
	Name        string           `json:"name"`
	Source      string           `json:"source"` // the backup's UDID
	Folder      string           `json:"folder"`
	Encrypted   bool             `json:"encrypted"`
	Files       int64            `json:"files"`
	Bytes       int64            `json:"bytes"`
	Possible    bool             `json:"possible"`
	Findings    []findingMessage `json:"findings"`
	Apps        []appMessage     `json:"apps"`
}

type findingMessage struct {
	Check  string `json:"check"`
	Level  string `json:"level"` // "ok", "warning" or "blocker"
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

type appMessage struct {
	BundleID  string `json:"bundle_id"`
	Name      string `json:"name,omitempty"`
	Developer string `json:"developer,omitempty"`
	Version   string `json:"version,omitempty"`
	StoreID   int64  `json:"store_id,omitempty"`
	ByHand    bool   `json:"by_hand"`
	Why       string `json:"why,omitempty"`
}

// showRestore tells what the pre-flight found and what is left to do. Without
// a report there is nothing to tell.
func (a *app) showRestore(m restoreSummary, report *restore.Report) {
	if report == nil {
		return
	}
	m.Source, m.Folder, m.Encrypted, m.Files, m.Bytes, m.Possible = report.Source, report.Folder, report.Encrypted, report.Files, report.Bytes, true
	for _, f := range report.Findings {
		m.Possible = m.Possible && f.Level != restore.Blocker
		m.Findings = append(m.Findings, findingMessage{f.Check, string(f.Level), f.Text, f.Remedy})
	}
	for _, app := range report.Apps {
		m.Apps = append(m.Apps, appMessage{app.BundleID, app.Name, app.Developer, app.Version, app.StoreID, app.ByHand, app.Why})
	}
	if a.json {
		a.emit(m)
		return
	}
	a.printFindings(m)
}

func (a *app) printFindings(m restoreSummary) {
	for _, f := range m.Findings {
		if f.Level == string(restore.OK) && !a.verbose && !m.DryRun {
			continue
		}
		mark := map[string]string{string(restore.OK): "ok  ", string(restore.Warning): "note", string(restore.Blocker): "STOP"}[f.Level]
		a.printf("%s  %s\n", mark, sentence(f.Text))
		if f.Remedy != "" {
			a.printf("      %s\n", sentence(f.Remedy))
		}
	}
	var byHand []appMessage
	for _, app := range m.Apps {
		if app.ByHand {
			byHand = append(byHand, app)
		}
	}
	if len(byHand) == 0 {
		return
	}
	a.printf("%s will not come back by themselves:\n", progress.Count(int64(len(byHand)), "app", "apps"))
	for _, app := range byHand {
		name := app.Name
		if name == "" {
			name = app.BundleID
		}
		a.printf("  %s: %s\n", name, app.Why)
	}
}
