// Package services holds the small services of a phone, each a function that
// serves one connection:
//
//	notification_proxy    notifications, posted and observed (protocol.md 4.8)
//	installation_proxy    installed apps (4.10)
//	springboardservices   icons (4.10)
//	diagnostics_relay     MobileGestalt, restart (4.10)
//	heartbeat             Marco and Polo (5.4)
//	assertion_agent       keeps the phone awake (12.1)
//
// All speak property lists behind a u32 length; answers come in the encoding of
// the request.
package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// maxMessage bounds a request in bytes; requests are a few keys long.
const maxMessage = 4 << 20

// errDone ends a conversation in peace.
var errDone = errors.New("done")

// loop answers requests one after another. Each one is counted at the fault
// point prefix.NAME, NAME being the value of nameKey. An answer may be nil for
// none, or an answers for several; errDone closes after it.
type loop struct {
	prefix, nameKey string
	faults          mischief.Hitter
	answer          func(ctx context.Context, name string, req map[string]any) (any, error)
}

// answers are several messages for one request.
type answers []any

// followed is an answer that must have gone out before something happens.
type followed struct {
	answer any
	then   func()
}

func (l loop) serve(ctx context.Context, conn net.Conn) error {
	c := framing.New(conn, plist.XML)
	c.Max = maxMessage
	for {
		var req map[string]any
		if err := receive(ctx, c, &req); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("%s request: %w", l.prefix, err)
		}
		name, _ := req[l.nameKey].(string)
		err := mischief.PropertyLists.At(ctx, l.faults, l.prefix+"."+name, conn)
		var refusal *mischief.Refusal
		if errors.As(err, &refusal) {
			if err := c.Send(ctx, map[string]any{"Error": orElse(refusal.Name, "APIInternalError"), "Status": "Failure"}); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		reply, err := l.answer(ctx, name, req)
		if err != nil && !errors.Is(err, errDone) {
			return err
		}
		then := func() {}
		if f, ok := reply.(followed); ok {
			reply, then = f.answer, f.then
		}
		if err := send(ctx, c, reply); err != nil {
			return err
		}
		then()
		if err != nil {
			return nil
		}
	}
}

// receive reads one dictionary and notes its encoding for the answer.
func receive(ctx context.Context, c *framing.Conn, v any) error {
	body, err := c.ReceiveFrame(ctx)
	if err != nil {
		return err
	}
	if f, ok := plist.FormatOf(body); ok {
		c.Format = f
	}
	return plist.Unmarshal(body, v)
}

func send(ctx context.Context, c *framing.Conn, reply any) error {
	switch r := reply.(type) {
	case nil:
		return nil
	case answers:
		for _, a := range r {
			if err := c.Send(ctx, a); err != nil {
				return err
			}
		}
		return nil
	}
	return c.Send(ctx, reply)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
