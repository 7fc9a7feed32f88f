package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

const (
	// secureCookie can only be set over TLS, by this very host, for all of its
	// paths: the prefix makes browsers hold that.
	secureCookie = "__Host-keepsake"
	plainCookie  = "keepsake" // on this computer itself, without TLS
)

func cookieName(secure bool) string {
	if secure {
		return secureCookie
	}
	return plainCookie
}

// setSession gives the browser its session; a zero token takes it away.
func setSession(w http.ResponseWriter, r *http.Request, token secret.Text, expires time.Time) {
	secure := originFrom(r.Context()).secure
	c := &http.Cookie{Name: cookieName(secure), Value: token.Reveal(), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, Expires: expires}
	if token.IsZero() {
		c.MaxAge, c.Expires = -1, time.Time{}
	}
	http.SetCookie(w, c)
}

func sessionToken(r *http.Request) secret.Text {
	c, err := r.Cookie(cookieName(originFrom(r.Context()).secure))
	if err != nil || len(c.Value) > 200 {
		return secret.Text{}
	}
	return secret.NewText(c.Value)
}

// bearer is the token of the Authorization header.
func bearer(r *http.Request) (token secret.Text, given bool) {
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return secret.Text{}, r.Header.Get("Authorization") != ""
	}
	if value = strings.TrimSpace(value); len(value) > 200 {
		value = ""
	}
	return secret.NewText(value), true
}

// session finds out who asks: by a token in the Authorization header where programs
// ask, else by the session's cookie. A wrong token is never helped by a good cookie.
func (rt *router) session(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := rt.mux.Handler(r); rt.anyones[pattern] {
			next.ServeHTTP(w, r)
			return
		}
		v, err := rt.visitor(r)
		if err != nil {
			if isAPI(r) {
				rt.respondAPIError(w, r, err)
			} else {
				rt.respondError(w, r, err)
			}
			return
		}
		traceFrom(r.Context()).account = v.Account
		next.ServeHTTP(w, r.WithContext(withVisitor(r.Context(), v)))
	})
}

// visitor is who has sent r; nobody in particular is no error.
func (rt *router) visitor(r *http.Request) (visitor, error) {
	ctx, o := r.Context(), originFrom(r.Context())
	v := visitor{Remote: remoteText(o)}
	if token, given := bearer(r); given && (isAPI(r) || r.URL.Path == "/metrics") {
		t, err := rt.o.Auth.Token(ctx, token)
		if errors.Is(err, ErrNobody) {
			return v, nil
		}
		if err != nil {
			return v, err
		}
		return tokenVisitor(v, t), nil
	}
	if token := sessionToken(r); !token.IsZero() {
		s, err := rt.o.Auth.Session(ctx, token)
		if err == nil {
			return sessionVisitor(v, s), nil
		}
		if !errors.Is(err, ErrNobody) {
			return v, err
		}
	}
	first, err := rt.o.Auth.FirstRun(ctx)
	if err != nil {
		return v, err
	}
	v.FirstRun = first
	v.NeedsCode = first && !o.local
	return v, nil
}

// still tells whether the session or token that r came with is still good, and for
// as much as then.
func (rt *router) still(r *http.Request) bool {
	now, err := rt.visitor(r)
	v := visitorFrom(r.Context())
	return err == nil && now.Account == v.Account && now.Admin == v.Admin
}

func remoteText(o origin) string {
	if !o.addr.IsValid() {
		return ""
	}
	return o.addr.String()
}

func sessionVisitor(v visitor, s Session) visitor {
	v.Who = service.Who{Account: s.Account.ID, Name: s.Account.Name, Admin: s.Account.Admin}
	v.Login, v.Session, v.SignedIn = s.Account.Login, s.ID, s.SignedIn
	return v
}

// tokenVisitor may what the token's account may, and less: without the scope
// "admin" it is no admin, and one that may only read changes nothing.
func tokenVisitor(v visitor, t Token) visitor {
	v.Scopes = t.Scopes
	v.Who = service.Who{Account: t.Account.ID, Name: t.Account.Name, Phones: t.Phones}
	v.Admin = t.Account.Admin && v.has(scopeAdmin)
	v.ReadOnly = !v.has(scopeBackup) && !v.has(scopeSignal)
	v.Login = t.Account.Login
	return v
}
