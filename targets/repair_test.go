package targets

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// remove takes files of a type out of a store, all but keep says otherwise.
func remove(t *testing.T, b backend.Backend, typ backend.FileType, keep func(i int) bool) int {
	t.Helper()
	var names []string
	if err := b.List(t.Context(), typ, func(f backend.FileInfo) error { names = append(names, f.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	n := 0
	for i, name := range names {
		if keep != nil && keep(i) {
			continue
		}
		if err := b.Remove(t.Context(), backend.Handle{Type: typ, Name: name}); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func all(int) bool { return false }

// spoil changes the first file of a type so that it cannot be read.
func spoil(t *testing.T, b *memory.Backend, typ backend.FileType) format.ID {
	t.Helper()
	var name string
	if err := b.List(t.Context(), typ, func(f backend.FileInfo) error {
		if name == "" || f.Name < name {
			name = f.Name
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h := backend.Handle{Type: typ, Name: name}
	data, err := backend.ReadAll(t.Context(), b, h, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	data = slices.Clone(data)
	at := len(data) / 2
	if typ == backend.PackFile {
		at = 8 // in its first blob, not in its header, which nobody needs
	}
	data[at] ^= 1
	b.Put(h, data)
	id, err := format.ParseID(name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage      func(t *testing.T, main, usb *memory.Backend)
		main, usb   bool // are damaged
		all         bool // read every byte
		left        bool // something is lost
		versions    int  // in the end; 0 is 3
		fromNowhere bool // nothing was fetched
	}{
		"nothing":                     {damage: func(*testing.T, *memory.Backend, *memory.Backend) {}, fromNowhere: true},
		"packs of the target":         {damage: func(t *testing.T, _, usb *memory.Backend) { remove(t, usb, backend.PackFile, all) }, usb: true},
		"packs of the main":           {damage: func(t *testing.T, main, _ *memory.Backend) { remove(t, main, backend.PackFile, all) }, main: true},
		"a bit of a pack":             {damage: func(t *testing.T, main, _ *memory.Backend) { spoil(t, main, backend.PackFile) }, main: true, all: true},
		"a bit of a target's pack":    {damage: func(t *testing.T, _, usb *memory.Backend) { spoil(t, usb, backend.PackFile) }, usb: true, all: true},
		"a snapshot of the main":      {damage: func(t *testing.T, main, _ *memory.Backend) { spoil(t, main, backend.SnapshotFile) }, main: true},
		"a snapshot of the target":    {damage: func(t *testing.T, _, usb *memory.Backend) { spoil(t, usb, backend.SnapshotFile) }, usb: true},
		"the index of the main":       {damage: func(t *testing.T, main, _ *memory.Backend) { remove(t, main, backend.IndexFile, all) }, main: true, fromNowhere: true},
		"a bit of the target's index": {damage: func(t *testing.T, _, usb *memory.Backend) { spoil(t, usb, backend.IndexFile) }, usb: true, fromNowhere: true},
		"what each lacks the other has": {damage: func(t *testing.T, main, usb *memory.Backend) {
			spoil(t, main, backend.SnapshotFile)
			remove(t, usb, backend.PackFile, func(i int) bool { return i > 1 })
		}, main: true, usb: true},
		"all packs of both": {damage: func(t *testing.T, main, usb *memory.Backend) {
			remove(t, main, backend.PackFile, all)
			remove(t, usb, backend.PackFile, all)
		}, main: true, usb: true, left: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStation(t)
			main, usb := s.inMemory(s.path("main")), s.inMemory(s.path("usb"))
			s.store(s.main, "one")
			s.store(s.main, "two")
			s.store(s.main, "three")
			s.add("usb")
			s.copy("usb")
			c.damage(t, main, usb)
			report, err := s.Repair(t.Context(), Main{Repo: s.main}, nil, RepairOptions{All: c.all})
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Repositories) != 2 || len(report.Unavailable) != 0 {
				t.Fatalf("%+v", report)
			}
			for i, damaged := range []bool{c.main, c.usb} {
				m := report.Repositories[i]
				if (m.Before > 0) != damaged || (m.After > 0) != c.left || (len(m.Lost) > 0) != c.left {
					t.Errorf("%q: %+v", m.Target, m)
				}
				fetched := 0
				for _, from := range m.From {
					fetched += from.Stats.BlobsFetched + from.Stats.Snapshots
				}
				if want := damaged && !c.left && !c.fromNowhere; (fetched > 0) != want {
					t.Errorf("%q: fetched %d", m.Target, fetched)
				}
			}
			if report.Damage() > 0 != c.left {
				t.Errorf("%d left", report.Damage())
			}
			if got := s.known("usb"); (got.Damage > 0) != c.left {
				t.Errorf("the book says %+v", got)
			}
			if c.left {
				return
			}
			checkWhole(t, s, s.main, 3)
			checkWhole(t, s, openStore(t, usb), 3)
			if r := s.copy("usb"); len(r.Stats.Copied) != 0 || r.Held != 3 {
				t.Errorf("copied again: %+v", r)
			}
		})
	}
}

// What one target lacks another has; one that is away is named.
func TestRepairFromSeveral(t *testing.T) {
	t.Parallel()
	s := newDiskStation(t)
	s.store(s.main, "one")
	s.store(s.main, "two")
	for _, name := range []string{"usb", "shelf", "away"} {
		s.add(name)
		s.copy(name)
	}
	if err := os.Rename(s.path("away"), s.path("drawer")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"main", "usb"} {
		if err := os.RemoveAll(s.path(filepath.Join(dir, "data"))); err != nil {
			t.Fatal(err)
		}
	}
	report, err := s.Repair(t.Context(), Main{Repo: s.main}, nil, RepairOptions{})
	if err != nil || report.Damage() != 0 || len(report.Repositories) != 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	if len(report.Unavailable) != 1 || report.Unavailable[0].Target != "away" {
		t.Errorf("%+v", report.Unavailable)
	}
	for _, dir := range []string{"usb", "shelf"} {
		s.whole(s.path(dir), targetPassword, 2)
	}
	s.whole(s.path("main"), mainPassword, 2)
}

// Ten checks read every byte; one that finds damage takes back nothing and is
// remembered.
func TestCheckRotates(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	usb := s.inMemory(s.path("usb"))
	for _, text := range []string{"one", "two", "three"} {
		s.store(s.main, text)
	}
	s.add("usb")
	s.copy("usb")
	read := 0
	for i := range Parts {
		if got := s.known("usb"); !got.ReadSince().IsZero() {
			t.Fatalf("read since %v after %d parts", got.ReadSince(), i)
		}
		s.clock = s.clock.AddDate(0, 0, 1)
		r, err := s.Check(t.Context(), "usb", "", nil, CheckOptions{})
		if err != nil || r.Part != i+1 || len(r.Problems) != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		read += r.Stats.Read
		if got := s.known("usb"); !got.Verified.Equal(s.clock) {
			t.Errorf("verified %v", got.Verified)
		}
	}
	if packs := count(t, usb, backend.PackFile); read != packs {
		t.Errorf("read %d of %d packs", read, packs)
	}
	passed := s.known("usb")
	if want := s.clock.AddDate(0, 0, 1-Parts); !passed.ReadSince().Equal(want) || passed.NextPart() != 0 {
		t.Errorf("read since %v, next %d; want %v", passed.ReadSince(), passed.NextPart(), want)
	}
	s.clock = s.clock.AddDate(0, 0, 1)
	spoil(t, usb, backend.PackFile)
	r, err := s.Check(t.Context(), "usb", "", nil, CheckOptions{All: true})
	if err != nil || r.Part != 0 || r.Stats.Damage == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	got := s.known("usb")
	if !got.Verified.Equal(passed.Verified) || got.Damage == 0 || !got.Damaged.Equal(s.clock) {
		t.Errorf("%+v", got)
	}
	if _, err := s.Repair(t.Context(), Main{Repo: s.main}, []string{"usb"}, RepairOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	if got := s.known("usb"); got.Damage != 0 || !got.Damaged.IsZero() || !got.Verified.Equal(s.clock) || !slices.Equal(got.PartsRead, passed.PartsRead) {
		t.Errorf("after the repair: %+v", got)
	}
}
