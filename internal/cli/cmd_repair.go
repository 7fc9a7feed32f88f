package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const repairExits = "0 mended, or nothing to mend; 1 error, or something is lost; 2 usage; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"

func newRepair(a *app) *cobra.Command {
	return group("repair", "Mend a damaged repository",
		`Mend what "keepsake check" found in a repository. Whatever is removed is removed only when its
replacement is there; but if the disk is failing, copy the repository to another one first.

With a second copy of the snapshots (--from-repo, made by "keepsake copy") everything that it has can be
mended. Without one, what is lost is said.`,
		newRepairIndex(a), newRepairPacks(a), newRepairSnapshots(a), newRepairConfig(a))
}

type repairSummary struct {
	MessageType   string  `json:"message_type"` // "summary"
	Command       string  `json:"command"`      // "repair index", "repair packs", "repair snapshots" or "repair config"
	Result        string  `json:"result"`       // "mended" or "lost": something could not be
	PacksRead     int     `json:"packs_read"`
	PacksDropped  int     `json:"packs_dropped"`
	PacksUnread   int     `json:"packs_unreadable"`
	BlobsSaved    int     `json:"blobs_saved"`
	BlobsFetched  int     `json:"blobs_fetched"`
	BlobsLost     int     `json:"blobs_lost"`
	Snapshots     int     `json:"snapshots"`
	SnapshotsLost int     `json:"snapshots_lost"`
	Seconds       float64 `json:"seconds"`
}

// repairWork is one of the engine's repairs.
type repairWork func(ctx context.Context, s *repository.Session, say progress.Reporter, report func(repository.Problem)) (repository.RepairStats, error)

// repair does work in the repository, alone, and says what came of it. other is
// what helps to mend it, or nil.
func (a *app) repair(cmd *cobra.Command, other *repository.Session, work repairWork) error {
	if err := a.refuseNoLock(cmd); err != nil {
		return err
	}
	a.repo.noCache = true // copies would hide what is wrong
	a.interruptHint = "nothing is lost by that: start the same command again"
	return a.withRepository(cmd, func(ctx context.Context, r *repository.Repository) error {
		if other != nil && r.ID() == other.Repository().ID() {
			return &usageError{fmt.Errorf("%s: both are the same repository", name(cmd)), "--from-repo is the one that is whole"}
		}
		return a.inSession(ctx, r, repository.Exclusive, func(ctx context.Context, s *repository.Session) error {
			began := stopwatch()
			var found []repository.Problem
			var stats repository.RepairStats
			err := a.work(func(say progress.Reporter) error {
				var err error
				stats, err = work(ctx, s, say, func(p repository.Problem) { found = append(found, p) })
				return err
			})
			if err != nil {
				return err
			}
			return a.showRepair(name(cmd), stats, found, began())
		})
	})
}

func (a *app) showRepair(command string, s repository.RepairStats, found []repository.Problem, took float64) error {
	m := repairSummary{"summary", command, "mended", s.PacksRead, s.PacksDropped, s.PacksUnread, s.BlobsSaved, s.BlobsFetched, s.BlobsLost, s.Snapshots, s.SnapshotsLost, took}
	lost := s.PacksUnread > 0 || s.BlobsLost > 0 || s.SnapshotsLost > 0
	if lost {
		m.Result = "lost"
	}
	var result error
	if lost {
		result = reported{exitError}
	}
	if a.json {
		for _, p := range found {
			a.emit(objectProblem{"problem", p.Severity.String(), p.Object, p.Err.Error()})
		}
		a.emit(m)
		return result
	}
	a.printObjectProblems(found)
	done := false
	for _, line := range []struct {
		n    int
		text string
	}{
		{s.PacksRead, "Indexed %s anew.\n"}, {s.PacksDropped, "Took %s out of the index: gone, or replaced.\n"}, {s.PacksUnread, "Could not read %s.\n"},
	} {
		if line.n > 0 {
			a.printf(line.text, progress.Count(int64(line.n), "pack", "packs"))
			done = true
		}
	}
	for _, line := range []struct {
		n    int
		text string
	}{
		{s.BlobsSaved, "Saved %s from damaged packs.\n"}, {s.BlobsFetched, "Fetched %s from the other repository.\n"}, {s.BlobsLost, "LOST: %s.\n"},
	} {
		if line.n > 0 {
			a.printf(line.text, progress.Count(int64(line.n), "piece", "pieces"))
			done = true
		}
	}
	if s.Snapshots > 0 {
		a.printf("Put back %s.\n", countSnapshots(s.Snapshots))
	}
	if s.SnapshotsLost > 0 {
		a.printf("LOST: %s, which the other repository does not have.\n", countSnapshots(s.SnapshotsLost))
	}
	switch {
	case lost:
		a.printf("\"keepsake check\" says which snapshots are affected. A second copy that still has it can bring it back: --from-repo.\n")
	case !done && s.Snapshots == 0:
		a.printf("Nothing to mend.\n")
	default:
		a.printf("Mended. Run \"keepsake check --read-data\" to be sure.\n")
	}
	return result
}

func newRepairIndex(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "index",
		Short: "Make the index agree with the packs",
		Long: `Make the index anew from the packs that are there: packs that no index names, or names with another
size, are read; those that are gone are taken out of it. Data that only a missing pack had is then known to be
missing, and the next backup stores it again if it still has it.`,
		Example: `  keepsake repair index -r /mnt/disk/phone
  keepsake repair index --read-all-packs`,
		Args:        noArgs,
		Annotations: exits(repairExits),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.repair(cmd, nil, func(ctx context.Context, s *repository.Session, say progress.Reporter, report func(repository.Problem)) (repository.RepairStats, error) {
				say.Phase("repair", "Looking at the packs")
				return s.RebuildIndex(ctx, all, report)
			})
		},
	}
	c.Flags().BoolVar(&all, "read-all-packs", false, "trust no index: read the head of every pack")
	return a.repositoryCommand(c)
}

func newRepairPacks(a *app) *cobra.Command {
	var from repositoryFlags
	var readData bool
	c := &cobra.Command{
		Use:   "packs [ID…]",
		Short: "Save what is good in damaged packs, fetch the rest from a copy",
		Long: `Save what is good in damaged packs, and take what is not from a second copy, if there is one. Without
IDs the damaged packs are looked for first, as "keepsake check" does; with --read-data every byte is read for that.

With --from-repo also what snapshots need and no pack has is fetched from there.`,
		Example: `  keepsake repair packs --read-data --from-repo /mnt/second
  keepsake repair packs 5f7c1f8e -r /mnt/disk/phone`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repairExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && readData {
				return usageOf(cmd, errors.New("repair packs: IDs and --read-data contradict each other"))
			}
			return a.repairFrom(cmd, &from, func(ctx context.Context, s, other *repository.Session, say progress.Reporter, report func(repository.Problem)) (repository.RepairStats, error) {
				packs, err := a.damagedPacks(ctx, s, args, readData, say)
				if err != nil {
					return repository.RepairStats{}, err
				}
				say.Phase("repair", "Mending "+progress.Count(int64(len(packs)), "pack", "packs"))
				return s.RepairPacks(ctx, packs, other, report)
			})
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&readData, "read-data", false, "look for damage by reading every byte")
	from.addFromFlags(c, "with a second copy")
	return a.repositoryCommand(c)
}

// damagedPacks are the packs that args name, or those that a check finds.
func (a *app) damagedPacks(ctx context.Context, s *repository.Session, args []string, readData bool, say progress.Reporter) ([]format.ID, error) {
	var packs []format.ID
	for _, arg := range args {
		id, err := findFile(ctx, s.Repository().Backend(), backend.PackFile, arg)
		if err != nil {
			return nil, err
		}
		packs = append(packs, id)
	}
	if len(args) > 0 {
		return packs, nil
	}
	say.Phase("check", "Looking for damage")
	stats, err := s.Check(ctx, repository.CheckOptions{ReadData: readData, Progress: func(stats repository.CheckStats) { checkProgress(say, stats) }}, func(repository.Problem) {})
	return stats.DamagedPacks, err
}

func newRepairSnapshots(a *app) *cobra.Command {
	var from repositoryFlags
	c := &cobra.Command{
		Use:   "snapshots --from-repo LOCATION",
		Short: "Put damaged snapshot files back from a copy",
		Long: `Put snapshot files that cannot be read back from a second copy, which "keepsake copy" made of this
repository.`,
		Example:     "  keepsake repair snapshots -r /mnt/disk/phone --from-repo /mnt/second",
		Args:        noArgs,
		Annotations: exits(repairExits),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := from.needLocation(cmd, a); err != nil {
				return err
			}
			return a.repairFrom(cmd, &from, func(ctx context.Context, s, other *repository.Session, say progress.Reporter, report func(repository.Problem)) (repository.RepairStats, error) {
				say.Phase("repair", "Looking at the snapshots")
				return s.RepairSnapshots(ctx, other, report)
			})
		},
	}
	c.Flags().SortFlags = false
	from.addFromFlags(c, "with a second copy")
	return a.repositoryCommand(c)
}

// repairFrom is repair with another repository, if one was named; other is nil
// if not. That one is opened first: its password may have to be typed.
func (a *app) repairFrom(cmd *cobra.Command, from *repositoryFlags,
	work func(ctx context.Context, s, other *repository.Session, say progress.Reporter, report func(repository.Problem)) (repository.RepairStats, error)) error {
	with := func(other *repository.Session) error {
		return a.repair(cmd, other, func(ctx context.Context, s *repository.Session, say progress.Reporter, report func(repository.Problem)) (repository.RepairStats, error) {
			return work(ctx, s, other, say, report)
		})
	}
	if from.where(a) == "" {
		return with(nil)
	}
	return a.withRepositoryOf(cmd, from, func(ctx context.Context, r *repository.Repository) error {
		return a.inSession(ctx, r, from.mode(repository.Shared), func(_ context.Context, other *repository.Session) error { return with(other) })
	})
}

func newRepairConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Make a new config for a repository that has lost its own",
		Long: `Make a new config where it is missing or damaged. Without it nobody opens the repository, although all
data are there. The new one has another ID, so caches begin anew, and files are cut at other places: what
changes from now on is stored once more. A config that is whole is left alone.`,
		Example:     "  keepsake repair config -r /mnt/disk/phone",
		Args:        noArgs,
		Annotations: exits(repairExits),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.refuseNoLock(cmd); err != nil {
				return err
			}
			a.repo.noCache = true
			location, err := a.repo.needLocation(cmd, a)
			if err != nil {
				return err
			}
			o, err := a.repo.options(a)
			if err != nil {
				return err
			}
			if err := a.refuseLocation(cmd, location); err != nil {
				return err
			}
			be, err := a.openBackend(cmd.Context(), location, &a.repo)
			if err != nil {
				return err
			}
			password, _, err := a.repo.password.get(cmd.Context(), a)
			if err != nil {
				return errors.Join(err, be.Close())
			}
			began := stopwatch()
			r, err := repository.RepairConfig(cmd.Context(), be, password, o)
			if err != nil {
				return errors.Join(err, be.Close())
			}
			if err := r.Close(); err != nil {
				return err
			}
			if a.json {
				a.emit(repairSummary{MessageType: "summary", Command: name(cmd), Result: "mended", Seconds: began()})
				return nil
			}
			a.printf("Made a new config. All that was stored can be read again.\n")
			return nil
		},
	}
	return a.repositoryCommand(cmd)
}

// refuseLocation refuses a location with a repository for each phone: it has no config
// itself, and needs none.
func (a *app) refuseLocation(cmd *cobra.Command, at string) error {
	p, err := a.look(cmd.Context(), at, &a.repo)
	if err != nil {
		return nil // a repository without its config may look like nothing
	}
	if err := p.Close(); err != nil {
		return err
	}
	if len(p.Members) == 0 {
		return nil
	}
	var places []string
	for _, m := range p.Members {
		places = append(places, m.At.String())
	}
	return &usageError{fmt.Errorf("%s: %v is a location with a repository for each phone", name(cmd), p.At), "say which of them with --repo: " + strings.Join(places, ", ")}
}
