package targets

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// RepairOptions say how to look for damage.
type RepairOptions struct {
	// All looks for it by reading every byte; else names, sizes and folders are
	// looked at.
	All bool
	// Paths are more locations to look for targets.
	Paths []string
	// Step is told what begins; may be nil.
	Step func(text string)
	// Progress is told what a check has done; may be nil. It is called from several
	// goroutines.
	Progress func(repository.CheckStats)
}

// RepairReport tells what Repair found and mended: the main repository first, then
// the targets that were there.
type RepairReport struct {
	Phone        string
	Repositories []Mended
	// Unavailable are targets that could be neither looked at nor used, and why.
	Unavailable []Unavailable
}

// Unavailable is a target that could not take part.
type Unavailable struct {
	Target string
	Err    error
}

// Mended is what became of one repository.
type Mended struct {
	Target string // "" is the main repository
	Where  string
	Before int // damaged things that were found
	After  int // that are left
	From   []MendedFrom
	// Lost is what is still damaged, and what of it could not be had anywhere.
	Lost []repository.Problem
}

// MendedFrom is what one source gave.
type MendedFrom struct {
	Target string // "" is the main repository; "-" the damaged one itself, from its own packs
	Stats  repository.RepairStats
}

// Itself is MendedFrom.Target where no other repository helped.
const Itself = "-"

// source is a repository to take what is good from.
type source struct {
	name string // "" is the main repository
	repo *repository.Repository
	held []Held
}

// Repair looks for damage in the main repository and mends it from the targets that
// are there, one after the other, until nothing is left to mend; and then the same
// for each target, from the main repository and the other targets. names are the
// targets that take part, in this order; nil is all. A target that is not there is
// none of the failures: it is in Unavailable. Nothing is removed but what has its
// replacement.
func (k *Keeper) Repair(ctx context.Context, m Main, names []string, o RepairOptions) (report *RepairReport, err error) {
	report = &RepairReport{Phone: m.Phone}
	all, err := k.Book.All()
	if err != nil {
		return report, err
	}
	if names == nil {
		for _, t := range all {
			names = append(names, t.Name)
		}
	}
	main := source{repo: m.Repo}
	var sources []source
	defer func() {
		for _, s := range sources {
			err = errors.Join(err, s.repo.Close())
		}
	}()
	for _, name := range names {
		s, err := k.source(ctx, name, m, o)
		switch {
		case ctx.Err() != nil:
			return report, errors.Join(context.Cause(ctx), err)
		case err != nil:
			report.Unavailable = append(report.Unavailable, Unavailable{name, err})
		case s != nil:
			sources = append(sources, *s)
		}
	}
	// Twice, if something is left: the main repository may need a version of which a
	// target has the file and the main repository itself the pieces that the target
	// lacks.
	everyone := append([]source{main}, sources...)
	for range 2 {
		if err := k.repairAll(ctx, everyone, m.Phone, o, report); err != nil {
			return report, err
		}
		if report.Damage() == 0 || len(report.Repositories) == 1 {
			break
		}
	}
	return report, nil
}

// repairAll mends each repository that is not known to be whole from the others.
func (k *Keeper) repairAll(ctx context.Context, everyone []source, phone string, o RepairOptions, report *RepairReport) error {
	again := len(report.Repositories) > 0
	for i, s := range everyone {
		if again && report.Repositories[i].After == 0 {
			continue
		}
		others := slices.Delete(slices.Clone(everyone), i, i+1)
		mended, err := k.mend(ctx, s, others, o)
		if again {
			was := &report.Repositories[i]
			was.After, was.Lost, was.From = mended.After, mended.Lost, append(was.From, mended.From...)
		} else {
			report.Repositories = append(report.Repositories, *mended)
		}
		if err != nil {
			return fmt.Errorf("repair %s: %w", s.repo.Location(), err)
		}
		if s.name == "" {
			continue
		}
		if err := k.repaired(s.name, phone, &report.Repositories[i], o.All); err != nil {
			return err
		}
	}
	return nil
}

// Damage is how many damaged things are left, in all repositories.
func (r *RepairReport) Damage() int {
	n := 0
	for _, m := range r.Repositories {
		n += m.After
	}
	return n
}

// repaired tells the book what a repair left; all: every byte was read. One that did
// not read all mends nothing of the parts that a check found damaged, unless it came
// upon the same packs: the next check looks at those first.
func (k *Keeper) repaired(name, phone string, m *Mended, all bool) error {
	if m.Before == 0 {
		return nil // it says less than a check that reads
	}
	return k.Book.Update(name, func(t *Target) error {
		c := t.Copy(phone)
		if c == nil {
			return ErrUnknown
		}
		switch {
		case m.After > 0:
			c.damaged(k.now(), m.After, nil)
		case all:
			c.Suspect = nil // what is left was read and found whole
			fallthrough
		default:
			c.verified(k.now(), -1)
		}
		return nil
	})
}

// source opens a target for a repair. It is nil for one that keeps copies of other
// repositories.
func (k *Keeper) source(ctx context.Context, name string, m Main, o RepairOptions) (*source, error) {
	t, err := k.Book.Find(name)
	if err != nil {
		return nil, err
	}
	c := t.Copy(m.Phone)
	if c == nil || c.Source != m.Repo.ID() {
		return nil, nil
	}
	at, err := k.open(ctx, t, *c, m.Repo, o.Paths, true)
	if err != nil {
		return nil, err
	}
	return &source{name, at.repo, c.Held}, nil
}

// mend looks for damage in one repository and takes what is good from the sources.
func (k *Keeper) mend(ctx context.Context, damaged source, sources []source, o RepairOptions) (*Mended, error) {
	m := &Mended{Target: damaged.name, Where: damaged.repo.Location()}
	step(o, "Looking for damage in "+m.Where)
	found, err := k.damage(ctx, damaged.repo, repository.CheckOptions{ReadData: o.All, Progress: o.Progress}, m)
	if err != nil {
		return m, err
	}
	if m.Before = found.Damage; m.Before == 0 {
		return m, nil
	}
	// Without another repository first: what only the index has lost, and what is
	// good in damaged packs, is here.
	tries := append([]source{{name: Itself}}, sources...)
	for _, from := range tries {
		step(o, "Mending "+m.Where+from.describe())
		stats, err := k.mendFrom(ctx, damaged, from, found.DamagedPacks)
		if stats != (repository.RepairStats{}) {
			m.From = append(m.From, MendedFrom{from.name, stats})
		}
		if err != nil {
			return m, err
		}
		// What is new was proved before it was written; what was damaged is read again.
		was := found.DamagedPacks
		again := repository.CheckOptions{ReadData: true, Progress: o.Progress, Subset: func(pack format.ID, _ int64) bool { return slices.Contains(was, pack) }}
		if found, err = k.damage(ctx, damaged.repo, again, m); err != nil {
			return m, err
		}
		if found.Damage == 0 {
			break
		}
	}
	m.After = found.Damage
	return m, nil
}

func (s source) describe() string {
	switch s.name {
	case Itself:
		return ""
	case "":
		return " from the main repository"
	}
	return fmt.Sprintf(" from target %q", s.name)
}

func step(o RepairOptions, text string) {
	if o.Step != nil {
		o.Step(text)
	}
}

// damage checks a repository, and notes in m what is wrong now.
func (k *Keeper) damage(ctx context.Context, r *repository.Repository, o repository.CheckOptions, m *Mended) (stats repository.CheckStats, err error) {
	m.Lost = nil
	err = k.with(ctx, r, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		var err error
		stats, err = s.Check(ctx, o, func(p repository.Problem) {
			if p.Severity == repository.Damage {
				m.Lost = append(m.Lost, p)
			}
		})
		return err
	})
	return stats, err
}

// mendFrom is one round: the index, or with a source snapshot files and packs.
// Each takes a lock of its own, since what a session knows of the repository is
// not what the last step left.
func (k *Keeper) mendFrom(ctx context.Context, damaged, from source, packs []format.ID) (sum repository.RepairStats, err error) {
	add := func(s repository.RepairStats, err error) error {
		sum.PacksRead += s.PacksRead
		sum.PacksDropped += s.PacksDropped
		sum.BlobsSaved += s.BlobsSaved
		sum.BlobsFetched += s.BlobsFetched
		sum.Snapshots += s.Snapshots
		return err
	}
	none := func(repository.Problem) {} // the check that follows says what is left
	if from.name == Itself {
		err = k.with(ctx, damaged.repo, repository.Exclusive, func(ctx context.Context, s *repository.Session) error {
			return add(s.RebuildIndex(ctx, false, none))
		})
		return sum, err
	}
	err = k.with(ctx, from.repo, k.sourceMode(from), func(_ context.Context, other *repository.Session) error {
		err := k.with(ctx, damaged.repo, repository.Exclusive, func(ctx context.Context, s *repository.Session) error {
			n, err := mendSnapshots(ctx, s, other, damaged, from)
			return add(repository.RepairStats{Snapshots: n}, err)
		})
		if err != nil {
			return err
		}
		return k.with(ctx, damaged.repo, repository.Exclusive, func(ctx context.Context, s *repository.Session) error {
			return add(s.RepairPacks(ctx, packs, other, none))
		})
	})
	return sum, err
}

// sourceMode is how to share a repository that is only read.
func (k *Keeper) sourceMode(from source) repository.Mode {
	if from.name == "" {
		return k.mainMode()
	}
	return repository.Shared
}

// mendSnapshots puts damaged snapshot files back from a source that has the same
// versions: copies tell the name of their original, and the book which copy is
// which version.
func mendSnapshots(ctx context.Context, s, other *repository.Session, damaged, from source) (int, error) {
	_, broken, err := s.ReadableSnapshots(ctx)
	if err != nil || len(broken) == 0 {
		return 0, err
	}
	there, _, err := other.ReadableSnapshots(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for id := range broken {
		by, ok := replacement(id, there, damaged, from)
		if !ok {
			continue
		}
		_, err := s.ReplaceSnapshot(ctx, id, other, by)
		switch {
		case err == nil:
			n++
		case !ofContent(ctx, err, s, other):
			return n, err
		} // else it is damaged there too: perhaps another source has it
	}
	return n, nil
}

// replacement finds the version, in from, whose file in damaged is id: by the book,
// else by the origin that copies name. A version that was unsealed names the sealed
// one as its origin, and so do the copies of both: of two contents under one origin
// neither is taken.
func replacement(id format.ID, there []repository.Snapshot, damaged, from source) (by repository.Snapshot, ok bool) {
	for _, sn := range there {
		if noted(id, sn.ID, damaged, from) {
			return sn, true
		}
	}
	for _, sn := range there {
		if sn.Original == nil || *sn.Original != id || sn.Tree == nil {
			continue
		}
		if ok && *sn.Tree != *by.Tree {
			return repository.Snapshot{}, false
		}
		by, ok = sn, true
	}
	return by, ok
}

// noted tells whether, by the book, the file there in from is the version whose file
// in damaged is id.
func noted(id, there format.ID, damaged, from source) bool {
	// By way of the main repository's name for it: "" is its own.
	version := id
	if damaged.name != "" {
		i := slices.IndexFunc(damaged.held, func(h Held) bool { return h.To == id })
		if i < 0 {
			return false
		}
		version = damaged.held[i].From
	}
	if from.name == "" {
		return there == version
	}
	return slices.Contains(from.held, Held{version, there})
}
