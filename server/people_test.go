package server_test

import (
	"context"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
)

const (
	annasPassword = "planted-password-of-anna-51d0"
	bensPassword  = "planted-password-of-ben-9c2e"
)

// people is the family of package fake with passwords of their own, of which it takes a
// few wrong ones only, and ceremonies of passkeys that begin and never end well.
type people struct {
	*fake.People

	mu       sync.Mutex
	failures int
	aged     map[string]time.Duration // by the text of a session, how much older it is
}

func newPeople() *people {
	p := &people{People: fake.NewPeople(fake.Options{}), aged: map[string]time.Duration{}}
	for account, password := range map[int64]string{1: annasPassword, 2: bensPassword} {
		if err := p.SetPassword(context.Background(), 0, account, secret.Text{}, secret.NewText(password)); err != nil {
			panic(err) // in a test: package fake has no such account
		}
	}
	return p
}

func (p *people) SignIn(ctx context.Context, login string, password secret.Text, address string) (secret.Text, server.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures > 20 {
		return secret.Text{}, server.Session{}, server.ErrWait
	}
	token, s, err := p.People.SignIn(ctx, login, password, address)
	if err != nil {
		p.failures++
	}
	return token, s, err
}

func (p *people) Session(ctx context.Context, token secret.Text) (server.Session, error) {
	s, err := p.People.Session(ctx, token)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.SignedIn = s.SignedIn.Add(-p.aged[token.Reveal()])
	return s, err
}

func (p *people) BeginRegister(context.Context, int64) ([]byte, string, error) {
	return []byte(`{"publicKey":{}}`), "ceremony", nil
}

func (p *people) FinishRegister(context.Context, int64, string, string, []byte) error { return nil }

func (p *people) BeginSignIn(context.Context) ([]byte, string, error) {
	return []byte(`{"publicKey":{}}`), "ceremony", nil
}
