package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/recall"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/snapshot"
)

type rememberedMessage struct {
	MessageType string    `json:"message_type"` // "remembered_password"
	UDID        string    `json:"udid"`
	Name        string    `json:"name"`
	Repository  string    `json:"repository"` // ID
	Location    string    `json:"location"`
	Keybag      string    `json:"keybag"`
	Saved       time.Time `json:"saved"`
}

type forgottenMessage struct {
	MessageType string `json:"message_type"` // "forgotten"
	Passwords   int    `json:"passwords"`
}

func newRemembered(a *app) *cobra.Command {
	return group("password", "Remember backup passwords on this computer, or forget them",
		`Keepsake needs a phone's backup password once: for the first backup after it was set or changed. To put an
encrypted backup back onto a phone it is needed again. It can be remembered on this computer.

A remembered password is kept in a file of your account, sealed by the repository that it belongs to: the file
is worth nothing without that repository's password. Whoever has both reads the backup password, and so does
whoever can read all of your account's files if the repository's password stands in one of them.`,
		newPasswordRemember(a), newPasswordForget(a), newPasswordList(a))
}

func newPasswordRemember(a *app) *cobra.Command {
	source := currentPassword()
	c := &cobra.Command{
		Use:   "remember [SNAPSHOT]",
		Short: "Remember a backup password",
		Long: `Remember the backup password of the phone of SNAPSHOT (latest unless given), if it opens that version. The
backup password is asked, or read from a file.`,
		Example: `  keepsake password remember -r /media/usb
  keepsake password remember -r /media/usb latest:Anna --backup-password-file anna.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageOf(cmd, errors.New("password remember: say which snapshot, or none"))
			}
			return nil
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := latestSnapshot
			if len(args) > 0 {
				text = args[0]
			}
			return a.rememberPassword(cmd, text, source)
		},
	}
	source.addFlag(c)
	return a.repositoryCommand(c)
}

func (a *app) rememberPassword(cmd *cobra.Command, text string, source *passwordSource) (err error) {
	ctx := cmd.Context()
	st, err := a.station()
	if err != nil {
		return err
	}
	r, s, info, close, err := a.openSnapshot(ctx, cmd, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, close()) }()
	ctx = s.Context()
	if info.Kind != snapshot.Backup {
		return &hintError{err: fmt.Errorf("remember backup password: snapshot %s is no backup of a phone", info.ID.Short()), hint: "\"keepsake snapshots\" lists them"}
	}
	p, err := snapshot.Open(ctx, s, info.Snapshot)
	if err != nil {
		return err
	}
	if !p.Meta().Encrypted {
		return &hintError{err: fmt.Errorf("remember backup password: %s did not encrypt snapshot %s", info.Name, info.ID.Short()), hint: "it has no password"}
	}
	password, err := source.get(ctx, a)
	if err != nil {
		return err
	}
	err = a.work(func(say progress.Reporter) error {
		say.Phase("unlock", "Trying the password (this takes a while by design)")
		return recall.Remember(ctx, st, r, info, password, time.Now())
	})
	if err != nil {
		return err
	}
	a.printf("The backup password of %s is remembered on this computer, sealed by the repository.\n", info.Name)
	return a.listPasswords(st, func(m station.Remembered) bool {
		return a.json && m.Repository == r.ID().String() && strings.EqualFold(m.UDID, info.UDID)
	})
}

func newPasswordList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Short:       "List the remembered backup passwords",
		Long:        "List whose backup passwords are remembered on this computer. They are not shown.",
		Example:     "  keepsake password list",
		Args:        noArgs,
		Annotations: exits("0 done; 1 error"),
		RunE: func(*cobra.Command, []string) error {
			st, err := a.station()
			if err != nil {
				return err
			}
			return a.listPasswords(st, func(station.Remembered) bool { return true })
		},
	}
}

// listPasswords shows those that are wanted; without --json a table.
func (a *app) listPasswords(st *station.Station, wanted func(station.Remembered) bool) error {
	list, err := st.Remembered()
	if err != nil {
		return err
	}
	rows := [][]string{{"PHONE", "UDID", "SINCE", "REPOSITORY"}}
	for _, m := range list {
		if !wanted(m) {
			continue
		}
		if a.json {
			a.emit(rememberedMessage{"remembered_password", m.UDID, m.Name, m.Repository, m.Location, m.Keybag, m.Saved})
		}
		rows = append(rows, []string{printable(m.Name), printable(m.UDID), m.Saved.Local().Format(time.DateTime), printable(m.Location)})
	}
	if len(rows) > 1 {
		text, _ := table(rows)
		a.printf("%s", text)
	} else if len(list) == 0 {
		a.printf("No backup password is remembered.\n")
	}
	return nil
}

func newPasswordForget(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:         "forget PHONE",
		Short:       "Forget a remembered backup password",
		Long:        "Forget the remembered backup passwords of a phone: its UDID, the beginning of it, or its name. The phone and its backups keep theirs.",
		Example:     "  keepsake password forget Anna\n  keepsake password forget --all",
		Args:        atMostOne("phone"),
		Annotations: exits("0 done; 1 error, or nothing was remembered; 2 usage"),
		RunE: func(cmd *cobra.Command, args []string) error {
			phone := a.phone
			if len(args) > 0 {
				phone = args[0]
			}
			if (phone == "") != all {
				return usageOf(cmd, errors.New("password forget: say of which phone, or --all"))
			}
			return a.forgetPassword(phone)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "of all phones")
	return c
}

// forgetPassword forgets those of a phone; "" is every one.
func (a *app) forgetPassword(phone string) error {
	st, err := a.station()
	if err != nil {
		return err
	}
	n, err := st.Forget(func(m station.Remembered) bool {
		udid, err := device.ParseUDID(m.UDID)
		return phone == "" || phonename.Is(m.Name, phone) || err == nil && udid.HasPrefix(phone)
	})
	if err != nil {
		return err
	}
	if n == 0 && phone != "" {
		return &hintError{err: fmt.Errorf("forget backup password: none is remembered of %q", phone), hint: "\"keepsake password list\" shows whose are"}
	}
	if a.json {
		a.emit(forgottenMessage{"forgotten", n})
	}
	a.printf("Forgot %s.\n", progress.Count(int64(n), "backup password", "backup passwords"))
	return nil
}
