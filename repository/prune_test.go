package repository

import (
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// threeVersions makes a repository with three snapshots that share some files.
func threeVersions(t *testing.T) (*memory.Backend, *Repository, []format.ID, []files) {
	t.Helper()
	m := memory.New()
	r := initIn(t, m, Options{})
	s, err := r.Begin(t.Context(), Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ids []format.ID
	var versions []files
	for i := range 3 {
		f := someFiles(uint64(i) * 100)
		f["text/log.txt"] = someFiles(0)["text/log.txt"]
		id, err := backupFiles(t.Context(), s, f, time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		ids, versions = append(ids, id), append(versions, f)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return m, r, ids, versions
}

func forget(t *testing.T, r *Repository, ids ...format.ID) {
	t.Helper()
	s, err := r.Begin(t.Context(), Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantClean checks all data with our checker.
func wantClean(t *testing.T, r *Repository) CheckStats {
	t.Helper()
	s, err := r.Begin(t.Context(), Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := s.Check(t.Context(), CheckOptions{ReadData: true}, func(p Problem) { t.Errorf("check: %v: %v", p.Severity, p) })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return stats
}

func TestPrune(t *testing.T) {
	m, r, ids, versions := threeVersions(t)
	wantClean(t, r)
	forget(t, r, ids[0])
	stats, err := r.Prune(t.Context(), PruneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if stats.FreedBytes < 9<<20 || stats.UnusedBlobs == 0 || stats.LeftUnusedBytes != 0 {
		t.Errorf("prune: %+v", stats)
	}
	if got := wantClean(t, r); got.UnusedBlobs != 0 {
		t.Errorf("%d blobs are unused after prune", got.UnusedBlobs)
	}
	s := begin(t, r, Shared)
	wantFiles(t, s, ids[1], versions[1])
	wantFiles(t, s, ids[2], versions[2])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out := restic(t, dump(t, m), "check", "--read-data", "--no-lock"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
	again, err := r.Prune(t.Context(), PruneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again.FreedBytes != 0 || again.RepackedPacks != 0 || again.RemovedPacks != 0 {
		t.Errorf("prune again: %+v", again)
	}
	if locks, err := r.Locks(t.Context()); err != nil || len(locks) != 0 {
		t.Errorf("locks %v, %v", locks, err)
	}
}

func TestCopyAndRepair(t *testing.T) {
	m, r, ids, versions := threeVersions(t)
	m2 := memory.New()
	r2 := initIn(t, m2, Options{Compression: CompressionFastest})
	from, to := begin(t, r, Shared), begin(t, r2, Shared)
	all, err := from.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stats, err := to.CopyFrom(t.Context(), from, all, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Copied) != 3 || stats.Packs == 0 {
		t.Fatalf("copy: %+v", stats)
	}
	wantClean(t, r2)
	again := begin(t, r2, Shared)
	for i, c := range stats.Copied {
		wantFiles(t, again, c.To, versions[i])
	}
	twice, err := again.CopyFrom(t.Context(), from, all, nil)
	if err != nil || len(twice.Skipped) != 3 || twice.Packs != 0 {
		t.Fatalf("copy again: %+v, %v", twice, err)
	}
	for _, s := range []*Session{from, to, again} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// A flipped bit in one pack, another pack gone, an index gone, a snapshot damaged.
	packs := 0
	var damaged []backend.Handle
	for _, h := range m.Handles() {
		data := m.Bytes(h)
		switch {
		case h.Type == backend.PackFile && packs < 2:
			packs++
			damaged = append(damaged, h)
			if packs == 1 {
				data[len(data)/3] ^= 4
			} else {
				data = nil
			}
			m.Put(h, data)
		case h.Type == backend.SnapshotFile && h.Name == ids[1].String():
			data[40] ^= 1
			m.Put(h, data)
		}
	}
	s, err := r.Begin(t.Context(), Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	check, err := s.Check(t.Context(), CheckOptions{ReadData: true}, func(p Problem) { found = append(found, p.Object) })
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range damaged {
		if !strings.Contains(strings.Join(found, "\n"), h.String()) {
			t.Errorf("check does not name %v: %v", h, found)
		}
	}
	from = begin(t, r2, Shared)
	lost := func(p Problem) { t.Errorf("repair: %v", p) }
	st, err := s.RepairPacks(t.Context(), check.DamagedPacks, from, lost)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", st)
	if st, err = s.RepairSnapshots(t.Context(), from, lost); err != nil || st.Snapshots != 1 {
		t.Fatalf("repair snapshots: %+v, %v", st, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, r)
	// And without any index.
	for _, h := range m.Handles() {
		if h.Type == backend.IndexFile {
			m.Put(h, nil)
		}
	}
	if s, err = r.Begin(t.Context(), Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RebuildIndex(t.Context(), false, lost); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, r)
	last := begin(t, r, Shared)
	wantFiles(t, last, ids[0], versions[0])
	if out := restic(t, dump(t, m), "check", "--read-data", "--no-lock"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
}
