package targets

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
)

// NewTarget is a target to add.
type NewTarget struct {
	Name     string
	Location string // as its owner writes it
	Many     bool
	// Password and Environment are remembered as they are.
	Password    Source
	Environment string
}

// Added tells what Add did.
type Added struct {
	Target Target
	// Made are the repositories that were made; the others were there.
	Made int
	// CutsElsewhere: a repository that was there cuts files at other places than the
	// main one. Copies are right and complete; only what is backed up to it directly
	// is stored once more.
	CutsElsewhere bool
}

// Add makes a place a target: for each main repository one is made there, which
// cuts files where that one does, or the one that lies there is taken. The target
// is remembered when all are. A name that is taken is ErrExists; the main
// repository itself, or its twin, is refused.
func (k *Keeper) Add(ctx context.Context, n NewTarget, mains []Main) (*Added, error) {
	if err := CheckName(n.Name); err != nil {
		return nil, err
	}
	fail := func(err error) (*Added, error) { return nil, fmt.Errorf("add target %q: %w", n.Name, err) }
	if _, err := k.Book.Find(n.Name); err == nil {
		return fail(ErrExists)
	} else if !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	base, err := normal(n.Location)
	if err != nil {
		return fail(err)
	}
	if len(mains) == 0 {
		return fail(errors.New("there is nothing to copy yet"))
	}
	a := &Added{Target: Target{Name: n.Name, Location: base, Inside: k.inside(base), Many: n.Many, Password: n.Password, Environment: n.Environment, Added: k.now()}}
	for _, m := range mains {
		c, err := k.prepare(ctx, a, m)
		if err != nil {
			return fail(err)
		}
		a.Target.Copies = append(a.Target.Copies, *c)
	}
	// The disk may have been unmounted when it was named and mounted since.
	a.Target.Inside = k.inside(base)
	if err := k.Book.Add(a.Target); err != nil {
		return nil, err
	}
	return a, nil
}

// prepare makes or takes the repository for one main one.
func (k *Keeper) prepare(ctx context.Context, a *Added, m Main) (_ *Copy, err error) {
	p, err := k.look(ctx, a.Target, a.Target.Location, m.Phone, true)
	if err != nil {
		return nil, err
	}
	var r *repository.Repository
	var password secret.RepositoryPassword
	if p == nil {
		r, password, err = k.makeAt(ctx, a.Target, m)
		a.Made++
	} else {
		r, password, err = k.openTyped(ctx, a.Target, p)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if r.ID() == m.Repo.ID() {
		return nil, fmt.Errorf("at %s lies the main repository, or a copy of its files, which is no second one", r.Location())
	}
	if r.Config().ChunkerPolynomial != m.Repo.Config().ChunkerPolynomial {
		a.CutsElsewhere = true
	}
	if p == nil {
		if p, err = k.look(ctx, a.Target, a.Target.Location, m.Phone, true); err != nil {
			return nil, err
		}
		if p == nil {
			return nil, noRepository(r.Location())
		}
		if err := p.be.Close(); err != nil {
			return nil, err
		}
	}
	c := &Copy{Phone: m.Phone, Source: m.Repo.ID(), Repository: r.ID(), Config: p.config, Free: -1}
	if k.Remember || a.Target.sealed() {
		c.Sealed = m.Repo.Seal(sealFor, []byte(password.Reveal()))
	}
	return c, nil
}

// makeAt makes the repository for one main one.
func (k *Keeper) makeAt(ctx context.Context, t Target, m Main) (*repository.Repository, secret.RepositoryPassword, error) {
	password := secret.RepositoryPassword{}
	where, err := below(t.Location, m.Phone)
	if err != nil {
		return nil, password, err
	}
	if password, err = k.newPassword(ctx, t); err != nil {
		return nil, password, err
	}
	be, err := k.Open(ctx, t, where, true)
	if err != nil {
		return nil, password, err
	}
	o := k.Init
	o.Polynomial = m.Repo.Config().ChunkerPolynomial
	r, err := repository.Init(ctx, be, password, o)
	if err != nil {
		return nil, password, errors.Join(err, be.Close())
	}
	if m.Phone != "" && k.Made != nil {
		if err := k.Made(ctx, t, m.Phone); err != nil {
			return nil, password, errors.Join(err, r.Close())
		}
	}
	return r, password, nil
}

func (k *Keeper) newPassword(ctx context.Context, t Target) (secret.RepositoryPassword, error) {
	if k.NewPassword != nil {
		return k.NewPassword(ctx, t)
	}
	password, _, err := k.Password(ctx, t)
	return password, err
}

// openTyped opens what lies at a place, with as many tries as anybody has.
func (k *Keeper) openTyped(ctx context.Context, t Target, p *place) (*repository.Repository, secret.RepositoryPassword, error) {
	for try := 1; ; try++ {
		password, typed, err := k.Password(ctx, t)
		if err != nil {
			return nil, password, errors.Join(err, p.be.Close())
		}
		r, err := repository.Open(ctx, p.be, password, k.Init.Options)
		if err == nil {
			return r, password, nil
		}
		if !typed || try == passwordTries || !errors.Is(err, repository.ErrWrongPassword) {
			return nil, password, errors.Join(err, p.be.Close())
		}
		if k.Mistyped != nil {
			k.Mistyped(t)
		}
	}
}
