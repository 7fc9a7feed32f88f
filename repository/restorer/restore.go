package restorer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/pathpattern"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Restore puts what is in tree into o.Target. observer may be nil. Errors are
// those of ctx, of a repository that does not answer, and of a target that takes
// nothing; what could be restored until then is there.
func Restore(ctx context.Context, s Source, tree format.ID, o Options, observer Observer) (Summary, error) {
	r := &run{s: s, o: o, observer: observer, asRoot: os.Geteuid() == 0, leftOut: map[string]bool{}}
	began := time.Now()
	err := r.do(ctx, tree)
	r.summary.Bytes, r.summary.Problems = r.written.Load(), r.problems.Load()
	r.summary.Took = time.Since(began)
	if err != nil {
		return r.summary, fmt.Errorf("restore into %s: %w", o.Target, err)
	}
	return r.summary, nil
}

// run is one Restore.
type run struct {
	s        Source
	o        Options
	observer Observer
	include  pathpattern.List
	exclude  pathpattern.List
	asRoot   bool
	target   *os.Root
	folders  *handles
	temp     string // beginning of temporary names
	tempNext atomic.Uint64

	mu      sync.Mutex
	summary Summary         // guarded by mu
	leftOut map[string]bool // files told as problems or skipped; guarded by mu
	fatal   error           // guarded by mu

	files, written, problems atomic.Int64
	filesFound, bytesFound   atomic.Int64
	verifying                atomic.Bool
}

// tempPrefix begins the names of files that are not whole yet.
const tempPrefix = ".keepsake-restore-"

// tempDigits is how many hexadecimal digits follow.
const tempDigits = 24

func (r *run) do(ctx context.Context, tree format.ID) (err error) {
	if r.include, err = pathpattern.Parse(r.o.Include, r.o.IgnoreCase); err != nil {
		return err
	}
	if r.exclude, err = pathpattern.Parse(r.o.Exclude, r.o.IgnoreCase); err != nil {
		return err
	}
	if err := os.MkdirAll(r.o.Target, 0o700); err != nil {
		return err
	}
	if r.target, err = os.OpenRoot(r.o.Target); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.target.Close()) }()
	random := make([]byte, 4)
	rand.Read(random) // never fails: crypto/rand
	r.temp = tempPrefix + hex.EncodeToString(random)
	r.folders = newHandles(r.target)
	defer func() { err = errors.Join(err, r.folders.close()) }()

	group, groupCtx := errgroup.WithContext(ctx)
	batches := make(chan *batch)
	group.Go(func() error {
		defer close(batches)
		p := &planner{r: r, batches: batches}
		return p.plan(groupCtx, tree)
	})
	group.Go(func() error {
		for b := range batches {
			err := r.fetch(groupCtx, b)
			b.abandon()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if r.o.Verify {
		return r.verify(ctx, tree)
	}
	return nil
}

// wanted tells whether the entry itself is to be restored.
func (r *run) wanted(path string) bool {
	if r.include.Empty() && r.exclude.Empty() {
		return true
	}
	components := pathpattern.Split(path)
	return (r.include.Empty() || r.include.Match(components)) && !r.exclude.Match(components)
}

// descend tells whether something in a folder could be wanted.
func (r *run) descend(path string, _ *format.Node) bool {
	if r.include.Empty() && r.exclude.Empty() {
		return true
	}
	components := pathpattern.Split(path)
	if r.exclude.Match(components) {
		return false
	}
	return r.include.Empty() || r.include.Match(components) || r.include.MayMatchBelow(components)
}

// problem tells what was not restored. It returns an error when going on would
// bring nothing but more of the same.
func (r *run) problem(path string, err error) error {
	r.mu.Lock()
	r.leftOut[path] = true
	for _, hopeless := range hopelessErrors {
		if errors.Is(err, hopeless) && r.fatal == nil {
			r.fatal = fmt.Errorf("%s: %w", path, err)
		}
	}
	fatal := r.fatal
	r.mu.Unlock()
	if fatal != nil {
		return fatal
	}
	r.problems.Add(1)
	if r.observer != nil {
		r.observer.Problem(path, err)
	}
	return nil
}

// hopelessErrors are about the target, not about one file.
var hopelessErrors = []error{syscall.ENOSPC, syscall.EROFS}

func (r *run) count(n *int64) {
	r.mu.Lock()
	*n++
	r.mu.Unlock()
}

func (r *run) progress(current string) {
	if r.observer != nil {
		r.observer.Progress(Progress{Files: r.files.Load(), Bytes: r.written.Load(), Problems: r.problems.Load(),
			FilesFound: r.filesFound.Load(), BytesFound: r.bytesFound.Load(), Verifying: r.verifying.Load(), Current: current})
	}
}

func (r *run) tempName() string {
	return fmt.Sprintf("%s%016x", r.temp, r.tempNext.Add(1))
}
