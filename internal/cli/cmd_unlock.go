package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

type unlockMessage struct {
	MessageType string      `json:"message_type"` // "unlocked"
	Removed     []format.ID `json:"removed"`
	Left        []format.ID `json:"left"` // locks of those who work in the repository
}

func newUnlock(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "unlock",
		Short: "Remove locks that nobody holds any more",
		Long: `Remove the locks of programs that are gone: crashed, killed, or cut off for more than half an hour.
Locks of those who still work stay.

With --remove-all every lock goes. Whoever works in the repository then stops when he notices; be sure
that nobody removes data meanwhile.`,
		Example: `  keepsake unlock -r /mnt/disk/phone
  keepsake unlock --remove-all`,
		Args:        noArgs,
		Annotations: exits("0 done; 1 error; 2 usage; 10 no repository; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRepository(cmd, func(ctx context.Context, r *repository.Repository) error {
				removed, err := r.Unlock(ctx, all)
				if err != nil {
					return err
				}
				left, err := r.Locks(ctx)
				if err != nil {
					return err
				}
				a.showUnlock(removed, left)
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "remove-all", false, "remove every lock, also of those who work")
	return a.repositoryCommand(c)
}

func (a *app) showUnlock(removed, left []repository.LockInfo) {
	if a.json {
		a.emit(unlockMessage{"unlocked", lockIDs(removed), lockIDs(left)})
		return
	}
	if len(removed) == 0 {
		a.printf("Nothing to remove.\n")
	} else {
		a.printf("Removed %s.\n", progress.Count(int64(len(removed)), "lock", "locks"))
	}
	for _, l := range left {
		a.printf("Still there: %s\n", printable(l.String()))
	}
}

func lockIDs(locks []repository.LockInfo) []format.ID {
	ids := []format.ID{}
	for _, l := range locks {
		ids = append(ids, l.ID)
	}
	return ids
}
