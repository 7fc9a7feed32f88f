// Package heartbeat answers the phone's heartbeat
// (com.apple.mobile.heartbeat). Over Wi-Fi the phone closes the connections of
// a computer that does not answer; a usbmuxd for Wi-Fi does it for its clients,
// whoever connects to the phone directly must do it alone (protocol.md 5.4).
//
//	phone                                     computer
//	{Command: "Marco", Interval: 10}       →
//	                                       ←  {Command: "Polo"}
//	… again within Interval seconds …
//	{Command: "SleepyTime"}                →  the phone is about to sleep
package heartbeat

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

// Service is the name under which lockdownd starts the heartbeat.
const Service = "com.apple.mobile.heartbeat"

const (
	firstBeat   = 15 * time.Second // until the first Marco names an interval
	grace       = 5 * time.Second  // beyond the interval
	maxInterval = 10 * time.Minute
	maxMessage  = 64 << 10
)

// ErrAsleep says that the phone announced to sleep: connections to it will end.
var ErrAsleep = errors.New("the phone goes to sleep")

type message struct {
	Command  string `plist:"Command"`
	Interval uint64 `plist:"Interval,omitempty"` // seconds
}

// Run answers on conn, a started heartbeat service, until ctx ends, which is
// its normal end and returns nil. Otherwise it returns why the heartbeat
// stopped: ErrAsleep, a silent phone, a lost connection. It closes conn.
func Run(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	c := framing.New(conn, plist.XML)
	c.Max = maxMessage
	c.SetIdle(firstBeat)
	for {
		err := beat(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
	}
}

func beat(ctx context.Context, c *framing.Conn) error {
	var m message
	if err := c.Receive(ctx, &m); err != nil {
		if err == io.EOF {
			err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
		}
		return err
	}
	switch m.Command {
	case "Marco":
		if m.Interval > 0 {
			c.SetIdle(min(time.Duration(min(m.Interval, 3600))*time.Second+grace, maxInterval))
		}
		return c.Send(ctx, message{Command: "Polo"})
	case "SleepyTime":
		return ErrAsleep
	}
	return nil // commands of later systems
}
