package cli

import (
	"context"

	"github.com/keepsake-backup/keepsake/internal/recall"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// recallPassword gives the backup password that is remembered for a version.
func (a *app) recallPassword(ctx context.Context, s *repository.Session, info snapshot.Info) (password secret.BackupPassword, ok bool, err error) {
	st, err := a.station()
	if err != nil {
		return password, false, err
	}
	return recall.Password(ctx, st, s, info)
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
