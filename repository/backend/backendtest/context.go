package backendtest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var contextChecks = []check{
	{"context ended before", checkCancelledBefore},
	{"context ends during save", checkCancelledSave},
	{"context ends during load", checkCancelledLoad},
	{"context ends during list", checkCancelledList},
}

func checkCancelledBefore(t testing.TB, s *suite, b backend.Backend) {
	f, g := newFile(backend.LockFile, 1000, 0), newFile(backend.LockFile, 1000, 1)
	save(t, b, f)
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		want error
	}{{cancelled(), context.Canceled}, {late, context.DeadlineExceeded}} {
		want := func(what string, err error) {
			if !errors.Is(err, c.want) {
				t.Errorf("%s after the context ended: got %v, want %v", what, err, c.want)
			}
		}
		want("save", b.Save(c.ctx, g.Handle, g.content()))
		want("load", b.Load(c.ctx, f.Handle, 0, 0, func(r io.Reader) error {
			_, err := io.ReadAll(r)
			return err
		}))
		_, err := b.Stat(c.ctx, f.Handle)
		want("stat", err)
		want("list", b.List(c.ctx, f.Type, func(backend.FileInfo) error { return nil }))
		want("remove", b.Remove(c.ctx, f.Handle))
	}
	wantFile(t, b, f)
	wantNone(t, b, g.Handle)
}

func checkCancelledSave(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.PackFile, 20<<20, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := b.Save(ctx, f.Handle, f.watched(4<<20, cancel)); !errors.Is(err, context.Canceled) {
		t.Errorf("save when the context ends in the middle: got %v, want context.Canceled", err)
	}
	wantNone(t, b, f.Handle)
	save(t, b, f)
	wantFile(t, b, f)
}

func checkCancelledLoad(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.PackFile, 20<<20, 0)
	save(t, b, f)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := b.Load(ctx, f.Handle, 0, 0, func(r io.Reader) error {
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			return err
		}
		cancel()
		_, err := io.Copy(io.Discard, r)
		if err == nil {
			t.Error("the reader gives the rest of 20 MiB after the context ended")
		}
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("load when the context ends in the middle: got %v, want context.Canceled", err)
	}
	wantFile(t, b, f)
}

func checkCancelledList(t testing.TB, _ *suite, b backend.Backend) {
	for i := range 20 {
		save(t, b, newFile(backend.PackFile, 10, uint64(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	err := b.List(ctx, backend.PackFile, func(backend.FileInfo) error {
		calls++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("list when the context ends at the first of 20 files: got %v, want context.Canceled", err)
	}
	if calls == 20 {
		t.Error("list goes through all files after the context ended")
	}
}
