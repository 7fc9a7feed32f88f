package server

import (
	"context"
	"errors"
	"time"

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
	// SetPassword ends all other sessions of the account; old is not looked at if by
	// is another account.
	SetPassword(ctx context.Context, by, account int64, old, new secret.Text) error
	DeleteAccount(ctx context.Context, by, account int64) error
	Tokens(ctx context.Context, account int64) ([]Token, error)
	CreateToken(ctx context.Context, account int64, t Token) (secret.Text, error)
	DeleteToken(ctx context.Context, account, token int64) error
	// Audit gives the newest entries before the one with the ID before, 0: of all.
	Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error)
}

// What Auth says no with.
var (
	ErrNobody = errors.New("not signed in")
	ErrWrong  = errors.New("the name or the password is wrong")
	ErrWait   = errors.New("too many wrong passwords: wait a little")
)

// Account is a person.
type Account struct {
	ID                int64
	Login, Name       string
	Admin, Disabled   bool
	Created, LastSeen time.Time
}

// Session is somebody's at a browser.
type Session struct {
	ID       int64
	Account  Account
	SignedIn time.Time // by password or passkey
	Expires  time.Time
}

// Token lets a program in as Account, for less than it may.
type Token struct {
	ID                         int64
	Account                    Account
	Name                       string
	Scopes                     []string
	Phones                     []string // nil is all
	Created, Expires, LastUsed time.Time
}

// Passkey is one that somebody has registered.
type Passkey struct {
	ID                []byte
	Name              string
	Created, LastUsed time.Time
}

// AuditEntry is something that mattered.
type AuditEntry struct {
	ID, Account                 int64
	At                          time.Time
	Address, What, UDID, Detail string
}
