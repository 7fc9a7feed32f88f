package repository

import (
	"context"
	"errors"
	"io"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// twice loads once more what came damaged or broke off: the way here may have
// done it, not the store.
func twice[T any](load func() (T, error)) (T, error) {
	v, err := load()
	if damage := (*DamageError)(nil); errors.As(err, &damage) || errors.Is(err, io.ErrUnexpectedEOF) {
		return load()
	}
	return v, err
}

// ofBlob tells errors of one blob, which others may be spared, from those of the
// way to the repository.
func ofBlob(err error) bool {
	var damage *DamageError
	var lost *MissingError
	return errors.As(err, &damage) || errors.As(err, &lost) || errors.Is(err, backend.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF)
}

// ofFile tells whether an error of loading is that of one file: it is missing or
// damaged, or cannot be read while the store answers otherwise, as on a disk
// with a bad sector.
func (r *Repository) ofFile(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if ofBlob(err) {
		return true
	}
	_, err = r.be.Stat(ctx, backend.Handle{Type: backend.ConfigFile})
	return err == nil
}

// cause is what is wrong, for those who name the object themselves.
func cause(err error) error {
	if damage := (*DamageError)(nil); errors.As(err, &damage) {
		return damage.Err
	}
	return err
}
