package mobilebackup2

import (
	"context"
	"errors"
	"testing"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// counting is a store that counts and does nothing else.
type counting struct {
	Store
	calls int
	call  func()
}

func (c *counting) Rename(context.Context, string, string) error { c.calls++; c.call(); return nil }
func (c *counting) Remove(context.Context, string) error         { c.calls++; c.call(); return nil }

// A batch of any size ends soon after the job is cancelled.
func TestLoop_cancelledInBatch(t *testing.T) {
	var move devicelink.Move
	var remove devicelink.Remove
	for range 1000 {
		move.Items = append(move.Items, devicelink.MovePair{From: "U/Snapshot/x", To: "U/x"})
		remove.Paths = append(remove.Paths, "U/x")
	}
	for name, ask := range map[string]func(context.Context, *loop) (devicelink.Status, string, any){
		"move":   func(ctx context.Context, l *loop) (devicelink.Status, string, any) { return l.move(ctx, move) },
		"remove": func(ctx context.Context, l *loop) (devicelink.Status, string, any) { return l.remove(ctx, remove) },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		store := &counting{call: func() { cancel(errors.New("enough")) }}
		l := newLoop(nil, Job{Target: "U"}, MsgBackup, store, Nobody{})
		code, _, _ := ask(ctx, l)
		if store.calls != 1 || code == devicelink.StatusOK || l.sum.Moved+l.sum.Removed != 1 {
			t.Errorf("%s: %d done, status %d, summary %+v", name, store.calls, code, l.sum)
		}
	}
}
