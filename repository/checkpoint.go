package repository

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const (
	// An index file is closed at this many blobs, or at this age
	// (restic-format.md 6).
	indexBlobs = 50_000
	indexAge   = 10 * time.Minute
	// Up to this many packs of a run are looked up one by one, more in a listing.
	fewPacks = 64
)

// checkpoint collects saved packs and writes index files that name them. What an
// index names, the next run finds.
type checkpoint struct {
	w *Writer

	mu    sync.Mutex
	packs []format.PackBlobs
	blobs int
	since time.Time
	saved []format.ID // index files of this run
}

// add takes a pack that is durable.
func (c *checkpoint) add(ctx context.Context, p format.PackBlobs) error {
	c.mu.Lock()
	if len(c.packs) == 0 {
		c.since = time.Now()
	}
	c.packs = append(c.packs, p)
	c.blobs += len(p.Blobs)
	due := c.blobs >= indexBlobs || time.Since(c.since) > indexAge
	c.mu.Unlock()
	if due {
		return c.write(ctx)
	}
	return nil
}

// write stores what was collected in one index file, after making sure that the
// backend has the packs: the next run stores nothing again that an index names.
func (c *checkpoint) write(ctx context.Context) error {
	c.mu.Lock()
	packs := c.packs
	c.packs, c.blobs = nil, 0
	c.mu.Unlock()
	if len(packs) == 0 {
		return nil
	}
	if err := c.w.s.packsArrived(ctx, packs); err != nil {
		return err
	}
	id, err := c.w.s.saveIndex(ctx, packs)
	if err != nil {
		return err
	}
	// Only now: other runs of the session rely on what its index knows.
	for _, p := range packs {
		if err := c.w.index.AddPack(p.Pack, p.Blobs); err != nil {
			return err
		}
		c.w.forgetPending(p.Blobs)
	}
	c.w.stats.indexes.Add(1)
	c.mu.Lock()
	c.saved = append(c.saved, id)
	c.mu.Unlock()
	return nil
}

// saveIndex stores an index file.
func (s *Session) saveIndex(ctx context.Context, packs []format.PackBlobs) (format.ID, error) {
	if err := s.alive(); err != nil {
		return format.ID{}, fmt.Errorf("save index: %w", err)
	}
	id, err := s.r.saveUnpacked(ctx, backend.IndexFile, format.AppendIndex(nil, packs))
	if err != nil {
		return format.ID{}, fmt.Errorf("save index: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.indexFiles != nil {
		for _, p := range packs {
			s.indexFiles[id] = append(s.indexFiles[id], p.Pack)
		}
	}
	return id, nil
}

// arrived makes sure that the backend has every index file of the run. A store
// that said yes and kept nothing is found before a snapshot relies on it.
func (c *checkpoint) arrived(ctx context.Context) error {
	c.mu.Lock()
	saved := c.saved
	c.saved = nil
	c.mu.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.w.s.r.connections())
	for _, id := range saved {
		g.Go(func() error { return c.w.s.arrived(ctx, backend.IndexFile, id, 0) })
	}
	return g.Wait()
}

// packsArrived makes sure that the backend has packs, at their sizes.
func (s *Session) packsArrived(ctx context.Context, packs []format.PackBlobs) error {
	if len(packs) > fewPacks {
		have, err := s.r.list(ctx, backend.PackFile)
		if err != nil {
			return err
		}
		for _, p := range packs {
			if size, ok := have[p.Pack]; !ok || size != format.PackSize(p.Blobs) {
				return fmt.Errorf("look whether pack %v arrived: %w", p.Pack, missing(ok, size, format.PackSize(p.Blobs)))
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.r.connections())
	for _, p := range packs {
		g.Go(func() error { return s.arrived(ctx, backend.PackFile, p.Pack, format.PackSize(p.Blobs)) })
	}
	return g.Wait()
}

func missing(found bool, have, want int64) error {
	if !found {
		return fmt.Errorf("the store took it and does not have it: %w", backend.ErrNotExist)
	}
	return fmt.Errorf("the store has %d bytes of it, not %d", have, want)
}
