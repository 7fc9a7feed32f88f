package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

func secretOf(s string) secret.Text { return secret.NewText(s) }

func (a *apiRoutes) peopleOperations() {
	handle(a, operation{method: "GET", path: "/me", id: "me", summary: "Who asks", tag: "people", scope: scopeRead},
		func(ctx context.Context, who service.Who, _ *none) (*body[api.Me], error) {
			v := visitorFrom(ctx)
			return bodyOf(api.Me{Account: who.Account, Login: v.Login, Name: who.Name, Admin: who.Admin, Scopes: v.Scopes, Phones: who.Phones}), nil
		})
	handle(a, operation{method: "PUT", path: "/me/password", id: "change-password", summary: "Change your own password; all other sessions of yours end, tokens and passkeys stay", tag: "people", scope: scopeAdmin, fresh: true, status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *struct{ Body api.ChangePassword }) (*none, error) {
			return &none{}, a.rt.o.Auth.ChangePassword(ctx, sessionFrom(ctx), secretOf(in.Body.Old), secretOf(in.Body.New))
		})
	handle(a, operation{method: "GET", path: "/me/sessions", id: "sessions", summary: "Where you are signed in, the last used first", tag: "people", scope: scopeAdmin},
		func(ctx context.Context, who service.Who, _ *none) (*body[api.Sessions], error) {
			all, err := a.rt.o.Auth.Sessions(ctx, who.Account)
			here := visitorFrom(ctx).Session
			return bodyOf(api.Sessions{Sessions: each(all, func(s Session) api.Session {
				return api.Session{ID: s.ID, SignedIn: s.SignedIn.UTC(), Used: s.Used.UTC(), Expires: s.Expires.UTC(), Address: s.Address, Here: s.ID == here}
			})}), err
		})
	handle(a, operation{method: "DELETE", path: "/me/sessions/{id}", id: "end-session", summary: "Sign out somewhere", tag: "people", scope: scopeAdmin, status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *struct {
			ID int64 `path:"id"`
		}) (*none, error) {
			return &none{}, a.rt.o.Auth.EndSession(ctx, who.Account, in.ID)
		})
	a.accountOperations()
	a.tokenOperations()
	handle(a, operation{method: "GET", path: "/audit", id: "audit", summary: "What mattered: sign-ins, restores, downloads, changes; the newest first", tag: "people", scope: scopeAdmin},
		func(ctx context.Context, who service.Who, in *struct {
			Before int64 `query:"before" minimum:"0"`
			Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		}) (*body[api.Audit], error) {
			if !managesPeople(who) {
				return nil, service.ErrForbidden
			}
			es, err := a.rt.o.Auth.Audit(ctx, in.Before, in.Limit)
			out := api.Audit{Entries: each(es, func(e AuditEntry) api.AuditEntry {
				return api.AuditEntry{ID: e.ID, At: e.At.UTC(), Account: e.Account, Address: e.Address, What: e.What, UDID: e.UDID, Detail: e.Detail}
			})}
			if len(es) == in.Limit {
				out.Next = es[len(es)-1].ID
			}
			return bodyOf(out), err
		})
}

func wireAccount(x Account) api.Account {
	return api.Account{ID: x.ID, Login: x.Login, Name: x.Name, Admin: x.Admin, Disabled: x.Disabled, Created: x.Created.UTC(), LastSeen: x.LastSeen.UTC()}
}

// managesPeople tells whether who may manage the people here: an admin, and not by a
// token that is for some phones only.
func managesPeople(who service.Who) bool { return who.Admin && who.Phones == nil }

// admins is do for admins only.
func admins[I, O any](do func(context.Context, service.Who, *I) (*O, error)) func(context.Context, service.Who, *I) (*O, error) {
	return func(ctx context.Context, who service.Who, in *I) (*O, error) {
		if !managesPeople(who) {
			return nil, service.ErrForbidden
		}
		return do(ctx, who, in)
	}
}

func (a *apiRoutes) accountOperations() {
	people := a.rt.o.Auth
	handle(a, operation{method: "GET", path: "/accounts", id: "accounts", summary: "All people", tag: "people", scope: scopeAdmin},
		admins(func(ctx context.Context, _ service.Who, _ *none) (*body[api.Accounts], error) {
			all, err := people.Accounts(ctx)
			return bodyOf(api.Accounts{Accounts: each(all, wireAccount)}), err
		}))
	handle(a, operation{method: "POST", path: "/accounts", id: "create-account", summary: "Add a person", tag: "people", scope: scopeAdmin, fresh: true, status: http.StatusCreated},
		admins(func(ctx context.Context, who service.Who, in *struct{ Body api.NewAccount }) (*body[api.Account], error) {
			x, err := people.CreateAccount(ctx, who.Account, Account{Login: in.Body.Login, Name: in.Body.Name, Admin: in.Body.Admin}, secretOf(in.Body.Password))
			return bodyOf(wireAccount(x)), err
		}))
	handle(a, operation{method: "PATCH", path: "/accounts/{id}", id: "change-account", summary: "Change a person's account", tag: "people", scope: scopeAdmin, fresh: true, status: http.StatusNoContent},
		admins(func(ctx context.Context, who service.Who, in *struct {
			AccountPath
			Body api.ChangeAccount
		}) (*none, error) {
			return &none{}, changeAccount(ctx, people, who.Account, in.ID, in.Body)
		}))
	handle(a, operation{method: "DELETE", path: "/accounts/{id}", id: "delete-account", summary: "Remove a person's account; the phones are nobody's then, and their backups stay", tag: "people", scope: scopeAdmin, fresh: true, status: http.StatusNoContent},
		admins(func(ctx context.Context, who service.Who, in *AccountPath) (*none, error) {
			return &none{}, people.DeleteAccount(ctx, who.Account, in.ID)
		}))
}

func changeAccount(ctx context.Context, people People, by, id int64, c api.ChangeAccount) error {
	x, err := findAccount(ctx, people, id)
	if err != nil {
		return err
	}
	set(&x.Login, c.Login)
	set(&x.Name, c.Name)
	set(&x.Admin, c.Admin)
	set(&x.Disabled, c.Disabled)
	if c.Login != nil || c.Name != nil || c.Admin != nil || c.Disabled != nil {
		if err := people.UpdateAccount(ctx, by, x); err != nil {
			return fmt.Errorf("change account: %w", err)
		}
	}
	if c.Password != nil {
		if by == id {
			return &inputError{"your own password is changed with PUT /me/password", "It wants the old one too."}
		}
		if err := people.SetPassword(ctx, by, id, secret.Text{}, secretOf(*c.Password)); err != nil {
			return fmt.Errorf("set password: %w", err)
		}
	}
	return nil
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

func findAccount(ctx context.Context, people People, id int64) (Account, error) {
	all, err := people.Accounts(ctx)
	if err != nil {
		return Account{}, fmt.Errorf("read accounts: %w", err)
	}
	for _, x := range all {
		if x.ID == id {
			return x, nil
		}
	}
	return Account{}, errAbsent
}

func (a *apiRoutes) tokenOperations() {
	people, keys := a.rt.o.Auth, a.rt.o.Auth
	handle(a, operation{method: "GET", path: "/tokens", id: "tokens", summary: "Your tokens", tag: "people", scope: scopeAdmin},
		func(ctx context.Context, who service.Who, _ *none) (*body[api.Tokens], error) {
			all, err := people.Tokens(ctx, who.Account)
			return bodyOf(api.Tokens{Tokens: each(all, func(t Token) api.Token {
				return api.Token{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Phones: t.Phones, Created: t.Created.UTC(), Expires: t.Expires.UTC(), LastUsed: t.LastUsed.UTC()}
			})}), err
		})
	handle(a, operation{method: "POST", path: "/tokens", id: "create-token", summary: "Make a token; it is shown once", tag: "people", scope: scopeAdmin, fresh: true, status: http.StatusCreated},
		func(ctx context.Context, who service.Who, in *struct{ Body api.NewToken }) (*madeTokenOut, error) {
			t := Token{Name: in.Body.Name, Scopes: in.Body.Scopes, Phones: in.Body.Phones}
			if in.Body.Days > 0 {
				t.Expires = a.rt.o.Now().Add(time.Duration(in.Body.Days) * 24 * time.Hour)
			}
			text, err := a.rt.makeToken(ctx, who, t)
			if err != nil {
				return nil, err
			}
			return &madeTokenOut{NoCompression: "1", Body: api.MadeToken{Token: text.Reveal()}}, nil
		})
	handle(a, operation{method: "DELETE", path: "/tokens/{id}", id: "delete-token", summary: "End a token", tag: "people", scope: scopeAdmin, status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *AccountPath) (*none, error) {
			return &none{}, people.DeleteToken(ctx, who.Account, in.ID)
		})
	handle(a, operation{method: "GET", path: "/passkeys", id: "passkeys", summary: "Your passkeys", tag: "people", scope: scopeAdmin},
		func(ctx context.Context, who service.Who, _ *none) (*body[api.Passkeys], error) {
			all, err := keys.Passkeys(ctx, who.Account)
			return bodyOf(api.Passkeys{Passkeys: each(all, func(k Passkey) api.Passkey {
				return api.Passkey{ID: base64.RawURLEncoding.EncodeToString(k.ID), Name: k.Name, Created: k.Created.UTC(), LastUsed: k.LastUsed.UTC()}
			})}), err
		})
	handle(a, operation{method: "DELETE", path: "/passkeys/{id}", id: "delete-passkey", summary: "Forget a passkey", tag: "people", scope: scopeAdmin, fresh: true, status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *struct {
			ID string `path:"id" maxLength:"2000"`
		}) (*none, error) {
			id, err := base64.RawURLEncoding.DecodeString(in.ID)
			if err != nil {
				return nil, errAbsent
			}
			return &none{}, keys.DeletePasskey(ctx, who.Account, id)
		})
}

// madeTokenOut has a secret in it: it is not compressed.
type madeTokenOut struct {
	NoCompression string `header:"No-Gzip-Compression" hidden:"true"`
	Body          api.MadeToken
}

// makeToken makes a token for who. A token cannot make one that may more, or that
// is for more phones, than itself; an account names only phones that it may see.
func (rt *router) makeToken(ctx context.Context, who service.Who, t Token) (secret.Text, error) {
	for _, s := range t.Scopes {
		switch scope(s) {
		case scopeRead, scopeSignal, scopeBackup, scopeAdmin:
		default:
			return secret.Text{}, &inputError{"there is no such scope", "Scopes are read, signal, backup and admin."}
		}
	}
	if who.Phones != nil && t.Phones == nil {
		t.Phones = who.Phones
	}
	for _, udid := range t.Phones {
		if _, err := rt.o.Service.Phone(ctx, who, udid); err != nil {
			return secret.Text{}, fmt.Errorf("find the phone of the token: %w", err)
		}
	}
	return rt.o.Auth.CreateToken(ctx, who.Account, t)
}
