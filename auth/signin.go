package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// FirstRun tells whether there is no account yet.
func (k *Keeper) FirstRun(ctx context.Context) (bool, error) {
	list, err := k.db.Accounts(ctx)
	return len(list) == 0, err
}

// CreateFirst makes the first account, an admin; later it fails with
// catalog.ErrNotFirst.
func (k *Keeper) CreateFirst(ctx context.Context, login, name string, password secret.Text) (Account, error) {
	return k.create(ctx, 0, Account{Login: login, Name: name, Admin: true}, password, true)
}

// SignIn begins a session and gives its text. It fails with ErrWrong for whatever is
// wrong, and with ErrWait after too many attempts. address is the IP address from which
// somebody comes.
func (k *Keeper) SignIn(ctx context.Context, login string, password secret.Text, address string) (secret.Text, Session, error) {
	login = strings.ToLower(strings.TrimSpace(login))
	if len(login) > maxLogin {
		login = login[:maxLogin]
	}
	a, err := k.db.AccountByLogin(ctx, login)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	counted, err := k.guard(ctx, login, a, address)
	if err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	ok, err := k.matches(ctx, password, a.PasswordHash)
	if err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	if !ok || a.Disabled {
		return secret.Text{}, Session{}, errors.Join(ErrWrong, k.note(ctx, a.ID, address, "sign-in failed", ""))
	}
	if err := k.forgive(ctx, counted); err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	return k.begin(ctx, a, address, "signed in")
}
