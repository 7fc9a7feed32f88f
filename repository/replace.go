package repository

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// ReplaceSnapshot puts a version of another repository in the place of a snapshot
// file that is damaged: for those who know that it is the same one where
// RepairSnapshots cannot, because neither tells the name of the other. The damaged
// file is removed when the replacement is there. A file that can be read is an
// error, and so is one that is missing. It needs to be alone.
func (s *Session) ReplaceSnapshot(ctx context.Context, damaged format.ID, from *Session, by Snapshot) (format.ID, error) {
	fail := func(err error) (format.ID, error) {
		return format.ID{}, fmt.Errorf("replace snapshot %s: %w", damaged.Short(), err)
	}
	if s.mode != Exclusive {
		return fail(errNotAlone)
	}
	if _, err := s.r.be.Stat(ctx, backend.Handle{Type: backend.SnapshotFile, Name: damaged.String()}); err != nil {
		return fail(err)
	}
	good, _, err := s.r.loadSnapshots(ctx, []format.ID{damaged})
	if err != nil {
		return fail(err)
	}
	if len(good) > 0 {
		return fail(errors.New("it can be read"))
	}
	s.mu.Lock()
	s.names, s.snapshots, s.broken = []format.ID{}, []Snapshot{}, nil // none that CopyFrom could take for the same
	s.mu.Unlock()
	defer s.forgetSnapshots()
	stats, err := s.CopyFrom(ctx, from, []Snapshot{by}, nil)
	if err != nil {
		return fail(err)
	}
	if err := s.removeSurely(ctx, backend.SnapshotFile, []format.ID{damaged}); err != nil {
		return fail(err)
	}
	return stats.Copied[0].To, nil
}
