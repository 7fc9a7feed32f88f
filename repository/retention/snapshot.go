package retention

import (
	"cmp"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Snapshot is what the rules want to know of one. Time has the zone that is
// written in the snapshot; encoding/json keeps it.
type Snapshot struct {
	ID    format.ID
	Time  time.Time
	Host  string
	Paths []string
	Tags  []string
	// Original is the name that the version had when it was made, if it is a copy
	// or was rewritten.
	Original *format.ID
	// Tree is what the version holds, for proofs that name it; nil if nobody knows.
	Tree *format.ID
}

// hasTags tells whether s has every tag of list. An empty tag stands for "has
// no tags at all".
func (s Snapshot) hasTags(list TagList) bool {
	for _, tag := range list {
		if !slices.Contains(s.Tags, tag) && (tag != "" || len(s.Tags) > 0) {
			return false
		}
	}
	return true
}

// newestFirst orders snapshots by time, and by ID where times are equal, so
// that the result never depends on the order in which a store lists files.
func newestFirst(a, b Snapshot) int {
	return cmp.Or(b.Time.Compare(a.Time), a.ID.Compare(b.ID))
}
