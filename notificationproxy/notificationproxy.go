// Package notificationproxy is a client of the phone's notification proxy
// (com.apple.mobile.notification_proxy): it posts notifications on the phone
// and relays those that are observed.
//
//	computer                                           phone
//	{Command: "ObserveNotification", Name: …}       →
//	{Command: "PostNotification", Name: …}          →
//	            ←  {Command: "RelayNotification", Name: …}   whenever it is posted
//	{Command: "Shutdown"}                           →
//	            ←  {Command: "ProxyDeath"}
//
// Post and Observe have no answer (protocol.md 4.8; messages are framed as in
// package lockdown).
package notificationproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Service is the name under which lockdownd starts the proxy.
const Service = "com.apple.mobile.notification_proxy"

// Notifications around a backup or restore (protocol.md 4.8): the first four
// are posted by the computer, the others observed.
const (
	SyncWillStart   = "com.apple.itunes-mobdev.syncWillStart"
	SyncLockRequest = "com.apple.itunes-mobdev.syncLockRequest"
	SyncDidStart    = "com.apple.itunes-mobdev.syncDidStart"
	SyncDidFinish   = "com.apple.itunes-mobdev.syncDidFinish"

	SyncCancelRequest   = "com.apple.itunes-client.syncCancelRequest" // the owner stopped it on the phone
	SyncSuspendRequest  = "com.apple.itunes-client.syncSuspendRequest"
	SyncResumeRequest   = "com.apple.itunes-client.syncResumeRequest"
	BackupDomainChanged = "com.apple.mobile.backup.domain_changed" // WillEncrypt changed

	// Any passcode or Face ID screen appeared or went: a hint, no more.
	AuthenticationPresented = "com.apple.LocalAuthentication.ui.presented"
	AuthenticationDismissed = "com.apple.LocalAuthentication.ui.dismissed"
)

// Notifications around set-up and restore (protocol.md 11.1, 13.3).
const (
	ActivationStateChanged = "com.apple.mobile.lockdown.activation_state"
	SetupLaunched          = "com.apple.purplebuddy.setuplaunched"
	SetupDone              = "com.apple.purplebuddy.setupdone"
	SetupExited            = "com.apple.purplebuddy.setupexited"
	ApplicationInstalled   = "com.apple.mobile.application_installed"
)

const (
	// writeIdle bounds a write; reads wait as long as their context does, since
	// nothing may happen for hours.
	writeIdle  = 30 * time.Second
	maxMessage = 1 << 20
)

// ErrProxyDeath says that the phone ended the proxy.
var ErrProxyDeath = errors.New("the phone ended the notification proxy")

type message struct {
	Command string `plist:"Command"`
	Name    string `plist:"Name,omitempty"`
}

// Client speaks to the proxy. One goroutine may post and observe while another
// receives.
type Client struct {
	out, in *framing.Conn // the same connection, with the time-outs of each way
}

// New speaks over conn, a started service, which belongs to the client from now on.
func New(conn net.Conn) *Client {
	c := &Client{out: framing.New(conn, plist.XML), in: framing.New(conn, plist.XML)}
	c.out.SetIdle(writeIdle)
	c.in.Max = maxMessage
	return c
}

// Close drops the connection.
func (c *Client) Close() error { return c.out.Close() }

// Post posts a notification on the phone.
func (c *Client) Post(ctx context.Context, name string) error {
	if err := c.out.Send(ctx, message{"PostNotification", name}); err != nil {
		return fmt.Errorf("post notification %s: %w", name, err)
	}
	return nil
}

// Observe asks for notifications by these names, in addition to earlier ones.
func (c *Client) Observe(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := c.out.Send(ctx, message{"ObserveNotification", name}); err != nil {
			return fmt.Errorf("observe notification %s: %w", name, err)
		}
	}
	return nil
}

// Receive waits, as long as ctx does, for an observed notification and returns
// its name. The error wraps ErrProxyDeath when the phone ended the proxy. After
// a Receive that ctx ended the client can only be closed.
func (c *Client) Receive(ctx context.Context) (name string, err error) {
	for {
		var m message
		switch err := c.in.Receive(ctx, &m); {
		case err == io.EOF:
			return "", fmt.Errorf("receive notification: %w", &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF})
		case err != nil:
			return "", fmt.Errorf("receive notification: %w", err)
		}
		switch m.Command {
		case "RelayNotification":
			return m.Name, nil
		case "ProxyDeath":
			return "", fmt.Errorf("receive notification: %w", ErrProxyDeath)
		}
	}
}

// Run calls fn for every observed notification, in the caller's goroutine,
// until ctx ends, which gives nil. Otherwise it returns fn's error as it is, or
// why no more notifications come.
func (c *Client) Run(ctx context.Context, fn func(name string) error) error {
	for {
		name, err := c.Receive(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := fn(name); err != nil {
			return err
		}
	}
}

// Shutdown asks the proxy to end and waits for its ProxyDeath; notifications
// that come before are dropped. Call it when nothing receives any more.
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.out.Send(ctx, message{Command: "Shutdown"}); err != nil {
		return fmt.Errorf("shut notification proxy down: %w", err)
	}
	c.in.SetIdle(writeIdle)
	for {
		if _, err := c.Receive(ctx); errors.Is(err, ErrProxyDeath) {
			return nil
		} else if err != nil {
			return fmt.Errorf("shut notification proxy down: %w", err)
		}
	}
}
