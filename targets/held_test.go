package targets

import (
	"testing"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

// A version that somebody forgot on the target is not on it, whatever the book said
// after the last copy.
func TestHeldIsThere(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.store(s.main, "one")
	s.store(s.main, "two")
	s.add("usb")
	s.copy("usb")
	usb := s.inMemory(s.path("usb"))
	if n := remove(t, usb, backend.SnapshotFile, func(i int) bool { return i > 0 }); n != 1 {
		t.Fatal(n)
	}
	none := CopyOptions{Select: func(repository.Snapshot) bool { return false }}
	r, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, none)
	if err != nil || r.Held != 1 || r.Behind != 1 {
		t.Errorf("held %d, behind %d, %v", r.Held, r.Behind, err)
	}
	if r := s.copy("usb"); r.Held != 2 || r.Behind != 0 {
		t.Errorf("then held %d, behind %d", r.Held, r.Behind)
	}
}
