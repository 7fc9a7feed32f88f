package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Sessions are kept here and not by a library such as alexedwards/scs, which was
// looked at: it hands its store one opaque value to each token, so that "the sessions
// of this account" cannot be asked for, listed or ended without decoding them all; it
// goes by the clock of the machine, which tests and simulations cannot turn; and for
// a sliding end it writes at every request. What it would spare us are the few lines
// below.

// How long sessions last, and how exactly that is kept.
const (
	idleSession = 14 * 24 * time.Hour
	maxSession  = 90 * 24 * time.Hour
	touchEvery  = 5 * time.Minute
)

// begin makes a session.
func (k *Keeper) begin(ctx context.Context, a catalog.Account, address, what string) (secret.Text, Session, error) {
	now := k.now()
	text, digest := newText()
	s := catalog.Session{Digest: digest, Account: a.ID, SignedIn: now, Used: now, Expires: now.Add(idleSession), Address: network(address)}
	id, err := k.db.AddSession(ctx, s)
	if err == nil && s.Address != nowhere {
		err = k.db.AddKnown(ctx, a.ID, s.Address)
	}
	if err == nil {
		err = k.db.UpdateAccount(ctx, a.ID, func(a *catalog.Account) error { a.LastSeen = now; return nil })
	}
	if err == nil {
		err = k.note(ctx, a.ID, address, what, "")
	}
	if err != nil {
		return secret.Text{}, Session{}, fmt.Errorf("begin session: %w", err)
	}
	return text, sessionOf(s, id, a), nil
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
		s.Used = now
		if err := k.db.TouchSession(ctx, s.ID, now, s.Expires); err != nil {
			return Session{}, nobody("look for session", err)
		}
	}
	return sessionOf(s, s.ID, a), nil
}

func sessionOf(s catalog.Session, id int64, a catalog.Account) Session {
	return Session{ID: id, Account: accountOf(a), SignedIn: s.SignedIn, Used: s.Used, Expires: s.Expires, Address: s.Address}
}

// nobody is ErrNobody for what is not in the catalog.
func nobody(doing string, err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return ErrNobody
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Sessions are those of an account that have not ended, the last used first.
func (k *Keeper) Sessions(ctx context.Context, account int64) ([]Session, error) {
	a, err := k.db.Account(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list, err := k.db.Sessions(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	var sessions []Session
	for _, s := range list {
		if k.now().Before(s.Expires) {
			sessions = append(sessions, sessionOf(s, s.ID, a))
		}
	}
	return sessions, nil
}

// EndSession ends a session of an account, such as one at a browser that was left
// somewhere. It fails with catalog.ErrNotFound if the account has none of that ID.
func (k *Keeper) EndSession(ctx context.Context, account, session int64) error {
	sessions, err := k.Sessions(ctx, account)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(sessions, func(s Session) bool { return s.ID == session }) {
		return fmt.Errorf("end session: %w", catalog.ErrNotFound)
	}
	if err := k.db.DeleteSession(ctx, session); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return k.note(ctx, account, "", "ended a session", "")
}

// SignOut ends a session.
func (k *Keeper) SignOut(ctx context.Context, session int64) error {
	return k.db.DeleteSession(ctx, session)
}

// SignOutAll ends all sessions of an account.
func (k *Keeper) SignOutAll(ctx context.Context, account int64) error {
	return errors.Join(k.db.DeleteSessions(ctx, account, 0), k.note(ctx, account, "", "signed out everywhere", ""))
}
