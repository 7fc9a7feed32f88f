package server

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// openPosts are what people do who are not signed in.
var openPosts = []string{"POST /signin", "POST /signout", "POST /setup/account", "POST /passkeys/signin/begin", "POST /passkeys/signin/finish", "POST /signal/{token}"}

// signInPages are the forms and ceremonies of signing in:
//
//	POST /signin                  login, password, next → next, or /signin?error=wrong|wait
//	POST /signout                 → /signin; with all=1 at every browser
//	POST /setup/account           code, login, name, password → /setup, or /setup?error=code|wait
//	POST /passkeys/signin/begin   → JSON {"ceremony":…, "options":…}
//	POST /passkeys/signin/finish  ?ceremony=…&next=…, the browser's answer as JSON → {"next":…}
//	POST /passkeys/register/begin (signed in, fresh) → as above
//	POST /passkeys/register/finish?ceremony=…&name=… → 204
//	POST /signal/{token}          for an iOS Shortcut → a sentence
//
// Signing in again while signed in is how a sign-in becomes fresh.
func (rt *router) signInPages() map[string]page {
	return map[string]page{
		"POST /signin":                   rt.signIn,
		"POST /signout":                  rt.signOut,
		"POST /setup/account":            rt.firstAccount,
		"POST /passkeys/signin/begin":    rt.passkeyBegin,
		"POST /passkeys/signin/finish":   rt.passkeyFinish,
		"POST /passkeys/register/begin":  rt.pages.fresh(rt.registerBegin),
		"POST /passkeys/register/finish": rt.pages.fresh(rt.registerFinish),
		"POST /signal/{token}":           rt.signal,
	}
}

func (rt *router) signIn(w http.ResponseWriter, r *http.Request) error {
	next := safeNext(r.PostFormValue("next"))
	token, s, err := rt.guess(r, r.PostFormValue("login"), secret.NewText(r.PostFormValue("password")))
	if code := signInError(err); code != "" {
		http.Redirect(w, r, "/signin?"+urlValues(map[string]string{"error": code, "next": next}), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	if err := rt.begin(w, r, token, s); err != nil {
		return err
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// guess signs in, unless the same was told to wait a moment ago.
func (rt *router) guess(r *http.Request, login string, password secret.Text) (secret.Text, Session, error) {
	remote := visitorFrom(r.Context()).Remote
	who := remote + " " + strings.ToLower(login)
	if rt.patience.waits(who, rt.o.Now()) {
		return secret.Text{}, Session{}, ErrWait
	}
	token, s, err := rt.o.Auth.SignIn(r.Context(), login, password, remote)
	if errors.Is(err, ErrWait) && len(who) < 200 {
		rt.patience.told(who, rt.o.Now())
	}
	return token, s, err
}

// signInError is what the form says about err, "" if it is nil or ours.
func signInError(err error) string {
	switch {
	case errors.Is(err, ErrWait):
		return "wait"
	case errors.Is(err, ErrWrong):
		return "wrong"
	}
	return ""
}

// begin gives the browser its new session. One that it had is ended: what somebody
// may have planted there does not live on beside it.
func (rt *router) begin(w http.ResponseWriter, r *http.Request, token secret.Text, s Session) error {
	if old := visitorFrom(r.Context()).Session; old != 0 {
		if err := rt.o.Auth.SignOut(r.Context(), old); err != nil {
			return fmt.Errorf("end the session before: %w", err)
		}
	}
	setSession(w, r, token, s.Expires)
	return nil
}

func (rt *router) signOut(w http.ResponseWriter, r *http.Request) error {
	v := visitorFrom(r.Context())
	if v.Session != 0 {
		end := func() error { return rt.o.Auth.SignOut(r.Context(), v.Session) }
		if r.PostFormValue("all") != "" {
			end = func() error { return rt.o.Auth.SignOutAll(r.Context(), v.Account) }
		}
		if err := end(); err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
	}
	setSession(w, r, secret.Text{}, time.Time{})
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
	return nil
}

// firstAccount makes the first account and signs it in. From elsewhere than this
// computer it wants the code that serve has printed: otherwise the first to find
// a new service in the network would own it.
func (rt *router) firstAccount(w http.ResponseWriter, r *http.Request) error {
	v := visitorFrom(r.Context())
	if !v.FirstRun {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	if v.NeedsCode {
		if !rt.guesses.Allow() {
			http.Redirect(w, r, "/setup?error=wait", http.StatusSeeOther)
			return nil
		}
		if !rightCode(rt.o.SetUpCode, r.PostFormValue("code")) {
			http.Redirect(w, r, "/setup?error=code", http.StatusSeeOther)
			return nil
		}
	}
	login, password := strings.TrimSpace(r.PostFormValue("login")), secret.NewText(r.PostFormValue("password"))
	if _, err := rt.o.Auth.CreateFirst(r.Context(), login, strings.TrimSpace(r.PostFormValue("name")), password); err != nil {
		return fmt.Errorf("make the first account: %w", err)
	}
	token, s, err := rt.o.Auth.SignIn(r.Context(), login, password, v.Remote)
	if err != nil {
		return fmt.Errorf("sign in to the first account: %w", err)
	}
	setSession(w, r, token, s.Expires)
	http.Redirect(w, r, "/setup", http.StatusSeeOther)
	return nil
}

// codeGuesses of the set-up code: ten, then one in six seconds, of all the world.
func codeGuesses() *rate.Limiter { return rate.NewLimiter(rate.Every(6*time.Second), 10) }

// rightCode compares without regard to case, spaces and dashes: it is copied by hand.
func rightCode(want secret.Text, got string) bool {
	plain := func(s string) []byte {
		return []byte(strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s)))
	}
	w := plain(want.Reveal())
	return len(w) > 0 && subtle.ConstantTimeCompare(w, plain(got)) == 1
}

// safeNext is where to go after signing in: a page of ours, or the first page.
func safeNext(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") ||
		strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, "/api/") || strings.HasPrefix(u.Path, "/sign") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

const maxAnswer = 64 << 10 // of an authenticator

func readAnswer(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the passkey: %w", err)
	}
	if len(b) > maxAnswer {
		return nil, &http.MaxBytesError{Limit: maxAnswer}
	}
	return b, nil
}
