package fake

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
)

// Password is that of all members of the family.
const Password = "plum-cake-1998"

// People are the accounts of the family, in memory: server.Auth for tests and
// pictures. It keeps passwords as they are and counts no failures, so it must
// never let anybody in to anything real; passkeys it only lists.
type People struct {
	mu        sync.Mutex
	now       func() time.Time
	next      int64
	accounts  []server.Account
	passwords map[int64]string
	sessions  map[string]server.Session
	tokens    map[string]server.Token
	passkeys  map[int64][]server.Passkey
	audit     []server.AuditEntry
}

// NewPeople makes the accounts of the family, or none for a service that nobody
// has set up yet. Of o only Now and Empty matter.
func NewPeople(o Options) *People {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &People{now: o.Now, passwords: map[int64]string{}, sessions: map[string]server.Session{}, tokens: map[string]server.Token{}, passkeys: map[int64][]server.Passkey{}}
	if o.Empty {
		return p
	}
	for id := int64(1); id <= int64(len(accounts)); id++ {
		p.add(server.Account{Login: strings.ToLower(accounts[id]), Name: accounts[id], Admin: id == 1, LastSeen: o.Now().Add(-time.Duration(id) * 20 * time.Hour)}, Password)
	}
	p.passkeys[1] = []server.Passkey{{ID: []byte{1}, Name: "Anna’s iPhone", Created: o.Now().Add(-40 * 24 * time.Hour), LastUsed: o.Now().Add(-3 * time.Hour)}}
	p.note(1, "signed in", "")
	p.note(2, "downloaded a file", Ben)
	return p
}

func (p *People) add(a server.Account, password string) server.Account {
	p.next++
	a.ID, a.Created = p.next, p.now()
	p.accounts = append(p.accounts, a)
	p.passwords[a.ID] = password
	return a
}

func (p *People) note(account int64, what, udid string) {
	p.audit = append(p.audit, server.AuditEntry{ID: int64(len(p.audit) + 1), At: p.now(), Account: account, Address: "192.168.1.20", What: what, UDID: udid})
}

func (p *People) index(id int64) int {
	return slices.IndexFunc(p.accounts, func(a server.Account) bool { return a.ID == id })
}

// FirstRun implements server.Gate.
func (p *People) FirstRun(context.Context) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accounts) == 0, nil
}

// CreateFirst implements server.Gate.
func (p *People) CreateFirst(_ context.Context, login, name string, password secret.Text) (server.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.accounts) > 0 {
		return server.Account{}, fmt.Errorf("create first account: %w", fs.ErrExist)
	}
	return p.add(server.Account{Login: login, Name: name, Admin: true}, password.Reveal()), nil
}

// SignIn implements server.Gate.
func (p *People) SignIn(_ context.Context, login string, password secret.Text, address string) (secret.Text, server.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.accounts {
		if a.Login == login && p.passwords[a.ID] == password.Reveal() && !a.Disabled {
			p.next++
			s := server.Session{ID: p.next, Account: a, SignedIn: p.now(), Used: p.now(), Expires: p.now().Add(24 * time.Hour), Address: address}
			text := rand.Text()
			p.sessions[text] = s
			return secret.NewText(text), s, nil
		}
	}
	return secret.Text{}, server.Session{}, server.ErrWrong
}

// Session implements server.Gate.
func (p *People) Session(_ context.Context, token secret.Text) (server.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.sessions[token.Reveal()]
	if !ok {
		return s, server.ErrNobody
	}
	return s, nil
}

// Token implements server.Gate.
func (p *People) Token(_ context.Context, token secret.Text) (server.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.tokens[token.Reveal()]
	if !ok {
		return t, server.ErrNobody
	}
	return t, nil
}

// SignOut implements server.Gate.
func (p *People) SignOut(_ context.Context, id int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.sessions, func(_ string, s server.Session) bool { return s.ID == id })
	return nil
}

// SignOutAll implements server.Gate.
func (p *People) SignOutAll(_ context.Context, account int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.sessions, func(_ string, s server.Session) bool { return s.Account.ID == account })
	return nil
}

// Sessions implements server.Gate.
func (p *People) Sessions(_ context.Context, account int64) ([]server.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.DeleteFunc(slices.Collect(maps.Values(p.sessions)), func(s server.Session) bool { return s.Account.ID != account })
	slices.SortFunc(all, func(a, b server.Session) int { return int(b.ID - a.ID) })
	return all, nil
}

// EndSession implements server.Gate.
func (p *People) EndSession(_ context.Context, account, id int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.sessions)
	maps.DeleteFunc(p.sessions, func(_ string, s server.Session) bool { return s.ID == id && s.Account.ID == account })
	if len(p.sessions) == n {
		return fs.ErrNotExist
	}
	return nil
}

var errNoPasskeys = &hintError{"there are no passkeys here", "Sign in with the password."}

// BeginRegister implements server.Passkeys.
func (p *People) BeginRegister(context.Context, int64) ([]byte, string, error) {
	return nil, "", errNoPasskeys
}

// FinishRegister implements server.Passkeys.
func (p *People) FinishRegister(context.Context, int64, string, string, []byte) error {
	return errNoPasskeys
}

// BeginSignIn implements server.Passkeys.
func (p *People) BeginSignIn(context.Context) ([]byte, string, error) { return nil, "", errNoPasskeys }

// FinishSignIn implements server.Passkeys.
func (p *People) FinishSignIn(context.Context, string, []byte, string) (secret.Text, server.Session, error) {
	return secret.Text{}, server.Session{}, server.ErrWrong
}

// Passkeys implements server.Passkeys: Anna has one, to be seen.
func (p *People) Passkeys(_ context.Context, account int64) ([]server.Passkey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.passkeys[account]), nil
}

// DeletePasskey implements server.Passkeys.
func (p *People) DeletePasskey(_ context.Context, account int64, id []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.passkeys[account])
	p.passkeys[account] = slices.DeleteFunc(p.passkeys[account], func(k server.Passkey) bool { return bytes.Equal(k.ID, id) })
	if len(p.passkeys[account]) == n {
		return fs.ErrNotExist
	}
	return nil
}

// Accounts implements server.People.
func (p *People) Accounts(context.Context) ([]server.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.accounts), nil
}

// CreateAccount implements server.People.
func (p *People) CreateAccount(_ context.Context, by int64, a server.Account, password secret.Text) (server.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.accounts, func(b server.Account) bool { return b.Login == a.Login }) {
		return a, &hintError{"somebody signs in as " + a.Login + " already", "Choose another short name."}
	}
	p.note(by, "made an account", "")
	return p.add(a, password.Reveal()), nil
}

// UpdateAccount implements server.People.
func (p *People) UpdateAccount(_ context.Context, _ int64, a server.Account) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(a.ID)
	if i < 0 {
		return fs.ErrNotExist
	}
	p.accounts[i] = a
	return nil
}

// SetPassword implements server.People.
func (p *People) SetPassword(_ context.Context, by, account int64, old, new secret.Text) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if by == account && p.passwords[account] != old.Reveal() {
		return server.ErrWrong
	}
	p.passwords[account] = new.Reveal()
	return nil
}

// ChangePassword implements server.People.
func (p *People) ChangePassword(ctx context.Context, s server.Session, old, new secret.Text) error {
	if err := p.SetPassword(ctx, s.Account.ID, s.Account.ID, old, new); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.sessions, func(_ string, t server.Session) bool { return t.Account.ID == s.Account.ID && t.ID != s.ID })
	return nil
}

// DeleteAccount implements server.People.
func (p *People) DeleteAccount(_ context.Context, _, account int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(account)
	if i < 0 {
		return fs.ErrNotExist
	}
	p.accounts = slices.Delete(p.accounts, i, i+1)
	maps.DeleteFunc(p.sessions, func(_ string, s server.Session) bool { return s.Account.ID == account })
	return nil
}

// Tokens implements server.People.
func (p *People) Tokens(_ context.Context, account int64) ([]server.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Collect(maps.Values(p.tokens))
	all = slices.DeleteFunc(all, func(t server.Token) bool { return t.Account.ID != account })
	slices.SortFunc(all, func(a, b server.Token) int { return int(a.ID - b.ID) })
	return all, nil
}

// CreateToken implements server.People.
func (p *People) CreateToken(_ context.Context, account int64, t server.Token) (secret.Text, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(account)
	if i < 0 {
		return secret.Text{}, fs.ErrNotExist
	}
	p.next++
	t.ID, t.Account, t.Created = p.next, p.accounts[i], p.now()
	text := "ksk_" + rand.Text()
	p.tokens[text] = t
	return secret.NewText(text), nil
}

// DeleteToken implements server.People.
func (p *People) DeleteToken(_ context.Context, account, id int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.tokens)
	maps.DeleteFunc(p.tokens, func(_ string, t server.Token) bool { return t.ID == id && t.Account.ID == account })
	if len(p.tokens) == n {
		return fs.ErrNotExist
	}
	return nil
}

// Audit implements server.People.
func (p *People) Audit(_ context.Context, before int64, limit int) ([]server.AuditEntry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []server.AuditEntry
	for _, e := range slices.Backward(p.audit) {
		if (before == 0 || e.ID < before) && len(all) < limit {
			all = append(all, e)
		}
	}
	return all, nil
}
