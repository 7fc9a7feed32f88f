package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/recall"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// words finds the backup password of a phone while it is backed up: remembered for
// its keybag, or typed here before there was a version to remember it for.
type words struct {
	s    *Service
	repo *repository.Repository
	udid string // "" when runs of several phones are completed

	used secret.BackupPassword
	bag  [16]byte
}

// typedPassword names the secret that keeps the password which was typed last.
func typedPassword(udid string) string { return "backup-password:" + udid }

// get is asked when the phone's list has come, and no version has its keys.
func (w *words) get(ctx context.Context, bag [16]byte) (secret.BackupPassword, error) {
	w.bag = bag
	password, ok, err := w.s.station.Recall(recall.Key(w.repo, w.whose(bag), bag), w.repo)
	if err != nil {
		w.s.log.Warn("a remembered backup password cannot be used", "phone", w.udid, "err", err)
	}
	if !ok && w.udid != "" {
		password, err = w.s.typed(ctx, w.udid)
		if err != nil {
			return password, err
		}
	}
	w.used = password
	return password, nil
}

// whose is the phone that has a keybag.
func (w *words) whose(bag [16]byte) string {
	if w.udid != "" {
		return w.udid
	}
	list, err := w.s.station.Remembered()
	if err != nil {
		return "" // Recall says it, too
	}
	for _, r := range list {
		if r.Repository == w.repo.ID().String() && r.Keybag == hex.EncodeToString(bag[:]) {
			return r.UDID
		}
	}
	return ""
}

// learn remembers the password that opened a new version.
func (w *words) learn(ctx context.Context, res *backup.RepositoryResult, rep progress.Reporter) {
	if !res.Encrypted {
		return
	}
	if res.Sealed {
		w.s.noteUpkeep(ctx, res.UDID, func(u *upkeep) { u.KnowsPassword = false })
		rep.Say(progress.Warn, "This version is stored as the iPhone encrypted it, since its backup password is not known here: "+res.Why)
		return
	}
	password := w.used
	if password.IsZero() {
		var err error
		if password, err = w.s.typed(ctx, res.UDID); err != nil || password.IsZero() {
			return // the last version had the keys; there is nothing to learn
		}
	}
	if err := recall.Remember(ctx, w.s.station, w.repo, snapshot.Describe(res.Snapshot), password, w.s.o.Now()); err != nil {
		rep.Say(progress.Warn, fmt.Sprintf("The backup password was not remembered: %v", err))
		return
	}
	w.s.noteUpkeep(ctx, res.UDID, func(u *upkeep) { u.KnowsPassword = true })
}

// typed is the password that was typed last for a phone; zero if none was.
func (s *Service) typed(ctx context.Context, udid string) (secret.BackupPassword, error) {
	b, err := s.unsealed(ctx, typedPassword(udid))
	if err != nil || len(b) == 0 {
		return secret.BackupPassword{}, err
	}
	return secret.NewBackupPassword(string(b)), nil
}

// recall gives the password that is remembered for a version, or else the one
// that was typed last.
func (s *Service) recall(ctx context.Context, session *repository.Session, info snapshot.Info) (secret.BackupPassword, bool, error) {
	password, ok, err := recall.Password(ctx, s.station, session, info)
	if ok && err == nil {
		return password, true, nil
	}
	typed, typedErr := s.typed(ctx, info.UDID)
	return typed, !typed.IsZero(), errors.Join(err, typedErr)
}
