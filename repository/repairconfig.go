package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// RepairConfig makes a new config for a repository that has lost its own, or whose
// own is damaged: all data are there, and without it nobody opens them. The
// repository gets a new ID, so that caches begin anew, and a new polynomial, so
// that files which changed are stored once more. A config that is whole is an
// error, and nothing is changed. It needs to be alone.
func RepairConfig(ctx context.Context, be backend.Backend, password secret.RepositoryPassword, o Options) (*Repository, error) {
	r := newRepository(be, o)
	if err := r.repairConfig(ctx, password); err != nil {
		return nil, fmt.Errorf("repair config of repository %s: %w", r.Location(), err)
	}
	return r, nil
}

func (r *Repository) repairConfig(ctx context.Context, password secret.RepositoryPassword) error {
	if err := r.unlock(ctx, password); err != nil {
		return err
	}
	_, err := r.loadConfig(ctx)
	switch damage := (*DamageError)(nil); {
	case err == nil:
		return errors.New("it is whole")
	case !errors.As(err, &damage) && !errors.Is(err, backend.ErrNotExist):
		return err
	}
	lock, ctx, err := r.acquire(ctx, Exclusive, 0)
	if err != nil {
		return err
	}
	err = r.writeConfig(ctx)
	if lerr := lock.release(ctx); err == nil {
		err = lerr
	}
	return err
}

func (r *Repository) writeConfig(ctx context.Context) (err error) {
	r.config = format.Config{Version: 2, ID: randomID()} // everything of version 1 is right in version 2
	if r.config.ChunkerPolynomial, err = format.RandomPolynomial(rand.Reader); err != nil {
		return err
	}
	plain, err := r.config.Encode()
	if err != nil {
		return err
	}
	h := backend.Handle{Type: backend.ConfigFile}
	if err := r.be.Remove(ctx, h); err != nil && !errors.Is(err, backend.ErrNotExist) {
		return err
	}
	if err := r.be.Save(ctx, h, bytes.NewReader(r.key.Seal(nil, plain))); err != nil {
		return err
	}
	_, err = r.loadConfig(ctx)
	return err
}
