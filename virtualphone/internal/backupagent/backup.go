package backupagent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// statusVersion is the version of Status.plist that phones write today; what is
// older than it cannot be continued.
const statusVersion = 3.3

// backup is one run (protocol.md 4.13).
type backup struct {
	*agent
	folder string // on the host: the UDID
	policy Policy
	start  time.Time

	status    itunesbackup.StatusPlist
	found     bool // the host had a Status.plist
	asFound   itunesbackup.SnapshotState
	full      bool
	oldFormat string // where a backup of an old format was moved; "" for none

	encrypted bool
	bag       *keybag.Keybag
	props     itunesbackup.ManifestPlist // of the existing backup

	base    *base     // what the existing backup holds; empty for a full run
	half    *snapshot // the run that is being continued or begun
	changes *changes  // what the scan found
	reached float64   // percent while files are sent; a second pass does not go back
	sent    sentSums  // of the files that verification downloads again
}

// backup answers a Backup request.
func (a *agent) backup(ctx context.Context, req request) error {
	if err := a.hit(ctx, "backup.start", 1); err != nil {
		return err
	}
	if err := a.checkTarget(req); err != nil {
		return err
	}
	if err := a.unlock(ctx); err != nil {
		return err
	}
	return a.runBackup(ctx, req)
}

func (a *agent) runBackup(ctx context.Context, req request) error {
	b := &backup{agent: a, folder: req.target, policy: a.phone.Policy(), start: a.now().UTC().Truncate(time.Second)}
	if err := b.checkPolicy(); err != nil {
		return err
	}
	if err := os.MkdirAll(a.own("work"), 0o700); err != nil {
		return fmt.Errorf("prepare backup: %w", err)
	}
	err := b.run(ctx)
	if b.half != nil {
		err = errors.Join(err, b.half.close())
	}
	if b.base != nil {
		err = errors.Join(err, b.base.close())
	}
	return errors.Join(err, os.RemoveAll(a.own("work")))
}

func (b *backup) checkPolicy() error {
	b.encrypted = !b.phone.BackupPassword().IsZero()
	switch {
	case !b.policy.SetupDone:
		return errSetup
	case b.policy.CloudRestoreRunning:
		return errCloudRestore
	case b.policy.RequiresEncryption && !b.encrypted:
		return errNotEncrypted
	}
	return nil
}

func (b *backup) run(ctx context.Context) error {
	steps := []func(context.Context) error{
		b.readStatus,
		b.finishMoves,
		b.readExisting,
		b.finishRemovals,
		b.continueSnapshot,
		b.scan,
		b.checkSpace,
		b.prepare,
		b.uploadChanges,
		b.uploadManifest,
		b.moveFiles,
		b.removeFiles,
		b.verify,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return b.half.discard()
}

// at is a path in the backup folder on the host.
func (b *backup) at(parts ...string) string {
	return path.Join(append([]string{b.folder}, parts...)...)
}

// readStatus is step 3.
func (b *backup) readStatus(ctx context.Context) error {
	if err := b.hit(ctx, "status", 1); err != nil {
		return err
	}
	data, failed, err := b.readSmall(ctx, b.at("Status.plist"), 0)
	if err != nil {
		return err
	}
	if failed != nil {
		mb := failed.mb()
		if mb.Code != 4 {
			return readFailed("Error reading status", mb)
		}
		b.beginFull(itunesbackup.BackupEmpty)
		return nil
	}
	s, err := itunesbackup.ParseStatusPlist(data)
	if err != nil {
		return readFailed("Error reading status", malformed(err))
	}
	version, err := parseVersion(s.Version)
	if err != nil {
		return readFailed("Error reading status", malformed(err))
	}
	b.found = true
	if version < statusVersion {
		b.beginFull(itunesbackup.BackupEmpty)
		if version < 3 { // flat folder with a Manifest.mbdb
			b.oldFormat = b.stampedName(b.folder)
		}
		return nil
	}
	b.status, b.asFound = s, s.SnapshotState
	switch s.SnapshotState {
	case itunesbackup.SnapshotUploading, itunesbackup.SnapshotFinished:
		b.full = s.IsFullBackup
	}
	return nil
}

// beginFull makes the status of a backup that starts from nothing.
func (b *backup) beginFull(state itunesbackup.BackupState) {
	b.full = true
	b.status = itunesbackup.StatusPlist{UUID: newUUID(), BackupState: state, SnapshotState: itunesbackup.SnapshotFinished}
	b.asFound = itunesbackup.SnapshotFinished
}

// saveStatus tells the host where the run is. The backup is "new" from the
// moving state on and what it was until then.
func (b *backup) saveStatus(ctx context.Context, state itunesbackup.SnapshotState, progress float64) error {
	b.status.Version = "3.3"
	b.status.Date = b.start
	b.status.SnapshotState = state
	b.status.IsFullBackup = b.full && state != itunesbackup.SnapshotFinished
	if state != itunesbackup.SnapshotUploading {
		b.status.BackupState = itunesbackup.BackupNew
	}
	data, err := b.status.Marshal()
	if err != nil {
		return fmt.Errorf("make status: %w", err)
	}
	b.sent.note("Status.plist", data)
	return b.link.sendFiles(ctx, progress, "Error writing status", small("/.b/7/Status.plist", b.at("Status.plist"), data))
}

// newUUID gives one in the upper case of Status.plist.
func newUUID() string { return strings.ToUpper(uuid.NewString()) }
