package backupagent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/vault"
)

// restore is one Restore request (protocol.md 4.14).
type restore struct {
	*agent
	folder  string // on the host: the source
	request request
	options restoreOptions

	status   itunesbackup.StatusPlist
	moved    map[string]listed             // entries of Snapshot while a run is moving files
	inMoving map[itunesbackup.FileID]int64 // files still there
	props    itunesbackup.ManifestPlist
	bag      *keybag.Keybag
	plan     stagePlan
	manifest string         // in clear; "" in a phone that keeps no files
	taking   *vault.Restore // what such a phone takes; nil in others
}

// restore answers a Restore request. After it the phone has everything staged;
// the next boot puts it in place.
func (a *agent) restore(ctx context.Context, req request) error {
	if err := a.hit(ctx, "restore.start", 1); err != nil {
		return err
	}
	if err := a.checkTarget(req); err != nil {
		return err
	}
	if a.phone.Policy().Locked {
		return errLocked
	}
	for _, d := range []string{a.own("work"), a.own("staged")} {
		if err := os.RemoveAll(d); err != nil {
			return fmt.Errorf("prepare restore: %w", err)
		}
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fmt.Errorf("prepare restore: %w", err)
		}
	}
	r := &restore{agent: a, folder: req.folder(), request: req, options: req.restoreOptions()}
	if err := r.begin(); err != nil {
		return fmt.Errorf("prepare restore: %w", err)
	}
	err := r.run(ctx)
	if err != nil {
		err = errors.Join(err, os.RemoveAll(a.own("staged")), r.drop())
	}
	return errors.Join(err, os.RemoveAll(a.own("work")))
}

func (r *restore) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		r.readStatus, r.readManifest, r.checkSpace, r.checkVersion, r.checkFindMy, r.copyBackup, r.stage,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if !r.props.IsEncrypted {
		return nil
	}
	// The setting to encrypt backups comes with a restore (backup-format.md 3.5).
	return r.phone.SetBackupPassword(r.request.password)
}

func (r *restore) at(parts ...string) string {
	return path.Join(append([]string{r.folder}, parts...)...)
}

// readStatus refuses what is no whole backup: 204 when there is nothing, 203
// when it is too old or too new.
func (r *restore) readStatus(ctx context.Context) error {
	data, failed, err := r.readSmall(ctx, r.at("Status.plist"), 0)
	if err != nil {
		return err
	}
	if failed != nil {
		return readFailed("Error reading status", failed.mb())
	}
	if r.status, err = itunesbackup.ParseStatusPlist(data); err != nil {
		return readFailed("Error reading status", malformed(err))
	}
	version, err := parseVersion(r.status.Version)
	switch {
	case err != nil:
		return readFailed("Error reading status", malformed(err))
	case version < 2.4 || version >= 4, r.status.BackupState == itunesbackup.BackupOld:
		return mbError(mobilebackup2.CodeVersion, "Unsupported backup version "+r.status.Version)
	case r.status.BackupState == itunesbackup.BackupEmpty:
		return mbError(mobilebackup2.CodeEmptyBackup, "Backup is empty")
	case r.status.SnapshotState == itunesbackup.SnapshotMoving:
		return r.readMoving(ctx)
	}
	return nil
}

// readMoving finds out what an interrupted run has left in Snapshot: the newer
// of everything that is in both places.
func (r *restore) readMoving(ctx context.Context) error {
	var err error
	if r.moved, err = r.list(ctx, r.at("Snapshot"), 0); err != nil {
		return err
	}
	r.inMoving = map[itunesbackup.FileID]int64{}
	for _, shard := range shards() {
		if !r.moved[shard].folder {
			continue
		}
		names, err := r.list(ctx, r.at("Snapshot", shard), 0)
		if err != nil {
			return err
		}
		for name, entry := range names {
			if id, err := itunesbackup.ParseFileID(name); err == nil && entry.regular {
				r.inMoving[id] = entry.size
			}
		}
	}
	return nil
}

// top is where a manifest lies.
func (r *restore) top(name string) string {
	if r.moved[name].regular {
		return r.at("Snapshot", name)
	}
	return r.at(name)
}

// fileAt is where the stored bytes of a row lie.
func (r *restore) fileAt(id itunesbackup.FileID) string {
	if _, ok := r.inMoving[id]; ok {
		return r.at("Snapshot", id.Path())
	}
	return r.at(id.Path())
}

// readManifest downloads both manifests, opens the keybag with the password of
// the request, and plans what to fetch.
func (r *restore) readManifest(ctx context.Context) error {
	var err error
	if r.props, err = r.readProperties(ctx, r.top("Manifest.plist"), 0); err != nil {
		return err
	}
	if v, err := parseVersion(r.props.Version); err != nil || v < 10 {
		return mbError(mobilebackup2.CodeVersion, "Unsupported manifest version "+r.props.Version)
	}
	if r.props.IsEncrypted {
		if r.request.password.IsZero() {
			return errRestorePassword
		}
		switch r.bag, err = openBag(ctx, r.props, r.request.password); {
		case errors.Is(err, keybag.ErrWrongPassword):
			return errRestorePassword
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return readFailed("Error reading backup properties", malformed(err))
		}
	}
	if err := r.takeManifest(ctx); err != nil {
		return err
	}
	if err := r.makePlan(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return readFailed("Error reading manifest", malformed(err))
	}
	return nil
}

// checkSpace compares the room on the phone with what the manifest promises.
// Older versions used the host's code for it.
func (r *restore) checkSpace(context.Context) error {
	free := r.phone.Policy().FreeSpace
	if free == 0 || free >= r.plan.bytes {
		return nil
	}
	code := mobilebackup2.CodeNoSpaceOnDevice
	if major(r.phone.Identity().ProductVersion) < 11 {
		code = mobilebackup2.CodeNoSpaceOnHost
	}
	return mbError(code, fmt.Sprintf("Insufficient free disk space on device to restore (%d < %d)", free, r.plan.bytes))
}

// checkVersion refuses a backup of a newer iOS, as Info.plist tells. A folder
// without one is accepted (backup-format.md 2.3).
func (r *restore) checkVersion(ctx context.Context) error {
	data, failed, err := r.readSmall(ctx, r.at("Info.plist"), 0)
	if err != nil || failed != nil {
		return err
	}
	info, err := itunesbackup.ParseInfoPlist(data)
	if err != nil {
		return readFailed("Error reading info", malformed(err))
	}
	own := r.phone.Identity().ProductVersion
	if info.ProductVersion != "" && compareVersions(info.ProductVersion, own) > 0 {
		return mbError(mobilebackup2.CodeVersion, fmt.Sprintf("Cannot restore a backup of version %s to version %s", info.ProductVersion, own))
	}
	return nil
}

func (r *restore) checkFindMy(context.Context) error {
	if r.phone.Policy().FindMy {
		return errFindMy
	}
	return nil
}

// compareVersions orders versions by their numbers: 9.3 is older than 16.1.2.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		if m != n {
			return m - n
		}
	}
	return 0
}

// copyBackup lets the host keep the backup as it is under another name, unless
// the request forbids it.
func (r *restore) copyBackup(ctx context.Context) error {
	if r.options.DontCopyBackup {
		return nil
	}
	data, failed, err := r.readSmall(ctx, r.at("Info.plist"), 0)
	if err != nil {
		return err
	}
	used, err := r.usage(ctx)
	if err != nil {
		return err
	}
	free, known, err := r.freeSpace(ctx)
	if err != nil {
		return err
	}
	if known && free <= used {
		return mbError(mobilebackup2.CodeNoSpaceOnHost, "Insufficient free disk space on drive to copy backup")
	}
	name := r.stampedName(r.folder)
	r.link.conn.SetIdle(0) // as long as it takes
	s, err := r.link.ask(ctx, devicelink.CopyItem, r.folder, name, map[string]any{}, 0.0, used)
	r.link.conn.SetIdle(hostPatience)
	if err != nil {
		return err
	}
	if e := s.failure(r.folder); e != nil {
		return writeFailed("Error copying backup", e.mb())
	}
	if failed != nil {
		return nil // no Info.plist to name the copy with
	}
	return r.nameCopy(ctx, name, data)
}

// usage adds up the files of the backup.
func (r *restore) usage(ctx context.Context) (int64, error) {
	total := int64(0)
	top, err := r.list(ctx, r.folder, 0)
	if err != nil {
		return 0, err
	}
	for name, entry := range top {
		total += entry.size
		if !entry.folder {
			continue
		}
		inside, err := r.list(ctx, r.at(name), 0)
		if err != nil {
			return 0, err
		}
		for _, e := range inside {
			total += e.size
		}
	}
	return total, nil
}

// nameCopy gives the copy an Info.plist that tells it from the original.
func (r *restore) nameCopy(ctx context.Context, name string, data []byte) error {
	info, err := itunesbackup.ParseInfoPlist(data)
	if err != nil {
		return readFailed("Error reading info", malformed(err))
	}
	info.TargetIdentifier = name
	info.DisplayName = strings.TrimSpace(info.DisplayName + " " + r.now().UTC().Format("2006-01-02 15:04"))
	if data, err = info.Marshal(); err != nil {
		return fmt.Errorf("name copied backup: %w", err)
	}
	return r.link.sendFiles(ctx, 0, "Error writing info", small("/.b/7/Info.plist", name+"/Info.plist", data))
}
