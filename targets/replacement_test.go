package targets

import (
	"testing"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// The copies of a sealed version and of the one that it was unsealed to name the
// same origin. The one is not put in the place of the other.
func TestReplacement(t *testing.T) {
	t.Parallel()
	copied := func(id, tree byte) repository.Snapshot {
		return repository.Snapshot{ID: format.ID{id}, Snapshot: format.Snapshot{Original: &format.ID{1}, Tree: &format.ID{tree}}}
	}
	unsealed, sealed := copied(12, 52), copied(11, 51)
	there := []repository.Snapshot{unsealed, sealed}
	book := source{name: "usb", held: []Held{{format.ID{1}, format.ID{11}}, {format.ID{2}, format.ID{12}}}}
	for _, test := range []struct {
		name  string
		id    byte
		there []repository.Snapshot
		from  source
		want  byte // 0: none
	}{
		{"by the book", 1, there, book, 11},
		{"the unsealed one, by the book", 2, there, book, 12},
		{"two contents, and no book", 1, there, source{name: "usb"}, 0},
		{"one, and no book", 1, there[1:], source{name: "usb"}, 11},
		{"twice the same", 1, []repository.Snapshot{sealed, copied(13, 51)}, source{name: "usb"}, 13},
		{"none", 3, there, book, 0},
	} {
		got, ok := replacement(format.ID{test.id}, test.there, source{}, test.from)
		if got.ID != (format.ID{test.want}) || ok != (test.want != 0) {
			t.Errorf("%s: %v %t", test.name, got.ID.Short(), ok)
		}
	}
}
