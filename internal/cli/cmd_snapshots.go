package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/retention"
)

type snapshotsFlags struct {
	filter  snapshotFilter
	groupBy string
	latest  int
}

func newSnapshots(a *app) *cobra.Command {
	var f snapshotsFlags
	c := &cobra.Command{
		Use:   "snapshots [ID…]",
		Short: "List what is in a repository",
		Long: `List the snapshots of a repository, oldest first: all, those that the flags choose, or those named.
ID is the beginning of an ID, "latest", or "latest:PHONE". In a location with several phones, those of all.

A phone's backups are listed with its name and version of iOS. "sealed" ones are stored as encrypted as they
came, since the backup password was not known: "keepsake unseal" opens them. "rehearsed" ones were restored
onto a virtual phone, and everything on it was as it should be.`,
		Example: `  keepsake snapshots -r /mnt/disk/phone
  keepsake snapshots --tag name:Anna --latest 3
  keepsake snapshots --group-by host,paths --json`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("3 a snapshot could not be read; " + repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			by, err := retention.ParseGroupBy(f.groupBy)
			if err != nil {
				return usageOf(cmd, fmt.Errorf("--group-by: %w", err))
			}
			if f.latest < 0 {
				return usageOf(cmd, fmt.Errorf("--latest %d: a negative number", f.latest))
			}
			return a.snapshots(cmd, args, by, f)
		},
	}
	f.filter.addFlags(c, true)
	c.Flags().StringVarP(&f.groupBy, "group-by", "g", "", "list by `host, paths, tags`, or some of them, separated by commas")
	c.Flags().IntVar(&f.latest, "latest", 0, "only the newest `N` of each host and paths")
	return a.repositoryCommand(c)
}

func (a *app) snapshots(cmd *cobra.Command, args []string, by retention.GroupBy, f snapshotsFlags) error {
	incomplete := false
	f.filter.damaged = func(files map[format.ID]error) {
		incomplete = incomplete || len(files) > 0
		for _, err := range files {
			a.mention(progress.Warn, fmt.Sprintf("%v; \"keepsake repair snapshots\" puts it back from a second copy", err))
		}
	}
	var list []repository.Snapshot
	receipts := receipts{}
	err := a.withSessions(cmd, wish{snapshots: args, all: true, untold: true}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		some, err := f.filter.choose(ctx, s, args)
		if err != nil {
			return err
		}
		list = append(list, some...)
		all, _, err := s.ReadableSnapshots(ctx)
		receipts.add(all)
		return err
	})
	if err != nil && len(list) == 0 {
		return err
	}
	slices.SortStableFunc(list, func(a, b repository.Snapshot) int { return a.Time.Compare(b.Time) })
	a.showSnapshots(list, receipts, by, f, len(args) > 0)
	if err == nil && incomplete {
		err = errIncomplete
	}
	return err
}

// groupJSON is a group of snapshots as restic prints it.
type groupJSON struct {
	Key       groupKeyJSON   `json:"group_key"`
	Snapshots []snapshotJSON `json:"snapshots"`
}

type groupKeyJSON struct {
	Hostname string   `json:"hostname"`
	Paths    []string `json:"paths"`
	Tags     []string `json:"tags"`
}

func (a *app) showSnapshots(list []repository.Snapshot, receipts receipts, by retention.GroupBy, f snapshotsFlags, named bool) {
	find := indexByID(list)
	grouped := by != retention.GroupBy{}
	flat, groups := []snapshotJSON{}, []groupJSON{}
	for _, g := range retention.Sort(allLabels(list), by) {
		members := f.newest(g.Snapshots)
		shown := make([]repository.Snapshot, len(members))
		for i, m := range members {
			shown[len(shown)-1-i] = find[m.ID] // oldest first
		}
		if a.json {
			entry := groupJSON{Key: groupKeyJSON{g.Host, g.Paths, g.Tags}, Snapshots: []snapshotJSON{}}
			for _, sn := range shown {
				entry.Snapshots = append(entry.Snapshots, receipts.json(sn))
			}
			groups, flat = append(groups, entry), append(flat, entry.Snapshots...)
			continue
		}
		if grouped {
			a.printf("%s\n", groupTitle(g))
		}
		a.printf("%s", receipts.tables(shown, named || a.verbose))
		if grouped {
			a.printf("\n")
		}
	}
	switch {
	case a.json && grouped:
		a.emit(groups)
	case a.json:
		a.emit(flat)
	case len(list) == 0:
		a.printf("No snapshots.\n")
	}
}

// newest leaves the newest of each host and paths, if --latest says so.
func (f snapshotsFlags) newest(list []retention.Snapshot) []retention.Snapshot {
	if f.latest == 0 {
		return list
	}
	var chosen []retention.Snapshot
	for _, g := range retention.Sort(list, retention.DefaultGroupBy) {
		chosen = append(chosen, g.Snapshots[:min(f.latest, len(g.Snapshots))]...)
	}
	return retention.Sort(chosen, retention.GroupBy{})[0].Snapshots
}

func groupTitle(g retention.Group) string {
	if title := g.String(); title != "" {
		return capital(printable(title)) + ":"
	}
	return "The others:"
}
