package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// seg is s as one part of a path.
func seg(s string) string { return url.PathEscape(s) }

// key is a passkey as the page names it in its forms.
type key struct {
	Passkey
	Text string
}

// made is what is shown once: a new token, or the address for a Shortcut.
type made struct{ Token, Shortcut string }

// account is what somebody does about himself.
func (p *pages) account(w http.ResponseWriter, r *http.Request) error {
	return p.showAccount(w, r, nil, made{})
}

func (p *pages) showAccount(w http.ResponseWriter, r *http.Request, wrong *problem, m made) error {
	ctx, v := r.Context(), visitorFrom(r.Context())
	passkeys, err := p.o.Auth.Passkeys(ctx, v.Account)
	if err != nil {
		return fmt.Errorf("read passkeys: %w", err)
	}
	tokens, err := p.o.Auth.Tokens(ctx, v.Account)
	if err != nil {
		return fmt.Errorf("read tokens: %w", err)
	}
	sessions, err := p.o.Auth.Sessions(ctx, v.Account)
	if err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	o, err := p.o.Service.Overview(ctx, v.Who)
	if err != nil {
		return fmt.Errorf("look at everything: %w", err)
	}
	var keys []key
	for _, k := range passkeys {
		keys = append(keys, key{k, base64.RawURLEncoding.EncodeToString(k.ID)})
	}
	var mine []service.Phone
	for _, ph := range o.Phones {
		if ph.Mine {
			mine = append(mine, ph)
		}
	}
	return p.render(w, r, "account", view{Title: "Your account", Width: "middle", Problem: wrong, P: struct {
		Name, Login string
		Admin       bool
		Passkeys    []key
		Tokens      []Token
		Sessions    []Session
		Here        int64 // the session of this browser
		Phones      []service.Phone
		Made        made
	}{v.Name, v.Login, v.Admin, keys, tokens, sessions, v.Session, mine, m}})
}

func (p *pages) changePassword(w http.ResponseWriter, r *http.Request) error {
	next, err := twice(r)
	if err == nil {
		err = p.o.Auth.ChangePassword(r.Context(), sessionFrom(r.Context()), secret.NewText(r.PostFormValue("old")), secret.NewText(next))
	}
	if errors.Is(err, ErrWrong) {
		err = &inputError{"the old password is wrong", "Type the password that you sign in with now."}
	}
	if err != nil {
		return again(err, func(e *problem) error { return p.showAccount(w, r, e, made{}) })
	}
	if err := p.letGo(r); err != nil {
		return err
	}
	if r.PostFormValue("asked") != "" && r.PostFormValue("keep") == "" {
		return seeOther(w, r, "/account?said=allnew")
	}
	return seeOther(w, r, "/account?said=password")
}

// letGo ends the tokens and passkeys of whoever has just changed the password and does
// not keep them: who knew the old one may have made some. They stay unless the page has
// asked, as people are used to from elsewhere: what was set up once would stop unseen.
func (p *pages) letGo(r *http.Request) error {
	if r.PostFormValue("asked") == "" || r.PostFormValue("keep") != "" {
		return nil
	}
	ctx, account := r.Context(), whoFrom(r.Context()).Account
	tokens, err := p.o.Auth.Tokens(ctx, account)
	for _, t := range tokens {
		err = errors.Join(err, p.o.Auth.DeleteToken(ctx, account, t.ID))
	}
	passkeys, e := p.o.Auth.Passkeys(ctx, account)
	err = errors.Join(err, e)
	for _, k := range passkeys {
		err = errors.Join(err, p.o.Auth.DeletePasskey(ctx, account, k.ID))
	}
	if err != nil {
		return fmt.Errorf("the password is changed; remove passkeys and tokens: %w", err)
	}
	return nil
}

// endSession signs out at another browser, or with others=1 at all others.
func (p *pages) endSession(w http.ResponseWriter, r *http.Request) error {
	if r.PostFormValue("others") != "" {
		return p.endOthers(w, r)
	}
	id, err := strconv.ParseInt(r.PostFormValue("id"), 10, 64)
	if err != nil {
		return errAbsent
	}
	if err := p.o.Auth.EndSession(r.Context(), whoFrom(r.Context()).Account, id); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return seeOther(w, r, "/account?said=signedout")
}

func (p *pages) endOthers(w http.ResponseWriter, r *http.Request) error {
	ctx, v := r.Context(), visitorFrom(r.Context())
	all, err := p.o.Auth.Sessions(ctx, v.Account)
	for _, s := range all {
		if s.ID == v.Session {
			continue
		}
		// One that has ended meanwhile is as wanted.
		if e := p.o.Auth.EndSession(ctx, v.Account, s.ID); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return fmt.Errorf("end all other sessions: %w", err)
	}
	return seeOther(w, r, "/account?said=elsewhere")
}

func (p *pages) deletePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := base64.RawURLEncoding.DecodeString(r.PostFormValue("id"))
	if err != nil {
		return errAbsent
	}
	if err := p.o.Auth.DeletePasskey(r.Context(), whoFrom(r.Context()).Account, id); err != nil {
		return fmt.Errorf("remove passkey: %w", err)
	}
	return seeOther(w, r, "/account?said=removed")
}

// makeToken makes a token, or with kind=shortcut one that can only say that the
// phone is in the hand. The answer shows it, since it is never shown again.
func (p *pages) makeToken(w http.ResponseWriter, r *http.Request) error {
	var m made
	text, err := p.newToken(r)
	if err != nil {
		return again(err, func(e *problem) error { return p.showAccount(w, r, e, made{}) })
	}
	if m.Token = text.Reveal(); r.PostFormValue("kind") == string(scopeSignal) {
		scheme := "http"
		if originFrom(r.Context()).secure {
			scheme = "https"
		}
		m = made{Shortcut: scheme + "://" + r.Host + "/signal/" + m.Token}
	}
	return p.showAccount(w, r, nil, m)
}

func (p *pages) newToken(r *http.Request) (secret.Text, error) {
	who := whoFrom(r.Context())
	t := Token{Name: strings.TrimSpace(r.PostFormValue("name")), Scopes: []string{r.PostFormValue("kind")}}
	switch scope(t.Scopes[0]) {
	case scopeRead, scopeBackup, scopeAdmin:
	case scopeSignal:
		ph, err := p.o.Service.Phone(r.Context(), who, r.PostFormValue("phone"))
		if err != nil {
			return secret.Text{}, fmt.Errorf("find the phone of the Shortcut: %w", err)
		}
		t.Phones, t.Name = []string{ph.UDID}, "Shortcut on "+ph.Name
	default:
		return secret.Text{}, &inputError{"it is not said what the token may do", "Choose one of the three."}
	}
	if t.Name == "" {
		return secret.Text{}, &inputError{"the token has no name yet", "Type what it is for, so that you know it again."}
	}
	if d := r.PostFormValue("days"); d != "" && d != "0" {
		n, err := number(r, "days", "the number of days", 1, 3650)
		if err != nil {
			return secret.Text{}, err
		}
		t.Expires = p.o.Now().Add(time.Duration(n) * 24 * time.Hour)
	}
	return p.o.Auth.CreateToken(r.Context(), who.Account, t)
}

func (p *pages) deleteToken(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PostFormValue("id"), 10, 64)
	if err != nil {
		return errAbsent
	}
	if err := p.o.Auth.DeleteToken(r.Context(), whoFrom(r.Context()).Account, id); err != nil {
		return fmt.Errorf("remove token: %w", err)
	}
	return seeOther(w, r, "/account?said=removed")
}
