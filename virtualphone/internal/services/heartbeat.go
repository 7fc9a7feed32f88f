package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// Heartbeat is com.apple.mobile.heartbeat.
type Heartbeat struct {
	// Interval between two Marcos, whole seconds; a Polo has as long, and 5 s more.
	Interval time.Duration
	// Polo is told of each answer.
	Polo   func()
	Faults mischief.Hitter
}

type beat struct {
	Command  string `plist:"Command"`
	Interval int    `plist:"Interval,omitempty"` // seconds
}

const poloGrace = 5 * time.Second

// Serve says {Command: Marco, Interval} at once and after each Interval, and
// wants {Command: Polo} (protocol.md 5.4).
func (h *Heartbeat) Serve(ctx context.Context, conn net.Conn) error {
	c := framing.New(conn, plist.XML)
	c.Max = 64 << 10
	c.SetIdle(h.Interval + poloGrace)
	for {
		err := mischief.PropertyLists.At(ctx, h.Faults, "heartbeat.Marco", conn)
		if refusal := (*mischief.Refusal)(nil); err != nil && !errors.As(err, &refusal) {
			return err
		}
		if err := c.Send(ctx, beat{Command: "Marco", Interval: int(max(h.Interval/time.Second, 1))}); err != nil {
			return err
		}
		var answer beat
		if err := c.Receive(ctx, &answer); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("heartbeat: %w", err)
		}
		if answer.Command == "Polo" {
			h.Polo()
		}
		pause := time.NewTimer(h.Interval)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		}
	}
}
