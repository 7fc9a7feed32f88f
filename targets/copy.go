package targets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// CopyOptions say what to copy. The zero value copies all versions.
type CopyOptions struct {
	// Select chooses versions of the main repository; nil is all.
	Select func(repository.Snapshot) bool
	// Paths are more locations to look for the target.
	Paths []string
	// Progress is told before each version; may be nil.
	Progress func(repository.Snapshot)
}

// CopyResult tells what Copy did, also when it returns an error: as far as it came.
type CopyResult struct {
	Target, Phone string
	Where         string // the repository
	Stats         repository.CopyStats
	// Failed are versions of the main repository that are damaged and were left out.
	Failed []FailedSnapshot
	// Mended tells that packs which an interrupted copy left were taken up first.
	Mended int
	Held   int   // versions of the main repository that are on the target now
	Behind int   // that are not
	Size   int64 // of the target's repository, in bytes
	Free   int64 // on its disk, in bytes; -1 where nobody can say
}

// FailedSnapshot is a version that could not be copied.
type FailedSnapshot struct {
	Snapshot repository.Snapshot
	Err      error
}

// Copy brings what is missing to a target: versions, with media and receipts, the
// newest first, so that an interruption leaves the one on it that people would
// want. Each is complete when it appears. What an interrupted copy brought is not
// brought again. A damaged version of the main repository does not hold up the
// others: it is in Failed, and the error is nil.
//
// Errors are AbsentError, WrongRepositoryError, ErrUnknown and those of package
// repository.
func (k *Keeper) Copy(ctx context.Context, name string, m Main, o CopyOptions) (*CopyResult, error) {
	result := &CopyResult{Target: name, Phone: m.Phone, Free: -1}
	t, c, err := k.known(ctx, name, m, o.Paths)
	if err != nil {
		return result, err
	}
	to, err := k.open(ctx, t, c, m.Repo, o.Paths, false)
	if err != nil {
		return result, err
	}
	result.Where = to.repo.Location()
	err = k.copyTo(ctx, to.repo, m, o, result)
	if cerr := to.repo.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return result, fmt.Errorf("copy to target %q: %w", name, err)
	}
	return result, nil
}

// known is what the book knows of a target and of its copy of m. In a target with
// Many the repository of a phone that is new is made.
func (k *Keeper) known(ctx context.Context, name string, m Main, paths []string) (Target, Copy, error) {
	t, err := k.Book.Find(name)
	if err != nil {
		return t, Copy{}, err
	}
	if c := t.Copy(m.Phone); c != nil {
		if c.Source != m.Repo.ID() {
			return t, *c, fmt.Errorf("open target %q: it keeps copies of repository %s, not of %s at %s", name, c.Source.Short(), m.Repo.ID().Short(), m.Repo.Location())
		}
		return t, *c, nil
	}
	if !t.Many || m.Phone == "" {
		return t, Copy{}, fmt.Errorf("open target %q: it keeps no copies of %s", name, m.Repo.Location())
	}
	return k.extend(ctx, t, m, paths)
}

// extend makes the repository of a phone that a target has none of yet. The target
// has to be recognised by one of those that it has.
func (k *Keeper) extend(ctx context.Context, t Target, m Main, paths []string) (Target, Copy, error) {
	if len(t.Copies) == 0 {
		return t, Copy{}, fmt.Errorf("extend target %q: there is nothing to recognise it by", t.Name)
	}
	found, err := k.find(ctx, t, t.Copies[0], paths, false)
	if err != nil {
		return t, Copy{}, err
	}
	if err := found.be.Close(); err != nil {
		return t, Copy{}, err
	}
	if !found.certain {
		return t, Copy{}, &WrongRepositoryError{Target: t.Name, Where: found.where}
	}
	t.Location = found.base
	c, err := k.prepare(ctx, &Added{Target: t}, m)
	if err != nil {
		return t, Copy{}, fmt.Errorf("extend target %q: %w", t.Name, err)
	}
	err = k.Book.Update(t.Name, func(t *Target) error {
		t.Copies = append(t.Copies, *c)
		return nil
	})
	return t, *c, err
}

// copyTo copies, and tells the book what is there then.
func (k *Keeper) copyTo(ctx context.Context, to *repository.Repository, m Main, o CopyOptions, result *CopyResult) error {
	var err error
	if result.Mended, err = k.takeUp(ctx, to); err != nil {
		return err
	}
	return k.with(ctx, m.Repo, k.mainMode(), func(ctx context.Context, from *repository.Session) error {
		all, damaged, err := from.ReadableSnapshots(ctx)
		if err != nil {
			return err
		}
		for id, cause := range damaged {
			result.Failed = append(result.Failed, FailedSnapshot{repository.Snapshot{ID: id}, cause})
		}
		list := slices.Clone(all)
		if o.Select != nil {
			list = slices.DeleteFunc(list, func(sn repository.Snapshot) bool { return !o.Select(sn) })
		}
		slices.SortStableFunc(list, func(a, b repository.Snapshot) int { return b.Time.Compare(a.Time) })
		there := map[format.ID]bool{}
		err = k.with(ctx, to, repository.Shared, func(ctx context.Context, s *repository.Session) error {
			names, broken, err := s.ReadableSnapshots(ctx)
			if err != nil {
				return err
			}
			for _, sn := range names {
				there[sn.ID] = true
			}
			for id := range broken {
				there[id] = true
			}
			return copyAll(ctx, s, from, list, o, result)
		})
		return errors.Join(err, k.note(to, all, there, err == nil, result))
	})
}

// copyAll copies all versions at once, and one by one if something in the main
// repository is damaged.
func copyAll(ctx context.Context, to, from *repository.Session, list []repository.Snapshot, o CopyOptions, result *CopyResult) error {
	stats, err := to.CopyFrom(ctx, from, list, o.Progress)
	result.add(stats)
	if err == nil || !ofContent(ctx, err, to, from) {
		return err
	}
	done := map[format.ID]bool{}
	for _, c := range slices.Concat(stats.Copied, stats.Skipped) {
		done[c.From] = true
	}
	for _, sn := range list {
		if done[sn.ID] {
			continue
		}
		stats, err := to.CopyFrom(ctx, from, []repository.Snapshot{sn}, o.Progress)
		result.add(stats)
		if err != nil && !ofContent(ctx, err, to, from) {
			return err
		}
		if err != nil {
			result.Failed = append(result.Failed, FailedSnapshot{sn, err})
		}
	}
	return nil
}

// ofContent tells whether an error is about damage in a repository, not about a
// store that is gone: a disk that was pulled out lacks every file.
func ofContent(ctx context.Context, err error, both ...*repository.Session) bool {
	var damage *repository.DamageError
	var missing *repository.MissingError
	if errors.As(err, &damage) || errors.As(err, &missing) {
		return true
	}
	if !errors.Is(err, backend.ErrNotExist) {
		return false
	}
	for _, s := range both {
		if _, err := s.Repository().Backend().Stat(ctx, backend.Handle{Type: backend.ConfigFile}); err != nil {
			return false
		}
	}
	return true
}

func (r *CopyResult) add(s repository.CopyStats) {
	r.Stats.Copied = append(r.Stats.Copied, s.Copied...)
	r.Stats.Skipped = append(r.Stats.Skipped, s.Skipped...)
	a, b := &r.Stats.WriterStats, s.WriterStats
	a.DataBlobs += b.DataBlobs
	a.TreeBlobs += b.TreeBlobs
	a.DataAdded += b.DataAdded
	a.DataAddedPacked += b.DataAddedPacked
	a.Known += b.Known
	a.Packs += b.Packs
	a.Indexes += b.Indexes
	a.Stored += b.Stored
}

// takeUp puts packs that no index names into it: what an interrupted copy brought
// and had no time to note. While others work there, theirs cannot be told from
// those; then they stay as they are. So they do where nothing can be removed, such
// as old index files from an append-only server.
func (k *Keeper) takeUp(ctx context.Context, r *repository.Repository) (int, error) {
	orphans := 0
	err := k.with(ctx, r, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		var packs []format.ID // listed before the index is: all that is indexed by now is in it
		err := r.Backend().List(ctx, backend.PackFile, func(f backend.FileInfo) error {
			id, err := format.ParseID(f.Name)
			packs = append(packs, id)
			return err
		})
		if err != nil {
			return err
		}
		x, err := s.Index(ctx)
		if err != nil {
			return err
		}
		for _, id := range packs {
			if _, ok := x.FindPack(id); !ok {
				orphans++
			}
		}
		return nil
	})
	if err != nil || orphans == 0 {
		return 0, err
	}
	alone := *k
	alone.Wait = 0
	var stats repository.RepairStats
	err = alone.with(ctx, r, repository.Exclusive, func(ctx context.Context, s *repository.Session) error {
		var err error
		stats, err = s.RebuildIndex(ctx, false, func(repository.Problem) {})
		return err
	})
	if errors.Is(err, repository.ErrLocked) || errors.Is(err, backend.ErrReadOnly) {
		return 0, nil
	}
	return stats.PacksRead, err
}

// note tells the book what is on the target. there are its snapshots before the
// copy: somebody may have forgotten some on it since the last one. complete: all
// that was to be copied is.
func (k *Keeper) note(to *repository.Repository, all []repository.Snapshot, there map[format.ID]bool, complete bool, result *CopyResult) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also after an interruption
	defer cancel()
	size, err := repositorySize(ctx, to)
	if err != nil && complete {
		return err
	}
	result.Size, result.Free = size, freeAt(to)
	return k.Book.Update(result.Target, func(t *Target) error {
		c := t.Copy(result.Phone)
		if c == nil {
			return ErrUnknown
		}
		var held []Held
		for _, p := range slices.Concat(result.Stats.Copied, result.Stats.Skipped) {
			held = append(held, Held{p.From, p.To})
		}
		if len(there) > 0 || complete {
			c.Held = slices.DeleteFunc(c.Held, func(h Held) bool { return !there[h.To] })
		}
		c.hold(held)
		c.prune(all, result.Failed)
		result.Held = len(c.Held)
		result.Behind = c.behind(all)
		if err == nil {
			c.Size, c.Free = result.Size, result.Free
		}
		if complete && len(result.Failed) == 0 {
			c.LastCopied = k.now()
		}
		return nil
	})
}

// prune forgets versions that the main repository has no more. Damaged ones it
// still has: their copies are what mends them.
func (c *Copy) prune(all []repository.Snapshot, damaged []FailedSnapshot) {
	there := map[format.ID]bool{}
	for _, sn := range all {
		there[sn.ID] = true
	}
	for _, f := range damaged {
		there[f.Snapshot.ID] = true
	}
	c.Held = slices.DeleteFunc(c.Held, func(h Held) bool { return !there[h.From] })
}

// behind counts the versions of the main repository that are not on the target.
func (c *Copy) behind(all []repository.Snapshot) int {
	held := map[format.ID]bool{}
	for _, h := range c.Held {
		held[h.From] = true
	}
	n := 0
	for _, sn := range all {
		if !held[sn.ID] {
			n++
		}
	}
	return n
}

// repositorySize sums up the files of a repository, in bytes.
func repositorySize(ctx context.Context, r *repository.Repository) (int64, error) {
	var size int64
	for _, typ := range []backend.FileType{backend.PackFile, backend.IndexFile, backend.SnapshotFile, backend.KeyFile} {
		err := r.Backend().List(ctx, typ, func(f backend.FileInfo) error {
			size += f.Size
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("measure %s: %w", r.Location(), err)
		}
	}
	return size, nil
}

// freeAt is the room left on the disk of a repository; -1 where nobody can say.
func freeAt(r *repository.Repository) int64 {
	path, ok := folder(r.Location())
	if !ok || r.Backend().Properties().Remote {
		return -1
	}
	free, err := freeRoom(path)
	if err != nil {
		return -1
	}
	return free
}
