package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/s3"
	"github.com/keepsake-backup/keepsake/repository/format"
)

func openLocal(t *testing.T, dir string) backend.Backend {
	t.Helper()
	be, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return be
}

// bucketServer is an S3 server on loopback; each open is a client of its own.
func bucketServer(t *testing.T) func() backend.Backend {
	t.Helper()
	server := httptest.NewUnstartedServer(gofakes3.New(s3mem.New()).Server())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return func() backend.Backend {
		be, err := s3.Open(t.Context(), s3.Config{Endpoint: server.Listener.Addr().String(), Insecure: true, Bucket: "backups", Prefix: "phone",
			Region: "us-east-1", AccessKeyID: "AKID", SecretAccessKey: secret.NewText("secret")})
		if err != nil {
			t.Fatal(err)
		}
		return be
	}
}

// Eight writers work on one repository, each a station of its own with its own
// connection, while a pruner asks for its turn again and again.
func TestEightWritersAndAPruner(t *testing.T) {
	for _, kind := range []string{"local", "s3"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "repo")
			open := func() backend.Backend { return openLocal(t, dir) }
			if kind == "s3" {
				open = bucketServer(t)
			}
			if err := initIn(t, open(), Options{}).Close(); err != nil {
				t.Fatal(err)
			}
			eightWriters(t, func() *Repository {
				r, err := Open(t.Context(), open(), secret.NewRepositoryPassword(testPassword), Options{})
				if err != nil {
					t.Fatal(err)
				}
				r.times = quick
				r.times.stale, r.times.expiry, r.times.refresh = resticTimes.stale, resticTimes.expiry, resticTimes.refresh
				return r
			})
			if kind == "s3" {
				m := memoryCopy(t, open())
				dir = dump(t, m)
			}
			if out := restic(t, dir, "check", "--read-data", "--no-lock"); !strings.Contains(out, "no errors were found") {
				t.Error(out)
			}
		})
	}
}

func eightWriters(t *testing.T, open func() *Repository) {
	const writers, rounds, wanted = 8, 3, 3
	var turns atomic.Int32 // of the pruner
	var mu sync.Mutex
	kept := map[format.ID]files{}
	longest := time.Duration(0) // session of a writer
	var group, pruner sync.WaitGroup
	done := make(chan struct{})
	for i := range writers {
		r := open()
		group.Go(func() {
			defer r.Close()
			for round := 0; round < rounds || turns.Load() < wanted && round < 100; round++ {
				f := files{"same": randomBytes(7, 700_000), "text/log": textBytes(uint64(round), 200_000),
					fmt.Sprintf("own/%d", i): randomBytes(uint64(1000+200*i+round), 300_000)}
				s, err := r.Begin(t.Context(), Shared, time.Minute)
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				start := time.Now()
				id, err := backupFiles(s.Context(), s, f, time.Date(2026, 1, 1+round, i, 0, 0, 0, time.UTC))
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				mu.Lock()
				kept[id] = f
				longest = max(longest, time.Since(start))
				mu.Unlock()
			}
		})
	}
	var waits []time.Duration
	r := open()
	pruner.Go(func() {
		defer r.Close()
		for {
			select {
			case <-done:
				return
			default:
			}
			var since time.Time
			_, err := r.Prune(t.Context(), PruneOptions{Wait: time.Minute, Progress: func(s PruneStep) {
				switch s {
				case PruneWait:
					since = time.Now()
				case PruneIndex:
					waits = append(waits, time.Since(since))
					turns.Add(1)
				}
			}})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("prune: %v", err)
				return
			}
		}
	})
	group.Wait()
	close(done)
	pruner.Wait()
	if len(kept) < writers*rounds {
		t.Errorf("%d of %d backups finished", len(kept), writers*rounds)
	}
	// The turn comes when those are done who were there before.
	bound := longest + time.Second
	for _, w := range waits {
		if w > bound {
			t.Errorf("prune waited %v for its turn, with no writer longer than %v", w, longest)
		}
	}
	if len(waits) < wanted {
		t.Errorf("prune had its turn %d times", len(waits))
	}
	t.Logf("%d turns of prune, waits %v, longest writer %v", len(waits), waits, longest)
	last := open()
	t.Cleanup(func() { last.Close() }) // after the session's
	wantClean(t, last)
	s := begin(t, last, Shared)
	for id, f := range kept {
		wantFiles(t, s, id, f)
	}
}
