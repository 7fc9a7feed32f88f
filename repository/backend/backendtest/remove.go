package backendtest

import (
	"errors"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var removeChecks = []check{{"remove", checkRemove}}

func checkRemove(t testing.TB, s *suite, b backend.Backend) {
	for _, typ := range backend.FileTypes {
		f, stays := newFile(typ, 1000, 0), newFile(typ, 1000, 1)
		save(t, b, f)
		if typ != backend.ConfigFile {
			save(t, b, stays)
		}
		err := b.Remove(t.Context(), f.Handle)
		if s.OnlyLocks && typ != backend.LockFile {
			if !errors.Is(err, backend.ErrReadOnly) {
				t.Errorf("remove %v: got %v, want ErrReadOnly", typ, err)
			}
			wantNamed(t, err, f)
			wantFile(t, b, f)
			continue
		}
		if err != nil {
			t.Errorf("remove %v: %v", typ, err)
			continue
		}
		wantNone(t, b, f.Handle)
		if err := b.Remove(t.Context(), f.Handle); !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("remove %v twice: got %v, want ErrNotExist", typ, err)
		}
		if typ != backend.ConfigFile {
			wantFile(t, b, stays)
		}
		save(t, b, f) // what was removed can come back
		wantFile(t, b, f)
	}
}
