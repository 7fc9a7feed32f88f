package repository

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// quick are the times of locks in tests.
var quick = lockTimes{
	settle: 20 * time.Millisecond, refresh: 100 * time.Millisecond, stale: 2 * time.Second, expiry: time.Second,
	watch: 10 * time.Millisecond, poll: 10 * time.Millisecond, pollMax: 50 * time.Millisecond, goodbye: 10 * time.Second,
}

func quickRepo(t *testing.T) (*memory.Backend, *Repository) {
	t.Helper()
	m := memory.New()
	r := initIn(t, m, Options{})
	r.times = quick
	return m, r
}

func lockFiles(m *memory.Backend) []string {
	var names []string
	for _, h := range m.Handles() {
		if h.Type == backend.LockFile {
			names = append(names, h.Name)
		}
	}
	return names
}

func TestLockConflicts(t *testing.T) {
	tests := []struct {
		held, wanted Mode
		refused      bool
	}{
		{Shared, Shared, false},
		{Shared, Exclusive, true},
		{Exclusive, Shared, true},
		{Exclusive, Exclusive, true},
		{Exclusive, Unlocked, false},
	}
	for _, tt := range tests {
		m, r := quickRepo(t)
		first, err := r.Begin(t.Context(), tt.held, 0)
		if err != nil {
			t.Fatal(err)
		}
		second, err := r.Begin(t.Context(), tt.wanted, 0)
		if refused := errors.Is(err, ErrLocked); refused != tt.refused || err != nil && !refused {
			t.Errorf("%v beside %v: %v", tt.wanted, tt.held, err)
		}
		var locked *LockedError
		if errors.As(err, &locked) && (len(locked.Locks) != 1 || locked.Locks[0].Exclusive != (tt.held == Exclusive)) {
			t.Errorf("the error names %v", locked.Locks)
		}
		if err == nil {
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if left := lockFiles(m); len(left) != 0 {
			t.Errorf("%d locks are left", len(left))
		}
	}
}

func TestLockWaits(t *testing.T) {
	_, r := quickRepo(t)
	for _, mode := range []Mode{Shared, Exclusive} {
		first, err := r.Begin(t.Context(), Exclusive, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, func() {
			if err := first.Close(); err != nil {
				t.Error(err)
			}
		})
		second, err := r.Begin(t.Context(), mode, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}
}

// One who waits to be alone holds new ones back, so that his turn comes.
func TestWaitingHoldsNewOnesBack(t *testing.T) {
	_, r := quickRepo(t)
	reader, err := r.Begin(t.Context(), Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		s, err := r.Begin(t.Context(), Exclusive, 10*time.Second)
		if err == nil {
			err = s.Close()
		}
		got <- err
	}()
	for !waitsAlone(t, r) {
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := r.Begin(t.Context(), Shared, 0); !errors.Is(err, ErrLocked) {
		t.Errorf("a new one beside one who waits to be alone: %v", err)
	}
	select {
	case err := <-got:
		t.Fatalf("the other is alone beside a reader, or gave up: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func waitsAlone(t *testing.T, r *Repository) bool {
	locks, err := r.Locks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range locks {
		if l.Exclusive {
			return true
		}
	}
	return false
}

func TestLockIsRefreshed(t *testing.T) {
	m, r := quickRepo(t)
	s, err := r.Begin(t.Context(), Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := lockFiles(m)
	deadline := time.Now().Add(10 * time.Second)
	for now := lockFiles(m); len(now) != 1 || now[0] == first[0]; now = lockFiles(m) {
		if time.Now().After(deadline) {
			t.Fatal("the lock was not written anew")
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(2 * quick.expiry)
	if err := context.Cause(s.Context()); err != nil {
		t.Errorf("a refreshed lock was lost: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := lockFiles(m); len(left) != 0 {
		t.Errorf("%d locks are left", len(left))
	}
}

// The loss of the lock ends the work under it: by somebody's hand, and because
// it could not be refreshed.
func TestLockLost(t *testing.T) {
	for _, how := range []string{"removed", "no refresh"} {
		m := &refusing{Backend: memory.New()}
		r := initIn(t, m, Options{})
		r.times = quick
		s, err := r.Begin(t.Context(), Shared, 0)
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if how == "removed" {
			if _, err := r.Unlock(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		} else {
			m.refuse(true)
		}
		select {
		case <-s.Context().Done():
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the session goes on", how)
		}
		if err := context.Cause(s.Context()); !errors.Is(err, ErrLockLost) {
			t.Errorf("%s: the session ended with %v", how, err)
		}
		m.refuse(false)
		tree, err := w.SaveTree(t.Context(), &format.Tree{})
		if err == nil {
			_, err = w.Commit(t.Context(), &format.Snapshot{Time: time.Now(), Tree: &tree, Paths: []string{"/"}})
		}
		if !errors.Is(err, ErrLockLost) {
			t.Errorf("%s: writing on gives %v", how, err)
		}
		if err := w.Close(); err != nil && !errors.Is(err, ErrLockLost) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// refusing is a store that does not take locks when told so.
type refusing struct {
	*memory.Backend
	mu sync.Mutex
	on bool
}

func (b *refusing) refuse(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on = on
}

func (b *refusing) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	b.mu.Lock()
	on := b.on
	b.mu.Unlock()
	if on && h.Type == backend.LockFile {
		return errors.New("refused for the test")
	}
	return b.Backend.Save(ctx, h, data)
}

// Locks of holders who are gone: ours go by themselves, others by unlock.
func TestStaleLocks(t *testing.T) {
	m, r := quickRepo(t)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	put := func(host string, age time.Duration, pid int) {
		l := format.Lock{Time: time.Now().Add(-age), Exclusive: true, Hostname: host, Username: "test", PID: pid}
		json, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.saveUnpacked(t.Context(), backend.LockFile, json); err != nil {
			t.Fatal(err)
		}
	}
	put(LockHost(), 0, dead.Process.Pid)
	s, err := r.Begin(t.Context(), Shared, 0)
	if err != nil {
		t.Fatalf("beside the lock of a dead process of this machine: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	put("elsewhere", time.Hour, 1)
	_, err = r.Begin(t.Context(), Shared, 0)
	var hint interface{ Hint() string }
	if !errors.Is(err, ErrLocked) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "keepsake unlock") {
		t.Errorf("beside an old lock of another machine: %v", err)
	}
	put("elsewhere", 0, 1)
	removed, err := r.Unlock(t.Context(), false)
	if err != nil || len(removed) != 1 || !removed[0].Stale {
		t.Errorf("unlock removed %v, %v", removed, err)
	}
	if removed, err = r.Unlock(t.Context(), true); err != nil || len(removed) != 1 {
		t.Errorf("unlock of all removed %v, %v", removed, err)
	}
	if left := lockFiles(m); len(left) != 0 {
		t.Errorf("%d locks are left", len(left))
	}

	// restic's, which bear the machine's own name.
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	put(host, 0, os.Getppid())
	put(host, 0, dead.Process.Pid)
	if _, err = r.Begin(t.Context(), Shared, 0); !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "keepsake unlock") {
		t.Errorf("beside the lock of a dead restic: %v", err)
	}
	if n := len(lockFiles(m)); n != 2 {
		t.Errorf("%d locks of restic's are left without unlock, want 2", n)
	}
	if removed, err = r.Unlock(t.Context(), false); err != nil || len(removed) != 1 || removed[0].PID != dead.Process.Pid {
		t.Errorf("unlock removed %v, %v; want the lock of the dead restic only", removed, err)
	}
}

// An empty lock file is what a full disk leaves; one that cannot be read blocks.
func TestOddLockFiles(t *testing.T) {
	m, r := quickRepo(t)
	h := backend.Handle{Type: backend.LockFile, Name: format.Hash([]byte("x")).String()}
	m.Put(h, []byte{})
	s, err := r.Begin(t.Context(), Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	m.Put(h, []byte("no lock"))
	if _, err := r.Begin(t.Context(), Shared, 0); err == nil || !strings.Contains(err.Error(), h.Name) {
		t.Errorf("beside a lock that cannot be read: %v", err)
	}
}
