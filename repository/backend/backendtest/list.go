package backendtest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var listChecks = []check{
	{"list of nothing", checkListEmpty},
	{"list by type", checkListTypes},
	{"list many", checkListMany},
	{"list function", checkListFunction},
	{"foreign files", checkForeign},
}

func checkListEmpty(t testing.TB, _ *suite, b backend.Backend) {
	for _, typ := range backend.FileTypes[1:] {
		if got := list(t, b, typ); len(got) > 0 {
			t.Errorf("list %v files of an empty store: %v", typ, got)
		}
	}
}

func checkListTypes(t testing.TB, _ *suite, b backend.Backend) {
	want := map[backend.FileType]map[string]int64{}
	same := newFile(backend.KeyFile, 77, 0)
	for i, typ := range backend.FileTypes {
		want[typ] = map[string]int64{}
		for j := range i { // so that each type has another number of files
			f := newFile(typ, 10+j, 0)
			save(t, b, f)
			want[typ][f.Name] = int64(len(f.data))
		}
		if typ != backend.ConfigFile { // one name in every type
			save(t, b, file{backend.Handle{Type: typ, Name: same.Name}, same.data})
			want[typ][same.Name] = 77
		}
	}
	save(t, b, newFile(backend.ConfigFile, 155, 0))
	for _, typ := range backend.FileTypes[1:] {
		if got := list(t, b, typ); !maps.Equal(got, want[typ]) {
			t.Errorf("list %v files: got %v, want %v", typ, got, want[typ])
		}
	}
}

func checkListMany(t testing.TB, s *suite, b backend.Backend) {
	many := s.Many
	if many == 0 {
		many = 60
	}
	want := map[string]int64{}
	for i := range many {
		f := newFile(backend.PackFile, 3+i%50, uint64(i))
		save(t, b, f)
		want[f.Name] = int64(len(f.data))
	}
	if got := list(t, b, backend.PackFile); !maps.Equal(got, want) {
		t.Errorf("list of %d packs: got %d, or other sizes", many, len(got))
	}
}

func checkListFunction(t testing.TB, _ *suite, b backend.Backend) {
	for i := range 12 {
		save(t, b, newFile(backend.PackFile, 10, uint64(i)), newFile(backend.SnapshotFile, 10, uint64(i)))
	}
	enough := errors.New("enough was seen")
	for _, typ := range []backend.FileType{backend.PackFile, backend.SnapshotFile} {
		for _, last := range []int{1, 5, 12} {
			calls := 0
			err := b.List(t.Context(), typ, func(backend.FileInfo) error {
				if calls++; calls == last {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) || calls != last {
				t.Errorf("list %v files with a fn that ends at %d: %d calls, %v", typ, last, calls, err)
			}
		}
	}
}

// checkForeign: what is not ours is passed over, wherever it lies.
func checkForeign(t testing.TB, s *suite, b backend.Backend) {
	if s.Plant == nil {
		return
	}
	f := newFile(backend.PackFile, 100, 0)
	other := newFile(backend.SnapshotFile, 100, 0)
	save(t, b, f, other)
	name, shard := f.Name, f.Name[:2]
	foreign := []string{
		"README.txt", "lost+found/x", "config-tmp-17",
		"data/" + shard + "/" + name + "-tmp-12345", "data/" + shard + "/" + name[:63], "data/" + shard + "/" + name + ".bak",
		"data/" + shard + "/" + strings.ToUpper(name), "data/" + shard + "/.DS_Store", "data/zz/readme", "data/notes",
		"snapshots/" + name + "-tmp-1", "snapshots/.nfs000001", "snapshots/" + name + "0", "keys/thumbs.db", "locks/" + name[:10], "index/" + name + "~",
	}
	for i, path := range foreign {
		s.Plant(t, b, path, fmt.Appendf(nil, "foreign file %d", i))
	}
	want := map[backend.FileType]map[string]int64{
		backend.PackFile: {name: 100}, backend.SnapshotFile: {other.Name: 100},
	}
	for _, typ := range backend.FileTypes[1:] {
		if got := list(t, b, typ); !maps.Equal(got, want[typ]) {
			t.Errorf("list %v files among foreign ones: got %v, want %v", typ, got, want[typ])
		}
	}
	wantFile(t, b, f)
}
