package targets

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const (
	maxConfig    = 1 << 20 // restic's have 155 bytes
	defaultProbe = 30 * time.Second
)

// AbsentError: a target is not there now. That is what removable disks are like,
// and no failure of the others.
type AbsentError struct {
	Target     string
	Where      string // it was last
	Disk       bool   // it is a folder; else a store elsewhere
	LastCopied time.Time
	Err        error // why a store elsewhere could not be reached; may be nil
}

func (e *AbsentError) Error() string {
	if e.Disk {
		return fmt.Sprintf("find target %q: it is not plugged in (last at %s)", e.Target, e.Where)
	}
	if e.Err == nil {
		return fmt.Sprintf("find target %q: there is no repository at %s", e.Target, e.Where)
	}
	return fmt.Sprintf("find target %q: %s cannot be reached: %v", e.Target, e.Where, e.Err)
}

func (e *AbsentError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *AbsentError) Hint() string {
	if e.Disk {
		return "plug the disk in; if it is, name its folder with --path"
	}
	return "start the same command again when it is there"
}

// WrongRepositoryError: where the target was lies another repository. Nothing was
// written to it.
type WrongRepositoryError struct{ Target, Where string }

func (e *WrongRepositoryError) Error() string {
	return fmt.Sprintf("open target %q: at %s lies another repository", e.Target, e.Where)
}

// Hint says what to do.
func (e *WrongRepositoryError) Hint() string {
	return fmt.Sprintf("nothing was written there; if the disk was swapped, plug in the right one or name its folder with --path; if this one is to be the target from now on, \"keepsake targets remove %s\" and add it again", e.Target)
}

// place is where a repository was found.
type place struct {
	base    string // the location of the target
	where   string // that of the repository
	config  format.ID
	certain bool // its config is the one that is remembered
	be      backend.Backend
}

// find looks for a repository of a target. It opens nothing that needs a password.
func (k *Keeper) find(ctx context.Context, t Target, c Copy, paths []string, fresh bool) (*place, error) {
	named := append(slices.Clone(paths), t.Location)
	if len(paths) == 0 {
		named = []string{t.Location}
	}
	bases, err := k.bases(t, named)
	if err != nil {
		return nil, fmt.Errorf("find target %q: %w", t.Name, err)
	}
	var other *place  // a repository at a place that was named, perhaps with a new config
	var trouble error // of places that could not be looked at
	for _, base := range bases {
		p, err := k.look(ctx, t, base, c.Phone, fresh)
		switch {
		case ctx.Err() != nil:
			return nil, errors.Join(context.Cause(ctx), err)
		case err != nil:
			trouble = errors.Join(trouble, err)
			continue
		case p == nil:
			continue
		}
		if p.config == c.Config {
			p.certain = true
			if other != nil {
				err = other.be.Close()
			}
			return p, err
		}
		if other == nil && slices.Contains(named, base) {
			other = p
			continue
		}
		if err := p.be.Close(); err != nil {
			return nil, fmt.Errorf("find target %q: %w", t.Name, err)
		}
	}
	if other != nil {
		return other, nil
	}
	_, disk := folder(t.Location)
	if trouble != nil && (disk || backend.IsRefusal(trouble)) {
		return nil, fmt.Errorf("find target %q: %w", t.Name, trouble)
	}
	return nil, &AbsentError{Target: t.Name, Where: t.Location, Disk: disk, LastCopied: c.LastCopied, Err: trouble}
}

// bases are the locations where a target may be, likely ones first.
func (k *Keeper) bases(t Target, named []string) ([]string, error) {
	var bases []string
	for _, where := range named {
		base, err := normal(where)
		if err != nil {
			return nil, err
		}
		bases = append(bases, base)
	}
	if t.Inside != "" {
		mounts, err := k.mounts()
		if err != nil {
			return nil, err
		}
		for _, m := range mounts {
			bases = append(bases, filepath.Join(m, t.Inside))
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(bases, func(b string) bool {
		again := seen[b]
		seen[b] = true
		return again
	}), nil
}

// look tells what repository lies at a location; nil if none does.
func (k *Keeper) look(ctx context.Context, t Target, base, phone string, fresh bool) (*place, error) {
	where, err := below(base, phone)
	if err != nil {
		return nil, err
	}
	if _, disk := folder(base); !disk {
		patience := k.Probe
		if patience == 0 {
			patience = defaultProbe
		}
		probe, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		be, err := k.Open(probe, t, where, fresh)
		if err != nil {
			return nil, err
		}
		return k.config(probe, be, place{base: base, where: where, be: be})
	}
	be, err := k.Open(ctx, t, where, fresh)
	if err != nil {
		return nil, err
	}
	return k.config(ctx, be, place{base: base, where: where, be: be})
}

// config reads the digest of the config, and closes the backend if there is none.
func (k *Keeper) config(ctx context.Context, be backend.Backend, p place) (*place, error) {
	data, err := backend.ReadAll(ctx, be, backend.Handle{Type: backend.ConfigFile}, maxConfig)
	if errors.Is(err, backend.ErrNotExist) {
		return nil, be.Close()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look for a repository at %s: %w", p.where, err), be.Close())
	}
	p.config = sha256.Sum256(data)
	return &p, nil
}

// normal is the one spelling of a location; a folder becomes an absolute path.
func normal(where string) (string, error) {
	l, err := location.Parse(where)
	if err != nil {
		return "", err
	}
	if l.Kind != location.Local {
		return l.String(), nil
	}
	return filepath.Abs(l.Path)
}

// folder tells whether a location is a folder of this computer, and which.
func folder(where string) (string, bool) {
	l, err := location.Parse(where)
	if err != nil || l.Kind != location.Local {
		return "", false
	}
	return l.Path, true
}

// below is the location of one phone's repository in a target.
func below(base, phone string) (string, error) {
	if phone == "" {
		return base, nil
	}
	if path, ok := folder(base); ok {
		return filepath.Join(path, phone), nil
	}
	l, err := location.Parse(base)
	if err != nil {
		return "", err
	}
	l, err = l.Join(phone)
	return l.String(), err
}

// noRepository is the error of a place without one.
func noRepository(where string) error {
	return fmt.Errorf("open repository at %s: %w", where, repository.ErrNoRepository)
}
