package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// openHome opens the place where backups go, as the flags say: whoever is at a
// terminal is asked for passwords.
func (a *app) openHome(ctx context.Context, where string, f *repositoryFlags) (*place.Home, error) {
	at, err := f.parse(where)
	if err != nil {
		return nil, err
	}
	o, err := f.options(a)
	if err != nil {
		return nil, err
	}
	return place.OpenHome(ctx, at, place.HomeOptions{Access: a.access(f), Repository: o,
		Open: func(ctx context.Context, at location.Location, be backend.Backend) (*repository.Repository, secret.RepositoryPassword, error) {
			r, err := a.openRepository(ctx, &place.Place{At: at, Backend: be}, f, o)
			if err != nil {
				return nil, secret.RepositoryPassword{}, err
			}
			password, _, err := f.password.get(ctx, a)
			if err != nil {
				return nil, password, errors.Join(err, r.Close())
			}
			return r, password, nil
		},
		Choose: func(ctx context.Context) (secret.RepositoryPassword, error) { return a.choosePassword(ctx, f) }})
}

// passwordAdvice is said before somebody makes up the password of a repository.
const passwordAdvice = `Nothing is there yet: this becomes the place of your backups, encrypted.
Choose its password: four or five words that have nothing to do with each other
are good. It is neither the iPhone's passcode nor its backup password. Without
it nobody reads these backups, you neither: write it down, on paper.
`

func (a *app) choosePassword(ctx context.Context, f *repositoryFlags) (secret.RepositoryPassword, error) {
	if _, given, err := f.password.given(ctx, a); err == nil && !given {
		if _, isTerminal := terminal(a.Stdin); isTerminal {
			fmt.Fprint(a.Stderr, passwordAdvice)
		}
	}
	return f.password.choose(ctx, a)
}
