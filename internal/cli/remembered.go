package cli

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

// keybagOf reads the keybag of a version.
func keybagOf(ctx context.Context, s *repository.Session, info snapshot.Info) (*keybag.Keybag, error) {
	f, err := s.FS(ctx, *info.Tree).Open(path.Join(info.UDID, "_ios", "Manifest.plist"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPlist))
	if err != nil {
		return nil, err
	}
	manifest, err := itunesbackup.ParseManifestPlist(data)
	if err != nil {
		return nil, err
	}
	return keybag.Parse(manifest.BackupKeyBag)
}

// withKeybag reads the keybag of a version of a repository, for the time of fn.
func withKeybag(ctx context.Context, r *repository.Repository, info snapshot.Info, fn func(*keybag.Keybag) error) (err error) {
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	bag, err := keybagOf(ctx, s, info)
	if err != nil {
		return err
	}
	return fn(bag)
}

// proveAndRemember remembers a password that opens a version.
func proveAndRemember(ctx context.Context, st *station.Station, r *repository.Repository, info snapshot.Info, password secret.BackupPassword) error {
	err := withKeybag(ctx, r, info, func(bag *keybag.Keybag) error {
		if err := bag.Unlock(ctx, password); err != nil {
			return err
		}
		id := bag.UUID()
		return st.Remember(station.Remembered{Repository: r.ID().String(), Location: r.Location(), UDID: info.UDID, Name: info.Name,
			Keybag: hex.EncodeToString(id[:]), Saved: time.Now().UTC().Truncate(time.Second)}, r, password)
	})
	if err != nil {
		return fmt.Errorf("remember backup password of %s: %w", info.Name, err)
	}
	return nil
}

// recallPassword gives the backup password that is remembered for a version.
func (a *app) recallPassword(ctx context.Context, s *repository.Session, info snapshot.Info) (password secret.BackupPassword, ok bool, err error) {
	st, err := a.station()
	if err != nil {
		return password, false, err
	}
	bag, err := keybagOf(ctx, s, info)
	if err != nil {
		return password, false, err
	}
	id := bag.UUID()
	return st.Recall(station.Remembered{Repository: s.Repository().ID().String(), UDID: info.UDID, Keybag: hex.EncodeToString(id[:])}, s.Repository())
}

// quietly ends the phase that is shown, so that a question stands by itself.
func (a *app) quietly() {
	a.mu.Lock()
	r := a.reporter
	a.mu.Unlock()
	if r != nil {
		r.Phase("", "")
	}
}
