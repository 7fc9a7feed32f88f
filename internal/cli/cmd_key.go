package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

func newKey(a *app) *cobra.Command {
	return group("key", "List and change the passwords of a repository",
		`List and change the passwords of a repository. Each opens a key file, and all of them the same master
key. A password that is removed opens the repository no longer; but whoever knew it may have read the
master key, and can still decrypt what he can get hold of. If that matters, make a new repository.`,
		newKeyList(a), newKeyAdd(a), newKeyRemove(a), newKeyPasswd(a))
}

// keyJSON is a key as restic prints it.
type keyJSON struct {
	Current  bool   `json:"current"`
	ID       string `json:"id"` // the first eight digits
	UserName string `json:"userName"`
	HostName string `json:"hostName"`
	Created  string `json:"created"` // local time
}

type keyMessage struct {
	MessageType string    `json:"message_type"` // "key"
	Action      string    `json:"action"`       // "added", "removed" or "changed"
	ID          format.ID `json:"id"`
	UserName    string    `json:"username"`
	HostName    string    `json:"hostname"`
}

func newKeyList(a *app) *cobra.Command {
	return a.repositoryCommand(&cobra.Command{
		Use:         "list",
		Short:       "List the keys",
		Long:        "List the keys of a repository. The one with a star is that of the password that you gave.",
		Example:     "  keepsake key list -r /mnt/disk/phone",
		Args:        noArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				keys, err := s.Repository().Keys(ctx)
				if err != nil {
					return err
				}
				a.showKeys(keys)
				return nil
			})
		},
	})
}

func (a *app) showKeys(keys []repository.Key) {
	list := []keyJSON{}
	rows := [][]string{{"", "ID", "USER", "HOST", "CREATED"}}
	for _, k := range keys {
		star, created := "", k.Created.Local().Format(time.DateTime)
		if k.Current {
			star = "*"
		}
		list = append(list, keyJSON{k.Current, k.ID.Short(), k.Username, k.Hostname, created})
		rows = append(rows, []string{star, k.ID.Short(), printable(k.Username), printable(k.Hostname), created})
	}
	if a.json {
		a.emit(list)
		return
	}
	text, _ := table(rows)
	a.printf("%s", text)
}

// keyLabels are the flags that name the holder of a key.
type keyLabels struct{ user, host string }

func (l *keyLabels) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.user, "user", "", "label the key with this `NAME` (else: yours). The owner of the storage can read it")
	cmd.Flags().StringVar(&l.host, "host", "", "and with this `HOST` (else: this computer)")
}

func (l *keyLabels) get() (username, hostname string) {
	username, hostname = place.Label()
	if l.user != "" {
		username = l.user
	}
	if l.host != "" {
		hostname = l.host
	}
	return username, hostname
}

func newKeyAdd(a *app) *cobra.Command {
	fresh := anotherPassword()
	var labels keyLabels
	c := &cobra.Command{
		Use:   "add",
		Short: "Let another password open the repository",
		Long:  "Let another password open the repository, beside those that do. There can be 20.",
		Example: `  keepsake key add -r /mnt/disk/phone
  keepsake key add --new-password-file anna.txt --user anna`,
		Args:        noArgs,
		Annotations: exits(repositoryExits),
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.changeKeys(cmd, fresh, "added", func(ctx context.Context, r *repository.Repository, password secret.RepositoryPassword) (repository.Key, error) {
			user, host := labels.get()
			return r.AddKey(ctx, password, user, host)
		})
	}
	c.Flags().SortFlags = false
	fresh.addFlags(c.Flags())
	labels.addFlags(c)
	return a.repositoryCommand(c)
}

func newKeyPasswd(a *app) *cobra.Command {
	fresh := anotherPassword()
	var labels keyLabels
	c := &cobra.Command{
		Use:         "passwd",
		Short:       "Change the password that you gave",
		Long:        "Change the password that you gave: the new one is stored and tried before the old one is removed. Other passwords stay.",
		Example:     "  keepsake key passwd -r /mnt/disk/phone",
		Args:        noArgs,
		Annotations: exits(repositoryExits),
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.changeKeys(cmd, fresh, "changed", func(ctx context.Context, r *repository.Repository, password secret.RepositoryPassword) (repository.Key, error) {
			user, host := labels.get()
			return r.ChangePassword(ctx, password, user, host)
		})
	}
	c.Flags().SortFlags = false
	fresh.addFlags(c.Flags())
	labels.addFlags(c)
	return a.repositoryCommand(c)
}

// changeKeys gets a new password and stores a key that it opens.
func (a *app) changeKeys(cmd *cobra.Command, fresh *repositoryPassword, action string,
	change func(ctx context.Context, r *repository.Repository, password secret.RepositoryPassword) (repository.Key, error)) error {
	if err := a.refuseNoLock(cmd); err != nil {
		return err
	}
	return a.withSession(cmd, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		password, err := fresh.choose(ctx, a)
		if err != nil {
			return err
		}
		var k repository.Key
		err = a.work(func(say progress.Reporter) error {
			say.Phase("key", "Making the key (this takes a moment by design)")
			var err error
			k, err = change(ctx, s.Repository(), password)
			return err
		})
		if err != nil {
			return err
		}
		a.showKeyChange(k, action)
		return nil
	})
}

func (a *app) showKeyChange(k repository.Key, action string) {
	if a.json {
		a.emit(keyMessage{"key", action, k.ID, k.Username, k.Hostname})
		return
	}
	switch action {
	case "added":
		a.printf("Added key %s: its password opens the repository too.\n", k.ID.Short())
	case "changed":
		a.printf("The password is changed: key %s. The old one opens nothing any more.\n", k.ID.Short())
	case "removed":
		a.printf("Removed key %s: its password opens nothing any more.\n", k.ID.Short())
	}
}

func newKeyRemove(a *app) *cobra.Command {
	return a.repositoryCommand(&cobra.Command{
		Use:     "remove ID",
		Short:   "Let a password open the repository no longer",
		Long:    `Remove the key whose ID begins with ID. The key of the password that you give is refused, and with it the last one.`,
		Example: "  keepsake key remove 5c657874 -r /mnt/disk/phone",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("%s: %d IDs, want one", name(cmd), len(args)), "\"keepsake key list\" shows them"}
			}
			return nil
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.refuseNoLock(cmd); err != nil {
				return err
			}
			return a.withSession(cmd, repository.Exclusive, func(ctx context.Context, s *repository.Session) error {
				k, err := findKey(ctx, s.Repository(), args[0])
				if err != nil {
					return err
				}
				if k.Current {
					return &hintError{err: fmt.Errorf("remove key %s: it is the one that the given password opens", k.ID.Short()),
						hint: "give another password, or change this one: keepsake key passwd"}
				}
				if err := s.Repository().RemoveKey(ctx, k.ID); err != nil {
					return err
				}
				a.showKeyChange(k, "removed")
				return nil
			})
		},
	})
}

func findKey(ctx context.Context, r *repository.Repository, prefix string) (repository.Key, error) {
	keys, err := r.Keys(ctx)
	if err != nil {
		return repository.Key{}, err
	}
	var found []repository.Key
	for _, k := range keys {
		if prefix != "" && strings.HasPrefix(k.ID.String(), prefix) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		err = fmt.Errorf("find key: none begins with %q", prefix)
	default:
		err = errors.New("find key: several begin so: give more digits")
	}
	return repository.Key{}, &hintError{err: err, hint: "\"keepsake key list\" shows them"}
}
