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
	s := open(t, t.TempDir())
	s.opt.SyncEachFile = true
	put(t, s, staged(1), "x")
	put(t, s, udid+"/Status.plist", status(t, "moving"))
	if list, err := s.ReadDir(t.Context(), udid+"/Snapshot/01"); err != nil || len(list) != 1 || list[0].Size != 1 {
		t.Errorf("%v, %v", list, err)
	}
}
