package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// Session is the time under one lock. It can be used concurrently.
type Session struct {
	r       *Repository
	ctx     context.Context
	mode    Mode
	lock    *heldLock // nil: unlocked
	closing sync.Once

	mu         sync.Mutex // guards what follows, while it is loaded
	names      []format.ID
	snapshots  []Snapshot
	broken     map[format.ID]error // snapshots that cannot be read
	index      *index.Index
	indexFiles map[format.ID][]format.ID // index files and the packs they name
	marked     bool                      // rustic has marked packs for removal
	doubtful   map[format.ID]bool        // packs of which index files tell different things
	problems   []error                   // of the index
}

// Begin takes a lock, waiting for up to wait until others are gone; 0 does not
// wait. If they are not, the error is a *LockedError. Close the session.
func (r *Repository) Begin(ctx context.Context, mode Mode, wait time.Duration) (*Session, error) {
	s := &Session{r: r, ctx: ctx, mode: mode}
	if mode == Unlocked {
		return s, nil
	}
	lock, ctx, err := r.acquire(ctx, mode, wait)
	if err != nil {
		return nil, fmt.Errorf("lock repository %s: %w", r.Location(), err)
	}
	s.lock, s.ctx = lock, ctx
	return s, nil
}

// Context ends when the lock is lost (its cause is ErrLockLost then) or the
// context of Begin ends. Work in the session goes on under it.
func (s *Session) Context() context.Context { return s.ctx }

// Repository is the one that the session works in.
func (s *Session) Repository() *Repository { return s.r }

// Close gives the lock back.
func (s *Session) Close() error {
	var err error
	s.closing.Do(func() {
		if s.lock != nil {
			err = s.lock.release(s.ctx)
		}
	})
	return err
}

// alive tells why the session must not write any more, or nil.
func (s *Session) alive() error {
	if s.mode == Unlocked {
		return errors.New("nothing can be written without a lock")
	}
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	// Who watches the lock may not have woken up yet, with the machine.
	if age := s.lock.age(); age > s.r.times.expiry {
		return fmt.Errorf("%w: it was last refreshed %v ago", ErrLockLost, age.Round(time.Second))
	}
	return nil
}

// Snapshot is a version with the name of its file.
type Snapshot struct {
	ID format.ID
	format.Snapshot
}

// Snapshots lists the versions, oldest first. They are listed once in a session,
// before the index is loaded: whatever they reference is in it. One that cannot be
// read is an error.
func (s *Session) Snapshots(ctx context.Context) ([]Snapshot, error) {
	snapshots, broken, err := s.ReadableSnapshots(ctx)
	if err == nil {
		err = errors.Join(slices.Collect(maps.Values(broken))...)
	}
	if err != nil {
		return nil, err
	}
	return snapshots, nil
}

// ReadableSnapshots is Snapshots for those who want what is left: versions whose
// files are damaged are told apart, by ID.
func (s *Session) ReadableSnapshots(ctx context.Context) ([]Snapshot, map[format.ID]error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshots != nil {
		return s.snapshots, s.broken, nil
	}
	if err := s.listSnapshots(ctx); err != nil {
		return nil, nil, err
	}
	snapshots, broken, err := s.r.loadSnapshots(ctx, s.names)
	if err != nil {
		return nil, nil, err
	}
	s.snapshots, s.broken = snapshots, broken
	return snapshots, broken, nil
}

// forgetSnapshots makes the session list the snapshots anew when they are next
// needed.
func (s *Session) forgetSnapshots() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.snapshots, s.broken = nil, nil, nil
}

func (s *Session) listSnapshots(ctx context.Context) error {
	if s.names != nil {
		return nil
	}
	files, err := s.r.list(ctx, backend.SnapshotFile)
	if err != nil {
		return err
	}
	s.names = slices.AppendSeq([]format.ID{}, maps.Keys(files))
	return nil
}

// loadSnapshots reads snapshot files. Those that are damaged are told apart.
func (r *Repository) loadSnapshots(ctx context.Context, ids []format.ID) ([]Snapshot, map[format.ID]error, error) {
	all := make([]Snapshot, len(ids))
	errs := make([]error, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.connections())
	for i, id := range ids {
		g.Go(func() error {
			all[i].ID = id
			json, err := r.loadUnpacked(ctx, backend.SnapshotFile, id)
			if err == nil {
				var sn *format.Snapshot
				if sn, err = format.DecodeSnapshot(json); err == nil {
					all[i].Snapshot = *sn
					return nil
				}
				err = &DamageError{"snapshot " + id.String(), err}
			}
			errs[i] = err
			if r.ofFile(ctx, err) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, fmt.Errorf("load snapshots: %w", err)
	}
	good, broken := make([]Snapshot, 0, len(ids)), map[format.ID]error{}
	for i := range all {
		switch {
		case errs[i] == nil:
			good = append(good, all[i])
		case !errors.Is(errs[i], backend.ErrNotExist): // else forgotten meanwhile
			broken[all[i].ID] = errs[i]
		}
	}
	slices.SortFunc(good, func(a, b Snapshot) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return a.ID.Compare(b.ID)
	})
	return good, broken, nil
}

// FindSnapshot finds a version by the beginning of its ID, or the newest one by
// "latest". Others may be damaged; for "latest" none may be, for it could be the
// newest.
func (s *Session) FindSnapshot(ctx context.Context, text string) (Snapshot, error) {
	all, broken, err := s.ReadableSnapshots(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	if text == "latest" {
		if all, err = s.Snapshots(ctx); err != nil {
			return Snapshot{}, err
		}
		if len(all) == 0 {
			return Snapshot{}, errors.New("there are no snapshots yet")
		}
		return all[len(all)-1], nil
	}
	var found []Snapshot
	for _, sn := range all {
		if text != "" && strings.HasPrefix(sn.ID.String(), text) {
			found = append(found, sn)
		}
	}
	for id, err := range broken {
		if text != "" && strings.HasPrefix(id.String(), text) {
			return Snapshot{}, err
		}
	}
	switch len(found) {
	case 0:
		return Snapshot{}, fmt.Errorf("there is no snapshot %q", text)
	case 1:
		return found[0], nil
	}
	return Snapshot{}, fmt.Errorf("snapshot %q could be one of %d: give more digits", text, len(found))
}

// SaveSnapshot stores a version. Everything that it references must be durable
// and indexed: Writer.Commit sees to that.
func (s *Session) saveSnapshot(ctx context.Context, sn *format.Snapshot) (format.ID, error) {
	if err := s.alive(); err != nil {
		return format.ID{}, fmt.Errorf("save snapshot: %w", err)
	}
	json, err := sn.Encode()
	if err != nil {
		return format.ID{}, fmt.Errorf("save snapshot: %w", err)
	}
	id, err := s.r.saveUnpacked(ctx, backend.SnapshotFile, json)
	if err != nil {
		return format.ID{}, fmt.Errorf("save snapshot: %w", err)
	}
	if err := s.arrived(ctx, backend.SnapshotFile, id, 0); err != nil {
		return format.ID{}, err
	}
	return id, nil
}

// arrived makes sure that a file that a backend took is there. size 0 is any.
func (s *Session) arrived(ctx context.Context, t backend.FileType, id format.ID, size int64) error {
	h := backend.Handle{Type: t, Name: id.String()}
	info, err := s.r.be.Stat(ctx, h)
	if err != nil {
		return fmt.Errorf("look whether %v arrived: %w", h, err)
	}
	if info.Size == 0 || size != 0 && info.Size != size {
		return fmt.Errorf("look whether %v arrived: it has %d bytes, not %d", h, info.Size, size)
	}
	return nil
}

func (r *Repository) connections() int { return max(1, r.be.Properties().Connections) }

// Index loads the index at its first use. An index file that cannot be read or
// contradicts another is an error.
func (s *Session) Index(ctx context.Context) (*index.Index, error) {
	x, problems, err := s.loadIndex(ctx)
	if err == nil && len(problems) > 0 {
		err = errors.Join(problems...)
	}
	return x, err
}

// indexBytes is what a blob takes of a sealed index file (engine.md 2.5).
const indexBytes = 40

// loadIndex loads what can be loaded and tells the problems.
func (s *Session) loadIndex(ctx context.Context) (*index.Index, []error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index != nil {
		return s.index, s.problems, nil
	}
	if err := s.listSnapshots(ctx); err != nil {
		return nil, nil, err
	}
	files, err := s.r.list(ctx, backend.IndexFile)
	if err != nil {
		return nil, nil, err
	}
	x := index.New()
	total := int64(0)
	for _, size := range files {
		total += size
	}
	x.Reserve(int(total / indexBytes))
	var mu sync.Mutex
	s.indexFiles, s.doubtful = map[format.ID][]format.ID{}, map[format.ID]bool{}
	s.problems, s.marked = nil, false
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, min(s.r.connections(), s.r.o.Workers)))
	for id := range files {
		g.Go(func() error {
			f, err := s.r.loadIndexFile(ctx, id, x)
			mu.Lock()
			defer mu.Unlock()
			s.indexFiles[id] = f.packs
			s.marked = s.marked || f.marked
			for _, pack := range f.doubtful {
				s.doubtful[pack] = true
			}
			if err != nil && s.r.ofFile(ctx, err) {
				s.problems = append(s.problems, err)
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, fmt.Errorf("load index: %w", err)
	}
	s.index = x
	s.markTreePacks(x)
	return x, s.problems, nil
}

// markTreePacks tells a cache which packs hold folders.
func (s *Session) markTreePacks(x *index.Index) {
	marker, ok := backend.As[TreePackMarker](s.r.be)
	if !ok {
		return
	}
	for n, id := range x.Packs() {
		if blobs := packBlobs(x, n); len(blobs) > 0 && blobs[0].Type == format.TreeBlob {
			marker.MarkTreePack(id.String(), format.PackSize(blobs))
		}
	}
}

type indexFile struct {
	packs    []format.ID
	doubtful []format.ID // of packs
	marked   bool
}

// loadIndexFile adds what an index file names to x. Packs that contradict what is
// known of them are told and left out.
func (r *Repository) loadIndexFile(ctx context.Context, id format.ID, x *index.Index) (indexFile, error) {
	json, err := r.loadUnpacked(ctx, backend.IndexFile, id)
	if err != nil {
		return indexFile{}, err
	}
	f := indexFile{marked: rusticMark.Match(json)}
	var contradictions []error
	err = format.ScanIndex(json, func(pack format.ID, blobs []format.Blob) error {
		f.packs = append(f.packs, pack)
		if err := x.AddPack(pack, blobs); err != nil {
			contradictions = append(contradictions, err)
			f.doubtful = append(f.doubtful, pack)
		}
		return nil
	})
	if err = errors.Join(append(contradictions, err)...); err != nil {
		return f, &DamageError{"index " + id.String(), err}
	}
	return f, nil
}

// rusticMark is what rustic's prune leaves in an index: packs that it means to
// delete later (restic-format.md 6, 12).
var rusticMark = regexp.MustCompile(`"packs_to_delete":\s*\[\s*\{`)
