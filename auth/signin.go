package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// How long sessions last, and how exactly that is kept.
const (
	idleSession = 14 * 24 * time.Hour
	maxSession  = 90 * 24 * time.Hour
	touchEvery  = 5 * time.Minute
)

// How guesses are slowed: see the package comment.
const (
	freeOfAccount = 5
	freeOfAddress = 20
	longestWait   = 15 * time.Minute
)

// count is what is remembered of guesses.
type count struct {
	Attempts int       `json:"attempts"`
	Until    time.Time `json:"until"`
}

// attempt counts an attempt, unless it has to wait.
func (k *Keeper) attempt(ctx context.Context, subject string, free int) error {
	var c count
	return k.db.Attempts(ctx, subject, &c, func() error {
		now := k.now()
		// A wait that is longer than any was set by a clock that has gone back since.
		if wait := c.Until.Sub(now); wait > 0 && wait <= longestWait {
			return ErrWait
		}
		c.Attempts++
		if over := c.Attempts - free; over >= 0 {
			c.Until = now.Add(min(longestWait, time.Second<<min(over, 20)))
		}
		return nil
	})
}

// clear forgets the attempts of a subject.
func (k *Keeper) clear(ctx context.Context, subject string) error {
	var c count
	return k.db.Attempts(ctx, subject, &c, func() error {
		c = count{}
		return nil
	})
}

// network is an address without what one and the same host can change of it.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// guard counts an attempt to prove to be a. It gives what to clear when it was right.
func (k *Keeper) guard(ctx context.Context, login string, a catalog.Account, address string) (subject string, err error) {
	from := network(address)
	if err := k.attempt(ctx, "address "+from, freeOfAddress); err != nil {
		return "", err
	}
	subject = "account " + login
	if a.ID != 0 {
		sessions, err := k.db.Sessions(ctx, a.ID)
		if err != nil {
			return "", err
		}
		for _, s := range sessions {
			if s.Address == from && k.now().Before(s.Expires) {
				subject = "account " + login + " at " + from
			}
		}
	}
	return subject, k.attempt(ctx, subject, freeOfAccount)
}

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
	subject, err := k.guard(ctx, login, a, address)
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
	if err := k.clear(ctx, subject); err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("sign in: %w", err)
	}
	return k.begin(ctx, a, address, "signed in")
}

// begin makes a session.
func (k *Keeper) begin(ctx context.Context, a catalog.Account, address, what string) (secret.Text, Session, error) {
	now := k.now()
	text, digest := newText()
	s := catalog.Session{Digest: digest, Account: a.ID, SignedIn: now, Used: now, Expires: now.Add(idleSession), Address: network(address)}
	id, err := k.db.AddSession(ctx, s)
	if err == nil {
		err = k.db.UpdateAccount(ctx, a.ID, func(a *catalog.Account) error { a.LastSeen = now; return nil })
	}
	if err == nil {
		err = k.note(ctx, a.ID, address, what, "")
	}
	if err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("begin session: %w", err)
	}
	return text, Session{ID: id, Account: accountOf(a), SignedIn: now, Expires: s.Expires}, nil
}

// newText makes 256 random bits, and the digest by which they are known again.
func newText() (secret.Text, catalog.Digest) {
	b := make([]byte, 32)
	rand.Read(b)
	text := base64.RawURLEncoding.EncodeToString(b)
	return secret.NewText(text), sha256.Sum256([]byte(text))
}

// maxText bounds the text of sessions and tokens, in bytes.
const maxText = 128

// Session gives the session of a text, and keeps it alive; ErrNobody if there is none,
// or none any more.
func (k *Keeper) Session(ctx context.Context, text secret.Text) (Session, error) {
	if text.IsZero() || len(text.Reveal()) > maxText {
		return Session{}, ErrNobody
	}
	s, err := k.db.Session(ctx, sha256.Sum256([]byte(text.Reveal())))
	if err != nil {
		return Session{}, nobody("look for session", err)
	}
	now := k.now()
	if !now.Before(s.Expires) {
		return Session{}, ErrNobody
	}
	a, err := k.db.Account(ctx, s.Account)
	if err != nil {
		return Session{}, nobody("look for session", err)
	}
	if a.Disabled {
		return Session{}, ErrNobody
	}
	if now.Sub(s.Used) > touchEvery {
		s.Expires = now.Add(idleSession)
		if last := s.SignedIn.Add(maxSession); s.Expires.After(last) {
			s.Expires = last
		}
		if err := k.db.TouchSession(ctx, s.ID, now, s.Expires); err != nil {
			return Session{}, nobody("look for session", err)
		}
	}
	return Session{ID: s.ID, Account: accountOf(a), SignedIn: s.SignedIn, Expires: s.Expires}, nil
}

// nobody is ErrNobody for what is not in the catalog.
func nobody(doing string, err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return ErrNobody
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// SignOut ends a session.
func (k *Keeper) SignOut(ctx context.Context, session int64) error {
	return k.db.DeleteSession(ctx, session)
}

// SignOutAll ends all sessions of an account.
func (k *Keeper) SignOutAll(ctx context.Context, account int64) error {
	return errors.Join(k.db.DeleteSessions(ctx, account, 0), k.note(ctx, account, "", "signed out everywhere", ""))
}
