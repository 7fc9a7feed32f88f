package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/keepsake-backup/keepsake/server/api"
)

func errorsJoinClose(err error, c io.Closer) error { return errors.Join(err, c.Close()) }

func (c *Client) put(ctx context.Context, op, path string, in any) error {
	return c.call(ctx, op, http.MethodPut, path, nil, in, nil)
}

// SetPolicy says when a phone is backed up.
func (c *Client) SetPolicy(ctx context.Context, udid string, p api.Policy) error {
	return c.put(ctx, "set policy", at("phones", udid, "policy"), p)
}

// SetRetention says how many versions of a phone are kept.
func (c *Client) SetRetention(ctx context.Context, udid string, r api.Retention) error {
	return c.put(ctx, "set retention", at("phones", udid, "retention"), r)
}

// SetOwner gives a phone to an account, 0 to nobody.
func (c *Client) SetOwner(ctx context.Context, udid string, account int64) error {
	return c.put(ctx, "set owner", at("phones", udid, "owner"), api.Owner{Account: account})
}

// SetGrant lets admins look inside a phone's backups, or no longer.
func (c *Client) SetGrant(ctx context.Context, udid string, on bool) error {
	return c.put(ctx, "set grant", at("phones", udid, "grant"), api.On{On: on})
}

// SetWiFi lets a phone be reached over Wi-Fi too.
func (c *Client) SetWiFi(ctx context.Context, udid string, on bool) error {
	return c.put(ctx, "set Wi-Fi", at("phones", udid, "wifi"), api.On{On: on})
}

// SetAddress says where to look for a phone besides; "" forgets it.
func (c *Client) SetAddress(ctx context.Context, udid, address string) error {
	return c.put(ctx, "set address", at("phones", udid, "address"), api.Address{Address: address})
}

// RememberPassword gives the service the backup password of a phone to keep.
func (c *Client) RememberPassword(ctx context.Context, udid string, p api.Password) error {
	return c.put(ctx, "remember backup password", at("phones", udid, "password"), p)
}

// Pin keeps a version whatever the retention says, or no longer.
func (c *Client) Pin(ctx context.Context, udid, version string, on bool) error {
	return c.put(ctx, "pin version", at("phones", udid, "versions", version, "pin"), api.On{On: on})
}

// Forget starts the removal of a version for good.
func (c *Client) Forget(ctx context.Context, udid, version string) (int64, error) {
	var s api.Started
	err := c.call(ctx, "forget version", http.MethodDelete, at("phones", udid, "versions", version), nil, nil, &s)
	return s.Job, err
}

// SetUp makes or opens the place of the backups; made tells whether it was new.
func (c *Client) SetUp(ctx context.Context, s api.SetUp) (made bool, err error) {
	m, err := post[api.Made](ctx, c, "set up", "/setup", s)
	return m.Made, err
}

// RecoverySheet is an HTML page with all that opens the backups without the
// service's computer, with the password in it if withPassword.
func (c *Client) RecoverySheet(ctx context.Context, withPassword bool) ([]byte, error) {
	resp, err := c.request(ctx, "get recovery sheet", http.MethodPost, "/recovery-sheet", nil, api.Sheet{WithPassword: withPassword}, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("get recovery sheet: %w", err)
	}
	return b, nil
}

// AddTarget adds a place for copies and starts the first.
func (c *Client) AddTarget(ctx context.Context, t api.NewTarget) (int64, error) {
	return c.start(ctx, "add target", "/targets", t)
}

// RemoveTarget forgets a place for copies; what is there stays there.
func (c *Client) RemoveTarget(ctx context.Context, name string) error {
	return c.call(ctx, "remove target", http.MethodDelete, at("targets", name), nil, nil, nil)
}

// Settings are of the whole service.
func (c *Client) Settings(ctx context.Context) (api.Settings, error) {
	return get[api.Settings](ctx, c, "read settings", "/settings", nil)
}

// SetSettings changes them; what reads api.Kept stays as it is.
func (c *Client) SetSettings(ctx context.Context, s api.Settings) error {
	return c.put(ctx, "change settings", "/settings", s)
}

// TestNotification sends a message to every place in the settings.
func (c *Client) TestNotification(ctx context.Context) error {
	return c.call(ctx, "test notifications", http.MethodPost, "/settings/test-notification", nil, nil, nil)
}

// Accounts are all people.
func (c *Client) Accounts(ctx context.Context) ([]api.Account, error) {
	a, err := get[api.Accounts](ctx, c, "list accounts", "/accounts", nil)
	return a.Accounts, err
}

// CreateAccount adds a person.
func (c *Client) CreateAccount(ctx context.Context, a api.NewAccount) (api.Account, error) {
	return post[api.Account](ctx, c, "add account", "/accounts", a)
}

// ChangeAccount changes a person's account.
func (c *Client) ChangeAccount(ctx context.Context, id int64, a api.ChangeAccount) error {
	return c.call(ctx, "change account", http.MethodPatch, at("accounts", number(id)), nil, a, nil)
}

// DeleteAccount removes a person's account.
func (c *Client) DeleteAccount(ctx context.Context, id int64) error {
	return c.call(ctx, "delete account", http.MethodDelete, at("accounts", number(id)), nil, nil, nil)
}

// ChangePassword changes the password of the token's own account.
func (c *Client) ChangePassword(ctx context.Context, p api.ChangePassword) error {
	return c.put(ctx, "change password", "/me/password", p)
}

// Sessions are where the token's own account is signed in, the last used first.
func (c *Client) Sessions(ctx context.Context) ([]api.Session, error) {
	s, err := get[api.Sessions](ctx, c, "list sessions", "/me/sessions", nil)
	return s.Sessions, err
}

// EndSession signs the token's own account out somewhere.
func (c *Client) EndSession(ctx context.Context, id int64) error {
	return c.call(ctx, "end session", http.MethodDelete, at("me", "sessions", number(id)), nil, nil, nil)
}

// Tokens are those of the token's own account.
func (c *Client) Tokens(ctx context.Context) ([]api.Token, error) {
	t, err := get[api.Tokens](ctx, c, "list tokens", "/tokens", nil)
	return t.Tokens, err
}

// CreateToken makes a token. Its text is never shown again.
func (c *Client) CreateToken(ctx context.Context, t api.NewToken) (string, error) {
	m, err := post[api.MadeToken](ctx, c, "make token", "/tokens", t)
	return m.Token, err
}

// DeleteToken ends a token.
func (c *Client) DeleteToken(ctx context.Context, id int64) error {
	return c.call(ctx, "end token", http.MethodDelete, at("tokens", number(id)), nil, nil, nil)
}

// Passkeys are those of the token's own account.
func (c *Client) Passkeys(ctx context.Context) ([]api.Passkey, error) {
	p, err := get[api.Passkeys](ctx, c, "list passkeys", "/passkeys", nil)
	return p.Passkeys, err
}

// DeletePasskey forgets a passkey.
func (c *Client) DeletePasskey(ctx context.Context, id string) error {
	return c.call(ctx, "forget passkey", http.MethodDelete, at("passkeys", id), nil, nil, nil)
}

// Audit is a page of what mattered, the newest first; Next of the answer is passed
// as before to get what is older.
func (c *Client) Audit(ctx context.Context, before int64, limit int) (api.Audit, error) {
	return get[api.Audit](ctx, c, "read audit log", "/audit", query("before", number(before), "limit", number(int64(limit))))
}
