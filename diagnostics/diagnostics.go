// Package diagnostics is a client of the phone's diagnostics relay
// (com.apple.mobile.diagnostics_relay), as far as a backup host needs it: does
// the phone have a passcode at all?
//
//	computer                                          phone
//	{Request: "MobileGestalt",
//	 MobileGestaltKeys: ["PasswordConfigured"]}    →
//	                          ←  {Status: "Success", Diagnostics: {MobileGestalt:
//	                              {PasswordConfigured: true, Status: "Success"}}}
//	{Request: "Goodbye"}                           →
//	                                               ←  {Status: "Success"}
//
// (protocol.md 4.10; messages are framed as in package lockdown.)
package diagnostics

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Service is the name under which lockdownd starts the relay.
const Service = "com.apple.mobile.diagnostics_relay"

const (
	replyIdle = 30 * time.Second
	maxReply  = 1 << 20
)

// StatusError is a request that the relay refused, in its own words, such as
// "UnknownRequest" or "MobileGestaltDeprecated".
type StatusError struct {
	Request string
	Status  string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("diagnostics relay refused %s: %.80s", e.Request, e.Status)
}

type request struct {
	Request           string   `plist:"Request"`
	MobileGestaltKeys []string `plist:"MobileGestaltKeys,omitempty"`
}

type response struct {
	Status      string `plist:"Status"`
	Diagnostics struct {
		MobileGestalt map[string]any `plist:"MobileGestalt"`
	} `plist:"Diagnostics"`
}

const success = "Success"

// Client speaks to the relay. It is not safe for concurrent use.
type Client struct{ conn *framing.Conn }

// New speaks over conn, a started service, which belongs to the client from now on.
func New(conn net.Conn) *Client {
	c := &Client{framing.New(conn, plist.XML)}
	c.conn.Max = maxReply
	c.conn.SetIdle(replyIdle)
	return c
}

// Close drops the connection.
func (c *Client) Close() error { return c.conn.Close() }

// PasswordConfigured tells whether the phone has a passcode, locked or not.
// Systems that no longer answer MobileGestalt give a *StatusError.
func (c *Client) PasswordConfigured(ctx context.Context) (bool, error) {
	const key = "PasswordConfigured"
	resp, err := c.call(ctx, request{Request: "MobileGestalt", MobileGestaltKeys: []string{key}})
	if err != nil {
		return false, fmt.Errorf("ask for %s: %w", key, err)
	}
	answer := resp.Diagnostics.MobileGestalt
	if status, _ := answer["Status"].(string); status != "" && status != success {
		return false, fmt.Errorf("ask for %s: %w", key, &StatusError{"MobileGestalt", status})
	}
	configured, ok := answer[key].(bool)
	if !ok {
		return false, fmt.Errorf("ask for %s: %w: a %T, want a bool", key, plist.ErrMalformed, answer[key])
	}
	return configured, nil
}

// Goodbye tells the relay that no more requests come.
func (c *Client) Goodbye(ctx context.Context) error {
	if _, err := c.call(ctx, request{Request: "Goodbye"}); err != nil {
		return fmt.Errorf("say goodbye to the diagnostics relay: %w", err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, req request) (response, error) {
	var resp response
	if err := c.conn.Send(ctx, req); err != nil {
		return resp, err
	}
	if err := c.conn.Receive(ctx, &resp); err != nil {
		if err == io.EOF {
			err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
		}
		return resp, err
	}
	if resp.Status != success {
		return resp, &StatusError{req.Request, resp.Status}
	}
	return resp, nil
}
