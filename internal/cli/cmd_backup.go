package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

type backupFlags struct {
	folder          string
	all, full, wait bool
	syncEach        bool
}

func newBackup(a *app) *cobra.Command {
	var f backupFlags
	c := &cobra.Command{
		Use:   "backup --folder DIR",
		Short: "Back up a phone",
		Long: `Back up an iPhone into DIR/<UDID>, the folder that iTunes and Finder write. The first backup
receives everything, later ones what changed. An interrupted backup goes on where it stopped; until
a new one is complete the last one stays as it is.

The iPhone asks for its passcode at every backup: that is Apple's rule.`,
		Example: `  keepsake backup --folder ~/Backups
  keepsake backup --folder /mnt/disk --udid "Anna's iPhone" --wait
  keepsake backup --folder /mnt/disk --all`,
		Args:        noArgs,
		Annotations: exits("0 done; 1 error; 3 done, but the phone could not read some files; 20 no phone; 21 refused, locked or no passcode entered; 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needFolder(cmd, f.folder); err != nil {
				return err
			}
			if f.all && a.phone != "" {
				return usageOf(cmd, errors.New("backup: --all and --udid contradict each other"))
			}
			a.interruptHint = "start the same command again: the backup goes on where it stopped"
			return a.backup(cmd.Context(), f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.folder, "folder", "", "the `DIR` of the backups; made if missing")
	flags.BoolVar(&f.all, "all", false, "every phone that is connected, all at once")
	flags.BoolVar(&f.full, "full", false, "receive everything again")
	flags.BoolVar(&f.wait, "wait", false, "wait for the phone when it is not connected")
	flags.BoolVar(&f.syncEach, "sync-each-file", false, "make every file durable by itself (slower, for measurements)")
	if err := flags.MarkHidden("sync-each-file"); err != nil {
		panic("cli: " + err.Error())
	}
	return c
}

// unreadMessage is a file that the phone could not read.
type unreadMessage struct {
	Path   string `json:"path"`
	FileID string `json:"file_id,omitempty"`
	Error  string `json:"error"`
}

type backupSummary struct {
	MessageType string          `json:"message_type"` // "summary"
	Command     string          `json:"command"`
	UDID        string          `json:"udid"`
	Name        string          `json:"name"`
	Folder      string          `json:"folder"`
	Full        bool            `json:"full"`
	Encrypted   bool            `json:"encrypted"`
	Files       int64           `json:"files"` // received
	Bytes       int64           `json:"bytes"`
	Removed     int64           `json:"removed"`
	Started     time.Time       `json:"started"`
	Seconds     float64         `json:"seconds"`
	Phases      []phaseMessage  `json:"phases,omitempty"`
	Unread      []unreadMessage `json:"unreadable,omitempty"`
}

type phaseMessage struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

func (a *app) backup(ctx context.Context, f backupFlags) error {
	if err := makeFolder(f.folder); err != nil {
		return err
	}
	if f.all {
		return a.backupAll(ctx, f)
	}
	var summary backupSummary
	err := a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, f.wait)
		if err != nil {
			return err
		}
		defer d.Close()
		summary, err = a.backUp(ctx, d, f, say)
		return err
	})
	if err != nil {
		return err
	}
	return a.showBackup(summary)
}

// backupAll backs up every phone at once: most of the time goes by waiting for
// a phone or its owner. One that fails does not stop the others.
func (a *app) backupAll(ctx context.Context, f backupFlags) error {
	mux, err := a.mux()
	if err != nil {
		return err
	}
	phones, err := device.Discover(ctx, mux)
	if err != nil {
		return err
	}
	if len(phones) == 0 {
		return fmt.Errorf("back up all phones: %w", device.ErrNoDevice)
	}
	summaries, errs := make([]backupSummary, len(phones)), make([]error, len(phones))
	err = a.work(func(say progress.Reporter) error {
		group := progress.NewGroup(say, "Backing up", len(phones))
		var running sync.WaitGroup
		for i, d := range phones {
			running.Go(func() {
				defer d.Close()
				member := group.Member(nameOf(ctx, d), d.UDID().String())
				defer member.Close()
				summaries[i], errs[i] = a.backUp(ctx, d, f, member)
			})
		}
		running.Wait()
		return nil
	})
	if err != nil {
		return err
	}
	worst := reported{exitOK}
	for i, d := range phones {
		if errs[i] == nil {
			errs[i] = a.showBackup(summaries[i])
		}
		code := exitCode(ctx, errs[i])
		if errs[i] != nil && code != exitIncomplete {
			a.tell(code, fmt.Sprintf("%s: %v", d.Name(), errs[i]), remedy(errs[i], code))
		}
		if worst.code == exitOK || worst.code == exitIncomplete && code != exitOK {
			worst.code = code
		}
	}
	if worst.code == exitOK {
		return nil
	}
	return worst
}

// backUp makes a backup of one phone and says on the way what to expect.
func (a *app) backUp(ctx context.Context, d *device.Device, f backupFlags, say progress.Reporter) (backupSummary, error) {
	if err := trust(ctx, d, say); err != nil {
		return backupSummary{}, err
	}
	name := nameOf(ctx, d)
	if state, err := d.BackupState(ctx); err == nil {
		if state.WillEncrypt {
			say.Say(progress.Notice, fmt.Sprintf("%s encrypts this backup.", name))
		} else {
			say.Say(progress.Notice, fmt.Sprintf("%s does not encrypt this backup: it will lack %s. To change that: keepsake encryption on", name, onlyEncrypted))
		}
	}
	res, err := backup.ToFolder(ctx, d, f.folder, backup.Options{Full: f.full, SyncEachFile: f.syncEach, Limits: a.Limits}, say)
	if err != nil {
		return backupSummary{}, err
	}
	m := backupSummary{MessageType: "summary", Command: "backup", UDID: d.UDID().String(), Name: name, Folder: res.Folder, Full: res.Full, Encrypted: res.Encrypted,
		Files: res.Files, Bytes: res.Bytes, Removed: res.Removed, Started: res.Started.UTC().Truncate(time.Millisecond), Seconds: seconds(res.Duration)}
	for _, p := range res.Phases {
		m.Phases = append(m.Phases, phaseMessage{p.Name, seconds(p.Duration)})
	}
	for _, u := range res.Unread {
		m.Unread = append(m.Unread, unreadMessage{u.DevicePath, u.FileID, u.Text})
	}
	return m, nil
}

// showBackup tells what a backup brought.
func (a *app) showBackup(m backupSummary) error {
	if a.json {
		a.emit(m)
	}
	what := "only what changed"
	if m.Full {
		what = "everything"
	}
	a.printf("%s is backed up: %s, %s received (%s) in %s.\n", m.Name, progress.Count(m.Files, "file", "files"), progress.Size(m.Bytes), what, progress.Took(duration(m.Seconds)))
	if m.Removed > 0 {
		a.printf("%s that the phone no longer has %s gone from the backup.\n", progress.Count(m.Removed, "file", "files"), isAre(m.Removed))
	}
	if m.Encrypted {
		a.printf("Encrypted with the phone's backup password. Folder: %s\n", m.Folder)
	} else {
		a.printf("Not encrypted. Folder: %s\n", m.Folder)
	}
	if a.verbose {
		for _, p := range m.Phases {
			a.printf("  %-12s %s\n", p.Name, progress.Took(duration(p.Seconds)))
		}
	}
	if len(m.Unread) == 0 {
		return nil
	}
	a.printf("The phone could not read %s; this backup lacks %s:\n", progress.Count(int64(len(m.Unread)), "file", "files"), itThem(len(m.Unread)))
	for _, u := range m.Unread {
		a.printf("  %s: %s\n", u.Path, u.Error)
	}
	return errIncomplete
}

func isAre(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func itThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// seconds and duration turn what JSON shows into time and back, to milliseconds.
func seconds(d time.Duration) float64  { return float64(d.Milliseconds()) / 1000 }
func duration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
