package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Bounds of names, in bytes.
const (
	maxLogin = 64
	maxName  = 128
)

var goodLogin = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,63}$`)

func checkAccount(a *Account) error {
	a.Login = strings.ToLower(strings.TrimSpace(a.Login))
	a.Name = strings.TrimSpace(a.Name)
	if a.Name == "" {
		a.Name = a.Login
	}
	switch {
	case !goodLogin.MatchString(a.Login):
		return &InputError{fmt.Sprintf("%q cannot be the name to sign in with", a.Login), "Take letters a to z, digits, and . _ - + @ between them."}
	case len(a.Name) > maxName || !utf8.ValidString(a.Name):
		return &InputError{"the name is too long", fmt.Sprintf("Take at most %d characters.", maxName)}
	}
	return nil
}

// toPeople says what the catalog refuses in words for people.
func toPeople(err error) error {
	switch {
	case errors.Is(err, catalog.ErrLoginTaken):
		return &InputError{"somebody signs in by that name already", "Choose another one."}
	case errors.Is(err, catalog.ErrLastAdmin):
		return &InputError{"this is the only admin", "Make somebody else an admin first."}
	}
	return err
}

// Accounts are all, by login.
func (k *Keeper) Accounts(ctx context.Context) ([]Account, error) {
	list, err := k.db.Accounts(ctx)
	accounts := make([]Account, len(list))
	for i, a := range list {
		accounts[i] = accountOf(a)
	}
	return accounts, err
}

// CreateAccount makes an account; by is who does.
func (k *Keeper) CreateAccount(ctx context.Context, by int64, a Account, password secret.Text) (Account, error) {
	return k.create(ctx, by, a, password, false)
}

func (k *Keeper) create(ctx context.Context, by int64, a Account, password secret.Text, first bool) (Account, error) {
	if err := checkAccount(&a); err != nil {
		return Account{}, err
	}
	if err := checkPassword(password, a.Login); err != nil {
		return Account{}, err
	}
	hash, err := k.newHash(ctx, password)
	if err != nil {
		return Account{}, fmt.Errorf("create account %q: %w", a.Login, err)
	}
	id, err := k.db.CreateAccount(ctx, catalog.Account{Login: a.Login, Name: a.Name, Admin: a.Admin, Disabled: a.Disabled, PasswordHash: hash}, first)
	if err != nil {
		return Account{}, toPeople(err)
	}
	made, err := k.db.Account(ctx, id)
	if err == nil {
		if first {
			by = id
		}
		err = k.note(ctx, by, "", "made an account", a.Login)
	}
	return accountOf(made), err
}

// UpdateAccount changes login, name, and whether it is an admin's or disabled, which
// ends its sessions.
func (k *Keeper) UpdateAccount(ctx context.Context, by int64, a Account) error {
	if err := checkAccount(&a); err != nil {
		return err
	}
	err := k.db.UpdateAccount(ctx, a.ID, func(old *catalog.Account) error {
		old.Login, old.Name, old.Admin, old.Disabled = a.Login, a.Name, a.Admin, a.Disabled
		return nil
	})
	if err == nil && a.Disabled {
		err = k.db.DeleteSessions(ctx, a.ID, 0)
	}
	if err != nil {
		return toPeople(err)
	}
	return k.note(ctx, by, "", "changed an account", a.Login)
}

// SetPassword ends all sessions of the account. Who changes their own (by is account)
// has to give the old one; an admin who helps somebody does not.
func (k *Keeper) SetPassword(ctx context.Context, by, account int64, old, new secret.Text) error {
	return k.setPassword(ctx, by, account, 0, old, new)
}

// ChangePassword changes the password of whoever has the session, and ends all their
// others. The old one is wanted: who finds a browser open does not own the account.
func (k *Keeper) ChangePassword(ctx context.Context, s Session, old, new secret.Text) error {
	return k.setPassword(ctx, s.Account.ID, s.Account.ID, s.ID, old, new)
}

func (k *Keeper) setPassword(ctx context.Context, by, account, keep int64, old, new secret.Text) error {
	a, err := k.db.Account(ctx, account)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if by == account {
		if err := k.proveOld(ctx, a, old); err != nil {
			return fmt.Errorf("set password: %w", err)
		}
	}
	if err := checkPassword(new, a.Login); err != nil {
		return err
	}
	hash, err := k.newHash(ctx, new)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if err := k.db.UpdateAccount(ctx, account, func(a *catalog.Account) error { a.PasswordHash = hash; return nil }); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if err := k.db.DeleteSessions(ctx, account, keep); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return k.note(ctx, by, "", "changed a password", a.Login)
}

// proveOld compares what somebody says their password is; ErrWrong, or ErrWait after
// too many that were.
func (k *Keeper) proveOld(ctx context.Context, a catalog.Account, old secret.Text) error {
	subject := "password " + a.Login
	if err := k.attempt(ctx, subject, limitPair); err != nil {
		return err
	}
	ok, err := k.matches(ctx, old, a.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		return ErrWrong
	}
	return k.clear(ctx, subject)
}

// DeleteAccount removes an account. Its phones and their backups stay, and are
// nobody's.
func (k *Keeper) DeleteAccount(ctx context.Context, by, account int64) error {
	a, err := k.db.Account(ctx, account)
	if err == nil {
		err = k.db.DeleteAccount(ctx, account)
	}
	if err != nil {
		return toPeople(err)
	}
	return k.note(ctx, by, "", "removed an account", a.Login)
}
