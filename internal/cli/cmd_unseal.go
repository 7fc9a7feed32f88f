package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

type unsealMessage struct {
	MessageType string  `json:"message_type"` // "unsealed"
	From        string  `json:"from"`         // the sealed snapshot
	SnapshotID  string  `json:"snapshot_id"`
	Files       int64   `json:"files"`
	Bytes       int64   `json:"bytes"`
	Stored      int64   `json:"stored_bytes"` // added to the repository
	Seconds     float64 `json:"seconds"`
}

type unsealSummary struct {
	MessageType string   `json:"message_type"` // "summary"
	Command     string   `json:"command"`      // "unseal"
	Unsealed    int      `json:"unsealed"`
	Forgotten   []string `json:"forgotten"` // sealed snapshots that were removed
	Seconds     float64  `json:"seconds"`
}

func newUnseal(a *app) *cobra.Command {
	var keep bool
	password := currentPassword()
	c := &cobra.Command{
		Use:   "unseal [SNAPSHOT…]",
		Short: "Store sealed versions in clear, with the backup password",
		Long: `Store versions of encrypted backups anew that were stored sealed, as encrypted as they came, because nobody
knew the backup password: those named, or all. In clear, inside the encrypted repository, versions share what is the same,
compress, and can be looked into.

A new snapshot has the same time and tags. Its iTunes folder is compared, byte for byte, with that of the sealed
one; then the sealed one is removed, unless --keep is given. The room that it took is freed by "keepsake prune".`,
		Example: `  keepsake unseal
  keepsake unseal 4bba301e --keep --backup-password-file pw`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.refuseNoLock(cmd); err != nil {
				return err
			}
			a.interruptHint = "nothing is lost: start the same command again"
			return a.withRepositories(cmd, &a.repo, wish{snapshots: args, all: true}, func(ctx context.Context, r *repository.Repository) error {
				return a.unseal(ctx, r, args, keep, password)
			})
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&keep, "keep", false, "keep the sealed snapshots, too")
	password.addFlag(c)
	return a.repositoryCommand(c)
}

func (a *app) unseal(ctx context.Context, r *repository.Repository, args []string, keep bool, source *passwordSource) error {
	began := time.Now()
	var done []format.ID
	err := a.inSession(ctx, r, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		list, err := a.sealedSnapshots(ctx, s, args)
		if err != nil {
			return err
		}
		done, err = a.unsealAll(ctx, s, list, source)
		return err
	})
	sum := unsealSummary{MessageType: "summary", Command: "unseal", Unsealed: len(done), Forgotten: []string{}}
	if !keep && len(done) > 0 {
		// Even after an error: what was done is done.
		ferr := a.inSession(ctx, r, repository.Exclusive, func(ctx context.Context, s *repository.Session) error { return s.Forget(ctx, done) })
		if ferr != nil {
			err = errors.Join(err, fmt.Errorf("remove the sealed snapshots, which are not needed any more: %w", ferr))
		} else {
			for _, id := range done {
				sum.Forgotten = append(sum.Forgotten, id.String())
			}
		}
	}
	if err != nil {
		return err
	}
	sum.Seconds = seconds(time.Since(began))
	switch {
	case a.json:
		a.emit(sum)
	case len(done) == 0:
		a.printf("No snapshot is sealed.\n")
	case !keep:
		a.printf("Removed %s that were sealed. The room that they took is freed by \"keepsake prune\".\n", countSnapshots(len(done)))
	}
	return nil
}

// sealedSnapshots are those that args name, or all that are sealed; oldest first.
func (a *app) sealedSnapshots(ctx context.Context, s *repository.Session, args []string) ([]snapshot.Info, error) {
	var list []snapshot.Info
	for _, text := range args {
		info, err := findSnapshot(ctx, s, text)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(i snapshot.Info) bool { return i.ID == info.ID }) {
			list = append(list, info)
		}
	}
	if len(args) == 0 {
		all, err := snapshot.List(ctx, s)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(all, func(i snapshot.Info) bool { return i.Kind != snapshot.Backup || !i.Sealed })
	}
	slices.SortStableFunc(list, func(x, y snapshot.Info) int { return x.Time.Compare(y.Time) })
	return list, nil
}

// unsealAll returns the IDs of those that have become another snapshot.
func (a *app) unsealAll(ctx context.Context, s *repository.Session, list []snapshot.Info, source *passwordSource) (done []format.ID, err error) {
	var password secret.BackupPassword
	for _, info := range list {
		p, err := snapshot.Open(ctx, s, info.Snapshot)
		if err != nil {
			return done, err
		}
		if !info.Sealed {
			return done, &hintError{err: fmt.Errorf("unseal %s: %w", info.ID.Short(), importer.ErrNotSealed), hint: "\"keepsake snapshots --tag sealed\" lists those that are"}
		}
		one, err := a.unsealOne(ctx, s, p, &password, source)
		if err != nil {
			return done, err
		}
		done = append(done, info.ID)
		a.showUnsealed(info, one)
	}
	return done, nil
}

// unsealOne tries the password that opened the one before; where versions have
// different ones, somebody at a terminal is asked again.
func (a *app) unsealOne(ctx context.Context, s *repository.Session, p *snapshot.Snapshot, password *secret.BackupPassword, source *passwordSource) (one *importer.Imported, err error) {
	_, isTerminal := terminal(a.Stdin)
	for try := 0; ; try++ {
		switch {
		case password.IsZero():
			*password, err = source.get(ctx, a)
		case try > 0:
			*password, err = source.ask(ctx, a, fmt.Sprintf("Backup password of %s: ", p.Info().Time.Local().Format(time.DateOnly)))
		}
		if err != nil {
			return nil, err
		}
		err = a.work(func(say progress.Reporter) error {
			one, err = importer.Unseal(ctx, s, p, *password, say)
			return err
		})
		if !errors.Is(err, keybag.ErrWrongPassword) || !isTerminal || try+1 == passwordTries {
			return one, err
		}
		fmt.Fprintln(a.Stderr, "That password does not open the backup.")
	}
}

func (a *app) showUnsealed(from snapshot.Info, one *importer.Imported) {
	if a.json {
		a.emit(unsealMessage{"unsealed", from.ID.String(), one.Snapshot.ID.String(), one.Files, one.Bytes, one.Added, seconds(one.Took)})
		return
	}
	a.printf("Snapshot %s is %s now, in clear: %s, %s; stored in %s in %s.\n", from.ID.Short(), one.Snapshot.ID.Short(),
		progress.Count(one.Files, "file", "files"), progress.Size(one.Bytes), progress.Size(one.Added), progress.Took(one.Took))
}
