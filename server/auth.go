package server

import (
	"context"

	"github.com/keepsake-backup/keepsake/auth"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Auth says who people are. What it refuses for a reason that people can do
// something about has a Hint.
type Auth interface {
	Gate
	Passkeys
	People
}

// Gate lets people in.
type Gate interface {
	// FirstRun tells whether there is no account yet.
	FirstRun(ctx context.Context) (bool, error)
	// CreateFirst makes the first account, an admin; later it fails.
	CreateFirst(ctx context.Context, login, name string, password secret.Text) (Account, error)
	// SignIn begins a session. It fails with ErrWrong for whatever is wrong, and
	// with ErrWait after too many failures of an account or an address.
	SignIn(ctx context.Context, login string, password secret.Text, address string) (secret.Text, Session, error)
	// Session and Token fail with ErrNobody when the text is none, or none any more.
	Session(ctx context.Context, token secret.Text) (Session, error)
	Token(ctx context.Context, token secret.Text) (Token, error)
	SignOut(ctx context.Context, session int64) error
	SignOutAll(ctx context.Context, account int64) error
	// Sessions are those of an account, the last used first.
	Sessions(ctx context.Context, account int64) ([]Session, error)
	// EndSession ends a session of an account; catalog.ErrNotFound if it has none such.
	EndSession(ctx context.Context, account, session int64) error
}

// Passkeys are the ceremonies of WebAuthn. Begin gives what the browser's
// navigator.credentials wants, as JSON, and the name under which the answer is
// expected; Finish takes that name and what the browser says, as JSON.
type Passkeys interface {
	BeginRegister(ctx context.Context, account int64) (options []byte, ceremony string, err error)
	FinishRegister(ctx context.Context, account int64, ceremony, name string, answer []byte) error
	BeginSignIn(ctx context.Context) (options []byte, ceremony string, err error)
	FinishSignIn(ctx context.Context, ceremony string, answer []byte, address string) (secret.Text, Session, error)
	Passkeys(ctx context.Context, account int64) ([]Passkey, error)
	DeletePasskey(ctx context.Context, account int64, id []byte) error
}

// People manages accounts and tokens.
type People interface {
	Accounts(ctx context.Context) ([]Account, error)
	CreateAccount(ctx context.Context, by int64, a Account, password secret.Text) (Account, error)
	UpdateAccount(ctx context.Context, by int64, a Account) error
	// ChangePassword changes the password of whoever has the session, and ends all their
	// others. Tokens and passkeys stay.
	ChangePassword(ctx context.Context, s Session, old, new secret.Text) error
	// SetPassword ends all sessions of the account; old is not looked at if by is another
	// account.
	SetPassword(ctx context.Context, by, account int64, old, new secret.Text) error
	DeleteAccount(ctx context.Context, by, account int64) error
	Tokens(ctx context.Context, account int64) ([]Token, error)
	CreateToken(ctx context.Context, account int64, t Token) (secret.Text, error)
	DeleteToken(ctx context.Context, account, token int64) error
	// Audit gives the newest entries before the one with the ID before, 0: of all.
	Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error)
}

// Noter is what an Auth implements besides if it keeps a log of what mattered.
type Noter interface {
	Note(ctx context.Context, e AuditEntry) error
}

// What Auth says no with.
var (
	ErrNobody = auth.ErrNobody
	ErrWrong  = auth.ErrWrong
	ErrWait   = auth.ErrWait
)

// The words that Auth speaks in.
type (
	Account    = auth.Account
	Session    = auth.Session
	Token      = auth.Token
	Passkey    = auth.Passkey
	AuditEntry = auth.AuditEntry
)

var _ Auth = (*auth.Keeper)(nil)
