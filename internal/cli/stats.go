package cli

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// countStats counts what snapshots hold in one of the ways of restic's stats.
// progress is told now and then how many nodes and bytes were seen.
func countStats(ctx context.Context, s *repository.Session, list []repository.Snapshot, mode string, progress func(files, bytes int64)) (statsJSON, error) {
	c := &statsCounter{s: s, progress: progress, summaries: map[format.ID]*treeSummary{}, unique: map[[sha256.Size]byte]bool{}}
	c.out.SnapshotsCount = len(list)
	var err error
	switch mode {
	case modeRestoreSize:
		err = c.restoreSize(ctx, list)
	case modeFilesByContents:
		err = c.eachTree(ctx, list, c.countContents)
	case modeBlobsPerFile:
		err = c.blobsPerFile(ctx, list)
	case modeRawData:
		err = c.rawData(ctx, list)
	}
	if err != nil {
		return statsJSON{}, fmt.Errorf("count snapshots: %w", err)
	}
	return c.out, nil
}

type statsCounter struct {
	s        *repository.Session
	out      statsJSON
	progress func(files, bytes int64)
	nodes    int64
	bytes    int64

	summaries map[format.ID]*treeSummary // restore-size
	unique    map[[sha256.Size]byte]bool // contents of files that were counted
}

// eachTree visits every folder of the snapshots once, those of one depth
// together.
func (c *statsCounter) eachTree(ctx context.Context, list []repository.Snapshot, visit func(id format.ID, t *format.Tree) error) error {
	seen := map[format.ID]bool{}
	var todo []format.BlobHandle
	push := func(id *format.ID) {
		if id != nil && !seen[*id] {
			seen[*id] = true
			todo = append(todo, format.BlobHandle{ID: *id, Type: format.TreeBlob})
		}
	}
	for _, sn := range list {
		push(sn.Tree)
	}
	for len(todo) > 0 {
		batch := todo
		todo = nil
		err := c.s.Fetch(ctx, batch, func(i int, data []byte) error {
			t, err := format.DecodeTree(data)
			if err != nil {
				return &repository.DamageError{Object: batch[i].String(), Err: err}
			}
			for n := range t.Nodes {
				c.saw(&t.Nodes[n])
				push(t.Nodes[n].Subtree)
			}
			return visit(batch[i].ID, t)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *statsCounter) saw(n *format.Node) {
	c.nodes++
	c.bytes += int64(n.Size)
	c.progress(c.nodes, c.bytes)
}

// treeSummary is what restoring the entries of a folder takes.
type treeSummary struct {
	files, size uint64
	subtrees    []format.ID
	links       []hardLink // files with several names, not in size
	total       *treeTotal // with everything below; nil until it is known
}

type hardLink struct{ inode, device, size uint64 }

// treeTotal is a folder with everything below. linked tells that there are
// files with several names, of which size counts none.
type treeTotal struct {
	files, size uint64
	linked      bool
}

func (c *statsCounter) restoreSize(ctx context.Context, list []repository.Snapshot) error {
	err := c.eachTree(ctx, list, func(id format.ID, t *format.Tree) error {
		sum := &treeSummary{}
		for i := range t.Nodes {
			n := &t.Nodes[i]
			sum.files++
			switch {
			case n.Subtree != nil:
				sum.subtrees = append(sum.subtrees, *n.Subtree)
			case n.Links > 1 && n.Inode != 0:
				sum.links = append(sum.links, hardLink{n.Inode, n.DeviceID, n.Size})
			default:
				sum.size += n.Size
			}
		}
		c.summaries[id] = sum
		return nil
	})
	if err != nil {
		return err
	}
	for _, sn := range list {
		t := c.total(*sn.Tree)
		c.out.TotalFileCount += t.files
		c.out.TotalSize += t.size
		if t.linked {
			c.out.TotalSize += c.linkedSize(*sn.Tree, map[hardLink]bool{})
		}
	}
	return nil
}

func (c *statsCounter) total(id format.ID) treeTotal {
	sum := c.summaries[id]
	if sum.total == nil {
		t := treeTotal{sum.files, sum.size, len(sum.links) > 0}
		for _, sub := range sum.subtrees {
			below := c.total(sub)
			t.files, t.size, t.linked = t.files+below.files, t.size+below.size, t.linked || below.linked
		}
		sum.total = &t
	}
	return *sum.total
}

// linkedSize counts files with several names once.
func (c *statsCounter) linkedSize(id format.ID, seen map[hardLink]bool) (size uint64) {
	sum := c.summaries[id]
	for _, l := range sum.links {
		key := hardLink{l.inode, l.device, 0}
		if !seen[key] {
			seen[key] = true
			size += l.size
		}
	}
	for _, sub := range sum.subtrees {
		if c.total(sub).linked {
			size += c.linkedSize(sub, seen)
		}
	}
	return size
}

// fresh tells whether contents are met for the first time. As with restic, all
// that has no content is one.
func (c *statsCounter) fresh(content []format.ID) bool {
	h := sha256.New()
	for _, id := range content {
		h.Write(id[:])
	}
	key := [sha256.Size]byte(h.Sum(nil))
	if c.unique[key] {
		return false
	}
	c.unique[key] = true
	return true
}

func (c *statsCounter) countContents(_ format.ID, t *format.Tree) error {
	for i := range t.Nodes {
		if n := &t.Nodes[i]; c.fresh(n.Content) {
			c.out.TotalFileCount++
			c.out.TotalSize += n.Size
		}
	}
	return nil
}

// pathBlob is a piece of the file at a path.
type pathBlob struct {
	path string
	id   format.ID
}

// blobsPerFile goes through the folders in order: which path the contents of a
// file are counted for is that where they are first met.
func (c *statsCounter) blobsPerFile(ctx context.Context, list []repository.Snapshot) error {
	folders, files, counted := map[format.ID]bool{}, map[string]bool{}, map[pathBlob]bool{}
	var walk func(id format.ID, path string) error
	walk = func(id format.ID, path string) error {
		if folders[id] {
			return nil // nothing in it is new, whatever its path
		}
		folders[id] = true
		t, err := c.s.Tree(ctx, id)
		if err != nil {
			return err
		}
		for i := range t.Nodes {
			n := &t.Nodes[i]
			c.saw(n)
			name := path + "/" + n.Name
			if c.fresh(n.Content) {
				for _, blob := range n.Content {
					if !files[name] {
						files[name] = true
						c.out.TotalFileCount++
					}
					if counted[pathBlob{name, blob}] {
						continue
					}
					counted[pathBlob{name, blob}] = true
					size, err := c.s.BlobSize(ctx, format.BlobHandle{ID: blob, Type: format.DataBlob})
					if err != nil {
						return err
					}
					c.out.TotalSize += uint64(size)
					c.out.TotalBlobCount++
				}
			}
			if n.Subtree != nil {
				if err := walk(*n.Subtree, name); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, sn := range list {
		if err := walk(*sn.Tree, ""); err != nil {
			return err
		}
	}
	return nil
}

// rawData counts the blobs that are needed, as they are stored.
func (c *statsCounter) rawData(ctx context.Context, list []repository.Snapshot) error {
	x, err := c.s.Index(ctx)
	if err != nil {
		return err
	}
	var compressed, compressedPlain uint64
	seen := map[uint32]bool{}
	count := func(h format.BlobHandle) error {
		e, ok := x.Lookup(h)
		if !ok {
			return &repository.MissingError{Blob: h}
		}
		if seen[e.Number] {
			return nil
		}
		seen[e.Number] = true
		length, plain := uint64(e.Length), uint64(e.PlaintextLength())+format.SealOverhead
		c.out.TotalBlobCount++
		c.out.TotalSize += length
		c.out.TotalUncompressedSize += plain
		if e.Compressed() {
			compressed += length
			compressedPlain += plain
		}
		return nil
	}
	err = c.eachTree(ctx, list, func(id format.ID, t *format.Tree) error {
		if err := count(format.BlobHandle{ID: id, Type: format.TreeBlob}); err != nil {
			return err
		}
		for i := range t.Nodes {
			for _, blob := range t.Nodes[i].Content {
				if err := count(format.BlobHandle{ID: blob, Type: format.DataBlob}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if compressed > 0 {
		c.out.CompressionRatio = float64(compressedPlain) / float64(compressed)
	}
	if all := c.out.TotalUncompressedSize; all > 0 {
		c.out.CompressionProgress = float64(compressedPlain) / float64(all) * 100
		c.out.CompressionSpaceSaving = (1 - float64(c.out.TotalSize)/float64(all)) * 100
	}
	return nil
}
