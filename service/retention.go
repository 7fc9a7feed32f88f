package service

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/retention"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// maxUnused is how much of the stored data may be needed by nothing before it is
// worth writing anew what lies beside it.
const maxUnused = 0.05

// marks are what the tags of a phone's snapshots mean to a policy.
var marks = retention.Marks{
	Owner: "udid:", Apart: map[string]string{snapshot.TagMedia: "media"}, Sealed: snapshot.TagSealed,
	Proof: snapshot.TagReceipt, Of: receipt.TagOf, Tree: receipt.TagTree, Failed: receipt.TagFailed,
}

// check refuses numbers that nobody can mean.
func (r Retention) check() error {
	for _, n := range []int{r.Last, r.Daily, r.Weekly, r.Monthly, r.Yearly} {
		if n < 0 || n > 10000 {
			return hinted("give numbers from 0 to 10000; all 0 keeps everything", "set retention: %d versions cannot be kept", n)
		}
	}
	return nil
}

// IsZero tells whether everything is kept.
func (r Retention) IsZero() bool { return r == Retention{} }

func (r Retention) policy() retention.Policy {
	return retention.Policy{Last: r.Last, Daily: r.Daily, Weekly: r.Weekly, Monthly: r.Monthly, Yearly: r.Yearly}
}

// forgetting is what a ForgetJob does in one repository.
type forgetting struct {
	repo    *repository.Repository
	udid    string
	keep    Retention
	pinned  []string // IDs that stay
	version string   // to remove by name; "" is what keep does not keep
	now     time.Time
	wait    time.Duration
}

// plan finds what goes.
func (f forgetting) plan(all []repository.Snapshot, damaged map[format.ID]error) ([]format.ID, error) {
	broken := slices.Collect(maps.Keys(damaged))
	if f.version != "" {
		return f.named(all, broken)
	}
	if f.keep.IsZero() {
		return nil, nil
	}
	var mine []repository.Snapshot
	for _, sn := range all {
		if snapshot.Describe(sn).UDID == f.udid && !slices.Contains(f.pinned, sn.ID.String()) {
			mine = append(mine, sn)
		}
	}
	plan, err := marks.Plan(retention.Request{Policy: f.keep.policy(), By: retention.DefaultGroupBy, Chosen: labels(mine), All: labels(all), Damaged: broken, Now: f.now})
	if err != nil {
		return nil, err
	}
	pinned := f.proofsOfPinned(all)
	var ids []format.ID
	for _, g := range plan {
		for _, d := range g.Decisions {
			if !d.Keep && !pinned[d.Snapshot.ID] {
				ids = append(ids, d.Snapshot.ID)
			}
		}
	}
	return ids, nil
}

// proofsOfPinned are the receipts of pinned versions, which stay with them.
func (f forgetting) proofsOfPinned(all []repository.Snapshot) map[format.ID]bool {
	stay := map[format.ID]bool{}
	for of, list := range receipt.Among(all) {
		if slices.Contains(f.pinned, of.String()) {
			for _, r := range list {
				stay[r.ID] = true
			}
		}
	}
	return stay
}

func (f forgetting) named(all []repository.Snapshot, broken []format.ID) ([]format.ID, error) {
	i := slices.IndexFunc(all, func(sn repository.Snapshot) bool {
		return sn.ID.String() == f.version && snapshot.Describe(sn).UDID == f.udid
	})
	if i < 0 {
		return nil, nil // it is gone
	}
	remove, protected := marks.Named(labels(all[i:i+1]), labels(all), broken)
	if why := protected[all[i].ID]; len(why) > 0 {
		return nil, hinted("make or rehearse a newer one first", "remove version: it is the %s of this phone", strings.Join(why, " and the "))
	}
	var ids []format.ID
	for _, sn := range remove {
		ids = append(ids, sn.ID)
	}
	return ids, nil
}

// labels is what rules want to know of snapshots.
func labels(list []repository.Snapshot) []retention.Snapshot {
	out := make([]retention.Snapshot, len(list))
	for i, sn := range list {
		out[i] = retention.Snapshot{ID: sn.ID, Time: sn.Time, Host: sn.Hostname, Paths: sn.Paths, Tags: sn.Tags, Original: sn.Original, Tree: sn.Tree}
	}
	return out
}

// run removes what goes and frees its room; with unpruned also that of what went
// before. It gives how many snapshots went and how many bytes were freed. It may be
// interrupted at any point; removed is told when there is room to be freed.
func (f forgetting) run(ctx context.Context, rep progress.Reporter, unpruned bool, removed func()) (gone int, freed int64, err error) {
	gone, err = f.forget(ctx, rep)
	if err != nil || gone == 0 && !unpruned {
		return gone, 0, err
	}
	removed()
	stats, err := f.repo.Prune(ctx, repository.PruneOptions{MaxUnused: maxUnused, Wait: f.wait, Progress: func(step repository.PruneStep) {
		rep.Phase("prune", pruneText[step])
	}})
	return gone, stats.FreedBytes, err
}

func (f forgetting) forget(ctx context.Context, rep progress.Reporter) (n int, err error) {
	rep.Phase("forget", "Looking for versions that are not to be kept")
	// Looked at beside others first: most nights there is nothing to do.
	some, err := f.any(ctx)
	if err != nil || !some {
		return 0, err
	}
	s, err := f.repo.Begin(ctx, repository.Exclusive, f.wait)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, damaged, err := s.ReadableSnapshots(s.Context())
	if err != nil {
		return 0, err
	}
	ids, err := f.plan(all, damaged)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return len(ids), s.Forget(s.Context(), ids)
}

func (f forgetting) any(ctx context.Context) (some bool, err error) {
	s, err := f.repo.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, damaged, err := s.ReadableSnapshots(s.Context())
	if err != nil {
		return false, err
	}
	ids, err := f.plan(all, damaged)
	return len(ids) > 0, err
}

// pruneText says the steps of a prune to people.
var pruneText = map[repository.PruneStep]string{
	repository.PruneFind:   "Finding what the versions need",
	repository.PruneRepack: "Writing anew what is still needed",
	repository.PruneWait:   "Waiting until nobody else works in the repository",
	repository.PruneIndex:  "Writing the new index",
	repository.PruneRemove: "Removing what nothing needs",
}
