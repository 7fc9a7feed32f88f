package targets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Keeper does the work on targets. Book, Open and Password are needed; the zero
// values of the rest are good. It can be used concurrently as far as the functions
// in it can.
type Keeper struct {
	Book *Book
	// Open reaches a location of a target. fresh: what is read must come from there, not from
	// copies on this computer. Of a folder that is missing it makes nothing.
	Open func(ctx context.Context, t Target, location string, fresh bool) (backend.Backend, error)
	// Password gives the password of a target, where none was sealed. typed: somebody
	// typed it and may try again.
	Password func(ctx context.Context, t Target) (password secret.RepositoryPassword, typed bool, err error)
	// NewPassword gives the password of a repository that is about to be made; nil
	// is Password.
	NewPassword func(ctx context.Context, t Target) (secret.RepositoryPassword, error)
	// Remember seals the password of a target that is added under the key of its
	// main repository.
	Remember bool
	// Made is told of each repository that was made for a phone in a target with
	// Many, so that others find it there; may be nil.
	Made func(ctx context.Context, t Target, phone string) error
	// Mistyped is told before a password is asked for again; may be nil.
	Mistyped func(t Target)
	// Init says how new repositories are made. Their polynomial is the main one's.
	Init repository.InitOptions
	// Wait is how long to wait for others who work in a repository.
	Wait time.Duration
	// MainUnlocked copies from a main repository that nothing can be written to.
	MainUnlocked bool
	// Probe is how long a store elsewhere may take to answer before it counts as
	// absent; 0 is 30 seconds.
	Probe time.Duration
	// Mounts lists the folders where disks are mounted; nil is Mounts.
	Mounts func() ([]string, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Main is a repository whose copies are kept: the main one, or of a location with
// one for each phone the one of Phone, a UDID.
type Main struct {
	Phone string
	Repo  *repository.Repository
}

// passwordTries is how often somebody may mistype a password.
const passwordTries = 3

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now().UTC().Truncate(time.Second)
}

// with opens a session for the time of fn, whose context ends with the lock.
func (k *Keeper) with(ctx context.Context, r *repository.Repository, mode repository.Mode, fn func(ctx context.Context, s *repository.Session) error) (err error) {
	s, err := r.Begin(ctx, mode, k.Wait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s.Context(), s)
}

func (k *Keeper) mainMode() repository.Mode {
	if k.MainUnlocked {
		return repository.Unlocked
	}
	return repository.Shared
}

// opened is a repository on a target that was recognised.
type opened struct {
	repo  *repository.Repository
	place place
}

// open finds and opens the repository on a target. The caller closes it. When it
// lies elsewhere than before, the book is told.
func (k *Keeper) open(ctx context.Context, t Target, c Copy, main *repository.Repository, paths []string, fresh bool) (*opened, error) {
	for try := 1; ; try++ {
		found, err := k.find(ctx, t, c, paths, fresh)
		if err != nil {
			return nil, err
		}
		password, typed, err := k.passwordOf(ctx, t, c, main)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open target %q: %w", t.Name, err), found.be.Close())
		}
		r, err := repository.Open(ctx, found.be, password, k.Init.Options)
		if err == nil && r.ID() != c.Repository {
			err = errors.Join(&WrongRepositoryError{Target: t.Name, Where: found.where}, r.Close())
			return nil, err
		}
		if err == nil {
			if err := k.remember(t, c, found); err != nil {
				return nil, errors.Join(err, r.Close())
			}
			return &opened{r, *found}, nil
		}
		err = errors.Join(err, found.be.Close())
		switch {
		case !errors.Is(err, repository.ErrWrongPassword):
			return nil, fmt.Errorf("open target %q: %w", t.Name, err)
		case !found.certain:
			// Neither its config nor its password: it is something else.
			return nil, &WrongRepositoryError{Target: t.Name, Where: found.where}
		case !typed || try == passwordTries:
			return nil, fmt.Errorf("open target %q at %s: %w", t.Name, found.where, repository.ErrWrongPassword)
		}
		if k.Mistyped != nil {
			k.Mistyped(t)
		}
	}
}

// sealFor is what passwords are sealed for: nothing else that the main repository
// seals can be taken for one.
const sealFor = "password of a target"

// passwordOf is the password of a copy: the one that was sealed, or the one that
// is given.
func (k *Keeper) passwordOf(ctx context.Context, t Target, c Copy, main *repository.Repository) (secret.RepositoryPassword, bool, error) {
	if len(c.Sealed) == 0 || main == nil || main.ID() != c.Source {
		return k.Password(ctx, t)
	}
	plain, err := main.Unseal(sealFor, c.Sealed)
	if err != nil {
		return secret.RepositoryPassword{}, false, fmt.Errorf("unseal the remembered password: %w", err)
	}
	return secret.NewRepositoryPassword(string(plain)), false, nil
}

// remember notes where a repository was found, and its config if that was mended.
func (k *Keeper) remember(t Target, c Copy, found *place) error {
	if found.base == t.Location && found.config == c.Config {
		return nil
	}
	return k.Book.Update(t.Name, func(t *Target) error {
		if found.base != t.Location {
			t.Location, t.Inside = found.base, k.inside(found.base)
		}
		if known := t.Copy(c.Phone); known != nil {
			known.Config = found.config
		}
		return nil
	})
}

// inside is Target.Inside of a location.
func (k *Keeper) inside(where string) string {
	path, ok := folder(where)
	if !ok {
		return ""
	}
	mounts, err := k.mounts()
	if err != nil {
		return "" // it is then looked for where it was
	}
	return insideOf(mounts, path)
}

func (k *Keeper) mounts() ([]string, error) {
	if k.Mounts != nil {
		return k.Mounts()
	}
	return Mounts()
}
