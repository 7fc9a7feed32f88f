package lockdown

import (
	"context"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Values is a dictionary of values. Its methods give the zero value for what is
// absent or of another type: phones and versions differ in what they tell.
type Values map[string]any

// String returns a string value.
func (v Values) String(key string) string {
	s, _ := v[key].(string)
	return s
}

// Bool returns a bool value; ok is false when there is none.
func (v Values) Bool(key string) (value, ok bool) {
	switch b := v[key].(type) {
	case bool:
		return b, true
	case uint64: // some values are numbers on old systems
		return b != 0, true
	}
	return false, false
}

// Uint returns a number that is not negative; ok is false when there is none.
func (v Values) Uint(key string) (value uint64, ok bool) {
	switch n := v[key].(type) {
	case uint64:
		return n, true
	case int64:
		if n >= 0 {
			return uint64(n), true
		}
	case float64:
		if n >= 0 && n < 1<<63 {
			return uint64(n), true
		}
	}
	return 0, false
}

// Get reads one value, or a whole domain as a map[string]any when key is empty.
// An empty domain is the phone's own. The error is MissingValue for what is not
// there, GetProhibited for what is not told without a session or at all.
func (c *Client) Get(ctx context.Context, domain, key string) (any, error) {
	resp, err := c.call(ctx, replyIdle, Request{Request: ReqGetValue, Domain: domain, Key: key})
	if err == nil && resp.Value == nil {
		err = MissingValue
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", valueName(domain, key), err)
	}
	return resp.Value, nil
}

// GetString reads a value that must be a string.
func (c *Client) GetString(ctx context.Context, domain, key string) (string, error) {
	return get[string](ctx, c, domain, key)
}

// GetBool reads a value that must be a bool.
func (c *Client) GetBool(ctx context.Context, domain, key string) (bool, error) {
	return get[bool](ctx, c, domain, key)
}

// GetData reads a value that must be data.
func (c *Client) GetData(ctx context.Context, domain, key string) ([]byte, error) {
	return get[[]byte](ctx, c, domain, key)
}

// GetDomain reads a whole domain; "" is the phone's own values.
func (c *Client) GetDomain(ctx context.Context, domain string) (Values, error) {
	return get[map[string]any](ctx, c, domain, "")
}

func get[T any](ctx context.Context, c *Client, domain, key string) (T, error) {
	var zero T
	v, err := c.Get(ctx, domain, key)
	if err != nil {
		return zero, err
	}
	t, ok := v.(T)
	if !ok {
		return zero, fmt.Errorf("get %s: %w: a %T, want a %T", valueName(domain, key), plist.ErrMalformed, v, zero)
	}
	return t, nil
}

// Set writes a value; a session is needed.
func (c *Client) Set(ctx context.Context, domain, key string, value any) error {
	if _, err := c.call(ctx, replyIdle, Request{Request: ReqSetValue, Domain: domain, Key: key, Value: value}); err != nil {
		return fmt.Errorf("set %s: %w", valueName(domain, key), err)
	}
	return nil
}

// Remove deletes a value; a session is needed.
func (c *Client) Remove(ctx context.Context, domain, key string) error {
	if _, err := c.call(ctx, replyIdle, Request{Request: ReqRemoveValue, Domain: domain, Key: key}); err != nil {
		return fmt.Errorf("remove %s: %w", valueName(domain, key), err)
	}
	return nil
}

func valueName(domain, key string) string {
	switch {
	case domain == "" && key == "":
		return "all values"
	case domain == "":
		return key
	case key == "":
		return domain
	}
	return domain + "/" + key
}
