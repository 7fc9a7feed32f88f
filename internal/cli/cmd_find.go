package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/pathpattern"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

type findFlags struct {
	filter         snapshotFilter
	snapshots      []string
	long           bool
	ignoreCase     bool
	oldest, newest string
}

func newFind(a *app) *cobra.Command {
	var f findFlags
	var in contentFlags
	c := &cobra.Command{
		Use:   "find PATTERN…",
		Short: "Find files in snapshots",
		Long: `Find files and folders by their names in all snapshots, in those that the flags choose, or in those named
with --snapshot, newest first. A pattern without a slash is about names (IMG_0042.*), one with a slash about
paths (/home/*/mail, DCIM/**/*.MOV). What is below a folder that matches, matches too. With --folder they are
looked for in the backup in an iTunes folder.`,
		Example: `  keepsake find IMG_0042.HEIC
  keepsake find '*.sqlite' --snapshot latest --long
  keepsake find invoice* -i --newest 2026-12-31 --oldest 2026-01-01`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageOf(cmd, errors.New("find: say what to find"))
			}
			return nil
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.folder == "" {
				return a.find(cmd, args, f)
			}
			patterns, oldest, newest, err := f.parse(cmd, args)
			if err == nil {
				_, _, err = in.take(cmd, a, args)
			}
			if err != nil {
				return err
			}
			return a.withContent(cmd, &in, "", func(ctx context.Context, c *content) error {
				return a.findFolder(ctx, c, patterns, oldest, newest, f.long)
			})
		},
	}
	flags := c.Flags()
	flags.StringArrayVarP(&f.snapshots, "snapshot", "s", nil, "only in the snapshot whose `ID` begins so (may be repeated)")
	flags.BoolVarP(&f.long, "long", "l", false, "with mode, owner, group, size and time")
	flags.BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "whatever the case of letters")
	flags.StringVarP(&f.oldest, "oldest", "O", "", "only what was changed at `TIME` or later")
	flags.StringVarP(&f.newest, "newest", "N", "", "only what was changed at `TIME` or earlier")
	f.filter.addFlags(c, true)
	in.addFlags(c)
	return a.repositoryCommand(c)
}

// foundJSON are the matches in a snapshot as restic prints them.
type foundJSON struct {
	Matches    []nodeJSON `json:"matches"`
	Hits       int        `json:"hits"`
	SnapshotID format.ID  `json:"snapshot"`
}

func (f findFlags) times() (oldest, newest time.Time, err error) {
	if f.oldest != "" {
		if oldest, err = parseTime(f.oldest); err != nil {
			return oldest, newest, &usageError{fmt.Errorf("--oldest: %w", err), ""}
		}
	}
	if f.newest != "" {
		if newest, err = parseTime(f.newest); err != nil {
			return oldest, newest, &usageError{fmt.Errorf("--newest: %w", err), ""}
		}
	}
	return oldest, newest, nil
}

// parse takes what is typed.
func (f findFlags) parse(cmd *cobra.Command, texts []string) (patterns pathpattern.List, oldest, newest time.Time, err error) {
	if patterns, err = pathpattern.Parse(texts, f.ignoreCase); err != nil {
		return patterns, oldest, newest, usageOf(cmd, fmt.Errorf("find: %w", err))
	}
	oldest, newest, err = f.times()
	return patterns, oldest, newest, err
}

func (a *app) find(cmd *cobra.Command, texts []string, f findFlags) error {
	patterns, oldest, newest, err := f.parse(cmd, texts)
	if err != nil {
		return err
	}
	return a.withSessions(cmd, wish{snapshots: f.snapshots, all: true}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		list, err := f.filter.choose(ctx, s, f.snapshots)
		if err != nil {
			return err
		}
		all := []foundJSON{}
		for i := range list {
			sn := list[len(list)-1-i]
			found := foundJSON{Matches: []nodeJSON{}, SnapshotID: sn.ID}
			err := treewalk.Walk(ctx, s, *sn.Tree, treewalk.Visitor{
				Descend: func(path string, _ *format.Node) bool {
					components := pathpattern.Split(path)
					return patterns.Match(components) || patterns.MayMatchBelow(components)
				},
				Node: func(path string, n *format.Node) error {
					late := !newest.IsZero() && n.ModTime.After(newest)
					if n.ModTime.Before(oldest) || late || !patterns.Match(pathpattern.Split(path)) {
						return nil
					}
					found.Hits++
					if a.json {
						found.Matches = append(found.Matches, newNodeJSON(path, n))
						return nil
					}
					if found.Hits == 1 {
						a.printf("In snapshot %s of %s:\n", sn.ID.Short(), sn.Time.Local().Format(time.DateTime))
					}
					a.printf("  %s\n", nodeLine(path, n, f.long))
					return a.written()
				},
			})
			if err != nil {
				return fmt.Errorf("find in snapshot %s: %w", sn.ID.Short(), err)
			}
			if found.Hits > 0 {
				all = append(all, found)
			}
		}
		switch {
		case a.json:
			a.emit(all)
		case len(all) == 0:
			a.printf("Nothing in %s.\n", progress.Count(int64(len(list)), "snapshot", "snapshots"))
		}
		return nil
	})
}
