package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
)

type exportFlags struct {
	decrypt, reencrypt, lostPassword, verify bool
	password, next                           *passwordSource
}

type exportSummary struct {
	MessageType  string  `json:"message_type"` // "summary"
	Command      string  `json:"command"`      // "export"
	SnapshotID   string  `json:"snapshot_id"`
	UDID         string  `json:"udid"`
	Name         string  `json:"name,omitempty"`
	Folder       string  `json:"folder"` // DIR/<UDID>
	Form         string  `json:"form"`   // "exact", "new password" or "decrypted"
	Encrypted    bool    `json:"encrypted"`
	Files        int64   `json:"files"`
	Bytes        int64   `json:"bytes"`
	Resumed      int64   `json:"files_resumed"`  // were left by an interrupted export
	Verified     int64   `json:"files_verified"` // read back and compared
	KeychainLost bool    `json:"keychain_lost"`
	Seconds      float64 `json:"seconds"`
}

func newExport(a *app) *cobra.Command {
	f := exportFlags{password: currentPassword(), next: newPassword()}
	c := &cobra.Command{
		Use:   "export SNAPSHOT DIR",
		Short: "Write a version of a phone as the folder that iTunes knows",
		Long: `Write the backup in a snapshot to DIR/UDID, as the folder that iTunes, Finder, the Apple Devices app and
idevicebackup2 list and restore: byte for byte what the iPhone sent. An encrypted backup is encrypted again
with the iPhone's own keys, for which no password is needed; the folder opens with the backup password of then.

SNAPSHOT is the beginning of an ID, "latest", or "latest:PHONE" with a UDID, the beginning of it, or a name.

--reencrypt sets another backup password for the folder. With the old one nothing else changes. If that is
lost, --lost-password encrypts everything anew; the saved passwords in the keychain of the iPhone are lost then.
--decrypt writes a folder that is not encrypted; saved passwords, and whatever else an iPhone only takes from
an encrypted backup, do not come back from it. Keep such a folder where nobody else can read it.

Nothing is written over. The folder appears under its name when it is complete; until then it is
DIR/.keepsake-export-UDID, and the same command goes on where it was interrupted.`,
		Example: `  keepsake export latest ~/Backups
  keepsake export latest:Anna /mnt/usb --verify
  keepsake export 4bba301e /mnt/usb --reencrypt --new-backup-password-file pw`,
		Args:        exactly(2, "say which snapshot, and which folder: keepsake export latest ~/Backups"),
		Annotations: exits("0 done; 1 error; 2 usage; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.options(cmd)
			if err != nil {
				return err
			}
			a.interruptHint = "start the same command again: it goes on where it was"
			return a.withSessions(cmd, wish{snapshots: args[:1]}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				return a.export(ctx, s, args[0], args[1], f, o)
			})
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.verify, "verify", false, "read everything back and compare it")
	flags.BoolVar(&f.decrypt, "decrypt", false, "write a folder that is not encrypted")
	flags.BoolVar(&f.reencrypt, "reencrypt", false, "write a folder with another backup password")
	f.next.addFlag(c)
	f.password.addFlag(c)
	flags.BoolVar(&f.lostPassword, "lost-password", false, "the old backup password is lost: give up the keychain")
	return a.repositoryCommand(c)
}

func (f *exportFlags) options(cmd *cobra.Command) (export.Options, error) {
	o := export.Options{Verify: f.verify}
	f.reencrypt = f.reencrypt || f.next.file != ""
	switch {
	case f.decrypt && f.reencrypt:
		return o, usageOf(cmd, errors.New("export: --decrypt and a new backup password contradict each other"))
	case f.lostPassword && !f.reencrypt:
		return o, usageOf(cmd, errors.New("export: --lost-password goes with --reencrypt"))
	case f.decrypt:
		o.Form = export.Decrypted
	case f.reencrypt:
		o.Form = export.NewPassword
	}
	return o, nil
}

func (a *app) export(ctx context.Context, s *repository.Session, text, dir string, f exportFlags, o export.Options) error {
	p, err := openPhoneSnapshot(ctx, s, text)
	if err != nil {
		return err
	}
	if err := place.MakeFolder(dir); err != nil {
		return err
	}
	if err := a.exportPasswords(ctx, p, f, &o); err != nil {
		return err
	}
	var r *export.Result
	err = a.work(func(say progress.Reporter) error {
		r, err = export.Folder(ctx, p, dir, o, say)
		return err
	})
	if err != nil {
		return err
	}
	a.showExport(p, r)
	return nil
}

// exportPasswords asks for what the form needs, before the work begins.
func (a *app) exportPasswords(ctx context.Context, p *snapshot.Snapshot, f exportFlags, o *export.Options) (err error) {
	meta := p.Meta()
	needsOld := meta.Encrypted && (o.Form == export.NewPassword && !f.lostPassword || o.Form == export.Decrypted && meta.Sealed)
	if needsOld {
		if o.Password, err = f.password.get(ctx, a); err != nil {
			return err
		}
	}
	if o.Form == export.NewPassword {
		o.NewPassword, err = f.next.choose(ctx, a)
	}
	return err
}

// openPhoneSnapshot finds a version of a phone and opens it.
func openPhoneSnapshot(ctx context.Context, s *repository.Session, text string) (*snapshot.Snapshot, error) {
	info, err := findSnapshot(ctx, s, text)
	if err != nil {
		return nil, err
	}
	p, err := snapshot.Open(ctx, s, info.Snapshot)
	if errors.Is(err, snapshot.ErrNotPhone) {
		return nil, &hintError{err: err, hint: "\"keepsake restore-files\" restores other snapshots into a folder"}
	}
	return p, err
}

func (a *app) showExport(p *snapshot.Snapshot, r *export.Result) {
	info := p.Info()
	if a.json {
		a.emit(exportSummary{"summary", "export", info.ID.String(), info.UDID, info.Name, r.Folder, r.Form.String(), r.Encrypted,
			r.Files, r.Bytes, r.Resumed, r.Verified, r.KeychainLost, seconds(r.Took)})
		return
	}
	a.printf("Exported %s of %s, %s, %s, into %s in %s.\n", describePhone(info), info.Time.Local().Format("2 January 2006, 15:04"),
		progress.Count(r.Files, "file", "files"), progress.Size(r.Bytes), r.Folder, progress.Took(r.Took))
	if r.Resumed > 0 {
		a.printf("  %s left by an export that was interrupted.\n", progress.Count(r.Resumed, "file was", "files were"))
	}
	if r.Verified > 0 {
		a.printf("  Read back and compared: %s.\n", progress.Count(r.Verified, "file", "files"))
	}
	switch {
	case !r.Encrypted:
		a.printf("  The folder is not encrypted: whoever can read it can read everything in it.\n")
	case r.Form == export.NewPassword:
		a.printf("  It opens with the new backup password. The iPhone keeps its own: its next backup into this folder is a full one.\n")
	}
	if r.KeychainLost {
		a.printf("  The passwords saved on the iPhone (keychain) cannot be restored from this folder.\n")
	}
}

// describePhone names the phone of a snapshot for people.
func describePhone(info snapshot.Info) string {
	if info.Name == "" {
		return info.UDID
	}
	return printable(fmt.Sprintf("%q", info.Name))
}
