package targets

import (
	"context"
	"fmt"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// CheckOptions say how thoroughly to look at a target.
type CheckOptions struct {
	// All reads every byte; else a tenth is read, another one at each check.
	All bool
	// Paths are more locations to look for the target.
	Paths []string
	// Progress is told what was done; may be nil. It is called from several
	// goroutines.
	Progress func(repository.CheckStats)
}

// CheckResult tells what Check found.
type CheckResult struct {
	Target, Phone string
	Where         string
	Stats         repository.CheckStats
	Problems      []repository.Problem
	Part          int // that was read, from 1 to Parts; 0: all were
}

// Check looks at the copy of one phone ("" for the only one) on a target by itself:
// whether all that its versions need is there, and a tenth of its bytes. The book
// remembers that it passed, or that damage was found. Damage is no error. main opens
// a sealed password and may be nil.
func (k *Keeper) Check(ctx context.Context, name, phone string, main *repository.Repository, o CheckOptions) (*CheckResult, error) {
	t, err := k.Book.Find(name)
	if err != nil {
		return nil, err
	}
	c := t.Copy(phone)
	if c == nil {
		return nil, fmt.Errorf("check target %q: it has no repository for %q", name, phone)
	}
	at, err := k.open(ctx, t, *c, main, o.Paths, true)
	if err != nil {
		return nil, err
	}
	result := &CheckResult{Target: name, Phone: phone, Where: at.repo.Location()}
	part := Parts
	if !o.All {
		part = c.NextPart()
		result.Part = part + 1
	}
	err = k.with(ctx, at.repo, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		options := repository.CheckOptions{ReadData: true, Progress: o.Progress}
		if !o.All {
			options.Subset = func(pack format.ID, _ int64) bool { return partOf(pack) == part }
		}
		var err error
		result.Stats, err = s.Check(ctx, options, func(p repository.Problem) { result.Problems = append(result.Problems, p) })
		return err
	})
	if cerr := at.repo.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return result, fmt.Errorf("check target %q: %w", name, err)
	}
	return result, k.checked(name, phone, result.Stats, part)
}

// checked tells the book what a check came to.
func (k *Keeper) checked(name, phone string, found repository.CheckStats, part int) error {
	return k.Book.Update(name, func(t *Target) error {
		c := t.Copy(phone)
		if c == nil {
			return ErrUnknown
		}
		if found.Damage > 0 {
			c.damaged(k.now(), found.Damage, found.DamagedPacks)
			return nil
		}
		c.verified(k.now(), part)
		return nil
	})
}
