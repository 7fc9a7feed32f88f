package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

// unreadMessage is a file that the phone could not read.
type unreadMessage struct {
	Path   string `json:"path"`
	FileID string `json:"file_id,omitempty"`
	Error  string `json:"error"`
}

type folderSummary struct {
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

func (a *app) backupFolder(ctx context.Context, f backupFlags) error {
	if err := place.MakeFolder(f.folder); err != nil {
		return err
	}
	if f.all {
		return a.backupAllFolders(ctx, f)
	}
	var summary folderSummary
	err := a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, f.wait)
		if err != nil {
			return err
		}
		defer d.Close()
		summary, err = a.backUpFolder(ctx, d, f, say)
		return err
	})
	if err != nil {
		return err
	}
	return a.showFolderBackup(summary)
}

// backupAll backs up every phone at once: most of the time goes by waiting for
// a phone or its owner. One that fails does not stop the others.
func (a *app) backupAllFolders(ctx context.Context, f backupFlags) error {
	phones, err := a.discover(ctx)
	if err != nil {
		return err
	}
	summaries, errs := make([]folderSummary, len(phones)), make([]error, len(phones))
	err = a.work(func(say progress.Reporter) error {
		group := progress.NewGroup(say, "Backing up", len(phones))
		var running sync.WaitGroup
		for i, d := range phones {
			running.Go(func() {
				defer d.Close()
				member := group.Member(nameOf(ctx, d), d.UDID().String())
				defer member.Close()
				summaries[i], errs[i] = a.backUpFolder(ctx, d, f, member)
			})
		}
		running.Wait()
		return nil
	})
	if err != nil {
		return err
	}
	return a.tellAll(ctx, phones, errs, func(i int) error { return a.showFolderBackup(summaries[i]) })
}

// tellAll shows what became of each phone, and returns the worst of it.
func (a *app) tellAll(ctx context.Context, phones []*device.Device, errs []error, show func(i int) error) error {
	worst := reported{exitOK}
	for i, d := range phones {
		if errs[i] == nil {
			errs[i] = show(i)
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
func (a *app) backUpFolder(ctx context.Context, d *device.Device, f backupFlags, say progress.Reporter) (folderSummary, error) {
	if err := trust(ctx, d, say); err != nil {
		return folderSummary{}, err
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
		return folderSummary{}, err
	}
	m := folderSummary{MessageType: "summary", Command: "backup", UDID: d.UDID().String(), Name: name, Folder: res.Folder, Full: res.Full, Encrypted: res.Encrypted,
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
func (a *app) showFolderBackup(m folderSummary) error {
	if a.json {
		a.emit(m)
	}
	what := "only what changed"
	if m.Full {
		what = "everything"
	}
	a.sentences("%s is backed up: %s, %s received (%s) in %s.\n", m.Name, progress.Count(m.Files, "file", "files"), progress.Size(m.Bytes), what, progress.Took(duration(m.Seconds)))
	if m.Removed > 0 {
		a.sentences("%s that the phone no longer has %s gone from the backup.\n", progress.Count(m.Removed, "file", "files"), isAre(m.Removed))
	}
	if m.Encrypted {
		a.sentences("Encrypted with the phone's backup password. Folder: %s\n", m.Folder)
	} else {
		a.sentences("Not encrypted. Folder: %s\n", m.Folder)
	}
	if a.verbose {
		for _, p := range m.Phases {
			a.printf("  %-12s %s\n", p.Name, progress.Took(duration(p.Seconds)))
		}
	}
	return a.showUnread(m.Unread)
}

// showUnread lists what the phone could not read.
func (a *app) showUnread(list []unreadMessage) error {
	if len(list) == 0 {
		return nil
	}
	a.sentences("The phone could not read %s; this backup lacks %s:\n", progress.Count(int64(len(list)), "file", "files"), itThem(len(list)))
	for _, u := range list {
		a.printf("  %s: %s\n", printable(u.Path), printable(u.Error))
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
