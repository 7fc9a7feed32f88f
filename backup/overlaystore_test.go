package backup

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

func testRepo(t testing.TB) *repository.Repository {
	t.Helper()
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), memory.New(), secret.NewRepositoryPassword("pw"), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// station is a store that can be closed, as by the end of its process, and opened
// again.
type station struct {
	t    *testing.T
	f    *runFolder
	head *runHead
	*overlayStore
	dropped int
	every   int // how many listings
	listed  int
}

func newStation(t *testing.T, repo *repository.Repository, opt RepositoryOptions) *station {
	t.Helper()
	f, err := newRunFolder(repo, storetest.UDID, opt)
	if err != nil {
		t.Fatal(err)
	}
	head, err := f.begin(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &station{t: t, f: f, head: head}
	s.load()
	t.Cleanup(func() {
		if err := errors.Join(s.u.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *station) load() {
	s.t.Helper()
	u, dropped, err := s.f.load(s.head, func() (*overlay.Tree, error) { return overlay.New(storetest.UDID), nil })
	if err != nil {
		s.t.Fatal(err)
	}
	s.dropped = dropped
	s.overlayStore = &overlayStore{u: u, space: func(context.Context) (int64, error) { return 1, nil }}
}

func (s *station) reload() {
	s.t.Helper()
	if err := s.u.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.load()
}

func (s *station) ReadDir(ctx context.Context, p string) ([]mobilebackup2.Entry, error) {
	if s.listed++; s.every > 0 && s.listed%s.every == 1 {
		s.reload()
	}
	return s.overlayStore.ReadDir(ctx, p)
}

func TestOverlayStore(t *testing.T) {
	repo := testRepo(t)
	storetest.Run(t, func(t *testing.T) mobilebackup2.Store {
		return newStation(t, repo, RepositoryOptions{State: t.TempDir()})
	})
}

// What a journal gives back is what was there, at every step.
func TestOverlayStore_reloaded(t *testing.T) {
	repo := testRepo(t)
	storetest.Run(t, func(t *testing.T) mobilebackup2.Store {
		s := newStation(t, repo, RepositoryOptions{State: t.TempDir(), Spool: t.TempDir()})
		s.every = 30
		return s
	})
}

// After a loss of power what was not synced is looked at, and what is damaged is
// dropped; everything else stays.
func TestUnfinished_powerLoss(t *testing.T) {
	s := newStation(t, testRepo(t), RepositoryOptions{State: t.TempDir()})
	path := func(i byte) string {
		id := overlay.ID{0xab, i}
		return storetest.UDID + "/Snapshot/ab/" + FileIDText(id)
	}
	put := func(i byte) {
		t.Helper()
		if err := s.Put(t.Context(), path(i), bytes.NewReader(bytes.Repeat([]byte{i}, 200_000))); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	s.u.mu.Lock()
	if err := s.u.sync(); err != nil {
		t.Fatal(err)
	}
	s.u.mu.Unlock()
	put(2)
	put(3)
	damaged := s.u.objects[1].extents[0]
	segment, err := s.u.segments.OpenFile("segment-00000001", 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := segment.WriteAt(make([]byte, 4096), damaged.Offset+1000); err != nil {
		t.Fatal(err)
	}
	segment.Close()
	s.reload()
	if s.dropped != 0 {
		t.Errorf("%d files were dropped though the machine ran on", s.dropped)
	}
	s.u.boot = "another"
	lost, err := s.u.verify()
	if err != nil || len(lost) != 1 || lost[0] != 2 {
		t.Fatalf("lost: %v, %v", lost, err)
	}
	if err := s.u.lose(lost); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		list, err := s.ReadDir(t.Context(), storetest.UDID+"/Snapshot/ab")
		if err != nil || len(list) != 2 {
			t.Errorf("listed: %v, %v", list, err)
		}
		for _, i := range []byte{1, 3} {
			r, _, err := s.Open(t.Context(), path(i))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{i}, 200_000)) {
				t.Errorf("file %d: %d bytes, %v", i, len(b), err)
			}
			r.Close()
		}
		s.reload()
	}
	// A whole segment is gone, as when the disk of the spool is another one.
	if err := s.u.segments.Remove("segment-00000001"); err != nil {
		t.Fatal(err)
	}
	s.reload()
	if s.dropped != 2 {
		t.Errorf("%d files were dropped, want 2", s.dropped)
	}
}

func TestRunFolder(t *testing.T) {
	repo, opt := testRepo(t), RepositoryOptions{State: t.TempDir()}
	s := newStation(t, repo, opt)
	var busy *RunBusyError
	if _, err := newRunFolder(repo, storetest.UDID, opt); !errors.As(err, &busy) || busy.Hint() == "" {
		t.Errorf("a second process: %v", err)
	}
	for _, udid := range []string{"", "..", "../x", "a/b", "not a udid"} {
		if _, err := newRunFolder(repo, udid, opt); err == nil {
			t.Errorf("%q was taken for a UDID", udid)
		}
	}
	if _, err := newRunFolder(repo, storetest.UDID, RepositoryOptions{}); err == nil {
		t.Error("no state folder was needed")
	}
	head, err := s.f.head()
	if err != nil || head == nil || string(head.Key) != string(s.head.Key) {
		t.Errorf("head: %+v, %v", head, err)
	}
	// Only the repository that sealed it opens it.
	s.f.repo = testRepo(t)
	if head, err := s.f.head(); head != nil || err != nil {
		t.Errorf("another repository: %+v, %v", head, err)
	}
	s.f.repo = repo
	if err := errors.Join(s.f.wantFull(true), s.f.wantFull(true)); err != nil || !s.f.wantsFull() {
		t.Error(err)
	}
	if err := errors.Join(s.f.wantFull(false), s.f.wantFull(false)); err != nil || s.f.wantsFull() {
		t.Error(err)
	}
}

// BenchmarkOverlayStore puts and moves small files, and reads the journal back.
func BenchmarkOverlayStore(b *testing.B) {
	const files = 100_000
	f, err := newRunFolder(testRepo(b), storetest.UDID, RepositoryOptions{State: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 300)
	tree := func() (*overlay.Tree, error) { return overlay.New(storetest.UDID), nil }
	for b.Loop() {
		head, err := f.begin(nil)
		if err != nil {
			b.Fatal(err)
		}
		u, _, err := f.load(head, tree)
		if err != nil {
			b.Fatal(err)
		}
		s := &overlayStore{u: u}
		for i := range files {
			id := sha1.Sum(binary.BigEndian.AppendUint32(nil, uint32(i)))
			place := FileIDText(id)
			place = place[:2] + "/" + place
			from, to := storetest.UDID+"/Snapshot/"+place, storetest.UDID+"/"+place
			if err := errors.Join(s.Put(b.Context(), from, bytes.NewReader(data)), s.Rename(b.Context(), from, to)); err != nil {
				b.Fatal(err)
			}
		}
		if err := u.Close(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begun := time.Now()
		if u, _, err = f.load(head, tree); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begun).Seconds()*1e9/files, "ns/loaded")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))/files, "heap-B/file")
		if err := errors.Join(u.Close(), f.discard(head)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/files, "ns/file")
}
