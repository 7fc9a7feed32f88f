package targets

import (
	"slices"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Damage that a check found is there until somebody has read the same place again:
// neither a check of another part nor a repair that looks at names and sizes takes
// it out of the book.
func TestDamageStays(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	usb := s.inMemory(s.path("usb"))
	s.store(s.main, "one")
	s.store(s.main, "two")
	s.add("usb")
	s.copy("usb")
	pack := spoil(t, usb, backend.PackFile)
	if r, err := s.Check(t.Context(), "usb", "", nil, CheckOptions{All: true}); err != nil || r.Stats.Damage == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	damaged := func(when string) {
		t.Helper()
		if got := s.known("usb"); got.Damage == 0 || got.Damaged.IsZero() || !got.Verified.IsZero() || !slices.Equal(got.Suspect, []int{partOf(pack)}) {
			t.Errorf("%s: %+v", when, got)
		}
	}
	damaged("after the check")

	// It found something else without reading, and mended that.
	if err := s.repaired("usb", "", &Mended{Before: 1}, false); err != nil {
		t.Fatal(err)
	}
	damaged("after a repair that reads nothing")

	r, err := s.Check(t.Context(), "usb", "", nil, CheckOptions{})
	if err != nil || r.Part != partOf(pack)+1 || r.Stats.Damage == 0 {
		t.Errorf("the next check looks elsewhere: %+v, %v", r, err)
	}
	damaged("after the next check")

	c := s.known("usb")
	c.verified(s.clock, (partOf(pack)+1)%Parts)
	if c.Damage == 0 || !c.Verified.IsZero() {
		t.Errorf("another part was read and found whole: %+v", c)
	}
	if _, err := s.Repair(t.Context(), Main{Repo: s.main}, nil, RepairOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	if got := s.known("usb"); got.Damage != 0 || got.Verified.IsZero() || len(got.Suspect) != 0 {
		t.Errorf("mended: %+v", got)
	}
}
