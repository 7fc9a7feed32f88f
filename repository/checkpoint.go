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
	saved []savedFile // packs and indexes of this run
}

type savedFile struct {
	handle backend.Handle
	size   int64 // 0: not known
}

// add takes a pack that is durable.
func (c *checkpoint) add(ctx context.Context, p format.PackBlobs, size int64) error {
	c.mu.Lock()
	if len(c.packs) == 0 {
		c.since = time.Now()
	}
	c.packs = append(c.packs, p)
	c.blobs += len(p.Blobs)
	c.saved = append(c.saved, savedFile{backend.Handle{Type: backend.PackFile, Name: p.Pack.String()}, size})
	due := c.blobs >= indexBlobs || time.Since(c.since) > indexAge
	c.mu.Unlock()
	if due {
		return c.write(ctx)
	}
	return nil
}

// write stores what was collected in one index file.
func (c *checkpoint) write(ctx context.Context) error {
	c.mu.Lock()
	packs := c.packs
	c.packs, c.blobs = nil, 0
	c.mu.Unlock()
	if len(packs) == 0 {
		return nil
	}
	id, err := c.w.s.saveIndex(ctx, packs)
	if err != nil {
		return err
	}
	c.w.stats.indexes.Add(1)
	c.mu.Lock()
	c.saved = append(c.saved, savedFile{backend.Handle{Type: backend.IndexFile, Name: id.String()}, 0})
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

// arrived makes sure that the backend has every file of the run, at its size. A
// store that said yes and kept nothing is found before a snapshot relies on it.
func (c *checkpoint) arrived(ctx context.Context) error {
	c.mu.Lock()
	saved := c.saved
	c.saved = nil
	c.mu.Unlock()
	r := c.w.s.r
	packs := map[format.ID]int64(nil)
	if len(saved) > fewPacks {
		var err error
		if packs, err = r.list(ctx, backend.PackFile); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.connections())
	for _, f := range saved {
		id, err := format.ParseID(f.handle.Name)
		if err != nil {
			return err
		}
		if packs != nil && f.handle.Type == backend.PackFile {
			if size, ok := packs[id]; !ok || size != f.size {
				return fmt.Errorf("look whether %v arrived: %w", f.handle, missing(ok, size, f.size))
			}
			continue
		}
		g.Go(func() error { return c.w.s.arrived(ctx, f.handle.Type, id, f.size) })
	}
	return g.Wait()
}

func missing(found bool, have, want int64) error {
	if !found {
		return fmt.Errorf("the store took it and does not have it: %w", backend.ErrNotExist)
	}
	return fmt.Errorf("the store has %d bytes of it, not %d", have, want)
}
