package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/descope/virtualwebauthn"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

const goodPassword = "four words by chance"

// house is a Keeper with Anna, the first admin, on a clock of its own.
type house struct {
	*Keeper
	t    *testing.T
	path string
	time time.Time
	anna Account
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "k.db"), time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.time }
	db, err := catalog.Open(t.Context(), h.path, catalog.Options{Key: secret.NewBytes(bytes.Repeat([]byte{1}, catalog.KeySize)), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h.Keeper, err = New(db, Options{Origins: []string{"https://127.0.0.1:8420", "https://nas.home:8420"}, Now: now, Hash: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 8, KeyLength: 16}})
	if err != nil {
		t.Fatal(err)
	}
	if h.anna, err = h.CreateFirst(t.Context(), "Anna", "Anna", secret.NewText(goodPassword)); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) signIn(password, address string) (secret.Text, Session, error) {
	return h.SignIn(h.t.Context(), "anna", secret.NewText(password), address)
}

func TestSession(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	text, s, err := h.SignIn(ctx, " ANNA ", secret.NewText(goodPassword), "192.168.1.2")
	if err != nil || s.Account.ID != h.anna.ID {
		t.Fatal(s, err)
	}
	if got, err := h.Session(ctx, text); err != nil || got.ID != s.ID || !got.Account.Admin {
		t.Errorf("session %+v, %v", got, err)
	}
	for _, wrong := range []string{"", "x", text.Reveal() + "x", text.Reveal()[1:], strings.Repeat("a", 5000)} {
		if _, err := h.Session(ctx, secret.NewText(wrong)); !errors.Is(err, ErrNobody) {
			t.Errorf("session of %d letters: %v", len(wrong), err)
		}
	}
	// Used, it lasts, but not for ever.
	began := h.time
	for h.time.Before(began.Add(maxSession)) {
		if _, err := h.Session(ctx, text); err != nil {
			t.Fatalf("after %v: %v", h.time.Sub(began), err)
		}
		h.time = h.time.Add(24 * time.Hour)
	}
	if _, err := h.Session(ctx, text); !errors.Is(err, ErrNobody) {
		t.Errorf("after %v: %v", h.time.Sub(began), err)
	}
	// Unused, it ends sooner.
	if text, _, err = h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Fatal(err)
	}
	h.time = h.time.Add(idleSession)
	if _, err := h.Session(ctx, text); !errors.Is(err, ErrNobody) {
		t.Errorf("unused: %v", err)
	}
}

func TestSession_ends(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	ben, err := h.CreateAccount(ctx, h.anna.ID, Account{Login: "ben"}, secret.NewText(goodPassword))
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(Session) error{
		"signed out":            func(s Session) error { return h.SignOut(ctx, s.ID) },
		"signed out everywhere": func(Session) error { return h.SignOutAll(ctx, ben.ID) },
		"disabled": func(Session) error {
			return h.UpdateAccount(ctx, h.anna.ID, Account{ID: ben.ID, Login: "ben", Disabled: true})
		},
		"password changed": func(Session) error {
			return h.SetPassword(ctx, h.anna.ID, ben.ID, secret.Text{}, secret.NewText("another set of words"))
		},
		"gone": func(Session) error { return h.DeleteAccount(ctx, h.anna.ID, ben.ID) },
	} {
		if name == "gone" {
			continue // last
		}
		if err := errors.Join(h.UpdateAccount(ctx, h.anna.ID, Account{ID: ben.ID, Login: "ben"}), h.SetPassword(ctx, h.anna.ID, ben.ID, secret.Text{}, secret.NewText(goodPassword))); err != nil {
			t.Fatal(err)
		}
		text, s, err := h.SignIn(ctx, "ben", secret.NewText(goodPassword), "10.0.0.1")
		if err != nil {
			t.Fatal(name, err)
		}
		if err := end(s); err != nil {
			t.Fatal(name, err)
		}
		if _, err := h.Session(ctx, text); !errors.Is(err, ErrNobody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Ten thousand guesses, one a second, from one address or from very many:
// what gets through is too little to guess anything.
func TestSignIn_guesses(t *testing.T) {
	for name, address := range map[string]func(int) string{
		"one address":       func(int) string { return "203.0.113.7" },
		"one IPv6 network":  func(i int) string { return fmt.Sprintf("2001:db8::%x", i) },
		"many addresses":    func(i int) string { return fmt.Sprintf("10.%d.%d.9", i/250, i%250) },
		"nonsense for them": func(i int) string { return strings.Repeat("x", i%7) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			began, tried := h.time, 0
			guesses := 10_000
			if name != "many addresses" {
				guesses = 2_000 // they differ in whose count stops them, not in how
			}
			for i := range guesses {
				_, _, err := h.signIn(fmt.Sprintf("guess number %d", i), address(i))
				switch {
				case errors.Is(err, ErrWrong):
					tried++
				case !errors.Is(err, ErrWait):
					t.Fatal(err)
				}
				h.time = h.time.Add(time.Second)
			}
			if most := 30; tried > most {
				t.Errorf("%d of %d guesses in %v were looked at, want at most %d", tried, guesses, h.time.Sub(began), most)
			}
			// The owner, at home, is not kept out for longer than the longest wait.
			h.time = h.time.Add(longestWait)
			if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
				t.Errorf("the owner: %v", err)
			}
		})
	}
}

// Who guesses without end does not keep the owner out where the owner is at home.
func TestSignIn_ownerPasses(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, _, err := h.signIn("a wrong guess", fmt.Sprintf("10.1.%d.%d", i/250, i%250)); err == nil {
			t.Fatal("guessed")
		}
	}
	if _, _, err := h.signIn(goodPassword, "172.16.0.1"); !errors.Is(err, ErrWait) {
		t.Errorf("from elsewhere: %v, want to wait", err)
	}
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Errorf("from home: %v", err)
	}
}

// A clock that was wrong does not keep the owner out until it is that late.
func TestSignIn_clockGoesBack(t *testing.T) {
	h := newHouse(t)
	right := h.time
	h.time = right.Add(3 * 365 * 24 * time.Hour)
	for range 2 * freeOfAddress {
		if _, _, err := h.signIn("a wrong guess", "192.168.1.2"); err == nil {
			t.Fatal("guessed")
		}
		h.time = h.time.Add(time.Minute)
	}
	h.time = right
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// Attempts at the same time are counted one by one.
func TestSignIn_atOnce(t *testing.T) {
	h := newHouse(t)
	const n = 40
	results := make(chan error, n)
	for range n {
		go func() {
			_, _, err := h.SignIn(context.Background(), "anna", secret.NewText("a wrong guess"), "10.0.0.1")
			results <- err
		}()
	}
	tried := 0
	for range n {
		if err := <-results; errors.Is(err, ErrWrong) {
			tried++
		} else if !errors.Is(err, ErrWait) {
			t.Error(err)
		}
	}
	if tried > freeOfAccount {
		t.Errorf("%d of %d guesses at once were looked at", tried, n)
	}
}

func TestPasswordRules(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	for _, bad := range []string{"", "short", "ninechars", "1234567890", "aaaaaaaaaaaa", "Password123", "benben2026!", strings.Repeat("long", 200)} {
		_, err := h.CreateAccount(ctx, h.anna.ID, Account{Login: "ben"}, secret.NewText(bad))
		var input *InputError
		if !errors.As(err, &input) || input.Hint() == "" {
			t.Errorf("password %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "no spaces", "Ünderbar", "../../etc", strings.Repeat("x", 65), "-"} {
		if _, err := h.CreateAccount(ctx, h.anna.ID, Account{Login: bad}, secret.NewText(goodPassword)); err == nil {
			t.Errorf("login %q was taken", bad)
		}
	}
	if err := h.SetPassword(ctx, h.anna.ID, h.anna.ID, secret.NewText("not the old one"), secret.NewText("another set of words")); !errors.Is(err, ErrWrong) {
		t.Errorf("without the old password: %v", err)
	}
	if err := h.SetPassword(ctx, h.anna.ID, h.anna.ID, secret.NewText(goodPassword), secret.NewText("another set of words")); err != nil {
		t.Error(err)
	}
	if _, _, err := h.signIn("another set of words", "10.0.0.1"); err != nil {
		t.Error(err)
	}
}

func TestToken(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	text, err := h.CreateToken(ctx, h.anna.ID, Token{Name: "Shortcut", Scopes: []string{"signal"}, Phones: []string{"U"}, Expires: h.time.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Token(ctx, text)
	if err != nil || got.Account.ID != h.anna.ID || got.Name != "Shortcut" || len(got.Phones) != 1 {
		t.Errorf("token %+v, %v", got, err)
	}
	good := text.Reveal()
	for _, wrong := range []string{"", "ksk_", good[:len(good)-1], good + "A", strings.ToUpper(good), "ksk_" + strings.Repeat("A", 49)} {
		if _, err := h.Token(ctx, secret.NewText(wrong)); !errors.Is(err, ErrNobody) {
			t.Errorf("token %q: %v", wrong, err)
		}
	}
	for _, bad := range []Token{{Name: "x"}, {Scopes: []string{"read"}}, {Name: "x", Scopes: []string{"root"}}, {Name: "x", Scopes: []string{"read"}, Expires: h.time}} {
		if _, err := h.CreateToken(ctx, h.anna.ID, bad); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	h.time = h.time.Add(time.Hour)
	if _, err := h.Token(ctx, text); !errors.Is(err, ErrNobody) {
		t.Errorf("after its end: %v", err)
	}
}

func FuzzToken(f *testing.F) {
	text, _ := newToken()
	f.Add(text.Reveal())
	f.Add("ksk_")
	f.Fuzz(func(t *testing.T, s string) {
		if wellFormed(s) && checksum(s[4:47]) != s[47:] {
			t.Errorf("%q", s)
		}
	})
}

// browser is a browser with one authenticator.
type browser struct {
	site virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newBrowser(account int64) *browser {
	b := &browser{site: virtualwebauthn.RelyingParty{ID: "nas.home", Name: "Keepsake", Origin: "https://nas.home:8420"},
		auth: virtualwebauthn.NewAuthenticator(), key: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)}
	b.auth.Options.UserHandle = (&holder{Account: catalog.Account{ID: account}}).WebAuthnID()
	return b
}

func (b *browser) register(t *testing.T, h *house, account int64) error {
	t.Helper()
	options, name, err := h.BeginRegister(t.Context(), account)
	if err != nil {
		return err
	}
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	err = h.FinishRegister(t.Context(), account, name, "my phone", []byte(virtualwebauthn.CreateAttestationResponse(b.site, b.auth, b.key, *parsed)))
	b.auth.AddCredential(b.key)
	return err
}

func (b *browser) answer(t *testing.T, h *house) (name string, answer []byte) {
	t.Helper()
	options, name, err := h.BeginSignIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return name, []byte(virtualwebauthn.CreateAssertionResponse(b.site, b.auth, b.key, *parsed))
}

func TestPasskey(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	b := newBrowser(h.anna.ID)
	if err := b.register(t, h, h.anna.ID); err != nil {
		t.Fatal(err)
	}
	name, answer := b.answer(t, h)
	text, s, err := h.FinishSignIn(ctx, name, answer, "10.0.0.1")
	if err != nil || s.Account.ID != h.anna.ID {
		t.Fatal(s, err)
	}
	if _, err := h.Session(ctx, text); err != nil {
		t.Error(err)
	}
	if _, _, err := h.FinishSignIn(ctx, name, answer, "10.0.0.1"); err == nil {
		t.Error("the same answer was good twice")
	}
	name, _ = b.answer(t, h)
	if _, _, err := h.FinishSignIn(ctx, name, answer, "10.0.0.1"); !errors.Is(err, ErrWrong) {
		t.Errorf("an old answer to a new challenge: %v", err)
	}
	name, answer = b.answer(t, h)
	h.time = h.time.Add(ceremonyTime)
	if _, _, err := h.FinishSignIn(ctx, name, answer, "10.0.0.1"); err == nil {
		t.Error("an answer was good too late")
	}
	keys, err := h.Passkeys(ctx, h.anna.ID)
	if err != nil || len(keys) != 1 || keys[0].Name != "my phone" || keys[0].LastUsed.IsZero() {
		t.Fatalf("passkeys %+v, %v", keys, err)
	}
	if err := h.UpdateAccount(ctx, h.anna.ID, Account{ID: h.anna.ID, Login: "anna", Disabled: true}); err == nil {
		t.Error("the only admin was disabled")
	}
	if err := h.DeletePasskey(ctx, h.anna.ID, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	name, answer = b.answer(t, h)
	if _, _, err := h.FinishSignIn(ctx, name, answer, "10.0.0.1"); !errors.Is(err, ErrWrong) {
		t.Errorf("with a removed passkey: %v", err)
	}
}

func TestPasskey_wrong(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	for name, change := range map[string]func(*browser){
		"origin":   func(b *browser) { b.site.Origin = "https://evil.example" },
		"site":     func(b *browser) { b.site.ID = "evil.example" },
		"key":      func(b *browser) { b.key.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).Key },
		"somebody": func(b *browser) { b.auth.Options.UserHandle = (&holder{Account: catalog.Account{ID: 99}}).WebAuthnID() },
	} {
		b := newBrowser(h.anna.ID)
		if err := b.register(t, h, h.anna.ID); err != nil {
			t.Fatal(name, err)
		}
		change(b)
		ceremony, answer := b.answer(t, h)
		if _, _, err := h.FinishSignIn(ctx, ceremony, answer, "10.0.0.1"); !errors.Is(err, ErrWrong) {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	// An authenticator that has been copied shows by its counter.
	b := newBrowser(h.anna.ID)
	b.key.Counter = 7
	if err := b.register(t, h, h.anna.ID); err != nil {
		t.Fatal(err)
	}
	b.key.Counter = 5
	ceremony, answer := b.answer(t, h)
	if _, _, err := h.FinishSignIn(ctx, ceremony, answer, "10.0.0.1"); !errors.Is(err, ErrWrong) {
		t.Errorf("a counter that went back: %v", err)
	}
}

// Nobody washes the audit log clean with passkeys that are none.
func TestPasskey_flood(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	b := newBrowser(h.anna.ID)
	if err := b.register(t, h, h.anna.ID); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		_, name, err := h.BeginSignIn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.FinishSignIn(ctx, name, []byte("{}"), "10.0.0.1"); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	log, err := h.Audit(ctx, 0, 1000)
	if err != nil || len(log) > 2*freeOfAddress {
		t.Errorf("%d entries, %v", len(log), err)
	}
	name, answer := b.answer(t, h)
	if _, _, err := h.FinishSignIn(ctx, name, answer, "10.0.0.1"); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

func TestPasskey_noName(t *testing.T) {
	h := newHouse(t)
	k, err := New(h.db, Options{Origins: []string{"http://127.0.0.1:8420", "http://[::1]:8420"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.BeginSignIn(t.Context()); !errors.Is(err, errNoName) {
		t.Errorf("err = %v", err)
	}
}

// No secret of anybody is in the file, in whatever form it might be written.
func TestNothingSecretIsStored(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	session, _, err := h.signIn(goodPassword, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	token, err := h.CreateToken(ctx, h.anna.ID, Token{Name: "x", Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.signIn("mistyped secret words", "10.0.0.1"); !errors.Is(err, ErrWrong) {
		t.Fatal(err)
	}
	for _, name := range []string{h.path, h.path + "-wal"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{goodPassword, session.Reveal(), token.Reveal(), token.Reveal()[4:47], "mistyped secret words"} {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s holds a secret", filepath.Base(name))
			}
		}
	}
	entries, err := h.Audit(ctx, 0, 100)
	if err != nil || len(entries) < 4 || entries[0].What != "sign-in failed" {
		t.Errorf("audit %+v, %v", entries, err)
	}
	if text, err := json.Marshal(entries); err != nil || bytes.Contains(text, []byte("mistyped")) {
		t.Errorf("the audit log holds what was typed: %s, %v", text, err)
	}
}
