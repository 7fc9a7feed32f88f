package backupagent

import (
	"context"
	"slices"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// finishMoves ends a run that was interrupted while the host was moving files
// to their places: whatever is still in Snapshot goes where it belongs, the
// manifests last.
func (b *backup) finishMoves(ctx context.Context) error {
	if b.asFound != itunesbackup.SnapshotMoving {
		return nil
	}
	top, err := b.list(ctx, b.at("Snapshot"), 0)
	if err != nil {
		return err
	}
	// Files that the phone could not read to their end are in Snapshot too; only
	// the phone's own notes tell them from the others.
	half, err := b.openHalf(b.status.UUID)
	if err != nil {
		return err
	}
	var from, to []string
	for _, shard := range shards() {
		if !top[shard].folder {
			continue
		}
		names, err := b.list(ctx, b.at("Snapshot", shard), 0)
		if err != nil {
			return err
		}
		for name, entry := range names {
			id, err := itunesbackup.ParseFileID(name)
			if err != nil || id.Shard() != shard || !entry.regular || half != nil && !half.has(id) {
				continue
			}
			from, to = append(from, b.at("Snapshot", id.Path())), append(to, b.at(id.Path()))
		}
	}
	slices.Sort(from)
	slices.Sort(to)
	if half != nil {
		if err := half.close(); err != nil {
			return err
		}
	}
	if err := b.moveBatches(ctx, from, to, 0, 0); err != nil {
		return err
	}
	for _, name := range []string{"Manifest.plist", "Manifest.db"} {
		if !top[name].regular {
			continue
		}
		if err := b.move(ctx, []string{b.at("Snapshot", name)}, []string{b.at(name)}, 0); err != nil {
			return err
		}
	}
	b.asFound = itunesbackup.SnapshotRemoving
	return b.saveStatus(ctx, itunesbackup.SnapshotRemoving, 0)
}

// finishRemovals ends a run that was interrupted while the host was removing,
// and verifies the backup that the new run builds on (step 5). A damaged one is
// made again from nothing.
func (b *backup) finishRemovals(ctx context.Context) error {
	if b.full {
		return nil
	}
	complete, unknown, err := b.checkFiles(ctx, 0)
	if err != nil {
		return err
	}
	if b.asFound == itunesbackup.SnapshotRemoving {
		if err := b.removeIDs(ctx, unknown, 0); err != nil {
			return err
		}
		if err := b.removeSnapshot(ctx, 0); err != nil {
			return err
		}
		if err := b.saveStatus(ctx, itunesbackup.SnapshotFinished, 0); err != nil {
			return err
		}
		b.asFound = itunesbackup.SnapshotFinished
	}
	if !complete {
		b.full = true
		if err := b.base.close(); err != nil {
			return err
		}
		b.base = newBase()
	}
	return nil
}

// continueSnapshot opens the phone's half-finished snapshot if the host still
// has the run that it belongs to, or begins a new one.
func (b *backup) continueSnapshot(ctx context.Context) error {
	if b.asFound == itunesbackup.SnapshotUploading {
		half, err := b.openHalf(b.status.UUID)
		if err != nil {
			return err
		}
		if half != nil {
			ok, err := b.adopt(ctx, half)
			if err != nil || ok {
				return err
			}
			if err := half.close(); err != nil {
				return err
			}
		}
	}
	if b.full {
		var err error
		if b.bag, err = b.newBag(ctx); err != nil {
			return err
		}
	}
	// Only if nothing can lie in Snapshot yet does a file of the right length
	// there prove that it is the one sent.
	clean := b.asFound == itunesbackup.SnapshotFinished && !(b.found && b.status.IsFullBackup)
	half, err := b.beginHalf(clean)
	b.half = half
	return err
}

// adopt takes half over when it was made with the same keys and kind of run,
// and reads from the host how much of it arrived.
func (b *backup) adopt(ctx context.Context, half *snapshot) (bool, error) {
	if half.Full != b.full || half.Encrypted != b.encrypted {
		return false, nil
	}
	if b.full {
		bag, err := half.bag(ctx, b.phone.BackupPassword())
		if err != nil || bag == nil {
			return false, err
		}
		b.bag = bag
	} else if string(half.KeyBag) != string(b.props.BackupKeyBag) {
		return false, nil
	}
	top, err := b.list(ctx, b.folder, 0)
	if err != nil {
		return false, err
	}
	arrived := map[itunesbackup.FileID]int64{}
	if top["Snapshot"].folder {
		if arrived, err = b.listSnapshot(ctx); err != nil {
			return false, err
		}
	}
	half.keep(arrived)
	b.half = half
	return true, nil
}

// listSnapshot gives the lengths of the files in Snapshot.
func (b *backup) listSnapshot(ctx context.Context) (map[itunesbackup.FileID]int64, error) {
	top, err := b.list(ctx, b.at("Snapshot"), 0)
	if err != nil {
		return nil, err
	}
	arrived := map[itunesbackup.FileID]int64{}
	for _, shard := range shards() {
		if !top[shard].folder {
			continue
		}
		names, err := b.list(ctx, b.at("Snapshot", shard), 0)
		if err != nil {
			return nil, err
		}
		for name, entry := range names {
			if id, err := itunesbackup.ParseFileID(name); err == nil && id.Shard() == shard && entry.regular {
				arrived[id] = entry.size
			}
		}
	}
	return arrived, nil
}
