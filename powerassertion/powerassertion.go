// Package powerassertion keeps a phone awake during long work
// (com.apple.mobile.assertion_agent, protocol.md 12). Off the charger a phone
// closes the connections to its services after a quarter of an hour of standby;
// an assertion prevents that. It neither unlocks anything nor asks the owner.
//
//	computer                                             phone
//	{CommandKey: "CommandCreateAssertion",
//	 AssertionTypeKey: "AMDPowerAssertionTypeWirelessSync",
//	 AssertionNameKey: "keepsake",
//	 AssertionTimeoutKey: 1200}                       →
//	                                                  ←  one dictionary
//	… the connection stays open; closing it releases the assertion …
//
// The time-out is for a connection that dies unseen. Every ten minutes a new
// assertion is made over a new connection, before the old one is closed.
package powerassertion

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Service is the name under which lockdownd starts the assertion agent.
const Service = "com.apple.mobile.assertion_agent"

// WirelessSync is the type of assertion for work over Wi-Fi and USB alike: the
// phone stays reachable.
const WirelessSync = "AMDPowerAssertionTypeWirelessSync"

// The times of Apple's own host (protocol.md 12.1).
const (
	timeout    = 1200 * time.Second
	renewEvery = 600 * time.Second
	retryEvery = 60 * time.Second // after a failure
	replyIdle  = 30 * time.Second
	maxReply   = 64 << 10
)

// RefusedError is the agent's refusal, in its own words.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return fmt.Sprintf("assertion refused: %.200s", e.Text) }

type request struct {
	Command string  `plist:"CommandKey"`
	Type    string  `plist:"AssertionTypeKey"`
	Name    string  `plist:"AssertionNameKey"`
	Timeout float64 `plist:"AssertionTimeoutKey"` // seconds
}

type response struct {
	Error string `plist:"Error"`
}

// Create makes one assertion over conn, a started assertion agent. It is held
// until conn is closed, which is the caller's to do, or for twenty minutes.
func Create(ctx context.Context, conn net.Conn, name string) error {
	c := framing.New(conn, plist.Binary)
	c.Max = maxReply
	c.SetIdle(replyIdle)
	err := c.Send(ctx, request{
		Command: "CommandCreateAssertion",
		Type:    WirelessSync,
		Name:    name,
		Timeout: timeout.Seconds(),
	})
	if err != nil {
		return fmt.Errorf("create power assertion: %w", err)
	}
	var resp response
	if err := c.Receive(ctx, &resp); err != nil {
		if err == io.EOF {
			err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
		}
		return fmt.Errorf("create power assertion: %w", err)
	}
	if resp.Error != "" {
		return fmt.Errorf("create power assertion: %w", &RefusedError{resp.Error})
	}
	return nil
}

// Hold keeps an assertion until ctx ends: over connections from start, renewed
// every ten minutes, tried again a minute after a failure. It returns when the
// last connection is closed. Work goes on without an assertion, so failures
// only go to warn, which may be nil; it is called in Hold's goroutine.
func Hold(ctx context.Context, start func(context.Context) (net.Conn, error), name string, warn func(error)) {
	var held net.Conn
	defer func() {
		if held != nil {
			held.Close()
		}
	}()
	for ctx.Err() == nil {
		wait := renewEvery
		fresh, err := create(ctx, start, name)
		switch {
		case err == nil:
			if held != nil {
				held.Close()
			}
			held = fresh
		case ctx.Err() != nil:
			return
		default:
			wait = retryEvery
			if warn != nil {
				warn(err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func create(ctx context.Context, start func(context.Context) (net.Conn, error), name string) (net.Conn, error) {
	conn, err := start(ctx)
	if err != nil {
		return nil, err
	}
	if err := Create(ctx, conn, name); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
