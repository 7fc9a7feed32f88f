package backupagent

import (
	"context"
	"crypto/sha256"
	"hash"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// moveFiles is step 11: files to their places, then Manifest.plist, then
// Manifest.db.
func (b *backup) moveFiles(ctx context.Context) error {
	var from, to []string
	for _, e := range b.changes.entries {
		if e.kind == itunesbackup.FlagFile && e.done && !e.failed {
			from, to = append(from, b.at("Snapshot", e.id.Path())), append(to, b.at(e.id.Path()))
		}
	}
	if err := b.moveBatches(ctx, from, to, progressManifest, progressMove); err != nil {
		return err
	}
	for _, name := range []string{"Manifest.plist", "Manifest.db"} {
		if err := b.hit(ctx, "move", 1); err != nil {
			return err
		}
		if err := b.move(ctx, []string{b.at("Snapshot", name)}, []string{b.at(name)}, progressMove); err != nil {
			return err
		}
	}
	return b.saveStatus(ctx, itunesbackup.SnapshotRemoving, progressMove)
}

func (b *backup) moveBatches(ctx context.Context, from, to []string, start, end float64) error {
	for i := 0; i < len(from); i += batch {
		if err := b.hit(ctx, "move", 1); err != nil {
			return err
		}
		next := min(i+batch, len(from))
		progress := start + (end-start)*float64(i)/float64(len(from))
		if err := b.move(ctx, from[i:next], to[i:next], progress); err != nil {
			return err
		}
	}
	return nil
}

// removeFiles is step 12: what is gone from the phone, then the empty Snapshot,
// then the index of older formats.
func (b *backup) removeFiles(ctx context.Context) error {
	if err := b.hit(ctx, "remove", 1); err != nil {
		return err
	}
	gone := b.changes.files
	if b.full && b.found {
		// The run knows nothing of the backup that it replaces.
		_, unknown, err := b.checkFiles(ctx, progressMove)
		if err != nil {
			return err
		}
		gone = unknown
	}
	if err := b.removeIDs(ctx, gone, progressMove); err != nil {
		return err
	}
	if err := b.removeSnapshot(ctx, progressRemove); err != nil {
		return err
	}
	if err := b.saveStatus(ctx, itunesbackup.SnapshotFinished, progressRemove); err != nil {
		return err
	}
	if b.oldFormat == "" {
		return nil
	}
	return b.remove(ctx, "Error removing old backup", []string{b.oldFormat}, progressRemove)
}

func (b *backup) removeIDs(ctx context.Context, ids []itunesbackup.FileID, progress float64) error {
	for len(ids) > 0 {
		n := min(batch, len(ids))
		names := make([]string, n)
		for i, id := range ids[:n] {
			names[i] = b.at(id.Path())
		}
		if err := b.remove(ctx, "Error removing files", names, progress); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (b *backup) removeSnapshot(ctx context.Context, progress float64) error {
	if err := b.remove(ctx, "Error removing snapshot directory", []string{b.at("Snapshot")}, progress); err != nil {
		return err
	}
	return b.remove(ctx, "Error removing manifest index", []string{b.at("Manifest.mbdx")}, progress)
}

// verify is step 14: the phone reads back what it wrote last and looks whether
// every file of the manifest is there.
func (b *backup) verify(ctx context.Context) error {
	if err := b.hit(ctx, "verify", 1); err != nil {
		return err
	}
	for _, name := range []string{"Status.plist", "Manifest.plist", "Manifest.db"} {
		sink := &sumSink{Hash: sha256.New()}
		at := b.at(name)
		failed, err := b.link.download(ctx, []string{at}, progressRemove, func(string) (fileSink, error) { return sink, nil })
		if err != nil {
			return err
		}
		if e := failed[at]; e != nil {
			return readFailed("Error verifying backup", e.mb())
		}
		if want, sent := b.sent[name]; sent && [sha256.Size]byte(sink.Sum(nil)) != want {
			return &Error{Code: mobilebackup2.CodeCorruptBackup, Text: "Backup verification failed: contents differ", Path: at}
		}
	}
	complete, _, err := b.checkFiles(ctx, progressRemove)
	if err != nil {
		return err
	}
	if !complete {
		return errManifestLost
	}
	return nil
}

// sumSink only adds up what it is given.
type sumSink struct{ hash.Hash }

func (s *sumSink) Close(bool) error { return nil }
