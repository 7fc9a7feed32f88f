package usbmux

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// EventKind says what happened to a phone.
type EventKind int

// What [Client.Listen] reports.
const (
	Attached EventKind = iota + 1 // it appeared; Event.Device is complete
	Detached                      // it went; only Event.ID is known
	Paired                        // a pair record was stored for it; only Event.ID is known
)

// Event is something that happened to an attachment of a phone.
type Event struct {
	Kind   EventKind
	ID     DeviceID
	Device Device // of Attached
}

// Listen calls fn for every event, beginning with one Attached for each phone
// that is there already, one at a time and in the caller's goroutine. It
// returns fn's error as it is, ctx's cause when ctx ended, and otherwise why
// the daemon can no longer be heard; it never returns nil.
func (c *Client) Listen(ctx context.Context, fn func(Event) error) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("listen for phones: %w", err)
	}
	defer conn.Close()
	var reply Message
	err = c.exchange(ctx, conn, replyTimeout, Message{MessageType: MsgListen}, &reply)
	if err == nil {
		err = resultError(MsgListen, reply)
	}
	if err != nil {
		return fmt.Errorf("listen for phones: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		ev, err := readEvent(conn)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("listen for phones: %w", context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("listen for phones: %w", err)
		case ev.Kind == 0:
			continue
		}
		if err := fn(ev); err != nil {
			return err
		}
	}
}

// readEvent reads one event; its Kind is 0 for kinds unknown to us.
func readEvent(conn net.Conn) (Event, error) {
	var m Message
	if _, err := ReadMessage(conn, maxReply, &m); err != nil {
		return Event{}, wireError(err)
	}
	ev := Event{ID: DeviceID(m.DeviceID)}
	switch m.MessageType {
	case MsgAttached:
		if m.Properties == nil {
			return Event{}, fmt.Errorf("%w: Attached without Properties", plist.ErrMalformed)
		}
		ev.Kind, ev.Device = Attached, deviceOf(m.Properties, m.DeviceID)
		ev.ID = ev.Device.ID
	case MsgDetached:
		ev.Kind = Detached
	case MsgPaired:
		ev.Kind = Paired
	}
	return ev, nil
}
