package backupagent

import (
	"context"
	"crypto/subtle"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// changePassword enables, changes or disables the encryption of backups: a new
// password alone, both, or the old one alone (protocol.md 4.2, 4.14).
func (a *agent) changePassword(ctx context.Context, req request) error {
	if err := a.hit(ctx, "password", 1); err != nil {
		return err
	}
	if err := a.checkTarget(req); err != nil {
		return err
	}
	if err := a.unlock(ctx); err != nil {
		return err
	}
	current := a.phone.BackupPassword()
	if !same(current, req.oldPassword) || current.IsZero() && req.newPassword.IsZero() {
		return errBadPassword
	}
	policy := a.phone.Policy()
	if req.newPassword.IsZero() && (policy.EncryptionLockedByMDM || policy.RequiresEncryption) {
		return errEncryptionLocked
	}
	return a.phone.SetBackupPassword(req.newPassword)
}

func same(a, b secret.BackupPassword) bool {
	return subtle.ConstantTimeCompare([]byte(a.Reveal()), []byte(b.Reveal())) == 1
}
