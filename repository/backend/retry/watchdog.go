package retry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var errStalled = errors.New("stalled")

// watched runs one attempt under a watchdog.
func (b *Backend) watched(ctx context.Context, operation string, h backend.Handle, attempt func(context.Context, *watchdog) error) error {
	if b.o.Stall < 0 {
		return attempt(ctx, nil)
	}
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatchdog(b.o.Stall, func() { cancel(errStalled) })
	defer w.stop()
	err := attempt(own, w)
	if err == nil || ctx.Err() != nil || context.Cause(own) != errStalled {
		return err
	}
	if errors.Is(err, context.Canceled) { // the watchdog's doing, not the caller's
		err = fmt.Errorf("%s %v: %w", operation, h, &StallError{b.o.Stall, err})
	}
	return err
}

// watchdog barks when the backend holds the floor for too long. While somebody
// else does (fn, the content), it sleeps.
type watchdog struct {
	limit time.Duration
	bark  func()

	mu      sync.Mutex
	timer   *time.Timer
	turn    int // counts starts, so that a timer that was stopped too late does nothing
	others  int // how many hold the floor beside the backend
	stopped bool
}

func newWatchdog(limit time.Duration, bark func()) *watchdog {
	w := &watchdog{limit: limit, bark: bark}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.startLocked()
	return w
}

func (w *watchdog) startLocked() {
	w.turn++
	turn := w.turn
	w.timer = time.AfterFunc(w.limit, func() {
		w.mu.Lock()
		late := w.stopped || w.others > 0 || w.turn != turn
		w.mu.Unlock()
		if !late {
			w.bark()
		}
	})
}

// pause gives the floor to somebody else, until resume. A nil watchdog sleeps
// for ever.
func (w *watchdog) pause() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.others++
	w.timer.Stop()
}

// resume gives the floor back. That is progress.
func (w *watchdog) resume() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.others--; w.others == 0 && !w.stopped {
		w.startLocked()
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}
