package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Errors of accounts.
var (
	ErrLoginTaken = errors.New("there is an account of that name")
	ErrLastAdmin  = errors.New("it is the only admin")
	ErrNotFirst   = errors.New("there is an account already")
)

// Account is a person.
type Account struct {
	ID                int64
	Login             string // lower case, unique
	Name              string // as people say it
	Admin, Disabled   bool
	PasswordHash      secret.Text // argon2id, as package auth writes it
	Created, LastSeen time.Time
}

const accountColumns = "id, login, name, admin, disabled, password_hash, created, last_seen"

func scanAccount(row scanner) (Account, error) {
	var a Account
	var hash string
	err := row.Scan(&a.ID, &a.Login, &a.Name, &a.Admin, &a.Disabled, &hash, when{&a.Created}, when{&a.LastSeen})
	a.PasswordHash = secret.NewText(hash)
	return a, err
}

// Accounts are all, by login.
func (db *DB) Accounts(ctx context.Context) ([]Account, error) {
	return list(ctx, db.read, scanAccount, "SELECT "+accountColumns+" FROM account ORDER BY login")
}

// Account is one of them, or ErrNotFound.
func (db *DB) Account(ctx context.Context, id int64) (Account, error) {
	a, err := scanAccount(db.read.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM account WHERE id = ?", id))
	return a, missing(err)
}

// AccountByLogin is the one of that login in any case, or ErrNotFound.
func (db *DB) AccountByLogin(ctx context.Context, login string) (Account, error) {
	a, err := scanAccount(db.read.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM account WHERE login = ?", strings.ToLower(login)))
	return a, missing(err)
}

// CreateAccount adds an account and gives its ID. first: it has to be the first one.
func (db *DB) CreateAccount(ctx context.Context, a Account, first bool) (id int64, err error) {
	err = db.change(ctx, func(tx *sql.Tx) error {
		var all, same int
		login := strings.ToLower(a.Login)
		if err := tx.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE login = ?) FROM account", login).Scan(&all, &same); err != nil {
			return err
		}
		switch {
		case first && all > 0:
			return ErrNotFirst
		case same > 0:
			return ErrLoginTaken
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO account (login, name, admin, disabled, password_hash, created) VALUES (?, ?, ?, ?, ?, ?)",
			login, a.Name, a.Admin, a.Disabled, a.PasswordHash.Reveal(), db.now().UnixMilli())
		if err != nil {
			return err
		}
		id, err = res.LastInsertId()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("create account %q: %w", a.Login, err)
	}
	return id, nil
}

// UpdateAccount changes an account in one transaction; fn changes what it gets. The
// last admin who is not disabled stays one: ErrLastAdmin.
func (db *DB) UpdateAccount(ctx context.Context, id int64, fn func(*Account) error) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		a, err := scanAccount(tx.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM account WHERE id = ?", id))
		if err != nil {
			return missing(err)
		}
		if err := fn(&a); err != nil {
			return err
		}
		var same int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM account WHERE login = ? AND id <> ?", strings.ToLower(a.Login), id).Scan(&same); err != nil {
			return err
		}
		if same > 0 {
			return ErrLoginTaken
		}
		if _, err := tx.ExecContext(ctx, "UPDATE account SET login = ?, name = ?, admin = ?, disabled = ?, password_hash = ?, last_seen = ? WHERE id = ?",
			strings.ToLower(a.Login), a.Name, a.Admin, a.Disabled, a.PasswordHash.Reveal(), moment(a.LastSeen), id); err != nil {
			return err
		}
		return needAdmin(ctx, tx)
	})
}

// DeleteAccount removes an account with its sessions, tokens and passkeys. Its phones
// are nobody's then.
func (db *DB) DeleteAccount(ctx context.Context, id int64) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM account WHERE id = ?", id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return needAdmin(ctx, tx)
	})
}

func needAdmin(ctx context.Context, tx *sql.Tx) error {
	var all, admins int
	if err := tx.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE admin AND NOT disabled) FROM account").Scan(&all, &admins); err != nil {
		return err
	}
	if admins == 0 {
		return ErrLastAdmin
	}
	return nil
}
