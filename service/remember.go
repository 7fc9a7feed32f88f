package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// keybagOf reads the keybag of a version.
func keybagOf(ctx context.Context, s *repository.Session, info snapshot.Info) (*keybag.Keybag, error) {
	f, err := s.FS(ctx, *info.Tree).Open(path.Join(info.UDID, "_ios", "Manifest.plist"))
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxView))
	if err != nil {
		return nil, err
	}
	manifest, err := itunesbackup.ParseManifestPlist(data)
	if err != nil {
		return nil, err
	}
	return keybag.Parse(manifest.BackupKeyBag)
}

// rememberFor remembers a password that opens a version.
func rememberFor(ctx context.Context, st *station.Station, r *repository.Repository, info snapshot.Info, password secret.BackupPassword, now time.Time) (err error) {
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	bag, err := keybagOf(s.Context(), s, info)
	if err == nil {
		err = bag.Unlock(ctx, password)
	}
	if err == nil {
		k := remembered(s.Repository(), info.UDID, bag.UUID())
		k.Name, k.Saved = info.Name, now.UTC().Truncate(time.Second)
		err = st.Remember(k, r, password)
	}
	if err != nil {
		return fmt.Errorf("remember backup password: %w", err)
	}
	return nil
}

// recallFor gives the password that is remembered for a version.
func recallFor(ctx context.Context, st *station.Station, s *repository.Session, info snapshot.Info) (secret.BackupPassword, bool, error) {
	bag, err := keybagOf(ctx, s, info)
	if err != nil {
		return secret.BackupPassword{}, false, err
	}
	return st.Recall(remembered(s.Repository(), info.UDID, bag.UUID()), s.Repository())
}

// remembered is under what a password is kept.
func remembered(r *repository.Repository, udid string, bag [16]byte) station.Remembered {
	return station.Remembered{Repository: r.ID().String(), Location: r.Location(), UDID: udid, Keybag: hex.EncodeToString(bag[:])}
}

// spoolOf is where what has arrived waits for a repository: on its own disk if that
// is one of this computer, since there is the room that it is going to need; "" is
// the folder of the service.
func spoolOf(r *repository.Repository) string {
	at, err := location.Parse(r.Location())
	if err != nil || at.Kind != location.Local {
		return ""
	}
	return filepath.Join(at.Path, "keepsake-spool") // made when something comes
}

// tidySpool removes the folders that a finished run has left empty.
func tidySpool(r *repository.Repository, udid string) {
	spool := spoolOf(r)
	if spool == "" {
		return
	}
	for _, dir := range []string{filepath.Join(spool, r.ID().String(), udid), filepath.Join(spool, r.ID().String()), spool} {
		if os.Remove(dir) != nil {
			return // somebody else's run is in it
		}
	}
}
