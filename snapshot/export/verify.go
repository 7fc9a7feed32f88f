package export

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// shownProblems is how many stand in the text of an error.
const shownProblems = 5

// VerifyError: what was read back is not what was written. The folder keeps its
// unfinished name.
type VerifyError struct {
	Path     string
	Problems []string
}

func (e *VerifyError) Error() string {
	text := fmt.Sprintf("%s is not what was written", e.Path)
	for i, p := range e.Problems {
		if i == shownProblems {
			return text + fmt.Sprintf("; and %d more", len(e.Problems)-i)
		}
		text += "; " + p
	}
	return text
}

// Hint says what to do.
func (e *VerifyError) Hint() string {
	return "the disk does not keep what it is given: look after it, and export to another one"
}

// verify reads every file back from the disk and compares it with the snapshot.
func (e *exporter) verify(ctx context.Context, files []snapshot.Entry, top []string) error {
	e.rep.Phase("sync", "Making everything durable")
	if err := e.t.flush(); err != nil {
		return err
	}
	e.rep.Phase("verify", "Reading everything back")
	names := make([]string, 0, len(files)+len(top))
	for _, f := range files {
		names = append(names, e.folder.Place(f.ID))
	}
	names = append(names, top...)
	v := &verifier{e: e, total: int64(len(names))}
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range names {
		if each.Err() != nil {
			break
		}
		g.Go(func() error { return v.compare(each, name) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e.result.Verified = v.done
	if len(v.problems) > 0 {
		return &VerifyError{e.t.unfinished(), v.problems}
	}
	return nil
}

type verifier struct {
	e     *exporter
	total int64

	mu       sync.Mutex
	done     int64    // guarded by mu
	bytes    int64    // guarded by mu
	problems []string // guarded by mu
}

// compare fails only when the snapshot cannot be read; what the disk gives back
// wrong is a problem.
func (v *verifier) compare(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	want, err := v.e.sum(name)
	if err != nil {
		return err
	}
	got := sha256.New()
	n, err := v.read(name, got)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.problems = append(v.problems, fmt.Sprintf("%s: %v", name, err))
	} else if want != [sha256.Size]byte(got.Sum(nil)) {
		v.problems = append(v.problems, name+": other bytes")
	}
	v.done++
	v.bytes += n
	v.e.rep.Update(progress.Counters{Files: v.done, FilesTotal: v.total, Bytes: v.bytes})
	return nil
}

func (v *verifier) read(name string, w io.Writer) (int64, error) {
	f, err := v.e.t.dir.Open(name)
	if err != nil {
		return 0, err
	}
	// Whatever the system thinks of it, the file is read.
	_ = forgetPages(f)
	n, err := io.Copy(w, f)
	return n, errors.Join(err, f.Close())
}

// sum is what the file should hold: as it was written, or, in a run before this
// one, as the snapshot has it.
func (e *exporter) sum(name string) ([sha256.Size]byte, error) {
	e.mu.Lock()
	known, ok := e.sums[name]
	e.mu.Unlock()
	if ok {
		return known, nil
	}
	h := sha256.New()
	err := e.copyTo(name, h)
	return [sha256.Size]byte(h.Sum(nil)), err
}

func readList(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxList+1))
	err = errors.Join(err, f.Close())
	if err == nil && len(data) > maxList {
		err = fmt.Errorf("larger than %d bytes", maxList)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
