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

// Severity says what a Problem means.
type Severity uint8

const (
	// Notice: nothing is lost; prune or the next run tidies it up.
	Notice Severity = iota
	// Damage: something that a snapshot needs, or may need, is not as it should be.
	Damage
)

func (s Severity) String() string {
	if s == Damage {
		return "damage"
	}
	return "notice"
}

// Problem is something that Check found. Object names it: "pack 12ab…",
// "tree blob 34cd…", "snapshot 56ef…".
type Problem struct {
	Severity Severity
	Object   string
	Err      error
}

func (p Problem) Error() string { return p.Object + ": " + p.Err.Error() }

// CheckOptions say how thoroughly to look.
type CheckOptions struct {
	// ReadData reads and verifies packs; else only what names and sizes tell, and
	// all folders, are looked at.
	ReadData bool
	// Subset chooses the packs to read by name and size in bytes; nil is all.
	Subset func(pack format.ID, size int64) bool
	// Progress is told, from several goroutines, what was done so far; may be nil.
	Progress func(CheckStats)
}

// CheckStats counts what Check looked at. Sizes are in bytes.
type CheckStats struct {
	Snapshots, Trees int
	Blobs            int // entries of the index
	UnusedBlobs      int // that no snapshot needs: room that prune gives back
	Packs            int
	PackBytes        int64
	ToRead, Read     int // packs
	ReadBytes        int64
	Damage, Notices  int
	// DamagedPacks are the packs in which something is wrong, for RepairPacks.
	DamagedPacks []format.ID
}

// Check looks whether everything that the snapshots need is there and as it
// should be, and tells report each problem, one at a time. An error means that
// it could not look; damage found is none. See restic-format.md 13 for what
// restic looks at; here the order of nodes and the sizes of files are looked at
// too, and that every indexed blob is authentic.
//
// The session may be Shared: a writer beside it makes packs that no index names
// yet, which are notices; prune cannot run.
func (s *Session) Check(ctx context.Context, o CheckOptions, report func(Problem)) (CheckStats, error) {
	c := &checker{s: s, o: o, tell: report, packs: map[format.ID]bool{}}
	err := c.run(ctx)
	c.stats.DamagedPacks = slices.SortedFunc(maps.Keys(c.packs), format.ID.Compare)
	return c.stats, err
}

type checker struct {
	s    *Session
	o    CheckOptions
	x    *index.Index
	tell func(Problem)
	used index.Set // entries that a snapshot needs, under mu

	mu    sync.Mutex
	stats CheckStats
	packs map[format.ID]bool // damaged ones
}

func (c *checker) damage(object string, err error) { c.report(Problem{Damage, object, err}) }
func (c *checker) notice(object string, err error) { c.report(Problem{Notice, object, err}) }

func (c *checker) report(p Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.Severity == Damage {
		c.stats.Damage++
	} else {
		c.stats.Notices++
	}
	c.tell(p)
}

func (c *checker) badPack(id format.ID, err error) {
	c.mu.Lock()
	c.packs[id] = true
	c.mu.Unlock()
	c.damage("pack "+id.String(), err)
}

// count changes the statistics and tells them.
func (c *checker) count(change func(*CheckStats)) {
	c.mu.Lock()
	change(&c.stats)
	stats := c.stats
	c.mu.Unlock()
	if c.o.Progress != nil {
		c.o.Progress(stats)
	}
}

func (c *checker) run(ctx context.Context) error {
	x, problems, err := c.s.loadIndex(ctx)
	if err != nil {
		return fmt.Errorf("check repository: %w", err)
	}
	c.x = x
	for _, err := range problems {
		object := "index"
		if damage := (*DamageError)(nil); errors.As(err, &damage) {
			object, err = damage.Object, damage.Err
		}
		c.damage(object, err)
	}
	sizes, err := c.s.r.list(ctx, backend.PackFile)
	if err != nil {
		return fmt.Errorf("check repository: %w", err)
	}
	if err := c.checkKeys(ctx); err != nil {
		return fmt.Errorf("check repository: %w", err)
	}
	c.checkPacks(sizes)
	if err := c.checkTrees(ctx); err != nil {
		return fmt.Errorf("check repository: %w", err)
	}
	if c.o.ReadData {
		if err := c.readPacks(ctx, sizes); err != nil {
			return fmt.Errorf("check repository: %w", err)
		}
	}
	return nil
}

// checkKeys looks whether all key files are whole. What is in them only their
// passwords tell.
func (c *checker) checkKeys(ctx context.Context) error {
	ids, err := c.s.r.keyIDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		_, err := c.s.r.loadKey(ctx, id)
		switch damage := (*DamageError)(nil); {
		case err == nil || errors.Is(err, backend.ErrNotExist): // removed meanwhile
		case errors.As(err, &damage):
			c.damage("key "+id.String(), fmt.Errorf("its password does not open the repository: %w", damage.Err))
		case c.s.r.ofFile(ctx, err):
			c.damage("key "+id.String(), err)
		default:
			return err
		}
	}
	return nil
}

// checkPacks compares what the index says of packs with what is there.
func (c *checker) checkPacks(sizes map[format.ID]int64) {
	total, blobs := int64(0), []format.Blob(nil)
	for n, id := range c.x.Packs() {
		blobs = blobs[:0]
		for e := range c.x.PackBlobs(n) {
			blobs = append(blobs, e.Blob)
		}
		size, ok := sizes[id]
		total += size
		if !ok {
			c.badPack(id, fmt.Errorf("the file is missing, and with it %d blobs", len(blobs)))
			continue
		}
		if want := format.PackSize(blobs); size != want {
			c.badPack(id, fmt.Errorf("the file has %d bytes, not the %d that its index tells", size, want))
		}
		if err := contiguous(blobs); err != nil {
			c.badPack(id, fmt.Errorf("in the index: %w", err))
		}
		if mixed(blobs) {
			c.notice("pack "+id.String(), errors.New("data and trees lie in it together: rustic does not read it"))
		}
	}
	for id := range sizes {
		if _, ok := c.x.FindPack(id); !ok {
			c.notice("pack "+id.String(), errors.New("no index names it: prune will remove it"))
		}
	}
	c.count(func(s *CheckStats) {
		s.Packs, s.PackBytes, s.Blobs = c.x.PackCount(), total, c.x.Len()
	})
}

// contiguous tells whether blobs lie one behind the other from 0 on.
func contiguous(blobs []format.Blob) error {
	next := uint32(0)
	for _, b := range blobs {
		if b.Offset != next {
			return fmt.Errorf("%v lies at %d, not at %d", b.BlobHandle, b.Offset, next)
		}
		next += b.Length
	}
	return nil
}

// mixed tells whether data and trees lie in one pack: old versions of restic made
// such ones.
func mixed(blobs []format.Blob) bool {
	return slices.ContainsFunc(blobs, func(b format.Blob) bool { return b.Type != blobs[0].Type })
}

// checkTrees walks all folders of all snapshots.
func (c *checker) checkTrees(ctx context.Context) error {
	good, broken, err := c.s.r.loadSnapshots(ctx, c.s.names)
	if err != nil {
		return err
	}
	for id, err := range broken {
		c.damage("snapshot "+id.String(), cause(err))
	}
	w := c.s.newWalk(c.x, c.checkTree)
	for _, sn := range good {
		c.count(func(s *CheckStats) { s.Snapshots++ })
		if sn.Tree == nil {
			c.damage("snapshot "+sn.ID.String(), errors.New("it has no tree"))
			continue
		}
		if err := w.run(ctx, *sn.Tree); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.stats.UnusedBlobs = c.x.Len() - c.used.Len()
	c.mu.Unlock()
	return nil
}

func (c *checker) checkTree(id format.ID, t *format.Tree, err error) error {
	h := format.BlobHandle{ID: id, Type: format.TreeBlob}
	c.use(h)
	c.count(func(s *CheckStats) { s.Trees++ })
	if err != nil {
		if damage := (*DamageError)(nil); errors.As(err, &damage) {
			err = damage.Err
		}
		c.damage(h.String(), err)
		c.markPacks(h)
		return nil
	}
	if err := t.Check(); err != nil {
		c.damage(h.String(), err)
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Type != format.NodeFile {
			continue
		}
		size := uint64(0)
		for _, blob := range n.Content {
			h := format.BlobHandle{ID: blob, Type: format.DataBlob}
			if e, ok := c.use(h); ok {
				size += uint64(e.PlaintextLength())
			} else {
				c.damage(h.String(), fmt.Errorf("missing: file %q in folder %s needs it", n.Name, id.Short()))
				size = n.Size // said enough
			}
		}
		if size != n.Size {
			c.notice(h.String(), fmt.Errorf("file %q has %d bytes of content and says %d", n.Name, size, n.Size))
		}
	}
	return nil
}

// use notes all places of a blob that a snapshot needs.
func (c *checker) use(h format.BlobHandle) (index.Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first index.Entry
	found := false
	c.x.LookupAll(h, func(e index.Entry) bool {
		c.used.Add(e.Number)
		if !found {
			first, found = e, true
		}
		return true
	})
	return first, found
}

func (c *checker) markPacks(h format.BlobHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.x.LookupAll(h, func(e index.Entry) bool {
		c.packs[c.x.PackID(e.Pack)] = true
		return true
	})
}

// readPacks reads packs whole and looks at every byte of them.
func (c *checker) readPacks(ctx context.Context, sizes map[format.ID]int64) error {
	var todo []uint32
	for n, id := range c.x.Packs() {
		if size, ok := sizes[id]; ok && (c.o.Subset == nil || c.o.Subset(id, size)) {
			todo = append(todo, n)
		}
	}
	c.count(func(s *CheckStats) { s.ToRead = len(todo) })
	whole := ctx
	g, ctx := errgroup.WithContext(whole)
	g.SetLimit(max(c.s.r.o.Workers, min(c.s.r.connections(), 4)))
	for _, n := range todo {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			id := c.x.PackID(n)
			problems, err := c.s.verifyPack(ctx, c.x, n, sizes[id])
			for _, p := range problems {
				c.badPack(id, p)
			}
			c.count(func(s *CheckStats) { s.Read++; s.ReadBytes += sizes[id] })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(whole) // which kept packs from being read
}

// verifyPack reads a pack of that size and compares everything in it with what
// the index and its name say. The error is that of the way to it.
func (s *Session) verifyPack(ctx context.Context, x *index.Index, n uint32, size int64) ([]error, error) {
	id := x.PackID(n)
	data, release, err := s.readPack(ctx, id, size)
	if err != nil {
		if s.r.ofFile(ctx, err) {
			return []error{err}, nil
		}
		return nil, err
	}
	defer release()
	var problems []error
	if format.Hash(data) != id {
		// Once more: the way here may have damaged it.
		if err := s.rereadPack(ctx, id, data); err != nil {
			if s.r.ofFile(ctx, err) {
				return []error{err}, nil
			}
			return nil, err
		}
		if format.Hash(data) != id {
			problems = append(problems, errors.New("the SHA-256 of the file is not its name"))
		}
	}
	header, err := s.r.parsePack(data)
	if err != nil {
		problems = append(problems, fmt.Errorf("header: %w", err))
	}
	d, done := s.r.decoder()
	defer done()
	i := 0
	for e := range x.PackBlobs(n) {
		if err == nil && (i >= len(header) || header[i] != e.Blob) {
			problems = append(problems, fmt.Errorf("%v: header and index differ", e.BlobHandle))
		}
		i++
		if int64(e.Offset)+int64(e.Length) > int64(len(data)) {
			problems = append(problems, fmt.Errorf("%v lies beyond the end of the file", e.BlobHandle))
			continue
		}
		if _, err := d.decode(e.BlobHandle, data[e.Offset:e.Offset+e.Length], e.UncompressedLength); err != nil {
			problems = append(problems, fmt.Errorf("%v: %w", e.BlobHandle, err))
		}
	}
	if err == nil && i < len(header) {
		problems = append(problems, fmt.Errorf("its header has %d blobs that the index does not have", len(header)-i))
	}
	return problems, nil
}

// readPack loads a whole pack. release gives its memory back.
func (s *Session) readPack(ctx context.Context, id format.ID, size int64) ([]byte, func(), error) {
	if size < 0 || size > maxPackFile {
		return nil, nil, fmt.Errorf("load pack %v: %d bytes, more than %d", id, size, int64(maxPackFile))
	}
	data, err := s.r.reads.Get(ctx, int(size))
	if err != nil {
		return nil, nil, err
	}
	release := func() { s.r.reads.Put(data) }
	if err := s.rereadPack(ctx, id, data); err != nil {
		release()
		return nil, nil, err
	}
	return data, release, nil
}

// rereadPack fills data with the beginning of a pack.
func (s *Session) rereadPack(ctx context.Context, id format.ID, data []byte) error {
	_, err := twice(func() (struct{}, error) {
		return struct{}{}, backend.ReadFull(ctx, s.r.be, backend.Handle{Type: backend.PackFile, Name: id.String()}, 0, data)
	})
	return err
}

// maxPackFile bounds a pack that is read whole, in bytes. restic makes them of up
// to 128 MiB, rustic larger ones.
const maxPackFile = 1 << 30

// parsePack reads the header at the end of a whole pack.
func (r *Repository) parsePack(data []byte) ([]format.Blob, error) {
	if len(data) < 4 {
		return nil, errors.New("the file is too short")
	}
	n := int64(binary.LittleEndian.Uint32(data[len(data)-4:]))
	if n > int64(len(data)-4) || n > format.MaxHeader+format.SealOverhead {
		return nil, fmt.Errorf("a header of %d bytes in a file of %d", n, len(data))
	}
	sealed := data[int64(len(data))-4-n : len(data)-4]
	plain, err := r.key.Open(nil, sealed)
	if err != nil {
		return nil, err
	}
	return parseHeader(plain, int64(len(data)))
}

// parseHeader reads the header of a pack of that size.
func parseHeader(plain []byte, size int64) ([]format.Blob, error) {
	blobs, err := format.ParseHeader(plain)
	if err != nil && !errors.Is(err, format.ErrMixed) {
		return nil, err
	}
	if want := format.PackSize(blobs); want != size {
		return nil, fmt.Errorf("it tells of %d bytes in a file of %d", want, size)
	}
	return blobs, nil
}
