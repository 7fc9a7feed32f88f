package restorer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// batch is some files and all their blobs, in order.
type batch struct {
	files  []*file
	blobs  []format.BlobHandle
	pieces []piece // one for each of blobs
}

// piece is where a blob belongs.
type piece struct {
	file   *file
	offset int64
}

func (b *batch) add(h format.BlobHandle, p piece) {
	b.blobs, b.pieces = append(b.blobs, h), append(b.pieces, p)
}

func (b *batch) cut(n int) { b.blobs, b.pieces = b.blobs[:n], b.pieces[:n] }

// abandon removes what is not whole.
func (b *batch) abandon() {
	for _, f := range b.files {
		f.abandon()
	}
}

// aboutBlob tells whether err is about one blob: others may be fine.
func aboutBlob(err error) bool {
	var missing *repository.MissingError
	var damaged *repository.DamageError
	return errors.As(err, &missing) || errors.As(err, &damaged) || errors.Is(err, backend.ErrNotExist)
}

// someBlobs is how many are fetched one by one to find the one that failed.
const someBlobs = 256

// fetch writes the files of a batch. A blob that cannot be had costs its files,
// not the batch.
func (r *run) fetch(ctx context.Context, b *batch) error {
	arrived := make([]atomic.Bool, len(b.blobs))
	all := make([]int, len(b.blobs))
	for i := range all {
		all[i] = i
	}
	for len(all) > 0 {
		err := r.fetchSome(ctx, b, all, arrived)
		if err == nil || !aboutBlob(err) || ctx.Err() != nil {
			return err
		}
		// One of the first of those that have not arrived is to blame.
		if all = missing(all, arrived); len(all) == 0 {
			return err // ours to prevent
		}
		for _, i := range all[:min(someBlobs, len(all))] {
			err := r.fetchSome(ctx, b, []int{i}, arrived)
			if err == nil {
				continue
			}
			if !aboutBlob(err) || ctx.Err() != nil {
				return err
			}
			arrived[i].Store(true) // as much as it ever will
			if err := b.pieces[i].file.fail(err); err != nil {
				return err
			}
		}
		all = missing(all, arrived)
	}
	return nil
}

func missing(all []int, arrived []atomic.Bool) []int {
	var left []int
	for _, i := range all {
		if !arrived[i].Load() {
			left = append(left, i)
		}
	}
	return left
}

// fetchSome fetches the blobs with these numbers.
func (r *run) fetchSome(ctx context.Context, b *batch, numbers []int, arrived []atomic.Bool) error {
	blobs := make([]format.BlobHandle, len(numbers))
	for i, n := range numbers {
		blobs[i] = b.blobs[n]
	}
	var once sync.Once
	var fatal error
	err := r.s.FetchEach(ctx, blobs, func(i int, data []byte) error {
		n := numbers[i]
		if arrived[n].Swap(true) {
			return nil // delivered again after a failure elsewhere
		}
		err := b.pieces[n].file.write(b.pieces[n].offset, data)
		if err != nil {
			once.Do(func() { fatal = err })
		}
		return err
	})
	if fatal != nil {
		return &targetError{fatal}
	}
	return err
}

// targetError tells the target's errors from those of the repository.
type targetError struct{ err error }

func (e *targetError) Error() string { return e.err.Error() }
func (e *targetError) Unwrap() error { return e.err }
