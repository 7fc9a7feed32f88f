package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

type lsFlags struct {
	filter          snapshotFilter
	long, recursive bool
}

func newLs(a *app) *cobra.Command {
	var f lsFlags
	var in contentFlags
	c := &cobra.Command{
		Use:   "ls (SNAPSHOT | --folder DIR) [PATH…]",
		Short: "List the files of a snapshot",
		Long: `List the files of a snapshot: all of them, or what is in the folders PATH, with --recursive also what is
below. SNAPSHOT is the beginning of an ID, or "latest". With --folder it is the backup in an iTunes folder.`,
		Example: `  keepsake ls latest
  keepsake ls latest -l /00008101-000A1B2C3D4E001E/CameraRollDomain/Media/DCIM
  keepsake ls --folder ~/Backups /CameraRollDomain/Media/DCIM`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && in.folder == "" {
				return &usageError{errors.New("ls: no snapshot given"), "say which: the beginning of its ID, or latest"}
			}
			return nil
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.folder != "" {
				_, paths, err := in.take(cmd, a, args)
				if err != nil {
					return err
				}
				return a.withContent(cmd, &in, "", func(ctx context.Context, c *content) error { return a.lsFolder(ctx, c, paths, f) })
			}
			return a.withSessions(cmd, wish{snapshots: args[:1]}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				return a.ls(ctx, s, args[0], args[1:], f)
			})
		},
	}
	c.Flags().BoolVarP(&f.long, "long", "l", false, "with mode, owner, group, size and time")
	c.Flags().BoolVar(&f.recursive, "recursive", false, "also what is below the folders")
	f.filter.addFlags(c, true)
	in.addFlags(c)
	return a.repositoryCommand(c)
}

// snapshotLine is the head of a listing as restic prints it.
type snapshotLine struct {
	snapshotJSON
	MessageType string `json:"message_type"` // "snapshot"
	StructType  string `json:"struct_type"`  // "snapshot"
}

func (a *app) ls(ctx context.Context, s *repository.Session, snapshot string, paths []string, f lsFlags) error {
	root, err := findInSnapshot(ctx, s, &f.filter, snapshot)
	if err != nil {
		return err
	}
	sn := root.snapshot
	if a.json {
		a.emit(snapshotLine{newSnapshotJSON(sn), "snapshot", "snapshot"})
	} else {
		a.printf("Snapshot %s of %s, %s:\n", sn.ID.Short(), printable(strings.Join(sn.Paths, ", ")), sn.Time.Local().Format("2006-01-02 15:04:05"))
	}
	if len(paths) == 0 {
		return a.lsBelow(ctx, s, root, true, f)
	}
	for _, p := range paths {
		from, err := at(ctx, s, sn, path.Join(root.path, p))
		if err != nil {
			return err
		}
		if from.node.Type != format.NodeDir {
			a.showNode(from.path, from.node, f.long)
			continue
		}
		if from.path != "/" {
			a.showNode(from.path, from.node, f.long)
		}
		if err := a.lsBelow(ctx, s, from, f.recursive, f); err != nil {
			return err
		}
	}
	return nil
}

// lsBelow lists what is in a folder, and with recursive what is below.
func (a *app) lsBelow(ctx context.Context, s *repository.Session, from inSnapshot, recursive bool, f lsFlags) error {
	if err := from.needFolder(); err != nil {
		return err
	}
	base := strings.TrimSuffix(from.path, "/")
	return treewalk.Walk(ctx, s, *from.node.Subtree, treewalk.Visitor{
		Descend: func(string, *format.Node) bool { return recursive },
		Node: func(path string, n *format.Node) error {
			a.showNode(base+path, n, f.long)
			return a.written()
		},
	})
}

func (a *app) showNode(path string, n *format.Node, long bool) {
	if a.json {
		a.emit(newNodeJSON(path, n))
		return
	}
	a.printf("%s\n", nodeLine(path, n, long))
}

// written is the error of writing results, so that long listings end when
// nobody reads them any more.
func (a *app) written() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.writeErr != nil {
		return fmt.Errorf("list: %w", a.writeErr)
	}
	return nil
}
