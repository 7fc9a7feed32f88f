package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/mount"
)

type mountedMessage struct {
	MessageType string `json:"message_type"` // "mounted"
	Dir         string `json:"dir"`
	Snapshots   int    `json:"snapshots"`
}

func newMount(a *app) *cobra.Command {
	var filter snapshotFilter
	var o mount.Options
	c := &cobra.Command{
		Use:   "mount DIR",
		Short: "Show snapshots as folders, to look into and copy from",
		Long: `Show the snapshots of a repository in the empty folder DIR, read-only, until Ctrl-C:

  DIR/snapshots/TIME   each by its time; latest is the newest
  DIR/ids/ID           each by its ID
  DIR/hosts/HOST/TIME  each by host and time
  DIR/tags/TAG/TIME    each by tag and time

Linux only. It needs the package fuse3, unless you are root. Snapshots made meanwhile are shown when you
mount again; as long as it is mounted the repository is locked against prune.`,
		Example: `  keepsake mount ~/snapshots
  cp ~/snapshots/snapshots/latest/home/me/notes.txt .`,
		Args:        exactly(1, "say in which empty folder: keepsake mount DIR"),
		Annotations: exits("0 unmounted; 1 error; 2 usage; 3 unmounted, but something could not be read; 10 no repository; 11 locked; 12 wrong password"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				list, err := filter.choose(ctx, s, nil)
				if err != nil {
					return err
				}
				return a.mount(ctx, s, list, args[0], o)
			})
		},
	}
	c.Flags().BoolVar(&o.AllowOther, "allow-other", false, "let other users look into it, as far as permissions allow")
	c.Flags().BoolVar(&o.OwnerRoot, "owner-root", false, "show everything as root's")
	filter.addFlags(c, true)
	return a.repositoryCommand(c)
}

func (a *app) mount(ctx context.Context, s *repository.Session, list []repository.Snapshot, dir string, o mount.Options) error {
	if _, err := s.Index(ctx); err != nil { // now, rather than at the first look
		return err
	}
	say := progress.NewQuiet(a.Stderr)
	defer say.Close()
	problems := &problemTeller{a: a, say: say}
	o.Problem = problems.tell
	server, err := mount.Mount(ctx, dir, s, list, o)
	if errors.Is(err, mount.ErrUnsupported) {
		return &hintError{err: err, hint: "\"keepsake restore-files\" and \"keepsake dump\" get files out on every system"}
	}
	if err != nil {
		return &hintError{err: err, hint: "the folder has to exist and to be empty, and must not be mounted already"}
	}
	if a.json {
		a.emit(mountedMessage{"mounted", dir, len(list)})
	} else {
		a.printf("%s in %s. Ctrl-C when you are done.\n", countSnapshots(len(list)), dir)
	}
	if err := server.Wait(); err != nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, repository.ErrLockLost) {
		return fmt.Errorf("mount %s: %w", dir, cause)
	}
	return incomplete(problems.count())
}
