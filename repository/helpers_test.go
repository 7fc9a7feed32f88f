package repository

import (
	"slices"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

func sortStrings(s []string)    { slices.Sort(s) }
func sortNodes(n []format.Node) { slices.SortFunc(n, byName) }

// memoryCopy takes all files of a backend into memory.
func memoryCopy(t *testing.T, be backend.Backend) *memory.Backend {
	t.Helper()
	m := memory.New()
	take := func(h backend.Handle) {
		data, err := backend.ReadAll(t.Context(), be, h, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		m.Put(h, data)
	}
	take(backend.Handle{Type: backend.ConfigFile})
	for _, typ := range backend.FileTypes {
		if typ == backend.ConfigFile {
			continue
		}
		err := be.List(t.Context(), typ, func(f backend.FileInfo) error {
			take(backend.Handle{Type: typ, Name: f.Name})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}
