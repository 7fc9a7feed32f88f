package service

import (
	"context"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/targets"
)

// Places reaches the places that people name.
type Places interface {
	// Look finds out what is at a place. What it gives is good until the next Look.
	Look(ctx context.Context, where string) (Place, error)
	// Keeper works on the targets of a book. password gives the one of a target, if
	// none was sealed; credentials what is needed to reach it, as environment variables.
	Keeper(book *targets.Book, password func(ctx context.Context, name string) (secret.RepositoryPassword, error),
		credentials func(ctx context.Context, name string) (map[string]string, error)) *targets.Keeper
}

// Place is where backups are: one repository for all phones, or one for each.
type Place interface {
	// String is where it is, without secrets.
	String() string
	// Shared: it is one repository for all phones.
	Shared() bool
	// Members are the phones that have a repository of their own here.
	Members() []device.UDID
	// Empty: nothing is there yet.
	Empty() bool
	// Prove tells whether the password opens what is there.
	Prove(ctx context.Context, password secret.RepositoryPassword) error
	// Open opens the repository of a phone; of a shared place the only one.
	Open(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, error)
	// OpenOrMake makes it where it is missing.
	OpenOrMake(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (r *repository.Repository, made bool, err error)
	// Sheet is the recovery sheet, an HTML page; a zero password leaves room for it.
	Sheet(ctx context.Context, password, proven secret.RepositoryPassword) ([]byte, error)
	// Free are the bytes that its disk has left, -1 unknown.
	Free() int64
}
