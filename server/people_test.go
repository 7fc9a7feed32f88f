package server_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
)

// people is a server.Auth in memory, for tests of what is around it.
type people struct {
	mu        sync.Mutex
	accounts  []server.Account
	passwords map[int64]string
	sessions  map[string]server.Session
	tokens    map[string]server.Token
	failures  int
	now       func() time.Time
}

const (
	annasPassword = "planted-password-of-anna-51d0"
	bensPassword  = "planted-password-of-ben-9c2e"
)

// newPeople are Anna, the admin, and Ben, a member, numbered as package fake does.
func newPeople() *people {
	p := &people{passwords: map[int64]string{1: annasPassword, 2: bensPassword}, sessions: map[string]server.Session{}, tokens: map[string]server.Token{}, now: time.Now}
	p.accounts = []server.Account{{ID: 1, Login: "anna", Name: "Anna", Admin: true}, {ID: 2, Login: "ben", Name: "Ben"}}
	return p
}

func (p *people) FirstRun(context.Context) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accounts) == 0, nil
}

func (p *people) CreateFirst(ctx context.Context, login, name string, password secret.Text) (server.Account, error) {
	if first, _ := p.FirstRun(ctx); !first {
		return server.Account{}, fmt.Errorf("create first account: %w", fs.ErrExist)
	}
	return p.CreateAccount(ctx, 0, server.Account{Login: login, Name: name, Admin: true}, password)
}

func (p *people) SignIn(_ context.Context, login string, password secret.Text, _ string) (secret.Text, server.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures > 20 {
		return secret.Text{}, server.Session{}, server.ErrWait
	}
	for _, a := range p.accounts {
		if a.Login == login && p.passwords[a.ID] == password.Reveal() && !a.Disabled {
			token, s := p.session(a)
			return token, s, nil
		}
	}
	p.failures++
	return secret.Text{}, server.Session{}, server.ErrWrong
}

func (p *people) session(a server.Account) (secret.Text, server.Session) {
	text := rand.Text()
	s := server.Session{ID: int64(len(p.sessions) + 1), Account: a, SignedIn: p.now(), Expires: p.now().Add(time.Hour)}
	p.sessions[text] = s
	return secret.NewText(text), s
}

func (p *people) Session(_ context.Context, token secret.Text) (server.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.sessions[token.Reveal()]
	if !ok {
		return s, server.ErrNobody
	}
	return s, nil
}

func (p *people) Token(_ context.Context, token secret.Text) (server.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.tokens[token.Reveal()]
	if !ok {
		return t, server.ErrNobody
	}
	return t, nil
}

func (p *people) SignOut(_ context.Context, id int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, s := range p.sessions {
		if s.ID == id {
			delete(p.sessions, text)
		}
	}
	return nil
}

func (p *people) SignOutAll(_ context.Context, account int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, s := range p.sessions {
		if s.Account.ID == account {
			delete(p.sessions, text)
		}
	}
	return nil
}

func (p *people) BeginRegister(context.Context, int64) ([]byte, string, error) {
	return []byte(`{"publicKey":{}}`), "ceremony", nil
}

func (p *people) FinishRegister(context.Context, int64, string, string, []byte) error { return nil }

func (p *people) BeginSignIn(context.Context) ([]byte, string, error) {
	return []byte(`{"publicKey":{}}`), "ceremony", nil
}

func (p *people) FinishSignIn(context.Context, string, []byte, string) (secret.Text, server.Session, error) {
	return secret.Text{}, server.Session{}, server.ErrWrong
}

func (p *people) Passkeys(context.Context, int64) ([]server.Passkey, error) { return nil, nil }

func (p *people) DeletePasskey(context.Context, int64, []byte) error { return fs.ErrNotExist }

func (p *people) Accounts(context.Context) ([]server.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.accounts), nil
}

func (p *people) CreateAccount(_ context.Context, _ int64, a server.Account, password secret.Text) (server.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.ID = int64(len(p.accounts) + 1)
	p.accounts = append(p.accounts, a)
	p.passwords[a.ID] = password.Reveal()
	return a, nil
}

func (p *people) UpdateAccount(_ context.Context, _ int64, a server.Account) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.accounts {
		if p.accounts[i].ID == a.ID {
			p.accounts[i] = a
			return nil
		}
	}
	return fs.ErrNotExist
}

func (p *people) SetPassword(_ context.Context, by, account int64, old, new secret.Text) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if by == account && p.passwords[account] != old.Reveal() {
		return server.ErrWrong
	}
	p.passwords[account] = new.Reveal()
	return nil
}

func (p *people) DeleteAccount(context.Context, int64, int64) error { return nil }

func (p *people) Tokens(_ context.Context, account int64) ([]server.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []server.Token
	for _, t := range p.tokens {
		if t.Account.ID == account {
			all = append(all, t)
		}
	}
	return all, nil
}

func (p *people) CreateToken(_ context.Context, account int64, t server.Token) (secret.Text, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.ID, t.Account, t.Created = int64(len(p.tokens)+1), p.accounts[account-1], p.now()
	text := "ksk_" + rand.Text()
	p.tokens[text] = t
	return secret.NewText(text), nil
}

func (p *people) DeleteToken(_ context.Context, account, id int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, t := range p.tokens {
		if t.ID == id && t.Account.ID == account {
			delete(p.tokens, text)
			return nil
		}
	}
	return fs.ErrNotExist
}

func (p *people) Audit(context.Context, int64, int) ([]server.AuditEntry, error) {
	return []server.AuditEntry{{ID: 1, At: p.now(), What: "sign-in"}}, nil
}
