package services

import (
	"context"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// Assertion is com.apple.mobile.assertion_agent: a power assertion lasts as
// long as its connection, at most for its time-out (protocol.md 12).
type Assertion struct {
	// Hold is told of each assertion; the function it returns ends it.
	Hold   func(kind string, timeout time.Duration) (release func())
	Faults mischief.Hitter
}

// MaxAssertion is the longest time-out.
const MaxAssertion = 1200 * time.Second

const createAssertion = "CommandCreateAssertion"

// Serve takes {CommandKey: CommandCreateAssertion, AssertionTypeKey,
// AssertionNameKey, AssertionTimeoutKey seconds} and echoes CommandKey.
func (a *Assertion) Serve(ctx context.Context, conn net.Conn) error {
	var releases []func()
	defer func() {
		for _, release := range releases {
			release()
		}
	}()
	return loop{prefix: "assertion", nameKey: "CommandKey", faults: a.Faults, answer: func(_ context.Context, command string, req map[string]any) (any, error) {
		if command != createAssertion {
			return map[string]any{"CommandKey": command, "Error": "UnknownCommand"}, nil
		}
		kind, _ := req["AssertionTypeKey"].(string)
		timeout, ok := seconds(req["AssertionTimeoutKey"])
		if kind == "" || !ok {
			return map[string]any{"CommandKey": command, "Error": "InvalidArgument"}, nil
		}
		releases = append(releases, a.Hold(kind, timeout))
		return map[string]any{"CommandKey": command}, nil
	}}.serve(ctx, conn)
}

// seconds reads a real or an integer, at most MaxAssertion.
func seconds(v any) (time.Duration, bool) {
	var s float64
	switch n := v.(type) {
	case float64:
		s = n
	case uint64:
		s = float64(n)
	default:
		return 0, false
	}
	if !(s > 0) {
		return 0, false
	}
	return time.Duration(min(s, MaxAssertion.Seconds()) * float64(time.Second)), true
}
