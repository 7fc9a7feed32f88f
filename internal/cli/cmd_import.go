package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

type importFlags struct {
	sealed, skipDamaged bool
	password            *passwordSource
}

// importMessage is the line about one backup.
type importMessage struct {
	MessageType string    `json:"message_type"` // "backup"
	Folder      string    `json:"folder"`
	UDID        string    `json:"udid"`
	Name        string    `json:"name,omitempty"`
	Date        time.Time `json:"date"`
	Result      string    `json:"result"` // "imported", "known" (was there already) or "failed"
	SnapshotID  string    `json:"snapshot_id,omitempty"`
	Sealed      bool      `json:"sealed"`
	Why         string    `json:"why_sealed,omitempty"`
	Files       int64     `json:"files"`
	Bytes       int64     `json:"bytes"`
	Stored      int64     `json:"stored_bytes"` // added to the repository
	Notices     []string  `json:"notices,omitempty"`
	Unread      []string  `json:"unread,omitempty"`
	Error       string    `json:"error,omitempty"`
	Hint        string    `json:"hint,omitempty"`
	Seconds     float64   `json:"seconds"`
}

type importSummary struct {
	MessageType string  `json:"message_type"` // "summary"
	Command     string  `json:"command"`      // "import"
	Imported    int     `json:"imported"`
	Known       int     `json:"known"`
	Failed      int     `json:"failed"`
	Seconds     float64 `json:"seconds"`
}

func newImport(a *app) *cobra.Command {
	f := importFlags{password: currentPassword()}
	c := &cobra.Command{
		Use:   "import DIR",
		Short: "Make snapshots of backups that iTunes, Finder or idevicebackup2 made",
		Long: `Take the backup in the folder DIR, or every backup below it, into the repository. Several copies of the
same iPhone, such as archived ones or those in dated folders, become a chain of versions, the oldest first,
each dated as the iPhone dated it. A backup that the repository has already is not stored again.

iTunes and Finder keep backups in "MobileSync/Backup". Nothing in DIR is changed. "keepsake export" gives the same
folder back, byte for byte.

With its backup password, an encrypted backup is stored in clear, inside the encrypted repository: its versions
share what is the same, and can be looked into. Without it, it is stored sealed, as it is;
"keepsake unseal" makes up for that later.

Where there is a repository for each phone, or nothing yet, each phone's backups go into its own.

A backup that was never finished, or in which something is missing or wrong, is refused. --skip-damaged takes
what is there of a damaged one and names the rest: an iPhone may refuse to be restored from it, its files can be looked at.
Backups of iOS 4 to 9 (Manifest.mbdb) can be imported, looked into, and exported as they were.`,
		Example: `  keepsake import ~/Backups
  keepsake import "/Volumes/Old/MobileSync/Backup" --backup-password-file pw
  keepsake import /mnt/usb/00008101-000A1B2C3D4E001E --sealed`,
		Args:        exactly(1, "say which folder: keepsake import DIR"),
		Annotations: exits("0 done; 1 error; 2 usage; 3 done, but not everything could be imported; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.refuseNoLock(cmd); err != nil {
				return err
			}
			if f.sealed && f.password.file != "" {
				return usageOf(cmd, errors.New("import: --sealed needs no password"))
			}
			a.interruptHint = "nothing is lost: start the same command again; what was stored is not stored twice"
			if _, err := a.repo.needLocation(cmd, a); err != nil {
				return err
			}
			return a.importFolder(cmd.Context(), args[0], f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	f.password.addFlag(c)
	flags.BoolVar(&f.sealed, "sealed", false, "store encrypted backups as they are, without a password")
	flags.BoolVar(&f.skipDamaged, "skip-damaged", false, "import what is there of damaged backups, too")
	return a.repositoryCommand(c)
}

// importFolder imports into the repository, or in a location each phone's backups
// into its own, which is made if it is missing.
func (a *app) importFolder(ctx context.Context, dir string, f importFlags) (err error) {
	began := time.Now()
	found, err := importer.Find(ctx, dir)
	if gone := (*fs.PathError)(nil); errors.As(err, &gone) {
		return &hintError{err: err, hint: "is the disk connected, and the folder's name right?"}
	}
	if err != nil {
		return err
	}
	if a.phone != "" {
		if found = ofPhone(found, a.phone); len(found) == 0 {
			return &hintError{err: fmt.Errorf("import %s: there is no backup of %q", dir, a.phone), hint: "leave --udid out to import all"}
		}
	}
	single := len(found) == 1
	if single && found[0].Err != nil {
		return found[0].Err
	}
	into, err := a.openHome(ctx, a.repo.where(a), &a.repo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	sum := importSummary{MessageType: "summary", Command: "import"}
	incomplete := false
	for len(found) > 0 {
		n := 1
		for n < len(found) && found[n].UDID == found[0].UDID {
			n++
		}
		result, err := a.importPhone(ctx, into, found[:n], f)
		if result != nil {
			for _, one := range result.Backups {
				if single && one.Err != nil {
					return one.Err
				}
				a.showImported(one, &sum)
				incomplete = incomplete || one.Err != nil || len(one.Unread) > 0
			}
		}
		if err != nil {
			return err
		}
		found = found[n:]
	}
	sum.Seconds = seconds(time.Since(began))
	if a.json {
		a.emit(sum)
	} else if n := sum.Imported + sum.Known + sum.Failed; n > 1 {
		a.printf("%s: %d imported, %d there already, %d failed.\n", progress.Count(int64(n), "backup", "backups"), sum.Imported, sum.Known, sum.Failed)
	}
	if incomplete {
		return errIncomplete
	}
	return nil
}

// ofPhone are the backups of the phone that text names.
func ofPhone(found []importer.Found, text string) []importer.Found {
	return slices.DeleteFunc(found, func(f importer.Found) bool {
		udid, err := device.ParseUDID(f.UDID)
		return !phonename.Is(f.Name, text) && (err != nil || !udid.HasPrefix(text))
	})
}

// importPhone imports the backups of one phone.
func (a *app) importPhone(ctx context.Context, into *place.Home, found []importer.Found, f importFlags) (result *importer.Result, err error) {
	udid, err := device.ParseUDID(found[0].UDID)
	if err != nil { // nothing names the phone: they say why
		result = &importer.Result{}
		for _, b := range found {
			result.Backups = append(result.Backups, importer.Imported{Found: b, Err: b.Err})
		}
		return result, nil
	}
	o := importer.Options{SkipDamaged: f.skipDamaged}
	if !f.sealed {
		o.Password = func(ctx context.Context, b importer.Found, wrong int) (secret.BackupPassword, error) {
			return a.importPassword(ctx, b, wrong, f.password)
		}
	}
	err = a.work(func(say progress.Reporter) (err error) {
		r, made, err := into.Of(ctx, udid, say)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, into.Release(r)) }()
		if made {
			say.Phase("", "")
			(&backupRun{app: a}).showNew(into.At(), r)
		}
		return a.inSession(ctx, r, repository.Shared, func(ctx context.Context, s *repository.Session) error {
			result, err = importer.Backups(ctx, s, found, o, say)
			return err
		})
	})
	return result, err
}

// importPassword gives the backup password of a backup: what was given, else what
// somebody types. Nothing typed stores it sealed, and so does nobody to ask.
func (a *app) importPassword(ctx context.Context, b importer.Found, wrong int, source *passwordSource) (secret.BackupPassword, error) {
	given, ok, err := source.given(a)
	if err != nil {
		return given, err
	}
	fd, isTerminal := terminal(a.Stdin)
	switch {
	case ok && wrong == 0:
		return given, nil
	case !isTerminal && ok, wrong >= passwordTries:
		return given, &hintError{err: fmt.Errorf("import %s: %w", b.Path, keybag.ErrWrongPassword),
			hint: "give the password that the backup had at its time; or store it as it is with --sealed, and unseal it when the password is found", code: exitWrongPassword}
	case !isTerminal:
		return secret.BackupPassword{}, nil
	}
	if wrong > 0 {
		fmt.Fprintln(a.Stderr, "That password does not open the backup.")
	}
	typed, err := readHidden(ctx, a.Stderr, fd, fmt.Sprintf("Backup password of %s of %s (Enter: store it sealed): ", printable(b.Title()), b.Date.Local().Format(time.DateOnly)))
	if err != nil {
		return given, fmt.Errorf("read backup password: %w", err)
	}
	return secret.NewBackupPassword(string(typed)), nil
}

// showImported tells what became of one backup and counts it.
func (a *app) showImported(one importer.Imported, sum *importSummary) {
	m := importMessage{MessageType: "backup", Folder: one.Path, UDID: one.UDID, Name: one.Name, Date: one.Date, Sealed: one.Sealed, Why: one.Why,
		Files: one.Files, Bytes: one.Bytes, Stored: one.Added, Notices: one.Notices, Unread: one.Unread, Seconds: seconds(one.Took)}
	switch {
	case one.Err != nil:
		m.Result, m.Error, m.Hint = "failed", one.Err.Error(), remedy(one.Err, exitCode(a.ctx, one.Err))
		sum.Failed++
	case one.Known:
		m.Result, m.SnapshotID = "known", one.Snapshot.ID.String()
		sum.Known++
	default:
		m.Result, m.SnapshotID = "imported", one.Snapshot.ID.String()
		sum.Imported++
	}
	if a.json {
		a.emit(m)
		return
	}
	a.printImported(one, m)
}

func (a *app) printImported(one importer.Imported, m importMessage) {
	title := fmt.Sprintf("%s of %s", printable(one.Title()), one.Date.Local().Format("2 January 2006, 15:04"))
	switch m.Result {
	case "failed":
		writeError(a.Stderr, m.Error, m.Hint)
		return
	case "known":
		a.printf("%s is here already: snapshot %s.\n", title, one.Snapshot.ID.Short())
		if one.Sealed {
			a.printf("  It is sealed: \"keepsake unseal %s\" stores it in clear.\n", one.Snapshot.ID.Short())
		}
		return
	}
	a.printf("%s is snapshot %s: %s, %s, stored in %s, in %s.\n", title, one.Snapshot.ID.Short(), progress.Count(one.Files, "file", "files"),
		progress.Size(one.Bytes), progress.Size(one.Added), progress.Took(one.Took))
	for _, n := range one.Notices {
		a.printf("  %s\n", printable(n))
	}
	if one.Sealed {
		why := "no backup password was given"
		if one.Why != "" {
			why = one.Why
		}
		a.printf("  It is sealed: %s. \"keepsake unseal %s\" stores it in clear.\n", why, one.Snapshot.ID.Short())
	}
	for i, u := range one.Unread {
		if i == shownProblems && !a.verbose {
			a.printf("  … and %d more (-v shows them)\n", len(one.Unread)-i)
			break
		}
		a.printf("  not complete: %s\n", printable(u))
	}
}
