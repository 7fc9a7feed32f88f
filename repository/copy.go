package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// CopyStats counts what CopyFrom did. Sizes are in bytes.
type CopyStats struct {
	Copied  []CopiedSnapshot // in the order of the request
	Skipped []CopiedSnapshot // that were there already
	WriterStats
}

// CopiedSnapshot is a version and its name in the other repository.
type CopiedSnapshot struct{ From, To format.ID }

// CopyFrom copies versions from another repository, with all that they need and
// this one does not have. Keys differ; blobs keep their names, and are verified
// on the way. A version that was copied before is recognised by Original and
// skipped. progress is told before each; it may be nil.
func (s *Session) CopyFrom(ctx context.Context, from *Session, snapshots []Snapshot, progress func(Snapshot)) (CopyStats, error) {
	var stats CopyStats
	have, err := s.Snapshots(ctx)
	if err != nil {
		return stats, fmt.Errorf("copy snapshots: %w", err)
	}
	w, err := s.Writer(ctx)
	if err != nil {
		return stats, fmt.Errorf("copy snapshots: %w", err)
	}
	c := &copier{from: from, to: s, w: w, have: slices.Clone(have), progress: progress}
	err = c.run(ctx, snapshots, &stats)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	stats.WriterStats = w.Stats()
	if err != nil {
		return stats, fmt.Errorf("copy snapshots: %w", err)
	}
	return stats, nil
}

type copier struct {
	from, to *Session
	w        *Writer
	have     []Snapshot
	progress func(Snapshot)

	x    *index.Index // of from
	walk *walk

	mu    sync.Mutex
	taken index.Set // first entries of blobs that were looked at
	todo  []format.BlobHandle
}

func (c *copier) run(ctx context.Context, snapshots []Snapshot, stats *CopyStats) error {
	x, err := c.from.Index(ctx)
	if err != nil {
		return err
	}
	c.x = x
	c.walk = c.from.newWalk(x, c.visit)
	c.walk.after = func(ctx context.Context) error {
		if len(c.todo) < repackBatch {
			return nil
		}
		return c.flush(ctx)
	}
	for _, sn := range snapshots {
		if to, ok := c.find(sn); ok {
			stats.Skipped = append(stats.Skipped, CopiedSnapshot{sn.ID, to})
			continue
		}
		if c.progress != nil {
			c.progress(sn)
		}
		id, err := c.snapshot(ctx, sn)
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", sn.ID.Short(), err)
		}
		stats.Copied = append(stats.Copied, CopiedSnapshot{sn.ID, id})
	}
	return nil
}

// origin is the name that a version had when it was made.
func origin(sn Snapshot) format.ID {
	if sn.Original != nil {
		return *sn.Original
	}
	return sn.ID
}

// find looks for the version among those that are there: the same origin, and
// the same content and labels.
func (c *copier) find(sn Snapshot) (format.ID, bool) {
	for _, h := range c.have {
		if origin(h) == origin(sn) && h.Tree != nil && sn.Tree != nil && *h.Tree == *sn.Tree && h.Time.Equal(sn.Time) &&
			h.Hostname == sn.Hostname && slices.Equal(h.Paths, sn.Paths) && slices.Equal(h.Tags, sn.Tags) {
			return h.ID, true
		}
	}
	return format.ID{}, false
}

func (c *copier) snapshot(ctx context.Context, sn Snapshot) (format.ID, error) {
	if sn.Tree == nil {
		return format.ID{}, errors.New("it has no tree")
	}
	if err := c.walk.run(ctx, *sn.Tree); err != nil {
		return format.ID{}, err
	}
	if err := c.flush(ctx); err != nil {
		return format.ID{}, err
	}
	first := origin(sn)
	sn.Original, sn.Parent = &first, nil
	id, err := c.w.Commit(ctx, &sn.Snapshot)
	if err == nil {
		sn.ID = id
		c.have = append(c.have, sn)
	}
	return id, err
}

// visit notes what a folder needs.
func (c *copier) visit(id format.ID, t *format.Tree, err error) error {
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.note(format.BlobHandle{ID: id, Type: format.TreeBlob}); err != nil {
		return err
	}
	for i := range t.Nodes {
		for _, blob := range t.Nodes[i].Content {
			if err := c.note(format.BlobHandle{ID: blob, Type: format.DataBlob}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *copier) note(h format.BlobHandle) error {
	e, ok := c.x.Lookup(h)
	if !ok {
		return &MissingError{h}
	}
	if c.taken.Add(e.Number) && !c.w.Has(h) {
		c.todo = append(c.todo, h)
	}
	return nil
}

// flush copies what was noted, in the order in which it lies in the packs.
func (c *copier) flush(ctx context.Context) error {
	todo := c.todo
	c.todo = nil
	return c.from.pass(ctx, todo, func(h format.BlobHandle, l loaded) error { return c.w.pass(ctx, h, l.payload, l.length, false) })
}
