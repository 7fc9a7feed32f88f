package archiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/pathpattern"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Backup writes one snapshot of o.Paths. parent may be nil; observer too.
//
// Whatever cannot be read is told to the observer and left out; that is no
// error. Errors are those of the repository, of ctx, and of options that make no
// sense; then there is no snapshot.
func Backup[C Content](ctx context.Context, w Writer[C], parent *Parent, o Options, observer Observer) (Summary, error) {
	root, absolute, err := plan(o.Paths)
	if err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	excludes, err := pathpattern.Parse(o.Excludes, false)
	if err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	if err := somethingThere(absolute); err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	if o.Parallel <= 0 {
		o.Parallel = 2
	}
	r := &run{o: o, w: adapter[C]{w}, parent: parent, observer: observer, excludes: excludes,
		jobs: make(chan job, 128), arrivals: make(chan arrival, 256)}
	start := time.Now()
	if err := r.do(ctx, root); err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	if err := w.Flush(ctx); err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	s := r.summary(start)
	added := w.Stats()
	s.DataBlobs, s.TreeBlobs = added.DataBlobs, added.TreeBlobs
	s.DataAdded, s.DataAddedPacked = uint64(added.DataAdded), uint64(added.DataAddedPacked)
	sn := r.snapshot(absolute, start, s)
	if s.Snapshot, err = w.Commit(ctx, sn); err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	return s, nil
}

// somethingThere refuses to make an empty snapshot out of a typing error or a
// disk that is not mounted.
func somethingThere(paths []string) error {
	var errs []error
	for _, p := range paths {
		_, err := lstat(p)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// run is one Backup.
type run struct {
	o        Options
	w        saver
	parent   *Parent
	observer Observer
	excludes pathpattern.List
	owners   owners

	jobs     chan job
	arrivals chan arrival
	root     atomic.Pointer[format.ID]

	background sync.WaitGroup // listings ahead of the walk

	files, bytes, problems atomic.Int64
	fileCounts, dirCounts  [3]atomic.Uint64 // by change
	total                  atomic.Uint64    // bytes of the files in the snapshot
}

// change is how an entry stands to the parent.
type change int

const (
	added change = iota
	changed
	unmodified
)

// do walks, reads and saves the trees.
func (r *run) do(ctx context.Context, root *place) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(r.jobs)
		return r.walkRoot(ctx, root)
	})
	var readers sync.WaitGroup
	for range r.o.Parallel {
		readers.Add(1)
		group.Go(func() error {
			defer readers.Done()
			return r.read(ctx)
		})
	}
	group.Go(func() error {
		readers.Wait()
		close(r.arrivals)
		return nil
	})
	group.Go(func() error { return r.collect(ctx) })
	err := group.Wait()
	r.background.Wait()
	if err != nil {
		return err
	}
	if r.root.Load() == nil {
		return errors.New("the root folder was never finished") // ours to prevent
	}
	return nil
}

// problem tells of what was left out.
func (r *run) problem(path string, err error) {
	r.problems.Add(1)
	if r.observer != nil {
		r.observer.Problem(path, err)
		r.progress(path)
	}
}

func (r *run) progress(current string) {
	if r.observer != nil {
		r.observer.Progress(Progress{Files: r.files.Load(), Bytes: r.bytes.Load(), Problems: r.problems.Load(), Current: current})
	}
}

func (r *run) summary(start time.Time) Summary {
	s := Summary{Tree: *r.root.Load(), Problems: r.problems.Load()}
	s.BackupStart, s.BackupEnd = start, time.Now()
	f, d := &r.fileCounts, &r.dirCounts
	s.FilesNew, s.FilesChanged, s.FilesUnmodified = f[added].Load(), f[changed].Load(), f[unmodified].Load()
	s.DirsNew, s.DirsChanged, s.DirsUnmodified = d[added].Load(), d[changed].Load(), d[unmodified].Load()
	s.TotalFilesProcessed = s.FilesNew + s.FilesChanged + s.FilesUnmodified
	s.TotalBytesProcessed = r.total.Load()
	return s
}

func (r *run) snapshot(paths []string, start time.Time, s Summary) *format.Snapshot {
	sn := &format.Snapshot{Time: r.o.Time, Tree: &s.Tree, Paths: paths, Hostname: r.o.Host, Username: r.o.Username,
		Excludes: r.o.Excludes, Tags: r.o.Tags, ProgramVersion: r.o.ProgramVersion, Summary: &s.SnapshotSummary}
	if sn.Time.IsZero() {
		sn.Time = start
	}
	if uid, gid := os.Getuid(), os.Getgid(); uid >= 0 {
		sn.UID, sn.GID = uint32(uid), uint32(gid)
	}
	if r.parent != nil {
		sn.Parent = &r.parent.ID
	}
	return sn
}
