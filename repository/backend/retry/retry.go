// Package retry makes a backend patient: what fails for a while is tried again.
//
//	b := retry.New(store, retry.Options{Report: func(e retry.Event) { … }})
//
// The wait between two attempts begins at half a second, doubles up to a
// minute, and is blurred so that many operations that failed together do not
// come back together. Fifteen minutes after its first failure an operation
// gives up. What the store means as its last word (backend.IsRefusal) is never
// tried again, nor is what the caller's own function or content brought about.
//
// # What a lost answer may have done
//
// An attempt that failed may have taken effect. Therefore, from the second
// attempt on, a file that is not there any more was removed, and a config that
// is there with our bytes was saved. Files that were listed already are not
// listed again.
//
// # The watchdog
//
// An attempt that makes no progress is ended and counts as failed. Progress is
// bytes that fn reads, bytes that are read of a content, and files listed: a
// transfer may take as long as it moves. Time that fn, or the content, takes
// for itself is not counted.
package retry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Options say how patient to be. Zero values are the ones given.
type Options struct {
	First time.Duration // the first wait: 500 ms
	Max   time.Duration // the longest wait: 1 minute
	Total time.Duration // how long after its first failure an operation gives up: 15 minutes; negative: at once
	// Stall is how long an attempt may stand still: 6 minutes, longer than what
	// backends with a connection of their own to watch allow it; negative: for ever.
	Stall time.Duration
	// Report, if not nil, hears of each failure that is followed by another
	// attempt, before the wait. It may be called concurrently. Nothing is logged.
	Report func(Event)
}

// Event is an attempt that failed and will be repeated.
type Event struct {
	Operation string         // save, load, stat, list, remove
	Handle    backend.Handle // of a list, the type alone
	Attempt   int            // the one that failed, from 1
	Err       error
	Wait      time.Duration // until the next
}

// StallError ended an attempt that stood still. It is worth another attempt.
type StallError struct {
	After time.Duration
	Err   error // what the backend made of it
}

func (e *StallError) Error() string { return fmt.Sprintf("nothing moved for %v", e.After) }

// Backend is another backend, tried again. It can be used concurrently.
type Backend struct {
	next   backend.Backend
	o      Options
	closed chan struct{}
	once   sync.Once
}

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Unwrapper = (*Backend)(nil)
)

// New stands before next. Closing it closes next.
func New(next backend.Backend, o Options) *Backend {
	for _, d := range []struct {
		value  *time.Duration
		normal time.Duration
	}{{&o.First, 500 * time.Millisecond}, {&o.Max, time.Minute}, {&o.Total, 15 * time.Minute}, {&o.Stall, 6 * time.Minute}} {
		if *d.value == 0 {
			*d.value = d.normal
		}
	}
	return &Backend{next: next, o: o, closed: make(chan struct{})}
}

// Unwrap gives the backend behind.
func (b *Backend) Unwrap() backend.Backend { return b.next }

// Properties are those of the backend behind.
func (b *Backend) Properties() backend.Properties { return b.next.Properties() }

// Close ends all waiting and closes the backend behind.
func (b *Backend) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.next.Close()
}

// finalError is what no further attempt can change.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// repeat runs attempt until it succeeds or there is no sense in it. n counts
// from 1.
func (b *Backend) repeat(ctx context.Context, operation string, h backend.Handle, attempt func(ctx context.Context, w *watchdog, n int) error) error {
	var failing time.Time
	for n := 1; ; n++ {
		err := b.watched(ctx, operation, h, func(ctx context.Context, w *watchdog) error { return attempt(ctx, w, n) })
		if final := (*finalError)(nil); errors.As(err, &final) {
			return final.err
		}
		if err == nil || backend.IsRefusal(err) || errors.Is(err, fs.ErrClosed) {
			return err
		}
		if ended := ctx.Err(); ended != nil {
			if !errors.Is(err, ended) { // what broke, broke because of it
				err = fmt.Errorf("%w (%w)", err, ended)
			}
			return err
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		left := b.o.Total - time.Since(failing)
		if left <= 0 && n == 1 {
			return err
		} else if left <= 0 {
			return fmt.Errorf("%w (gave up after %d attempts)", err, n)
		}
		wait := min(b.wait(n), left)
		if b.o.Report != nil {
			b.o.Report(Event{operation, h, n, err, wait})
		}
		if stopped := b.sleep(ctx, wait); stopped != nil {
			return fmt.Errorf("%s %v: %w while waiting to try again: %v", operation, h, stopped, err)
		}
	}
}

// wait is the time after attempt n failed: half to one and a half of the
// doubled time.
func (b *Backend) wait(n int) time.Duration {
	d := b.o.First
	for ; n > 1 && d < b.o.Max; n-- {
		d *= 2
	}
	d = min(d, b.o.Max)
	return d/2 + rand.N(d+1)
}

func (b *Backend) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-b.closed:
		return fs.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
