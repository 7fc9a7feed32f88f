package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// PruneOptions say how much to tidy up.
type PruneOptions struct {
	// MaxUnused is how much unused room may stay, as a part of the whole: 0.05 is
	// restic's choice. 0 repacks whatever is partly unused.
	MaxUnused float64
	// MaxRepack bounds the bytes that are written anew; 0 is no bound.
	MaxRepack int64
	// DryRun only plans.
	DryRun bool
	// Wait is how long others may work on before prune gives up waiting for its
	// turn alone. New ones are held back meanwhile.
	Wait time.Duration
	// Progress is told what is being done; may be nil.
	Progress func(PruneStep)
}

// PruneStep is a part of prune's work.
type PruneStep string

// The steps in order. Others may work in the repository until PruneWait; they
// are held back from then on, and kept out from PruneIndex on.
const (
	PruneFind   PruneStep = "find what snapshots need"
	PruneRepack PruneStep = "repack"
	PruneWait   PruneStep = "wait for others"
	PruneIndex  PruneStep = "write the new index"
	PruneRemove PruneStep = "remove packs"
)

// PruneStats tells what was, or with DryRun would be, done. Sizes are in bytes,
// as stored.
type PruneStats struct {
	UsedBlobs, UnusedBlobs, DuplicateBlobs int
	UsedBytes, UnusedBytes                 int64 // duplicates are unused
	KeptPacks, RepackedPacks, RemovedPacks int   // removed: without those repacked
	OrphanPacks                            int   // that no index named
	RepackedBytes                          int64 // written anew
	FreedBytes                             int64 // in the end
	LeftUnusedBytes                        int64
}

// Forget removes snapshots. Their blobs stay until Prune. It needs to be alone.
func (s *Session) Forget(ctx context.Context, ids []format.ID) error {
	if s.mode != Exclusive {
		return errors.New("forget snapshots: the session is not exclusive")
	}
	for _, id := range ids {
		if err := s.alive(); err != nil {
			return fmt.Errorf("forget snapshot %s: %w", id.Short(), err)
		}
		h := backend.Handle{Type: backend.SnapshotFile, Name: id.String()}
		if err := s.r.be.Remove(ctx, h); err != nil && !errors.Is(err, backend.ErrNotExist) {
			return fmt.Errorf("forget snapshot %s: %w", id.Short(), err)
		}
	}
	s.forgetSnapshots()
	return nil
}

// Prune removes what no snapshot needs. It is safe to interrupt at any point.
//
// The long part, finding what is needed and writing what is to be kept of packs
// that go, happens beside others under a shared lock: it only adds. Then prune
// is alone for the short part: it looks what snapshots came meanwhile, keeps
// what they need, writes indexes without the packs that go, removes the old
// indexes, and last the packs. At no time does an index name a pack that is gone
// or a snapshot need a blob that no index names.
func (r *Repository) Prune(ctx context.Context, o PruneOptions) (PruneStats, error) {
	deadline := time.Now().Add(o.Wait)
	p := &pruner{r: r, o: o}
	stats, err := p.run(ctx, deadline)
	if err != nil {
		return stats, fmt.Errorf("prune repository %s: %w", r.Location(), err)
	}
	return stats, nil
}

type pruner struct {
	r     *Repository
	o     PruneOptions
	stats PruneStats

	// What the shared part found.
	x      *index.Index
	used   *index.Set             // entries that are needed, duplicates too
	walked map[format.ID]bool     // roots of trees
	doomed map[format.ID]bool     // packs that go
	files  map[format.ID]struct{} // index files that were loaded
	walk   *walk
}

func (p *pruner) step(s PruneStep) {
	if p.o.Progress != nil {
		p.o.Progress(s)
	}
}

func (p *pruner) run(ctx context.Context, deadline time.Time) (PruneStats, error) {
	mode := Shared
	if p.o.DryRun {
		mode = Unlocked
	}
	s, err := p.r.Begin(ctx, mode, time.Until(deadline))
	if err != nil {
		return p.stats, err
	}
	err = p.prepare(s)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if err != nil || p.o.DryRun {
		return p.stats, err
	}
	p.step(PruneWait)
	s, err = p.r.Begin(ctx, Exclusive, time.Until(deadline))
	if err != nil {
		return p.stats, err
	}
	err = p.finish(s)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return p.stats, err
}

// prepare finds what is needed, decides what goes, and writes anew what is to be
// kept of it.
func (p *pruner) prepare(s *Session) error {
	ctx := s.Context()
	p.step(PruneFind)
	x, err := s.Index(ctx)
	if err != nil {
		return err
	}
	if s.marked {
		return errRustic
	}
	p.x, p.used, p.walked = x, &index.Set{}, map[format.ID]bool{}
	p.files = map[format.ID]struct{}{}
	for id := range s.indexFiles {
		p.files[id] = struct{}{}
	}
	if err := p.findUsed(ctx, s); err != nil {
		return err
	}
	sizes, err := p.r.list(ctx, backend.PackFile)
	if err != nil {
		return err
	}
	needed := func(e index.Entry) bool { return p.used.Has(e.Number) }
	if err := p.present(x, sizes, needed); err != nil {
		return err
	}
	repack := p.plan()
	if p.o.DryRun {
		return nil
	}
	if len(repack) > 0 {
		p.step(PruneRepack)
		return p.repack(ctx, s, repack)
	}
	return nil
}

// present makes sure that the packs of needed blobs are there, at the sizes that
// the index tells. Of two copies of a blob the one in a pack that is missing must
// not be the one to stay.
func (p *pruner) present(x *index.Index, sizes map[format.ID]int64, needed func(index.Entry) bool) error {
	for n, id := range x.Packs() {
		if p.doomed[id] {
			continue
		}
		blobs, use := []format.Blob(nil), false
		for e := range x.PackBlobs(n) {
			blobs, use = append(blobs, e.Blob), use || needed(e)
		}
		size, ok := sizes[id]
		switch want := format.PackSize(blobs); {
		case !use:
		case !ok:
			return &DamageError{"pack " + id.String(), errors.New("the file is missing: nothing is removed")}
		case size != want:
			return &DamageError{"pack " + id.String(), fmt.Errorf("the file has %d bytes, not the %d that its index tells: nothing is removed", size, want)}
		}
	}
	return nil
}

var errRustic = errors.New("rustic has marked packs that it means to delete, and may still recover: run \"rustic prune\" to its end first")

// allSnapshots gives every snapshot that was listed. Beside the lock nobody
// removes one: if the store has not got it a moment later, it is not to be trusted.
func allSnapshots(ctx context.Context, s *Session) ([]Snapshot, error) {
	snapshots, err := s.Snapshots(ctx)
	if err == nil && len(snapshots) != len(s.names) {
		err = fmt.Errorf("%d snapshots are listed and %d are there: nothing is removed; start again", len(s.names), len(snapshots))
	}
	return snapshots, err
}

// findUsed walks all snapshots. Whatever cannot be loaded ends it: nothing is
// removed on half knowledge.
func (p *pruner) findUsed(ctx context.Context, s *Session) error {
	snapshots, err := allSnapshots(ctx, s)
	if err != nil {
		return err
	}
	p.walk = s.newWalk(p.x, p.visit)
	for _, sn := range snapshots {
		if sn.Tree == nil {
			return fmt.Errorf("snapshot %s has no tree", sn.ID.Short())
		}
		if err := p.walk.run(ctx, *sn.Tree); err != nil {
			return err
		}
		p.walked[*sn.Tree] = true
	}
	return nil
}

func (p *pruner) visit(id format.ID, t *format.Tree, err error) error {
	if err != nil {
		return err
	}
	p.walk.mu.Lock()
	defer p.walk.mu.Unlock()
	if err := p.need(format.BlobHandle{ID: id, Type: format.TreeBlob}); err != nil {
		return err
	}
	for i := range t.Nodes {
		for _, blob := range t.Nodes[i].Content {
			if err := p.need(format.BlobHandle{ID: blob, Type: format.DataBlob}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pruner) need(h format.BlobHandle) error {
	found := false
	p.x.LookupAll(h, func(e index.Entry) bool {
		found = true
		p.used.Add(e.Number)
		return true
	})
	if !found {
		return &MissingError{h}
	}
	return nil
}

// packUse is what of a pack is needed.
type packUse struct {
	number       uint32
	id           format.ID
	used, unused int64 // bytes
	blobs        int   // used ones
}

// plan decides which packs go, and returns those of which something is kept.
func (p *pruner) plan() []packUse {
	uses := p.packUses()
	p.doomed = map[format.ID]bool{}
	var partly []packUse
	total := int64(0)
	for _, u := range uses {
		switch {
		case u.blobs == 0:
			p.doomed[u.id] = true
			p.stats.RemovedPacks++
			p.stats.FreedBytes += u.unused
		case u.unused > 0:
			partly = append(partly, u)
			total += u.used + u.unused
			p.stats.LeftUnusedBytes += u.unused
		default:
			total += u.used
			p.stats.KeptPacks++
		}
	}
	// The most is won where the most is unused.
	slices.SortFunc(partly, func(a, b packUse) int {
		return cmp.Compare(float64(b.unused)/float64(b.used+b.unused), float64(a.unused)/float64(a.used+a.unused))
	})
	allowed := int64(p.o.MaxUnused * float64(total))
	var repack []packUse
	for _, u := range partly {
		if p.stats.LeftUnusedBytes <= allowed || p.o.MaxRepack > 0 && p.stats.RepackedBytes+u.used > p.o.MaxRepack {
			p.stats.KeptPacks++
			continue
		}
		repack = append(repack, u)
		p.doomed[u.id] = true
		p.stats.RepackedPacks++
		p.stats.RepackedBytes += u.used
		p.stats.FreedBytes += u.unused
		p.stats.LeftUnusedBytes -= u.unused
	}
	return append(repack, p.small(uses)...)
}

// small finds packs far below the usual size, when there are many: they are
// written together into larger ones (restic-format.md 4).
func (p *pruner) small(uses []packUse) []packUse {
	const many = 10
	limit := int64(p.r.o.PackSize) / 4
	var small []packUse
	for _, u := range uses {
		if u.blobs > 0 && !p.doomed[u.id] && u.used+u.unused < limit {
			small = append(small, u)
		}
	}
	if len(small) < many {
		return nil
	}
	kept := small[:0]
	for _, u := range small {
		if p.o.MaxRepack > 0 && p.stats.RepackedBytes+u.used > p.o.MaxRepack {
			break
		}
		p.doomed[u.id] = true
		p.stats.KeptPacks--
		p.stats.RepackedPacks++
		p.stats.RepackedBytes += u.used
		p.stats.FreedBytes += u.unused
		p.stats.LeftUnusedBytes -= u.unused
		kept = append(kept, u)
	}
	return kept
}

// packUses counts for each pack what of it is needed. Of a blob that lies in
// several packs one copy counts: the one in the pack with the least that nobody
// needs, so that an interrupted repacking is not done again.
func (p *pruner) packUses() []packUse {
	uses := make([]packUse, p.x.PackCount())
	waste := make([]int64, len(uses))
	for n, id := range p.x.Packs() {
		uses[n] = packUse{number: n, id: id}
		for e := range p.x.PackBlobs(n) {
			if !p.used.Has(e.Number) {
				waste[n] += int64(e.Length)
			}
		}
	}
	for i := range uses {
		u := &uses[i]
		for e := range p.x.PackBlobs(u.number) {
			switch {
			case !p.used.Has(e.Number):
				p.stats.UnusedBlobs++
				u.unused += int64(e.Length)
			case p.copyToKeep(e.BlobHandle, waste) != e.Number:
				p.stats.DuplicateBlobs++
				u.unused += int64(e.Length)
			default:
				p.stats.UsedBlobs++
				u.used += int64(e.Length)
				u.blobs++
			}
		}
		p.stats.UsedBytes += u.used
		p.stats.UnusedBytes += u.unused
	}
	return uses
}

func (p *pruner) copyToKeep(h format.BlobHandle, waste []int64) uint32 {
	var best index.Entry
	found := false
	p.x.LookupAll(h, func(e index.Entry) bool {
		if !found || waste[e.Pack] < waste[best.Pack] || waste[e.Pack] == waste[best.Pack] && e.Number < best.Number {
			best, found = e, true
		}
		return true
	})
	return best.Number
}

// repack writes what is needed of packs into new ones, durable and indexed. The
// old ones stay for now: until prune is alone, this only adds copies.
func (p *pruner) repack(ctx context.Context, s *Session, packs []packUse) error {
	w, err := s.startWriter(ctx, p.x)
	if err != nil {
		return err
	}
	err = p.copyNeeded(ctx, s, w, packs)
	if err == nil {
		err = w.Flush(ctx)
	}
	if err == nil {
		err = w.checkpoint.arrived(ctx)
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

const repackBatch = 100_000 // blobs

func (p *pruner) copyNeeded(ctx context.Context, s *Session, w *Writer, packs []packUse) error {
	var batch []format.BlobHandle
	var taken index.Set // the first entries of the blobs in or before batch
	flush := func() error {
		err := s.pass(ctx, batch, func(h format.BlobHandle, l loaded) error { return w.pass(ctx, h, l.payload, l.length, true) })
		batch = batch[:0]
		return err
	}
	for _, u := range packs {
		for e := range p.x.PackBlobs(u.number) {
			if !p.used.Has(e.Number) || p.elsewhere(e.BlobHandle) {
				continue
			}
			if first, ok := p.x.Lookup(e.BlobHandle); ok && taken.Add(first.Number) {
				batch = append(batch, e.BlobHandle)
			}
		}
		if len(batch) >= repackBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// elsewhere tells whether a pack that stays has a blob.
func (p *pruner) elsewhere(h format.BlobHandle) bool {
	return hasCopy(p.x, h, func(pack format.ID) bool { return !p.doomed[pack] })
}

func hasCopy(x *index.Index, h format.BlobHandle, in func(format.ID) bool) bool {
	found := false
	x.LookupAll(h, func(e index.Entry) bool {
		found = in(x.PackID(e.Pack))
		return !found
	})
	return found
}

// pass loads blobs in the form in which packs hold them.
func (s *Session) pass(ctx context.Context, blobs []format.BlobHandle, deliver func(format.BlobHandle, loaded) error) error {
	return s.fetch(ctx, blobs, func(*window) error { return nil }, func(i int, l loaded) error { return deliver(blobs[i], l) })
}

// finish is the part that prune does alone.
func (p *pruner) finish(s *Session) error {
	ctx := s.Context()
	p.step(PruneIndex)
	x, err := s.Index(ctx)
	if err != nil {
		return err
	}
	if s.marked {
		return errRustic
	}
	for id := range p.files {
		if _, ok := s.indexFiles[id]; !ok {
			return errors.New("somebody else pruned it meanwhile; start again")
		}
	}
	if err := p.keepNew(ctx, s, x); err != nil {
		return err
	}
	if err := p.prove(x); err != nil {
		return err
	}
	sizes, err := p.r.list(ctx, backend.PackFile)
	if err != nil {
		return err
	}
	if err := p.present(x, sizes, func(index.Entry) bool { return true }); err != nil {
		return err
	}
	var remove []format.ID
	for id, size := range sizes {
		if _, ok := x.FindPack(id); !ok { // nobody writes now: no index will name it
			remove = append(remove, id)
			p.stats.OrphanPacks++
			p.stats.FreedBytes += size
		}
	}
	remove = slices.AppendSeq(remove, maps.Keys(p.doomed))
	if err := s.rewriteIndex(ctx, x, p.doomed); err != nil {
		return err
	}
	p.step(PruneRemove)
	if err := s.removeAll(ctx, backend.PackFile, remove); err != nil {
		return err
	}
	if sweeper, ok := backend.As[tempSweeper](p.r.be); ok {
		_, err = sweeper.SweepTemp(ctx, tempAge)
	}
	return err
}

// tempSweeper is a store in which one who dies while he writes leaves a file
// under another name. Those older than tempAge are nobody's.
type tempSweeper interface {
	SweepTemp(ctx context.Context, olderThan time.Duration) (int, error)
}

const tempAge = 24 * time.Hour

// keepNew looks at the snapshots that came since prepare. A pack that goes and
// holds the only copy of what they need stays.
func (p *pruner) keepNew(ctx context.Context, s *Session, x *index.Index) error {
	snapshots, err := allSnapshots(ctx, s)
	if err != nil {
		return err
	}
	keep := func(h format.BlobHandle) error {
		if hasCopy(x, h, func(pack format.ID) bool { return !p.doomed[pack] }) {
			return nil
		}
		e, ok := x.Lookup(h)
		if !ok {
			return &MissingError{h}
		}
		delete(p.doomed, x.PackID(e.Pack))
		return nil
	}
	var w *walk
	w = s.newWalk(x, func(id format.ID, t *format.Tree, err error) error {
		if err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := keep(format.BlobHandle{ID: id, Type: format.TreeBlob}); err != nil {
			return err
		}
		for i := range t.Nodes {
			for _, blob := range t.Nodes[i].Content {
				if err := keep(format.BlobHandle{ID: blob, Type: format.DataBlob}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, sn := range snapshots {
		if sn.Tree == nil {
			return fmt.Errorf("snapshot %s has no tree", sn.ID.Short())
		}
		if p.walked[*sn.Tree] {
			continue
		}
		if err := w.run(ctx, *sn.Tree); err != nil {
			return err
		}
	}
	return nil
}

// prove makes sure that whatever was needed at first is in a pack that stays.
// There is no other way to find a mistake in time.
func (p *pruner) prove(x *index.Index) error {
	for n, id := range p.x.Packs() {
		if !p.doomed[id] {
			continue
		}
		for e := range p.x.PackBlobs(n) {
			if p.used.Has(e.Number) && !hasCopy(x, e.BlobHandle, func(pack format.ID) bool { return !p.doomed[pack] }) {
				return fmt.Errorf("%v in pack %v would be lost: nothing was removed (a mistake of ours)", e.BlobHandle, id)
			}
		}
	}
	return nil
}

// rewriteIndex replaces the index files that name packs which go. New ones are
// there before an old one is removed.
func (s *Session) rewriteIndex(ctx context.Context, x *index.Index, without map[format.ID]bool) error {
	s.mu.Lock()
	files := maps.Clone(s.indexFiles)
	s.mu.Unlock()
	var old []format.ID
	moved := map[format.ID]bool{} // packs to be named anew
	for id, packs := range files {
		if len(packs) > 0 && !slices.ContainsFunc(packs, func(p format.ID) bool { return without[p] }) {
			continue
		}
		old = append(old, id)
		for _, p := range packs {
			if !without[p] {
				moved[p] = true
			}
		}
	}
	if err := s.writeIndex(ctx, x, func(pack format.ID) bool { return moved[pack] }); err != nil {
		return err
	}
	return s.removeSurely(ctx, backend.IndexFile, old)
}

// removeSurely removes files and makes sure that they are gone: packs that only
// an index file names may go after it.
func (s *Session) removeSurely(ctx context.Context, t backend.FileType, ids []format.ID) error {
	if len(ids) == 0 {
		return nil
	}
	if err := s.removeAll(ctx, t, ids); err != nil {
		return err
	}
	left, err := s.r.list(ctx, t)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := left[id]; ok {
			return fmt.Errorf("remove %v %v: the store says that it did, and still has it", t, id)
		}
	}
	return nil
}

// writeIndex stores the chosen packs of x in new index files and makes sure that
// they arrived.
func (s *Session) writeIndex(ctx context.Context, x *index.Index, chosen func(format.ID) bool) error {
	var saved []format.ID
	var batch []format.PackBlobs
	blobs := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		id, err := s.saveIndex(ctx, batch)
		saved = append(saved, id)
		batch, blobs = nil, 0
		return err
	}
	for n, id := range x.Packs() {
		if !chosen(id) {
			continue
		}
		p := format.PackBlobs{Pack: id, Blobs: packBlobs(x, n)}
		batch = append(batch, p)
		if blobs += len(p.Blobs); blobs >= indexBlobs {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for _, id := range saved {
		if err := s.arrived(ctx, backend.IndexFile, id, 0); err != nil {
			return err
		}
	}
	return nil
}

// removeAll removes files. That one is gone already is fine.
func (s *Session) removeAll(ctx context.Context, t backend.FileType, ids []format.ID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.r.connections())
	for _, id := range ids {
		if err := s.alive(); err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			err := s.r.be.Remove(ctx, backend.Handle{Type: t, Name: id.String()})
			if errors.Is(err, backend.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return g.Wait()
}
