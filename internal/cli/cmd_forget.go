package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/retention"
	"github.com/keepsake-backup/keepsake/snapshot"
)

type forgetFlags struct {
	policy   retention.Policy
	keepTags []string
	filter   snapshotFilter
	groupBy  string
	by       retention.GroupBy // what groupBy says
	unsafe   bool              // what is protected may go, too
	dryRun   bool
	prune    bool
	pruning  pruneFlags
}

func newForget(a *app) *cobra.Command {
	var f forgetFlags
	c := &cobra.Command{
		Use:   "forget --keep-… | ID…",
		Short: "Remove snapshots",
		Long: `Remove snapshots: those named by the beginnings of their IDs, or those that no --keep flag keeps. The
room that they took is freed by --prune, or by "keepsake prune" later; until then nothing is lost for good.

The --keep flags work on each group of snapshots of one host with the same paths (--group-by) by itself:
--keep-daily 7 keeps the newest snapshot of each of the last 7 days on which there is one. While such
a number is not used up, the oldest snapshot stays too. Durations such as 1y6m14d12h count back from the
newest snapshot of the group. A snapshot stays when any of the flags keeps it.

A policy that would leave a group without any snapshot is refused.

Of each phone the newest version that a rehearsal has passed is never removed, nor the newest good one (not
sealed, and with no failed rehearsal), nor a sealed one that is newer than that. A sealed version goes when it
was unsealed. Copies of media are groups of their own, of which the newest stays. Receipts of rehearsals stay
and go with their version. --unsafe-allow-remove-newest gives up that protection; stock restic has none.`,
		Example: `  keepsake forget --keep-daily 14 --keep-weekly 8 --keep-monthly 24 --dry-run
  keepsake forget --keep-within 30d --keep-within-weekly 1y --prune
  keepsake forget 4bba301e`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, args); err != nil {
				return err
			}
			if !f.dryRun {
				if err := a.refuseNoLock(cmd); err != nil {
					return err
				}
			}
			return a.forget(cmd, f, args)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	for _, k := range []struct {
		name, letter, what string
		n                  *int
	}{
		{"last", "l", "", &f.policy.Last}, {"hourly", "H", "hourly ", &f.policy.Hourly}, {"daily", "d", "daily ", &f.policy.Daily},
		{"weekly", "w", "weekly ", &f.policy.Weekly}, {"monthly", "m", "monthly ", &f.policy.Monthly}, {"yearly", "y", "yearly ", &f.policy.Yearly},
	} {
		flags.VarP((*keepNumber)(k.n), "keep-"+k.name, k.letter, fmt.Sprintf("keep the last `N` %ssnapshots (-1: all)", k.what))
	}
	for _, k := range []struct {
		name, what string
		d          *retention.Duration
	}{
		{"", "every snapshot", &f.policy.Within}, {"-hourly", "hourly snapshots", &f.policy.WithinHourly}, {"-daily", "daily snapshots", &f.policy.WithinDaily},
		{"-weekly", "weekly snapshots", &f.policy.WithinWeekly}, {"-monthly", "monthly snapshots", &f.policy.WithinMonthly}, {"-yearly", "yearly snapshots", &f.policy.WithinYearly},
	} {
		flags.Var((*keepSpan)(k.d), "keep-within"+k.name, fmt.Sprintf("keep %s within `DURATION` of the newest", k.what))
	}
	flags.StringArrayVar(&f.keepTags, "keep-tag", nil, "keep snapshots with all `TAGS`, separated by commas (may be repeated)")
	f.filter.addFlags(c, false)
	flags.StringVarP(&f.groupBy, "group-by", "g", retention.DefaultGroupBy.String(), "apply the policy to each group of the same `host, paths, tags`, or some of them; '' is one group")
	flags.BoolVar(&f.unsafe, "unsafe-allow-remove-newest", false, "remove also the newest good and the newest rehearsed version of a phone, if the policy or IDs say so")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "only say what would be removed")
	flags.BoolVar(&f.prune, "prune", false, "free the room, too, if something was removed")
	f.pruning.addFlags(flags)
	return a.repositoryCommand(c)
}

// keepNumber is the value of --keep-daily and its like.
type keepNumber int

func (n *keepNumber) String() string { return strconv.Itoa(int(*n)) }
func (n *keepNumber) Type() string   { return "n" }
func (n *keepNumber) Set(s string) error {
	if s == "unlimited" {
		*n = retention.Unlimited
		return nil
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < retention.Unlimited {
		return errors.New("want a number, or unlimited")
	}
	*n = keepNumber(v)
	return nil
}

// keepSpan is the value of --keep-within and its like.
type keepSpan retention.Duration

func (d *keepSpan) String() string { return retention.Duration(*d).String() }
func (d *keepSpan) Type() string   { return "duration" }
func (d *keepSpan) Set(s string) error {
	v, err := retention.ParseDuration(s)
	*d = keepSpan(v)
	return err
}

var (
	_ pflag.Value = (*keepNumber)(nil)
	_ pflag.Value = (*keepSpan)(nil)
)

func (f *forgetFlags) check(cmd *cobra.Command, args []string) error {
	f.policy.Tags = tagLists(f.keepTags)
	if err := f.pruning.check(); err != nil {
		return usageOf(cmd, err)
	}
	var err error
	if f.by, err = retention.ParseGroupBy(f.groupBy); err != nil {
		return usageOf(cmd, fmt.Errorf("--group-by: %w", err))
	}
	err = f.policy.Check()
	switch {
	case len(args) > 0 && errors.Is(err, retention.ErrEmptyPolicy):
		return nil
	case len(args) > 0:
		return usageOf(cmd, errors.New("forget: IDs and --keep flags contradict each other"))
	case errors.Is(err, retention.ErrEmptyPolicy):
		return &usageError{errors.New("forget: nothing says what to keep"), "give --keep flags, such as --keep-daily 14 --keep-monthly 24, or the IDs of snapshots to remove"}
	}
	return err
}

// forgetGroup is what is decided about a group, as restic prints it.
type forgetGroup struct {
	Tags    []string       `json:"tags"`
	Host    string         `json:"host"`
	Paths   []string       `json:"paths"`
	Keep    []snapshotJSON `json:"keep"`
	Remove  []snapshotJSON `json:"remove"`
	Reasons []forgetReason `json:"reasons"`
	title   string
}

type forgetReason struct {
	Snapshot snapshotJSON       `json:"snapshot"`
	Matches  []string           `json:"matches"`
	Counters retention.Counters `json:"counters"`
}

func (a *app) forget(cmd *cobra.Command, f forgetFlags, args []string) error {
	mode := repository.Exclusive
	if f.dryRun {
		mode = repository.Shared
	}
	return a.withRepository(cmd, func(ctx context.Context, r *repository.Repository) error {
		removed := 0
		err := a.inSession(ctx, r, a.repo.mode(mode), func(ctx context.Context, s *repository.Session) (err error) {
			removed, err = a.forgetIn(ctx, s, f, args)
			return err
		})
		if err != nil || removed == 0 || !f.prune {
			return err
		}
		if f.dryRun {
			a.printf("How much room that frees cannot be said beforehand.\n")
			return nil
		}
		return a.prune(ctx, r, f.pruning, false)
	})
}

// forgetIn decides, tells and removes. It returns how many snapshots go.
func (a *app) forgetIn(ctx context.Context, s *repository.Session, f forgetFlags, args []string) (int, error) {
	list, err := f.filter.choose(ctx, s, args)
	if err != nil {
		return 0, err
	}
	all, damaged, err := s.ReadableSnapshots(ctx)
	if err != nil {
		return 0, err
	}
	var groups []forgetGroup
	if len(args) > 0 {
		groups, err = f.named(list, all, slices.Collect(maps.Keys(damaged)))
	} else {
		groups, err = f.decide(list, all, slices.Collect(maps.Keys(damaged)))
	}
	if err != nil {
		return 0, err
	}
	var ids []format.ID
	for _, g := range groups {
		a.showForgetGroup(g, f)
		for _, sn := range g.Remove {
			ids = append(ids, sn.ID)
		}
	}
	if len(ids) > 0 && !f.dryRun {
		if err := a.removeSnapshots(ctx, s, ids); err != nil {
			return 0, err
		}
	}
	if a.json {
		a.emit(groups)
	}
	a.showForgotten(len(ids), f)
	return len(ids), nil
}

// marks are what the tags of a phone's snapshots mean to a policy: those of package
// snapshot, and of the receipts that a rehearsal leaves.
var marks = retention.Marks{
	Owner: "udid:", Apart: map[string]string{snapshot.TagMedia: "media"}, Sealed: snapshot.TagSealed,
	Proof: snapshot.TagReceipt, Of: "of:", Tree: "tree:", Failed: "rehearsal:failed",
}

// forMarks is allLabels with what marks want to know as well.
func forMarks(list []repository.Snapshot) []retention.Snapshot {
	labelled := allLabels(list)
	for i, sn := range list {
		labelled[i].Original, labelled[i].Tree = sn.Original, sn.Tree
	}
	return labelled
}

// named is the decision about snapshots that were named. Their receipts go with
// them.
func (f *forgetFlags) named(list, all []repository.Snapshot, damaged []format.ID) ([]forgetGroup, error) {
	remove, protected := marks.Named(forMarks(list), forMarks(all), damaged)
	if len(protected) > 0 && !f.unsafe {
		for _, sn := range list {
			if why := protected[sn.ID]; len(why) > 0 {
				return nil, &hintError{err: fmt.Errorf("forget snapshot %s: it is the %s of its phone", sn.ID.Short(), strings.Join(why, " and the ")),
					hint: "make or rehearse a newer one first, or give --unsafe-allow-remove-newest"}
			}
		}
	}
	g := forgetGroup{Keep: []snapshotJSON{}, Remove: []snapshotJSON{}, Reasons: []forgetReason{}}
	find := indexByID(slices.Concat(list, all))
	for _, sn := range remove {
		g.Remove = append(g.Remove, newSnapshotJSON(find[sn.ID]))
	}
	return []forgetGroup{g}, nil
}

// decide applies the policy to each group.
func (f *forgetFlags) decide(list, all []repository.Snapshot, damaged []format.ID) ([]forgetGroup, error) {
	find := indexByID(slices.Concat(list, all))
	plan, err := marks.Plan(retention.Request{Policy: f.policy, By: f.by, Chosen: forMarks(list), All: forMarks(all), Damaged: damaged, Now: time.Now(), Unprotected: f.unsafe})
	if err != nil {
		return nil, err
	}
	groups := []forgetGroup{}
	for _, g := range plan {
		group := forgetGroup{Tags: g.Tags, Host: g.Host, Paths: g.Paths, Keep: []snapshotJSON{}, Remove: []snapshotJSON{}, Reasons: []forgetReason{}, title: lineTitle(g)}
		for _, d := range g.Decisions {
			sn := newSnapshotJSON(find[d.Snapshot.ID])
			if !d.Keep {
				group.Remove = append(group.Remove, sn)
				continue
			}
			group.Keep = append(group.Keep, sn)
			group.Reasons = append(group.Reasons, forgetReason{sn, d.Reasons, d.Left})
		}
		if len(group.Keep) == 0 && g.Line != marks.Proof && !f.unsafe {
			return nil, &hintError{err: fmt.Errorf("forget: the policy keeps no snapshot of a group of %d (%s)", len(group.Remove), printable(g.String())),
				hint: "add a rule that keeps some, such as --keep-last 1, or name the snapshots by their IDs"}
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// lineTitle is groupTitle, and says what the group is of.
func lineTitle(g retention.PlannedGroup) string {
	switch g.Line {
	case "":
		return groupTitle(g.Group)
	case marks.Proof:
		return "Receipts of rehearsals:"
	}
	return capital(strings.TrimSuffix(marks.Apart[g.Line]+", "+printable(g.String()), ", ")) + ":"
}

// titleOf is what a group is called: by its phone where it is that of one phone.
func titleOf(g forgetGroup, by retention.GroupBy) string {
	list := fromJSON(slices.Concat(g.Keep, g.Remove))
	if g.title == "" || by.String() != retention.DefaultGroupBy.String() || !ofPhones(list) {
		return g.title
	}
	newest := snapshot.Describe(slices.MaxFunc(list, func(a, b repository.Snapshot) int { return a.Time.Compare(b.Time) }))
	switch newest.Kind {
	case snapshot.Backup:
		return printable(phoneOf(newest)) + ":"
	case snapshot.Media:
		return printable(phoneOf(newest)) + ", music and pictures:"
	}
	return g.title
}

func (a *app) showForgetGroup(g forgetGroup, f forgetFlags) {
	if a.json || a.quiet {
		return
	}
	if title := titleOf(g, f.by); title != "" {
		a.printf("%s\n", title)
	}
	if len(g.Keep) > 0 {
		reasons := map[format.ID][]string{}
		for _, r := range g.Reasons {
			reasons[r.Snapshot.ID] = r.Matches
		}
		a.printf("Keep %s:\n%s", countSnapshots(len(g.Keep)), snapshotTable(fromJSON(g.Keep), reasons))
	}
	if len(g.Remove) > 0 {
		verb := "Remove"
		if f.dryRun {
			verb = "Would remove"
		}
		a.printf("%s %s:\n%s", verb, countSnapshots(len(g.Remove)), snapshotTable(fromJSON(g.Remove), nil))
	}
	a.printf("\n")
}

func fromJSON(list []snapshotJSON) []repository.Snapshot {
	var snapshots []repository.Snapshot
	for _, sn := range list {
		snapshots = append(snapshots, repository.Snapshot{ID: sn.ID, Snapshot: sn.Snapshot})
	}
	return snapshots
}

func (a *app) removeSnapshots(ctx context.Context, s *repository.Session, ids []format.ID) error {
	return a.value(func(say progress.Reporter) error {
		say.Phase("forget", "Removing "+countSnapshots(len(ids)))
		return s.Forget(ctx, ids)
	})
}

func (a *app) showForgotten(n int, f forgetFlags) {
	switch {
	case n == 0:
		a.printf("Nothing to remove.\n")
	case f.dryRun:
		a.printf("Would remove %s. Nothing was changed.\n", countSnapshots(n))
	case f.prune:
		a.printf("Removed %s.\n", countSnapshots(n))
	default:
		a.printf("Removed %s. The room that they took is freed by \"keepsake prune\".\n", countSnapshots(n))
	}
}
