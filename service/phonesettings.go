package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/recall"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// SetWiFi switches on the phone whether it can be reached over Wi-Fi.
func (s *Service) SetWiFi(ctx context.Context, who Who, udid string, on bool) error {
	if _, err := s.may(ctx, who, toSteer, udid); err != nil {
		return err
	}
	if err := s.reachable(ctx, udid); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, contactTime)
	defer cancel()
	d, err := s.open(ctx, udid, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.EnableWiFi(ctx, on); err != nil {
		return err
	}
	if err := s.update(ctx, udid, func(p *catalog.Phone) error { p.WiFiOn = on; return nil }); err != nil {
		return err
	}
	s.audit(ctx, who, "wifi", udid, fmt.Sprint(on))
	s.o.Phones.Refresh()
	s.tellPhone(udid)
	return nil
}

// RememberPassword keeps the backup password of a phone, so that its backups can be
// stored in the clear, looked into and restored. A password that does not open the
// newest encrypted version is refused.
func (s *Service) RememberPassword(ctx context.Context, who Who, udid string, p secret.BackupPassword) error {
	if _, err := s.may(ctx, who, toKeep, udid); err != nil {
		return err
	}
	if p.IsZero() {
		return hinted("type it", "remember backup password: none was given")
	}
	if err := s.prove(ctx, udid, p); err != nil {
		return err
	}
	if err := s.sealSecret(ctx, typedPassword(udid), []byte(p.Reveal())); err != nil {
		return err
	}
	s.noteUpkeep(ctx, udid, func(u *upkeep) { u.KnowsPassword = true })
	s.audit(ctx, who, "backup password", udid, "")
	s.views.tidy(func(k viewKey, _ time.Time) bool { return k.udid == udid })
	s.tellPhone(udid)
	return nil
}

// prove tries a password on the newest encrypted version, and remembers it for that.
func (s *Service) prove(ctx context.Context, udid string, password secret.BackupPassword) error {
	list, err := s.versions(ctx, udid)
	if err != nil {
		return err
	}
	for _, v := range list {
		if !v.Encrypted || v.Media {
			continue
		}
		r, release, err := s.repository(ctx, udid, false)
		if err != nil {
			return err
		}
		defer release()
		info, err := findIn(ctx, r, v.ID)
		if err != nil {
			return err
		}
		err = recall.Remember(ctx, s.station, r, info, password, s.o.Now())
		if errors.Is(err, keybag.ErrWrongPassword) {
			return &HintError{err, "it is the password that was set when the encryption of backups was switched on, or changed last; not the passcode"}
		}
		return err
	}
	return nil // there is nothing to try it on
}

func findIn(ctx context.Context, r *repository.Repository, version string) (info snapshot.Info, err error) {
	session, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	return snapshot.Find(session.Context(), session, version)
}
