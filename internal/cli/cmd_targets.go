package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/backend/rclone"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/targets"
)

// newTargets is "keepsake targets": one file for each thing that it does.
func newTargets(a *app) *cobra.Command {
	return group("targets", "Keep copies on further disks and stores",
		`Keep copies of a repository on further disks, USB keys, buckets and servers. Each has a name, a
password of its own, and need not be there: "keepsake targets copy" brings up to date what is plugged in, and
"keepsake targets status" says how old the others are.

A disk is recognised by what is on it, wherever it is mounted. Where another repository lies in its place,
nothing is written.`,
		newTargetsAdd(a), newTargetsRemove(a), newTargetsList(a), newTargetsStatus(a), newTargetsCopy(a), newTargetsCheck(a), newTargetsRepair(a))
}

// targetFlags say how to reach targets, on top of the flags of the main
// repository.
type targetFlags struct {
	password *repositoryPassword
	paths    []string
}

func (f *targetFlags) addFlags(cmd *cobra.Command) {
	f.password = targetPassword("")
	f.password.addFlags(cmd.Flags())
	cmd.Flags().StringArrayVar(&f.paths, "path", nil, "look for the target at `LOCATION`, too (may be repeated)")
}

func targetPassword(name string) *repositoryPassword {
	p := &repositoryPassword{prefix: "target-", env: "KEEPSAKE_TARGET_PASSWORD", what: "password of the target"}
	if name != "" {
		p.what = fmt.Sprintf("password of target %q", name)
	}
	return p
}

type targetAdded struct {
	MessageType   string    `json:"message_type"` // "target_added"
	Name          string    `json:"name"`
	Location      string    `json:"location"`
	ID            format.ID `json:"id"` // of the repository there, the first one of several
	Made          int       `json:"made"`
	CutsElsewhere bool      `json:"cuts_elsewhere"`
}

func newTargetsAdd(a *app) *cobra.Command {
	var f targetFlags
	var remember bool
	var environment string
	c := &cobra.Command{
		Use:   "add NAME LOCATION",
		Short: "Make a place a target",
		Long: `Make a place a target for copies of the repository: a folder on another disk, or a store elsewhere. A
repository is made there, or the one that lies there is taken. Nothing is copied yet.

It has a password of its own. Where that comes from later is remembered: the file or command that is given
now; with --remember-password the password itself, sealed under the main repository's key, so that whoever
opens that one opens the target, too. Otherwise it is taken from KEEPSAKE_TARGET_PASSWORD, or asked for.`,
		Example: `  keepsake targets add usb /media/usb/keepsake -r /mnt/disk/phone
  keepsake targets add offsite s3:https://s3.example.com/bucket/phone --target-password-file ~/.offsite`,
		Args:        targetArgs(2, "targets add: want a name and a location"),
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := targets.CheckName(args[0]); err != nil {
				return usageOf(cmd, err)
			}
			at, err := withoutSecrets(args[1])
			if err != nil {
				return err
			}
			if err := place.FolderAbove(at, "add target"); err != nil {
				return err
			}
			n := targets.NewTarget{Name: args[0], Location: args[1]}
			if n.Environment, err = absolute(environment); err != nil {
				return err
			}
			if !remember {
				if n.Password.File, err = absolute(f.password.file); err != nil {
					return err
				}
				n.Password.Command = f.password.command
			}
			return a.addTarget(cmd, f, n, remember)
		},
	}
	c.Flags().SortFlags = false
	f.password = targetPassword("")
	f.password.addFlags(c.Flags())
	c.Flags().BoolVar(&remember, "remember-password", false, "keep the password on this computer, sealed under the main repository's key")
	c.Flags().StringVar(&environment, "env-file", "", "take the store's credentials (AWS_ACCESS_KEY_ID=… and its like) from `FILE`, now and later")
	return a.repositoryCommand(c)
}

func (a *app) addTarget(cmd *cobra.Command, f targetFlags, n targets.NewTarget, remember bool) error {
	added := false
	return a.eachMain(cmd, func(m targets.Main) error {
		if added {
			return nil // the first copy makes the others
		}
		added = true
		n.Many = m.Phone != ""
		k, err := a.keeper(cmd, f)
		if err != nil {
			return err
		}
		k.Remember = remember
		done, err := k.Add(cmd.Context(), n, []targets.Main{m})
		if err != nil {
			return err
		}
		c := done.Target.Copies[0]
		if a.json {
			a.emit(targetAdded{"target_added", n.Name, done.Target.Location, c.Repository, done.Made, done.CutsElsewhere})
			return nil
		}
		verb := "Took"
		if done.Made > 0 {
			verb = "Made"
		}
		a.printf("%s repository %s at %s: target %s.\n", verb, c.Repository.Short(), done.Target.Location, n.Name)
		if done.CutsElsewhere {
			a.printf("It cuts files at other places than the main repository. Copies are complete; what is backed up to it directly is stored once more.\n")
		}
		a.printf("\"keepsake targets copy %s\" copies to it.\n", n.Name)
		return nil
	})
}

// absolute is where a file is, whatever folder keepsake is started in later.
func absolute(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("add target: %w", err)
	}
	return abs, nil
}

// withoutSecrets refuses a location with a password in it: every user of this
// computer can read it, and the list of targets would have to keep it.
func withoutSecrets(where string) (location.Location, error) {
	l, err := location.Parse(where)
	if err != nil {
		return l, &usageError{err, "a folder, or s3:https://host/bucket/prefix, sftp:user@host:path, rest:https://host/path/, rclone:remote:path"}
	}
	if !l.Password.IsZero() || l.Kind == location.Rclone && rclone.WithoutSecrets(l.Remote) != l.Remote {
		return l, &usageError{fmt.Errorf("targets add %v: there is a secret in it, which every user of this computer can read", l),
			"leave it out, and put RESTIC_REST_PASSWORD=… into a file that --env-file names"}
	}
	return l, nil
}

// targetArgs wants so many arguments.
func targetArgs(n int, otherwise string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageOf(cmd, errors.New(otherwise))
		}
		return nil
	}
}

func newTargetsRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "remove NAME",
		Short:       "Forget a target; what lies on it stays",
		Long:        `Forget a target. What lies on it stays and can be opened with its password as any repository.`,
		Example:     "  keepsake targets remove usb",
		Args:        targetArgs(1, "targets remove: want a name"),
		Annotations: exits("0 done; 1 error; 2 usage"),
		RunE: func(_ *cobra.Command, args []string) error {
			book, err := a.targetBook()
			if err != nil {
				return err
			}
			t, err := book.Find(args[0])
			if err != nil {
				return unknownTarget(err)
			}
			if err := book.Remove(args[0]); err != nil {
				return err
			}
			if a.json {
				a.emit(struct {
					MessageType string `json:"message_type"` // "target_removed"
					Name        string `json:"name"`
					Location    string `json:"location"`
				}{"target_removed", t.Name, t.Location})
				return nil
			}
			a.printf("Forgot target %s. What lies at %s stays.\n", t.Name, t.Location)
			return nil
		},
	}
}

func unknownTarget(err error) error {
	if errors.Is(err, targets.ErrUnknown) {
		return &hintError{err: err, hint: "\"keepsake targets list\" shows the names"}
	}
	return err
}

type targetListed struct {
	MessageType string    `json:"message_type"` // "target"
	Name        string    `json:"name"`
	Location    string    `json:"location"`
	Many        bool      `json:"many"`     // one repository for each phone
	Password    string    `json:"password"` // "file", "command", "sealed" or "asked"
	Added       time.Time `json:"added"`
}

func newTargetsList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Short:       "List the targets",
		Long:        `List the targets that this computer knows. Nothing is looked at: "keepsake targets status" does.`,
		Example:     "  keepsake targets list",
		Args:        noArgs,
		Annotations: exits("0 done; 1 error; 2 usage"),
		RunE: func(*cobra.Command, []string) error {
			book, err := a.targetBook()
			if err != nil {
				return err
			}
			all, err := book.All()
			if err != nil {
				return err
			}
			rows := [][]string{{"NAME", "LOCATION", "PASSWORD"}}
			for _, t := range all {
				if a.json {
					a.emit(targetListed{"target", t.Name, t.Location, t.Many, t.PasswordKind(), t.Added})
				}
				rows = append(rows, []string{t.Name, printable(t.Location), t.PasswordKind()})
			}
			if len(all) == 0 {
				a.printf("There are no targets. \"keepsake targets add\" makes one.\n")
				return nil
			}
			text, _ := table(rows)
			a.printf("%s", text)
			return nil
		},
	}
}

// targetBook is where this computer remembers its targets.
func (a *app) targetBook() (*targets.Book, error) {
	s, err := a.station()
	if err != nil {
		return nil, err
	}
	return targets.OpenBook(s), nil
}

// since says how long ago something was, as people do.
func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	switch d := time.Since(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return progress.Count(int64(d/time.Minute), "minute", "minutes") + " ago"
	case d < 24*time.Hour:
		return progress.Count(int64(d/time.Hour), "hour", "hours") + " ago"
	default:
		return progress.Count(int64(d/(24*time.Hour)), "day", "days") + " ago"
	}
}
