package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// RepairStats tells what was mended.
type RepairStats struct {
	PacksRead     int // whose headers were read for the index
	PacksDropped  int // that no index names any more
	PacksUnread   int // that are there, and whose headers cannot be read
	BlobsSaved    int // taken from damaged packs
	BlobsFetched  int // taken from the other repository
	BlobsLost     int // that are nowhere: what needs them is damaged
	Snapshots     int // put back from the other repository
	SnapshotsLost int // damaged and not to be had elsewhere
}

var errNotAlone = errors.New("the session is not exclusive")

// RebuildIndex makes the index agree with the packs that are there: those that no
// readable index file names, of which index files disagree, or that are of another
// size than the index says are read (their headers are), and those that are
// missing are dropped from it. With all, every header is read. A pack whose header
// cannot be read keeps its place in the index if it has one, for RepairPacks to
// save what is good in it. Nothing is removed but index files, and those only when
// the new ones are there. It needs to be alone. report is told what could not be
// read, one at a time.
func (s *Session) RebuildIndex(ctx context.Context, all bool, report func(Problem)) (RepairStats, error) {
	var stats RepairStats
	if s.mode != Exclusive {
		return stats, fmt.Errorf("repair index: %w", errNotAlone)
	}
	old, _, err := s.loadIndex(ctx)
	if err != nil {
		return stats, fmt.Errorf("repair index: %w", err)
	}
	sizes, err := s.r.list(ctx, backend.PackFile)
	if err != nil {
		return stats, fmt.Errorf("repair index: %w", err)
	}
	x := index.New()
	known := func(id format.ID, size int64) bool {
		n, ok := old.FindPack(id)
		if !ok || all || s.doubtful[id] {
			return false
		}
		blobs := packBlobs(old, n)
		return format.PackSize(blobs) == size && contiguous(blobs) == nil && x.AddPack(id, blobs) == nil
	}
	var read []format.ID
	for id, size := range sizes {
		if !known(id, size) {
			read = append(read, id)
		}
	}
	for _, id := range old.Packs() {
		if _, ok := sizes[id]; !ok {
			stats.PacksDropped++
			report(Problem{Damage, "pack " + id.String(), errors.New("the file is missing: the index no longer names it")})
		}
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.r.connections())
	for _, id := range read {
		g.Go(func() error {
			blobs, err := s.packHeader(gctx, id, sizes[id])
			if err == nil {
				err = x.AddPack(id, blobs)
			}
			unreadable := err != nil && s.r.ofFile(gctx, err)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				stats.PacksRead++
				return nil
			case !unreadable:
				return fmt.Errorf("read header of pack %v: %w", id, err)
			}
			stats.PacksUnread++
			report(Problem{Damage, "pack " + id.String(), cause(err)})
			if n, ok := old.FindPack(id); ok {
				return x.AddPack(id, packBlobs(old, n))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return stats, fmt.Errorf("repair index: %w", err)
	}
	if err := s.replaceIndex(ctx, x, nil); err != nil {
		return stats, fmt.Errorf("repair index: %w", err)
	}
	return stats, nil
}

func packBlobs(x *index.Index, n uint32) []format.Blob {
	var blobs []format.Blob
	for e := range x.PackBlobs(n) {
		blobs = append(blobs, e.Blob)
	}
	return blobs
}

// packHeader reads the header of a pack, without the blobs.
func (s *Session) packHeader(ctx context.Context, id format.ID, size int64) ([]format.Blob, error) {
	h := backend.Handle{Type: backend.PackFile, Name: id.String()}
	return twice(func() ([]format.Blob, error) {
		plain, err := s.openHeader(ctx, h, size)
		if err != nil {
			return nil, err
		}
		blobs, err := parseHeader(plain, size)
		if err != nil {
			return nil, &DamageError{h.String(), fmt.Errorf("header: %w", err)}
		}
		return blobs, nil
	})
}

func (s *Session) openHeader(ctx context.Context, h backend.Handle, size int64) ([]byte, error) {
	var tail [4]byte
	if size < int64(len(tail)) {
		return nil, &DamageError{h.String(), fmt.Errorf("the file has %d bytes", size)}
	}
	if err := backend.ReadFull(ctx, s.r.be, h, size-4, tail[:]); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > size-4 || n > format.MaxHeader+format.SealOverhead {
		return nil, &DamageError{h.String(), fmt.Errorf("a header of %d bytes in a file of %d", n, size)}
	}
	sealed := make([]byte, n)
	if err := backend.ReadFull(ctx, s.r.be, h, size-4-n, sealed); err != nil {
		return nil, err
	}
	plain, err := s.r.key.OpenInPlace(sealed)
	if err != nil {
		return nil, &DamageError{h.String(), fmt.Errorf("header: %w", err)}
	}
	return plain, nil
}

// replaceIndex writes all of x but the packs in without, and then removes every
// other index file. The session goes on with the new index.
func (s *Session) replaceIndex(ctx context.Context, x *index.Index, without map[format.ID]bool) error {
	files, err := s.r.list(ctx, backend.IndexFile)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.indexFiles = map[format.ID][]format.ID{}
	for id := range files {
		s.indexFiles[id] = nil // all are replaced
	}
	s.mu.Unlock()
	if err := s.writeIndex(ctx, x, func(pack format.ID) bool { return !without[pack] }); err != nil {
		return err
	}
	if err := s.removeSurely(ctx, backend.IndexFile, slices.Collect(maps.Keys(files))); err != nil {
		return err
	}
	s.forgetIndex()
	return nil
}

// forgetIndex makes the session load the index anew when it is next needed.
func (s *Session) forgetIndex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index, s.indexFiles, s.problems, s.doubtful = nil, nil, nil, nil
}

// RepairPacks saves what is good in damaged packs into new ones and takes the
// damaged ones out of the index; what is not good is taken from other packs, or
// from the other repository if that is not nil, and from there also whatever
// snapshots need and no pack has. A damaged pack is removed when nothing of it
// is lost; otherwise the file stays until prune, and in the index too if it is
// there and could not be read: another day it may be. It needs to be alone. packs
// comes from CheckStats.DamagedPacks. report is told what is lost.
func (s *Session) RepairPacks(ctx context.Context, packs []format.ID, from *Session, report func(Problem)) (RepairStats, error) {
	p := &packRepair{s: s, from: from, report: report, lost: map[format.BlobHandle]bool{}, saved: map[format.BlobHandle]bool{}, bad: map[format.ID]bool{}}
	if s.mode != Exclusive {
		return p.stats, fmt.Errorf("repair packs: %w", errNotAlone)
	}
	for _, id := range packs {
		p.bad[id] = true
	}
	if err := p.run(ctx); err != nil {
		return p.stats, fmt.Errorf("repair packs: %w", err)
	}
	return p.stats, nil
}

type packRepair struct {
	s, from *Session
	report  func(Problem)
	stats   RepairStats
	x       *index.Index
	w       *Writer
	bad     map[format.ID]bool
	keep    []format.ID                // damaged packs with something that is nowhere else
	stay    []format.ID                // damaged packs that may be read another day
	saved   map[format.BlobHandle]bool // on their way into new packs
	lost    map[format.BlobHandle]bool // looked for in vain
}

func (p *packRepair) run(ctx context.Context) error {
	x, err := p.s.Index(ctx)
	if err != nil {
		return err
	}
	p.x = x
	sizes, err := p.s.r.list(ctx, backend.PackFile)
	if err != nil {
		return err
	}
	for _, id := range x.Packs() { // a missing file is damage enough
		if _, ok := sizes[id]; !ok {
			p.bad[id] = true
		}
	}
	if p.w, err = p.s.startWriter(ctx, x); err != nil {
		return err
	}
	err = p.save(ctx, sizes)
	if cerr := p.w.Close(); err == nil {
		err = cerr
	}
	return err
}

func (p *packRepair) save(ctx context.Context, sizes map[format.ID]int64) error {
	for id := range p.bad {
		n, ok := p.x.FindPack(id)
		if !ok {
			delete(p.bad, id)
			continue
		}
		if err := p.pack(ctx, n, id, sizes); err != nil {
			return err
		}
	}
	for _, id := range p.stay { // until here they were bad: no place to leave a blob of another one
		delete(p.bad, id)
	}
	// Taken now: the index is written when the rescued blobs are durable.
	if err := p.w.Flush(ctx); err != nil {
		return err
	}
	if err := p.w.checkpoint.arrived(ctx); err != nil {
		return err
	}
	if err := p.s.rewriteIndex(ctx, p.x, p.bad); err != nil {
		return err
	}
	p.stats.PacksDropped = len(p.bad)
	if err := p.fetchMissing(ctx); err != nil {
		return err
	}
	for _, id := range p.keep {
		delete(p.bad, id)
	}
	return p.s.removeAll(ctx, backend.PackFile, slices.Collect(maps.Keys(p.bad)))
}

// pack looks for every blob of a damaged pack: in another pack, in this one, in
// the other repository.
func (p *packRepair) pack(ctx context.Context, n uint32, id format.ID, sizes map[format.ID]int64) error {
	size, there := sizes[id]
	header := map[format.BlobHandle]format.Blob{} // where it says that blobs are
	if there {
		blobs, err := p.s.packHeader(ctx, id, size)
		if err != nil && !p.s.r.ofFile(ctx, err) {
			return err
		}
		for _, b := range blobs {
			header[b.BlobHandle] = b
		}
	}
	lost, unread := false, false
	for _, b := range packBlobs(p.x, n) {
		if p.saved[b.BlobHandle] || hasCopy(p.x, b.BlobHandle, func(pack format.ID) bool { return !p.bad[pack] }) {
			continue
		}
		if there {
			plain, err := p.read(ctx, id, b, header)
			if err == nil {
				if err := p.w.put(ctx, b.BlobHandle, plain); err != nil {
					return err
				}
				p.saved[b.BlobHandle] = true
				p.stats.BlobsSaved++
				continue
			}
			if !p.s.r.ofFile(ctx, err) {
				return err
			}
			unread = unread || !ofBlob(err)
		}
		found, err := p.fetch(ctx, b.BlobHandle)
		if err != nil {
			return err
		}
		lost = lost || !found
	}
	switch {
	case lost && unread:
		p.stay = append(p.stay, id)
	case lost:
		p.keep = append(p.keep, id)
	}
	return nil
}

// read reads a blob of a damaged pack: at the place that the index tells, and at
// the one that the pack's header tells.
func (p *packRepair) read(ctx context.Context, id format.ID, b format.Blob, header map[format.BlobHandle]format.Blob) ([]byte, error) {
	plain, err := p.s.blobAt(ctx, id, b, nil)
	if other, ok := header[b.BlobHandle]; ok && err != nil && other != b {
		return p.s.blobAt(ctx, id, other, nil)
	}
	return plain, err
}

// fetch takes a blob from the other repository.
func (p *packRepair) fetch(ctx context.Context, h format.BlobHandle) (bool, error) {
	if p.lost[h] {
		return false, nil
	}
	err := error(&MissingError{h})
	if p.from != nil {
		var plain []byte
		plain, err = p.from.Blob(ctx, h, nil)
		if err == nil {
			p.saved[h] = true
			p.stats.BlobsFetched++
			return true, p.w.put(ctx, h, plain)
		}
		if !ofBlob(err) {
			return false, err
		}
	}
	p.lost[h] = true
	p.stats.BlobsLost++
	p.report(Problem{Damage, h.String(), fmt.Errorf("there is no good copy: %w", err)})
	return false, nil
}

// fetchMissing fetches what snapshots need and no index names. A folder that
// was missing may name more.
func (p *packRepair) fetchMissing(ctx context.Context) error {
	if p.from == nil {
		return nil
	}
	p.s.forgetIndex()
	x, err := p.s.Index(ctx)
	if err != nil {
		return err
	}
	snapshots, _, err := p.s.r.loadSnapshots(ctx, p.s.names)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	missing := map[format.BlobHandle]bool{}
	need := func(h format.BlobHandle) {
		if _, ok := x.Lookup(h); !ok {
			missing[h] = true
		}
	}
	var w *walk
	w = p.s.newWalk(x, func(id format.ID, t *format.Tree, err error) error {
		mu.Lock()
		defer mu.Unlock()
		h := format.BlobHandle{ID: id, Type: format.TreeBlob}
		if err != nil {
			need(h)
			// What it names is found in the other repository's copy of it.
			if t, err = p.from.Tree(ctx, id); err != nil {
				return nil
			}
		}
		for i := range t.Nodes {
			for _, blob := range t.Nodes[i].Content {
				need(format.BlobHandle{ID: blob, Type: format.DataBlob})
			}
			if sub := t.Nodes[i].Subtree; sub != nil && err == nil {
				w.push(*sub)
			}
		}
		return nil
	})
	for _, sn := range snapshots {
		if sn.Tree == nil {
			continue
		}
		if err := w.run(ctx, *sn.Tree); err != nil {
			return err
		}
	}
	p.w.index = x
	for h := range missing {
		if _, err := p.fetch(ctx, h); err != nil {
			return err
		}
	}
	if err := p.w.Flush(ctx); err != nil {
		return err
	}
	return p.w.checkpoint.arrived(ctx)
}

// RepairSnapshots puts snapshot files that are damaged back from another
// repository that was copied from this one (its copies tell the name of their
// original). The damaged file is removed when its replacement is there. It needs
// to be alone.
func (s *Session) RepairSnapshots(ctx context.Context, from *Session, report func(Problem)) (RepairStats, error) {
	var stats RepairStats
	fail := func(err error) (RepairStats, error) { return stats, fmt.Errorf("repair snapshots: %w", err) }
	if s.mode != Exclusive {
		return fail(errNotAlone)
	}
	files, err := s.r.list(ctx, backend.SnapshotFile)
	if err != nil {
		return fail(err)
	}
	_, broken, err := s.r.loadSnapshots(ctx, slices.Collect(maps.Keys(files)))
	if err != nil {
		return fail(err)
	}
	others, err := from.Snapshots(ctx)
	if err != nil {
		return fail(err)
	}
	s.mu.Lock()
	s.names, s.snapshots, s.broken = []format.ID{}, []Snapshot{}, nil // none that CopyFrom could take for the same
	s.mu.Unlock()
	for id, cause := range broken {
		i := slices.IndexFunc(others, func(o Snapshot) bool { return origin(o) == id })
		if i < 0 {
			stats.SnapshotsLost++
			report(Problem{Damage, "snapshot " + id.String(), fmt.Errorf("%w; the other repository has no copy of it", cause)})
			continue
		}
		if _, err := s.CopyFrom(ctx, from, others[i:i+1], nil); err != nil {
			return fail(err)
		}
		if err := s.removeSurely(ctx, backend.SnapshotFile, []format.ID{id}); err != nil {
			return fail(err)
		}
		stats.Snapshots++
	}
	s.forgetSnapshots()
	return stats, nil
}
