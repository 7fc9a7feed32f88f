package rehearse

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// isDamage tells what is wrong with the repository from what is wrong with the
// way to it.
func isDamage(err error) bool {
	var missing *repository.MissingError
	var damage *repository.DamageError
	return errors.As(err, &missing) || errors.As(err, &damage) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF)
}

// blame notes err as the snapshot's fault, unless the work itself has ended.
func (r *rehearsal) blame(path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, repository.ErrLockLost) {
		return err
	}
	r.fail(path, err.Error())
	return nil
}

// original is what a snapshot was copied from, or zero.
func original(info snapshot.Info) format.ID {
	if info.Original == nil {
		return format.ID{}
	}
	return *info.Original
}
