package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/keepsake-backup/keepsake/catalog"
)

// browser is a browser with one authenticator. Its keys are RSA: one in 128 of the
// elliptic ones that virtualwebauthn makes has a coordinate that is too short.
type browser struct {
	site virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newBrowser(account int64) *browser {
	b := &browser{site: virtualwebauthn.RelyingParty{ID: "nas.home", Name: "Keepsake", Origin: "https://nas.home:8420"},
		auth: virtualwebauthn.NewAuthenticator(), key: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)}
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

// Authenticators are asked for finger, face or PIN; those that have none are good too.
// The name of no account is wanted.
func TestPasskey_options(t *testing.T) {
	h := newHouse(t)
	register, _, err := h.BeginRegister(t.Context(), h.anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	signIn, _, err := h.BeginSignIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"userVerification":"preferred"`, `"residentKey":"required"`, `"id":"nas.home"`} {
		if !strings.Contains(string(register), want) {
			t.Errorf("no %s to register: %s", want, register)
		}
	}
	if s := string(signIn); !strings.Contains(s, `"userVerification":"preferred"`) || strings.Contains(s, "allowCredentials") {
		t.Errorf("to sign in: %s", s)
	}
}

func TestPasskey_wrong(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	for name, change := range map[string]func(*browser){
		"origin":   func(b *browser) { b.site.Origin = "https://evil.example" },
		"site":     func(b *browser) { b.site.ID = "evil.example" },
		"key":      func(b *browser) { b.key.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA).Key },
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
	if err != nil || len(log) > 2*limitNetwork.free {
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
