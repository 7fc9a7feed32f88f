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
	c := &cobra.Command{
		Use:   "dump SNAPSHOT PATH",
		Short: "Write a file of a snapshot to standard output",
		Long: `Write a file of a snapshot to standard output; a folder as a tar archive. SNAPSHOT is the beginning of an
ID, or "latest".`,
		Example: `  keepsake dump latest /home/me/notes.txt
  keepsake dump latest /home/me/Pictures > pictures.tar`,
		Args:        exactly(2, "say which snapshot and which path: keepsake dump latest /home/me/notes.txt"),
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if archive != "tar" {
				return usageOf(cmd, fmt.Errorf("--archive %q: want tar", archive))
			}
			return a.withSessions(cmd, wish{snapshots: args[:1]}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				id, below := splitSnapshot(args[0])
				from, err := findInSnapshot(ctx, s, &filter, id+":/"+strings.Trim(below+"/"+args[1], "/"))
				if err != nil {
					return err
				}
				return a.dump(ctx, s, from)
			})
		},
	}
	c.Flags().StringVarP(&archive, "archive", "a", "tar", "how folders are written: `FORMAT` is tar")
	filter.addFlags(c, true)
	return a.repositoryCommand(c)
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
