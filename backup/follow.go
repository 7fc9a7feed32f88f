package backup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// followed is a file that goes into the repository while it arrives.
type followed struct {
	in     *ingester
	cancel context.CancelFunc
	done   chan struct{}
	c      snapshot.Content
	err    error
}

// follow starts to read behind w.
func (in *ingester) follow(ctx context.Context, w *spool.Writer, name string) *followed {
	ctx, cancel := context.WithCancel(ctx)
	f := &followed{in: in, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.c, f.err = snapshot.Save(ctx, in.w, name, keybag.Key{}, func() (io.ReadCloser, error) { return w.Follow(ctx), nil }, -1)
		if f.err != nil && ctx.Err() == nil && in.ctx.Err() == nil && !errors.Is(f.err, spool.ErrAborted) {
			in.broke(f.err)
		}
	}()
	return f
}

// end waits until the file is durable: only then has it arrived, for it is not in
// the spool any more.
func (f *followed) end(ctx context.Context) (*journal.Content, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		f.abandon()
		return nil, context.Cause(ctx)
	}
	f.cancel()
	if f.err != nil {
		return nil, f.err
	}
	if err := f.in.w.Flush(ctx); err != nil {
		return nil, fmt.Errorf("store a long file: %w", err)
	}
	return journalContent(f.c, keybag.Key{}), nil
}

// abandon ends reading.
func (f *followed) abandon() {
	f.cancel()
	<-f.done
}
