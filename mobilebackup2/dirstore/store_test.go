package dirstore

import (
	"testing"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) mobilebackup2.Store { return open(t, t.TempDir()) })
}

func TestStore_syncEachFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T) mobilebackup2.Store {
		s := open(t, t.TempDir())
		s.opt.SyncEachFile = true
		return s
	})
}
