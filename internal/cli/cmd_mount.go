package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/inside"
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
	var in contentFlags
	c := &cobra.Command{
		Use:   "mount DIR [SNAPSHOT]",
		Short: "Show snapshots as folders, to look into and copy from",
		Long: `Show a backup in the empty folder DIR, read-only, until Ctrl-C, as people look for things: Photos/2026/…,
Contacts/…, Messages/…, and under "All files" the files as the iPhone has them. SNAPSHOT says which; with --folder
it is the backup in an iTunes folder. Files are read as far as they are asked for: a film of 4 GB begins at once.

Without SNAPSHOT, show the snapshots of a repository in the empty folder DIR, read-only, until Ctrl-C:

  DIR/snapshots/TIME   each by its time; latest is the newest
  DIR/ids/ID           each by its ID
  DIR/hosts/HOST/TIME  each by host and time
  DIR/tags/TAG/TIME    each by tag and time

Linux only. It needs the package fuse3, unless you are root. Snapshots made meanwhile are shown when you
mount again; as long as it is mounted the repository is locked against prune.`,
		Example: `  keepsake mount ~/phone latest
  keepsake mount ~/phone --folder ~/Backups
  keepsake mount ~/snapshots
  cp ~/snapshots/snapshots/latest/home/me/notes.txt .`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && in.folder == "" {
				return nil
			}
			return exactly(1, "say in which empty folder: keepsake mount DIR")(cmd, args)
		},
		Annotations: exits("0 unmounted; 1 error; 2 usage; 3 unmounted, but something could not be read; 10 no repository; 11 locked; 12 wrong password"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 || in.folder != "" {
				text := ""
				if len(args) == 2 {
					text = args[1]
				}
				return a.withContent(cmd, &in, text, func(ctx context.Context, c *content) error { return a.mountContent(ctx, c, args[0], o) })
			}
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
	in.addFlags(c)
	return a.repositoryCommand(c)
}

func (a *app) mount(ctx context.Context, s *repository.Session, list []repository.Snapshot, dir string, o mount.Options) error {
	if _, err := s.Index(ctx); err != nil { // now, rather than at the first look
		return err
	}
	return a.waitMounted(ctx, dir, len(list), countSnapshots(len(list)), o, func(o mount.Options) (*mount.Server, error) { return mount.Mount(ctx, dir, s, list, o) })
}

// mountContent shows one backup.
func (a *app) mountContent(ctx context.Context, c *content, dir string, o mount.Options) error {
	return a.waitMounted(ctx, dir, 1, c.title(), o, func(o mount.Options) (*mount.Server, error) { return mount.MountFS(ctx, dir, inside.Tree(c.Source), o) })
}

// waitMounted mounts, says so, and waits for the end.
func (a *app) waitMounted(ctx context.Context, dir string, snapshots int, what string, o mount.Options, do func(mount.Options) (*mount.Server, error)) error {
	say := progress.NewQuiet(a.Stderr)
	defer say.Close()
	problems := &problemTeller{a: a, say: say}
	o.Problem = problems.tell
	server, err := do(o)
	if errors.Is(err, mount.ErrUnsupported) {
		return &hintError{err: err, hint: "\"keepsake serve-webdav\", \"keepsake restore-files\" and \"keepsake dump\" work on every system"}
	}
	if err != nil {
		return &hintError{err: err, hint: "the folder has to exist and to be empty, and must not be mounted already"}
	}
	if a.json {
		a.emit(mountedMessage{"mounted", dir, snapshots})
	} else {
		a.printf("%s in %s. Ctrl-C when you are done.\n", what, dir)
	}
	if err := server.Wait(); err != nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, repository.ErrLockLost) {
		return fmt.Errorf("mount %s: %w", dir, cause)
	}
	return incomplete(problems.count())
}
