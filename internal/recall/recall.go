// Package recall remembers backup passwords for the versions that they open, in
// commands and in the service alike.
//
//	err := recall.Remember(ctx, station, repo, info, password, time.Now())
//	password, ok, err := recall.Password(ctx, station, session, info)
//
// A backup password is known by the keybag of a version's Manifest.plist: when a phone
// gets another password it gets another keybag, and what is remembered for the old one
// still opens the old versions. Package station keeps it, sealed by the repository.
package recall

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// maxManifest bounds Manifest.plist, in bytes: it grows with the number of apps.
const maxManifest = 256 << 20

// Keybag reads the keybag of a version, locked.
func Keybag(ctx context.Context, s *repository.Session, info snapshot.Info) (*keybag.Keybag, error) {
	f, err := s.FS(ctx, *info.Tree).Open(path.Join(info.UDID, "_ios", "Manifest.plist"))
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	manifest, err := itunesbackup.ParseManifestPlist(data)
	if err != nil {
		return nil, err
	}
	return keybag.Parse(manifest.BackupKeyBag)
}

// WithKeybag reads the keybag of a version of a repository, for the time of fn.
func WithKeybag(ctx context.Context, r *repository.Repository, info snapshot.Info, fn func(*keybag.Keybag) error) (err error) {
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	bag, err := Keybag(s.Context(), s, info)
	if err != nil {
		return err
	}
	return fn(bag)
}

// Remember remembers a password that opens a version. One that does not is refused:
// keybag.ErrWrongPassword.
func Remember(ctx context.Context, st *station.Station, r *repository.Repository, info snapshot.Info, password secret.BackupPassword, now time.Time) error {
	err := WithKeybag(ctx, r, info, func(bag *keybag.Keybag) error {
		if err := bag.Unlock(ctx, password); err != nil {
			return err
		}
		k := Key(r, info.UDID, bag.UUID())
		k.Name, k.Saved = info.Name, now.UTC().Truncate(time.Second)
		return st.Remember(k, r, password)
	})
	if err != nil {
		return fmt.Errorf("remember backup password of %s: %w", info.Name, err)
	}
	return nil
}

// Password gives the password that is remembered for a version.
func Password(ctx context.Context, st *station.Station, s *repository.Session, info snapshot.Info) (password secret.BackupPassword, ok bool, err error) {
	bag, err := Keybag(ctx, s, info)
	if err != nil {
		return password, false, err
	}
	return st.Recall(Key(s.Repository(), info.UDID, bag.UUID()), s.Repository())
}

// Key is under what the password of a keybag is kept.
func Key(r *repository.Repository, udid string, bag [16]byte) station.Remembered {
	return station.Remembered{Repository: r.ID().String(), Location: r.Location(), UDID: udid, Keybag: hex.EncodeToString(bag[:])}
}
