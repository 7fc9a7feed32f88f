package targets

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
)

// openStore opens a target's store behind the keeper's back.
func openStore(t *testing.T, store backend.Backend) *repository.Repository {
	t.Helper()
	r, err := repository.Open(t.Context(), store, secret.NewRepositoryPassword(targetPassword), repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A copy that dies at any point leaves a target that is whole, never shows part of
// a version, and the next one brings nothing twice.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	const most = 24 // a copy changes less
	var points atomic.Int64
	t.Cleanup(func() {
		if n := points.Load(); n < 8 || n == most {
			t.Errorf("died at %d points of %d", n, most)
		}
	})
	for n := range most {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := newStation(t)
			store := s.inMemory(s.path("usb"))
			s.store(s.main, "one")
			s.store(s.main, "two", "keepsake-receipt")
			s.store(s.main, "three")
			s.add("usb")
			var target *fault.Backend
			s.opened = func(_ string, b *fault.Backend) {
				target = b
				b.KillAfterChanges(n)
			}
			result, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{})
			if !target.Killed() {
				return // it came to its end
			}
			points.Add(1)
			if err == nil {
				t.Fatal("the target died and nobody noticed")
			}
			if got := s.known("usb"); !got.LastCopied.IsZero() && !errors.Is(err, fault.ErrKilled) {
				t.Errorf("copied, it says: %+v", got)
			}

			// Its process is gone, and its lock with it.
			s.opened = nil
			r := openStore(t, store)
			if _, err := r.Unlock(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			checkWhole(t, s, r, len(result.Stats.Copied))
			packs := count(t, store, backend.PackFile)

			again := s.copy("usb")
			if again.Held != 3 || again.Behind != 0 {
				t.Errorf("after the second run: %+v", again)
			}
			r = openStore(t, store)
			checkWhole(t, s, r, 3)
			stats, err := r.Prune(t.Context(), repository.PruneOptions{DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if stats.DuplicateBlobs != 0 || stats.UnusedBlobs != 0 || stats.OrphanPacks != 0 {
				t.Errorf("stored twice, or left over: %+v", stats)
			}
			if got := count(t, store, backend.PackFile); got < packs {
				t.Errorf("%d packs, were %d", got, packs)
			}
		})
	}
}

// On a server that lets nothing be removed, what an interrupted copy left stays as
// it is, and the next copy works all the same.
func TestCopyAppendOnly(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	store := s.inMemory(s.path("usb"))
	s.store(s.main, "one")
	s.add("usb")
	s.copy("usb") // so that there is an index to replace
	s.store(s.main, "two")
	indexes := count(t, store, backend.IndexFile)
	s.opened = func(_ string, b *fault.Backend) { b.KillAfterChanges(4) } // locks, and a pack
	if _, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{}); !errors.Is(err, fault.ErrKilled) {
		t.Fatal(err)
	}
	s.opened = nil
	if _, err := openStore(t, store).Unlock(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if packs := count(t, store, backend.PackFile); packs <= 2 || count(t, store, backend.IndexFile) != indexes {
		t.Fatalf("it died at another point: %d packs", packs)
	}
	for _, typ := range []backend.FileType{backend.PackFile, backend.IndexFile, backend.SnapshotFile} {
		s.faults = append(s.faults, fault.Fault{Op: fault.Remove, Type: typ, Times: fault.Always, Err: backend.ErrReadOnly})
	}
	if r := s.copy("usb"); r.Held != 2 {
		t.Errorf("%+v", r)
	}
}

func checkWhole(t *testing.T, s *station, r *repository.Repository, atLeast int) {
	t.Helper()
	err := s.with(t.Context(), r, repository.Shared, func(ctx context.Context, se *repository.Session) error {
		stats, err := se.Check(ctx, repository.CheckOptions{ReadData: true}, func(p repository.Problem) {
			if p.Severity == repository.Damage {
				t.Error(p)
			}
		})
		if stats.Snapshots < atLeast {
			t.Errorf("%d versions, want %d at least", stats.Snapshots, atLeast)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func count(t *testing.T, b backend.Backend, typ backend.FileType) int {
	t.Helper()
	n := 0
	if err := b.List(t.Context(), typ, func(backend.FileInfo) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// A target that is full keeps what came before, and says why.
func TestCopyFull(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.store(s.main, "one")
	s.add("usb")
	s.copy("usb")
	s.store(s.main, "two")
	s.faults = []fault.Fault{{Op: fault.Save, Type: backend.PackFile, Times: fault.Always, Err: backend.ErrFull}}
	before := s.known("usb")
	r, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{})
	if !errors.Is(err, backend.ErrFull) || r.Held != 1 || r.Behind != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if after := s.known("usb"); !after.LastCopied.Equal(before.LastCopied) {
		t.Errorf("last copied %v, was %v", after.LastCopied, before.LastCopied)
	}
	s.faults = nil
	if r := s.copy("usb"); r.Held != 2 {
		t.Errorf("%+v", r)
	}
}

// One damaged version of the main repository does not hold up the others.
func TestCopyDamaged(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	store, main := s.inMemory(s.path("usb")), s.inMemory(s.path("main"))
	s.store(s.main, "one")
	before := packsOf(t, main)
	bad := s.store(s.main, "two")
	for name := range packsOf(t, main) {
		if before[name] {
			continue
		}
		if err := main.Remove(t.Context(), backend.Handle{Type: backend.PackFile, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	s.store(s.main, "three")
	s.store(s.main, "four")
	s.add("usb")
	r, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{})
	if err != nil || len(r.Failed) != 1 || r.Failed[0].Snapshot.ID != bad.ID || r.Held != 3 || r.Behind != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := s.known("usb"); !got.LastCopied.IsZero() {
		t.Errorf("complete, it says: %+v", got)
	}
	checkWhole(t, s, openStore(t, store), 3)
}

func packsOf(t *testing.T, b backend.Backend) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := b.List(t.Context(), backend.PackFile, func(f backend.FileInfo) error {
		names[f.Name] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
