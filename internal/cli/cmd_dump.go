package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/restorer"
)

func newDump(a *app) *cobra.Command {
	var filter snapshotFilter
	var archive string
	var in contentFlags
	c := &cobra.Command{
		Use:   "dump (SNAPSHOT | --folder DIR) PATH",
		Short: "Write a file of a snapshot to standard output",
		Long: `Write a file of a snapshot to standard output; a folder as a tar archive. SNAPSHOT is the beginning of an
ID, or "latest". With --folder the file is that of a backup in an iTunes folder. Nothing is read ahead: a
film of 4 GB begins at once.`,
		Example: `  keepsake dump latest /home/me/notes.txt
  keepsake dump latest /home/me/Pictures > pictures.tar`,
		Args: func(cmd *cobra.Command, args []string) error {
			if in.folder != "" {
				return exactly(1, "say which path: keepsake dump --folder DIR /CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC")(cmd, args)
			}
			return exactly(2, "say which snapshot and which path: keepsake dump latest /home/me/notes.txt")(cmd, args)
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if archive != "tar" {
				return usageOf(cmd, fmt.Errorf("--archive %q: want tar", archive))
			}
			if in.folder != "" {
				return a.dumpOfFolder(cmd, &in, args)
			}
			return a.dumpOfSnapshot(cmd, &filter, args)
		},
	}
	c.Flags().StringVarP(&archive, "archive", "a", "tar", "how folders are written: `FORMAT` is tar")
	filter.addFlags(c, true)
	in.addFlags(c)
	return a.repositoryCommand(c)
}

// dumpOfFolder writes the file args[0] of an iTunes folder.
func (a *app) dumpOfFolder(cmd *cobra.Command, in *contentFlags, args []string) error {
	_, paths, err := in.take(cmd, a, args)
	if err != nil {
		return err
	}
	return a.withContent(cmd, in, "", func(ctx context.Context, c *content) error { return a.dumpFolder(ctx, c, paths[0]) })
}

// dumpOfSnapshot writes the file args[1] of the snapshot args[0].
func (a *app) dumpOfSnapshot(cmd *cobra.Command, filter *snapshotFilter, args []string) error {
	return a.withSessions(cmd, wish{snapshots: args[:1]}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		id, below := splitSnapshot(args[0])
		from, err := findInSnapshot(ctx, s, filter, id+":/"+strings.Trim(below+"/"+args[1], "/"))
		if err != nil {
			return err
		}
		return a.dump(ctx, s, from)
	})
}

func (a *app) dump(ctx context.Context, s *repository.Session, from inSnapshot) error {
	write := func(w io.Writer) error { return restorer.WriteFile(ctx, s, from.node, w) }
	switch from.node.Type {
	case format.NodeFile:
	case format.NodeDir:
		write = func(w io.Writer) error { return restorer.WriteTar(ctx, s, *from.node.Subtree, w) }
		if _, isTerminal := terminal(a.Stdout); isTerminal {
			return &usageError{fmt.Errorf("dump %s: a folder becomes a tar archive, which would disturb the terminal", from.path), "send it into a file: … > FILE"}
		}
	default:
		return fmt.Errorf("dump %s: it is a %s, neither file nor folder", from.path, from.node.Type)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := bufio.NewWriterSize(a.Stdout, 256<<10)
	if err := write(out); err != nil {
		return fmt.Errorf("dump %s: %w", from.path, err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dump %s: %w", from.path, err)
	}
	return nil
}
