package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/daemon"
)

type backupFlags struct {
	folder          string
	all, full, wait bool
	syncEach        bool

	finish     bool
	remember   bool
	noMedia    bool
	spool      string
	spoolLimit string
	password   *passwordSource
}

// phoneCompression is what a backup uses unless it is told otherwise: a phone
// holds little that compresses, and does not wait for some percent of that.
const phoneCompression = "fastest"

func newBackup(a *app) *cobra.Command {
	f := backupFlags{password: currentPassword()}
	c := &cobra.Command{
		Use:   "backup [LOCATION]",
		Short: "Back up a phone",
		Long: `Back up an iPhone into LOCATION: a folder, or storage elsewhere (see docs/cli.md), in which every phone gets
a repository of its own, encrypted, that keeps every version in little room. What is missing is made: you choose
its password and get a recovery sheet. A LOCATION that is a repository takes all phones.

The first backup receives everything, later ones what changed. An interrupted backup goes on where it stopped,
and until a new one is complete and verified there is no new version. A phone that encrypts its backups has a
backup password: it is needed once, and then no more until it changes. Without it the backup is stored as
encrypted as it came ("sealed").

The iPhone asks for its passcode at every backup: that is Apple's rule.

Afterwards music, books and other media that no iPhone backup carries are copied, if there are any, as "keepsake
media" does. If that fails, the backup is done all the same.

When "keepsake serve" runs on this computer, and nothing says where or LOCATION is the place of its backups, the
service does it: two who back up one phone at once would be in each other's way.

With --folder the backup is one folder, DIR/<UDID>, without versions, as iTunes and Finder write it.`,
		Example: `  keepsake backup /media/usb
  keepsake backup -r s3:https://nas.local:9000/backups --all
  keepsake backup --finish                     complete what the phone has finished
  keepsake backup --folder ~/Backups`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageOf(cmd, fmt.Errorf("backup: unexpected %q", args[1]))
			}
			return nil
		},
		Annotations: exits("0 done; 1 error; 3 done, but the phone could not read some files; 10 no repository; 11 locked; 12 wrong password; 20 no phone; 21 refused, locked or no passcode entered; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.serviceDoes(args, f) {
				return a.backUpByService(cmd.Context(), serviceFlags{}, f.full)
			}
			if err := a.checkBackup(cmd, args, f); err != nil {
				return err
			}
			if a.servicePlace(cmd.Context(), f) {
				return a.backUpByService(cmd.Context(), serviceFlags{}, f.full)
			}
			a.interruptHint = "start the same command again: the backup goes on where it stopped"
			if f.folder != "" {
				return a.backupFolder(cmd.Context(), f)
			}
			if !cmd.Flags().Changed("compression") {
				a.repo.compression = phoneCompression
			}
			return a.backup(cmd, f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.all, "all", false, "every phone that is connected, all at once")
	flags.BoolVar(&f.full, "full", false, "receive everything again")
	flags.BoolVar(&f.wait, "wait", false, "wait for the phone when it is not connected; so it is at a terminal")
	flags.BoolVar(&f.finish, "finish", false, "only complete what phones have finished sending; no phone is needed")
	f.password.addFlag(c)
	flags.BoolVar(&f.remember, "remember-password", false, "remember the phone's backup password on this computer")
	flags.BoolVar(&f.noMedia, "no-media", false, "do not copy music and other media, which no backup carries, afterwards")
	flags.StringVar(&f.spool, "spool", "", "keep what has arrived and is not stored yet in `DIR`")
	flags.StringVar(&f.spoolLimit, "spool-limit", "", "at most `SIZE` of it, such as 20G")
	flags.StringVar(&f.folder, "folder", "", "back up into `DIR`/<UDID>, as iTunes does; made if missing")
	flags.BoolVar(&f.syncEach, "sync-each-file", false, "make every file durable by itself (slower, for measurements)")
	if err := flags.MarkHidden("sync-each-file"); err != nil {
		panic("cli: " + err.Error())
	}
	c = a.repositoryCommand(c)
	c.Flags().Lookup("compression").DefValue = phoneCompression
	return c
}

// serviceDoes tells whether nothing says where the backup is to go, and a service
// of this account runs that knows.
func (a *app) serviceDoes(args []string, f backupFlags) bool {
	if len(args) > 0 || f.folder != "" || f.finish || f.all || a.repo.where(a) != "" {
		return false
	}
	data, err := a.dataDir("")
	if err != nil {
		return false
	}
	_, err = daemon.FindLocal(data)
	return err == nil
}

// servicePlace tells whether the backup is to go where the service of this account
// keeps its own, which then does it if it knows the phone. A service that does not
// answer is not waited for: the repository's locks keep order in any case.
func (a *app) servicePlace(ctx context.Context, f backupFlags) bool {
	if f.folder != "" || f.finish || f.all {
		return false
	}
	at, err := a.repo.parse(a.repo.where(a))
	if err != nil {
		return false // the backup itself says so
	}
	data, err := a.dataDir("")
	if err != nil {
		return false
	}
	local, err := daemon.FindLocal(data)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	c, err := clientOf(local)
	if err != nil {
		return false
	}
	o, err := c.Overview(ctx)
	if err != nil && a.verbose {
		fmt.Fprintf(a.Stderr, "The service does not answer: %v\n", err)
	}
	return err == nil && o.Place == at.String() && len(a.servicePhones(o)) > 0
}

// checkBackup finds what contradicts itself, and takes LOCATION for --repo.
func (a *app) checkBackup(cmd *cobra.Command, args []string, f backupFlags) error {
	contradict := func(one, other string) error {
		return usageOf(cmd, fmt.Errorf("backup: %s and %s contradict each other", one, other))
	}
	given := cmd.Flags().Changed
	switch {
	case f.all && a.phone != "":
		return contradict("--all", "--udid")
	case f.folder != "" && len(args) > 0:
		return contradict("--folder", "LOCATION")
	case f.folder != "" && given("repo"):
		return contradict("--folder", "--repo")
	case len(args) > 0 && given("repo"):
		return contradict("LOCATION", "--repo")
	case f.folder != "" && f.finish:
		return contradict("--folder", "--finish")
	case f.finish && (f.wait || f.full):
		return usageOf(cmd, errors.New("backup: --finish asks no phone"))
	}
	if len(args) > 0 {
		a.repo.location = args[0]
	}
	if f.folder == "" && a.repo.where(a) == "" {
		return &usageError{errors.New("backup: no location given"),
			"say where the backups are to be, such as keepsake backup /media/usb; or set KEEPSAKE_REPOSITORY; or, for one folder as iTunes makes it: keepsake backup --folder DIR"}
	}
	if f.folder != "" {
		return nil
	}
	if f.spoolLimit != "" {
		if _, err := parseSize(f.spoolLimit); err != nil {
			return usageOf(cmd, fmt.Errorf("--spool-limit: %w", err))
		}
	}
	return a.refuseNoLock(cmd)
}
