package retention

import (
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// What was proven of a sealed version is not proven of the one it was unsealed to,
// and what was proven of that one holds for its copies, whatever their origin.
func TestProves_tree(t *testing.T) {
	m := testMarks
	m.Tree = "tree:"
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	version := func(id, tree byte, original *format.ID, tags ...string) Snapshot {
		return Snapshot{ID: format.ID{id}, Time: at, Tags: append(tags, "udid:A"), Original: original, Tree: &format.ID{tree}}
	}
	proof := func(id, tree byte) Snapshot {
		return Snapshot{ID: format.ID{0xF0, id}, Time: at.AddDate(0, 0, 1), Tags: []string{"receipt", "udid:A", "of:" + format.ID{id}.String(), "tree:" + format.ID{tree}.String()}}
	}
	sealed, unsealed := version(1, 51, nil, "sealed"), version(2, 52, &format.ID{1})
	copied := version(5, 52, &format.ID{1})
	for _, test := range []struct {
		name  string
		proof Snapshot
		of    Snapshot
		want  bool
	}{
		{"itself", proof(1, 51), sealed, true},
		{"unsealed since", proof(1, 51), unsealed, false},
		{"the unsealed one", proof(2, 52), unsealed, true},
		{"its copy", proof(2, 52), copied, true},
		{"its copy, by the sealed one", proof(1, 51), copied, false},
	} {
		if got := m.proves(test.proof, test.of); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
	if why := m.Protected([]Snapshot{unsealed, proof(1, 51)})[unsealed.ID]; len(why) != 1 || why[0] != NewestGood {
		t.Errorf("protected as %v", why)
	}
}
