package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

func newDiff(a *app) *cobra.Command {
	var metadata, inContent bool
	var folders []string
	password := currentPassword()
	var filter snapshotFilter
	c := &cobra.Command{
		Use:   "diff SNAPSHOT[:FOLDER] SNAPSHOT[:FOLDER]",
		Short: "Compare two snapshots",
		Long: `List what the second snapshot has otherwise than the first:

  +  added
  -  removed
  M  another content
  T  of another kind: a file was a folder, or the like
  U  another time, mode, owner or attribute (with --metadata)

Of two backups of a phone it is summed up by app and part of the phone; -v lists the files, too. With
--metadata, --json or a FOLDER they are compared like any others.

With --content it tells what has changed as people say it: contacts gone, conversations that got shorter, photos
deleted, apps removed; and it warns when much has vanished at once. There, --folder takes the backup in an iTunes
folder in place of a snapshot; given twice, those in two folders, the older one first.`,
		Example: `  keepsake diff 0a1b2c3d latest
  keepsake diff --content 0a1b2c3d latest
  keepsake diff --content --folder ~/Backups latest
  keepsake diff --content --folder /mnt/old/Backups --folder ~/Backups
  keepsake diff 0a1b2c3d:/home/me latest:/home/me --metadata`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(folders) == 0 {
				return exactly(2, "say which two snapshots: the beginnings of their IDs, or latest")(cmd, args)
			}
			return checkFolders(cmd, folders, args, inContent)
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(folders) > 0 {
				return a.diffFolders(cmd, folders, args, password)
			}
			return a.withSessions(cmd, wish{snapshots: args}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				var sides [2]inSnapshot
				for i, arg := range args {
					var err error
					if sides[i], err = findInSnapshot(ctx, s, &filter, arg); err != nil {
						return err
					}
					if err := sides[i].needFolder(); err != nil {
						return err
					}
				}
				if inContent {
					return a.diffContent(ctx, s, sides, password)
				}
				if both, ok := phonesOf(ctx, s, sides); ok && !a.json && !metadata {
					return a.diffPhones(ctx, both)
				}
				return a.diff(ctx, s, args, sides, metadata)
			})
		},
	}
	c.Flags().BoolVar(&metadata, "metadata", false, "also other times, modes, owners and attributes")
	c.Flags().BoolVar(&inContent, "content", false, "what has changed in contacts, messages, photos and the rest")
	c.Flags().StringArrayVar(&folders, "folder", nil, "with --content: the iTunes backup in `DIR`, instead of a snapshot (may be given twice)")
	password.addFlag(c)
	return a.repositoryCommand(c)
}

type changeMessage struct {
	MessageType string `json:"message_type"` // "change"
	Path        string `json:"path"`
	Modifier    string `json:"modifier"` // one of + - M T U, or two of them
}

// diffSide counts what was added or removed.
type diffSide struct {
	Files     int    `json:"files"`
	Dirs      int    `json:"dirs"`
	Others    int    `json:"others"`
	DataBlobs int    `json:"data_blobs"`
	TreeBlobs int    `json:"tree_blobs"`
	Bytes     uint64 `json:"bytes"` // of files that are on this side only, or changed
}

type diffStatistics struct {
	MessageType    string   `json:"message_type"`    // "statistics"
	SourceSnapshot string   `json:"source_snapshot"` // as it was given
	TargetSnapshot string   `json:"target_snapshot"`
	ChangedFiles   int      `json:"changed_files"`
	Added          diffSide `json:"added"`
	Removed        diffSide `json:"removed"`
}

// diffBlobs are the blobs that the changed entries of one side need.
type diffBlobs map[format.BlobHandle]bool

func (b diffBlobs) add(n *format.Node) {
	for _, id := range n.Content {
		b[format.BlobHandle{ID: id, Type: format.DataBlob}] = true
	}
	if n.Subtree != nil {
		b[format.BlobHandle{ID: *n.Subtree, Type: format.TreeBlob}] = true
	}
}

func (d *diffSide) count(n *format.Node) {
	switch n.Type {
	case format.NodeFile:
		d.Files++
	case format.NodeDir:
		d.Dirs++
	default:
		d.Others++
	}
}

// minus counts the blobs that the other side does not need.
func (d *diffSide) minus(ctx context.Context, s *repository.Session, own, other diffBlobs) error {
	for h := range own {
		if other[h] {
			continue
		}
		size, err := s.BlobSize(ctx, h)
		if err != nil {
			return err
		}
		if d.Bytes += uint64(size); h.Type == format.DataBlob {
			d.DataBlobs++
		} else {
			d.TreeBlobs++
		}
	}
	return nil
}

func (a *app) diff(ctx context.Context, s *repository.Session, names []string, sides [2]inSnapshot, metadata bool) error {
	stats := diffStatistics{MessageType: "statistics", SourceSnapshot: names[0], TargetSnapshot: names[1]}
	before, after := sides[0], sides[1]
	old, now := diffBlobs{}, diffBlobs{}
	old.add(before.node)
	now.add(after.node)
	err := treewalk.Diff(ctx, s, *before.node.Subtree, *after.node.Subtree, func(c treewalk.Change) error {
		if c.Old != nil {
			old.add(c.Old)
		}
		if c.New != nil {
			now.add(c.New)
		}
		modifier := ""
		switch {
		case c.Old == nil:
			modifier = "+"
			stats.Added.count(c.New)
		case c.New == nil:
			modifier = "-"
			stats.Removed.count(c.Old)
		default:
			if c.Type {
				modifier = "T"
			}
			if c.Content {
				modifier = "M"
			}
			if c.Content && c.New.Type == format.NodeFile {
				stats.ChangedFiles++
			}
			if c.Metadata && metadata {
				modifier += "U"
			}
		}
		if modifier == "" {
			return nil
		}
		a.showChange(c, modifier)
		return a.written()
	})
	if err != nil {
		return fmt.Errorf("compare snapshots: %w", err)
	}
	if err := stats.Removed.minus(ctx, s, old, now); err != nil {
		return err
	}
	if err := stats.Added.minus(ctx, s, now, old); err != nil {
		return err
	}
	a.showDiff(stats)
	return nil
}

func (a *app) showChange(c treewalk.Change, modifier string) {
	path, n := c.Path, c.New
	if n == nil {
		n = c.Old
	}
	if n.Type == format.NodeDir {
		path += "/"
	}
	if a.json {
		a.emit(changeMessage{"change", path, modifier})
		return
	}
	a.printf("%-4s %s\n", modifier, printable(path))
}

func (a *app) showDiff(s diffStatistics) {
	if a.json {
		a.emit(s)
		return
	}
	count := func(d diffSide) string {
		return fmt.Sprintf("%s, %s, %s; %s in %s", progress.Count(int64(d.Files), "file", "files"), progress.Count(int64(d.Dirs), "folder", "folders"),
			progress.Count(int64(d.Others), "other", "others"), progress.Size(int64(d.Bytes)), progress.Count(int64(d.DataBlobs+d.TreeBlobs), "piece", "pieces"))
	}
	a.printf("Changed: %s\nAdded:   %s\nRemoved: %s\n", progress.Count(int64(s.ChangedFiles), "file", "files"), count(s.Added), count(s.Removed))
}
