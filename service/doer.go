package service

import (
	"context"
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/schedule"
)

// forPhone is enqueue for who, with a phone that is near.
func (s *Service) forPhone(ctx context.Context, who Who, d deed, w wish, near bool) (int64, error) {
	if _, err := s.may(ctx, who, d, w.udid); err != nil {
		return 0, err
	}
	if w.kind != PairJob && w.kind != EncryptionJob {
		if err := s.ready(); err != nil {
			return 0, err
		}
	}
	if near {
		if err := s.reachable(ctx, w.udid); err != nil {
			return 0, err
		}
	}
	w.account = who.Account
	return s.enqueue(ctx, w)
}

// BackUp backs a phone up now; with full the phone sends everything again.
func (s *Service) BackUp(ctx context.Context, who Who, udid string, full bool) (int64, error) {
	return s.forPhone(ctx, who, toStart, wish{kind: BackupJob, udid: udid, trigger: who.Name + " pressed Back Up Now", full: full}, true)
}

// CopyMedia copies music and pictures now.
func (s *Service) CopyMedia(ctx context.Context, who Who, udid string) (int64, error) {
	return s.forPhone(ctx, who, toStart, wish{kind: MediaJob, udid: udid, trigger: who.Name + " asked for it"}, true)
}

// Pair makes a phone trust this computer, and who its owner if it has none.
func (s *Service) Pair(ctx context.Context, who Who, udid string) (int64, error) {
	return s.forPhone(ctx, who, toPair, wish{kind: PairJob, udid: udid, trigger: who.Name + " asked for it"}, true)
}

// SetEncryption changes how the phone encrypts its backups: only new switches it
// on, only old off, both change the password.
func (s *Service) SetEncryption(ctx context.Context, who Who, udid string, old, new secret.BackupPassword) (int64, error) {
	if old.IsZero() && new.IsZero() {
		return 0, hinted("type the old password, a new one, or both", "change encryption: no password was given")
	}
	id, err := s.forPhone(ctx, who, toKeep, wish{kind: EncryptionJob, udid: udid, trigger: who.Name + " asked for it", args: encryptionArgs{old, new}}, true)
	if err == nil {
		s.audit(ctx, who, "encryption", udid, "")
	}
	return id, err
}

// Rehearse restores a version onto a virtual phone; "" is the newest.
func (s *Service) Rehearse(ctx context.Context, who Who, udid, version string) (int64, error) {
	if _, err := s.may(ctx, who, toStart, udid); err != nil {
		return 0, err
	}
	if version == "" {
		s.mu.Lock()
		version = s.sums[udid].newest
		s.mu.Unlock()
		if version == "" {
			return 0, hinted("back it up first", "rehearse: there is no backup of this phone yet")
		}
	}
	if v, err := s.version(ctx, udid, version); err != nil {
		return 0, err
	} else if v.Media {
		return 0, hinted("choose a backup", "rehearse: a media copy cannot be restored onto a phone")
	}
	return s.forPhone(ctx, who, toStart, wish{kind: RehearseJob, udid: udid, version: version, trigger: who.Name + " asked for it"}, false)
}

// Check looks whether all of a phone's versions is there, and reads a part.
func (s *Service) Check(ctx context.Context, who Who, udid string) (int64, error) {
	return s.forPhone(ctx, who, toStart, wish{kind: CheckJob, udid: udid, trigger: who.Name + " asked for it"}, false)
}

// Forget removes a version.
func (s *Service) Forget(ctx context.Context, who Who, udid, version string) (int64, error) {
	if _, err := s.may(ctx, who, toKeep, udid); err != nil {
		return 0, err
	}
	v, err := s.version(ctx, udid, version)
	if err != nil {
		return 0, err
	}
	if v.Pinned {
		return 0, hinted("unpin it first", "remove version: it is pinned")
	}
	id, err := s.forPhone(ctx, who, toKeep, wish{kind: ForgetJob, udid: udid, target: version, version: version, trigger: who.Name + " asked for it"}, false)
	if err == nil {
		s.audit(ctx, who, "remove version", udid, version)
	}
	return id, err
}

// Signal says that the owner has the phone in hand: a backup starts if one is due.
// It answers what happens now, in words.
func (s *Service) Signal(ctx context.Context, who Who, udid string) (string, error) {
	p, err := s.may(ctx, who, toStart, udid)
	if err != nil {
		return "", err
	}
	if err := s.ready(); err != nil {
		return "", err
	}
	// As the catalog keeps times: the backup that follows must not seem older.
	now := s.o.Now().Truncate(time.Millisecond)
	if err := s.update(ctx, udid, func(p *catalog.Phone) error { p.LastSignal = now; return nil }); err != nil {
		return "", err
	}
	p.LastSignal = now
	s.mu.Lock()
	n := s.nearLocked(udid)
	n.signal = now
	n.note(false, now) // it runs a shortcut, so it is unlocked
	s.mu.Unlock()
	s.o.Phones.Refresh()
	k := s.known(ctx, p)
	d := schedule.Decide(p.Policy, k.facts())
	s.nudge()
	switch {
	case k.job != nil && k.job.Do != "":
		return k.job.Do, nil
	case k.job != nil:
		return "A backup runs already.", nil
	case d.Start && d.Prompt:
		return "A backup starts. Enter the passcode when the phone asks for it.", nil
	case d.Start:
		return "A backup starts.", nil
	}
	return d.Text, nil
}

// version finds a version of a phone in the catalog.
func (s *Service) version(ctx context.Context, udid, id string) (Version, error) {
	list, err := s.versions(ctx, udid)
	if err != nil {
		return Version{}, err
	}
	for _, v := range list {
		if v.ID == id {
			return v, nil
		}
	}
	return Version{}, fs.ErrNotExist
}
