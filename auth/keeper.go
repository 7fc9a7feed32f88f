package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/keepsake-backup/keepsake/catalog"
)

// What people are told when they may not pass.
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
	Used     time.Time // last, to within five minutes
	Expires  time.Time // unless it is used
	Address  string    // of the network from which it was begun: an IPv4 address or an IPv6 /64
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

// InputError says what is wrong with what somebody typed.
type InputError struct{ Text, Remedy string }

func (e *InputError) Error() string { return e.Text }

// Hint says what to do.
func (e *InputError) Hint() string { return e.Remedy }

// Options of New.
type Options struct {
	// Origins are the addresses of the page, such as "https://nas.home:8420": passkeys
	// are made for the name of the first that has one.
	Origins []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Hash are the costs of a password; nil are those of the package comment. Tests
	// take less.
	Hash *argon2id.Params
}

// Keeper keeps accounts and lets people in. It can be used concurrently.
type Keeper struct {
	db   *catalog.DB
	now  func() time.Time
	hash argon2id.Params
	// dummy is the hash of a password that nobody has.
	dummy   string
	hashing chan struct{}

	passkeys *webauthn.WebAuthn // nil: none of the origins has a name

	mu         sync.Mutex
	ceremonies map[string]ceremony // guarded by mu
}

// defaultHash is what a password costs: 32 MiB, three passes. RFC 9106 section 4 has 64
// MiB and as many passes for small machines; half of it is what a computer of 1 GiB
// with a backup running can spare.
var defaultHash = argon2id.Params{Memory: 32 << 10, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// atOnce is how many passwords are computed at a time.
const atOnce = 2

// New is a Keeper of the accounts in db.
func New(db *catalog.DB, opt Options) (*Keeper, error) {
	k := &Keeper{db: db, now: opt.Now, hash: defaultHash, hashing: make(chan struct{}, atOnce), ceremonies: map[string]ceremony{}}
	if k.now == nil {
		k.now = time.Now
	}
	if opt.Hash != nil {
		k.hash = *opt.Hash
	}
	var err error
	if k.dummy, err = argon2id.CreateHash("nobody has this password", &k.hash); err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	if k.passkeys, err = relyingParty(opt.Origins); err != nil {
		return nil, fmt.Errorf("prepare passkeys: %w", err)
	}
	return k, nil
}

func accountOf(a catalog.Account) Account {
	return Account{ID: a.ID, Login: a.Login, Name: a.Name, Admin: a.Admin, Disabled: a.Disabled, Created: a.Created, LastSeen: a.LastSeen}
}

// note keeps what happened; that it could not be kept is an error like any other: what
// cannot be accounted for does not happen.
func (k *Keeper) note(ctx context.Context, account int64, address, what, detail string) error {
	return k.db.AddAudit(ctx, catalog.AuditEntry{At: k.now(), Account: account, Address: address, What: what, Detail: detail})
}

// Note keeps something that mattered, such as a restore, in the audit log. detail must
// hold no secret.
func (k *Keeper) Note(ctx context.Context, e AuditEntry) error {
	return k.db.AddAudit(ctx, catalog.AuditEntry{At: k.now(), Account: e.Account, Address: e.Address, What: e.What, UDID: e.UDID, Detail: e.Detail})
}

// Audit gives the newest entries before the one with the ID before, 0: of all.
func (k *Keeper) Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error) {
	list, err := k.db.Audit(ctx, before, limit)
	entries := make([]AuditEntry, len(list))
	for i, e := range list {
		entries[i] = AuditEntry{ID: e.ID, Account: e.Account, At: e.At, Address: e.Address, What: e.What, UDID: e.UDID, Detail: e.Detail}
	}
	return entries, err
}
