package service

import (
	"context"
	"fmt"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// encryptionArgs are what an EncryptionJob was asked for.
type encryptionArgs struct{ old, new secret.BackupPassword }

// pair makes the phone trust this computer, and lets it be found on Wi-Fi.
func (t *task) pair(ctx context.Context) error {
	t.rep.Phase("connecting", "Talking to the iPhone")
	d, err := t.phone(ctx, discovery.Cable)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := t.trust(ctx, d); err != nil {
		return err
	}
	owned, err := t.own(ctx, t.job.UDID, t.job.Account)
	if err != nil {
		return err
	}
	if err := d.EnableWiFi(ctx, true); err != nil {
		t.rep.Say(progress.Warn, fmt.Sprintf("Backups over Wi-Fi were not switched on: %v", err))
	}
	if err := t.met(ctx, d); err != nil {
		return err
	}
	t.o.Phones.Refresh()
	t.text = "The phone trusts this computer."
	if !owned {
		t.text += " There are backups of it already: an admin has to say whose it is."
	}
	return nil
}

// own makes an account the owner of a phone of nobody. One that has backups was
// somebody's: who holds it now is not who may look into these, unless an admin says
// so. owned tells whether the phone has an owner now.
func (s *Service) own(ctx context.Context, udid string, account int64) (owned bool, err error) {
	inherits := false
	a, err := s.db.Account(ctx, account)
	switch {
	case err == nil:
		inherits = a.Admin
	case !isMissing(err):
		return false, fmt.Errorf("make phone %s somebody's: %w", udid, err)
	default:
		account = 0
	}
	old, err := s.db.Versions(ctx, udid)
	if err != nil {
		return false, fmt.Errorf("make phone %s somebody's: %w", udid, err)
	}
	err = s.update(ctx, udid, func(p *catalog.Phone) error {
		if p.Owner == 0 && account != 0 && (inherits || len(old) == 0) {
			p.Owner, p.Granted = account, false // what an owner before has allowed is not this one's word
		}
		owned = p.Owner != 0
		return nil
	})
	return owned, err
}

// setEncryption switches the encryption of backups on or off, or changes the
// password.
func (t *task) setEncryption(ctx context.Context) error {
	a, ok := t.args.(encryptionArgs)
	if !ok {
		return errForgotten
	}
	d, err := t.phone(ctx, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := backup.SetEncryption(ctx, d, a.old, a.new, t.rep); err != nil {
		return err
	}
	if a.new.IsZero() {
		err = t.forgetSecret(ctx, typedPassword(t.job.UDID))
		t.text = "The phone no longer encrypts its backups."
	} else {
		err = t.sealSecret(ctx, typedPassword(t.job.UDID), []byte(a.new.Reveal()))
		t.text = "The phone encrypts its backups from now on."
		if !a.old.IsZero() {
			t.text = "The backup password was changed."
		}
	}
	if err != nil {
		return err
	}
	t.noteUpkeep(ctx, t.job.UDID, func(u *upkeep) { u.KnowsPassword = !a.new.IsZero() })
	return t.met(ctx, d)
}
