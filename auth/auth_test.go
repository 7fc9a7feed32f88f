package auth

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

const goodPassword = "four words by chance"

// house is a Keeper with Anna, the first admin, on a clock of its own.
type house struct {
	*Keeper
	t    testing.TB
	path string
	time time.Time
	anna Account
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "k.db"), time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	h.open()
	var err error
	if h.anna, err = h.CreateFirst(t.Context(), "Anna", "Anna", secret.NewText(goodPassword)); err != nil {
		t.Fatal(err)
	}
	return h
}

// open opens the house's catalog, and a Keeper of it.
func (h *house) open() {
	h.t.Helper()
	now := func() time.Time { return h.time }
	db, err := catalog.Open(h.t.Context(), h.path, catalog.Options{Key: secret.NewBytes(bytes.Repeat([]byte{1}, catalog.KeySize)), Now: now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	h.Keeper, err = New(db, Options{Origins: []string{"https://127.0.0.1:8420", "https://nas.home:8420"}, Now: now, Hash: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 8, KeyLength: 16}})
	if err != nil {
		h.t.Fatal(err)
	}
}

// restart ends the service and begins it again.
func (h *house) restart() {
	h.t.Helper()
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
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

func TestSessions(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	ben, err := h.CreateAccount(ctx, h.anna.ID, Account{Login: "ben"}, secret.NewText(goodPassword))
	if err != nil {
		t.Fatal(err)
	}
	first, s1, err := h.signIn(goodPassword, "192.168.1.2")
	if err != nil {
		t.Fatal(err)
	}
	h.time = h.time.Add(time.Hour)
	second, s2, err := h.signIn(goodPassword, "2001:db8::7")
	if err != nil {
		t.Fatal(err)
	}
	if first.Reveal() == second.Reveal() {
		t.Error("two sign-ins begin the same session")
	}
	bens, sb, err := h.SignIn(ctx, "ben", secret.NewText(goodPassword), "192.168.1.2")
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.Sessions(ctx, h.anna.ID)
	if err != nil || len(all) != 2 || all[0].ID != s2.ID || all[0].Address != "2001:db8::/64" || all[1].Used != s1.SignedIn {
		t.Errorf("sessions %+v, %v", all, err)
	}
	if err := h.EndSession(ctx, h.anna.ID, sb.ID); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Anna ends Ben's session: %v", err)
	}
	if err := h.EndSession(ctx, h.anna.ID, s1.ID); err != nil {
		t.Error(err)
	}
	if _, err := h.Session(ctx, first); !errors.Is(err, ErrNobody) {
		t.Errorf("the ended session: %v", err)
	}
	for _, text := range []secret.Text{second, bens} {
		if _, err := h.Session(ctx, text); err != nil {
			t.Errorf("another session: %v", err)
		}
	}
	// A new password leaves only the session that changed it.
	third, _, err := h.signIn(goodPassword, "192.168.1.3")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.ChangePassword(ctx, s2, secret.NewText("not the old one"), secret.NewText("another set of words")); !errors.Is(err, ErrWrong) {
		t.Errorf("without the old password: %v", err)
	}
	if err := h.ChangePassword(ctx, s2, secret.NewText(goodPassword), secret.NewText("another set of words")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Session(ctx, second); err != nil {
		t.Errorf("the session that changed it: %v", err)
	}
	if _, err := h.Session(ctx, third); !errors.Is(err, ErrNobody) {
		t.Errorf("another session of it: %v", err)
	}
	if all, err = h.Sessions(ctx, ben.ID); err != nil || len(all) != 1 {
		t.Errorf("Ben's sessions %+v, %v", all, err)
	}
	h.time = h.time.Add(idleSession)
	if all, err = h.Sessions(ctx, h.anna.ID); err != nil || len(all) != 0 {
		t.Errorf("sessions after their end: %+v, %v", all, err)
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

// Whatever a browser or a program sends, it is somebody's only if it was given out.
func FuzzToken(f *testing.F) {
	text, _ := newToken()
	f.Add(text.Reveal())
	for _, s := range []string{"", "ksk_", "KSK_", "ksk_" + strings.Repeat("A", 49), strings.Repeat("ksk_", 100), "ksk_\x00\xff"} {
		f.Add(s)
	}
	h := newHouse(f)
	given, err := h.CreateToken(f.Context(), h.anna.ID, Token{Name: "x", Scopes: []string{"read"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if wellFormed(s) && checksum(s[4:47]) != s[47:] {
			t.Errorf("%q is taken for a token", s)
		}
		if _, err := h.Token(t.Context(), secret.NewText(s)); !errors.Is(err, ErrNobody) && s != given.Reveal() {
			t.Errorf("%q: %v", s, err)
		}
	})
}

// So it is with what is in a cookie.
func FuzzSession(f *testing.F) {
	h := newHouse(f)
	given, _, err := h.signIn(goodPassword, "10.0.0.1")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{given.Reveal(), given.Reveal() + "=", given.Reveal()[1:], "", "' OR 1=1 --", "\x00", strings.Repeat("a", maxText+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := h.Session(t.Context(), secret.NewText(s))
		if s == given.Reveal() {
			if err != nil {
				t.Errorf("the session: %v", err)
			}
		} else if !errors.Is(err, ErrNobody) {
			t.Errorf("%q: %v", s, err)
		}
	})
}
