// Package mischief carries out the faults that every protocol of the virtual
// phone shares. The points at which they can happen are listed in package
// virtualphone.
//
//	cut       the connection breaks
//	stall     not a byte more; the connection stays open until the peer gives up
//	refuse    the request is refused; ARG is the error's name, if the protocol has names
//	garbage   a well-framed message that means nothing, then as usual
//	huge      a header that announces 4 GiB (16 EiB for AFC), then silence
//	delay     ARG (such as 2s) passes, then as usual
package mischief

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
)

// Hitter counts events at points; a *fault.Set is one.
type Hitter interface {
	Hit(point string, n int64) (fault.Fault, bool)
}

// ErrBroken says that a fault has ended the connection: close it, say nothing.
var ErrBroken = errors.New("connection ended by a fault")

// Refusal says that a fault refuses the request. Name is the fault's ARG,
// perhaps empty.
type Refusal struct{ Name string }

func (r *Refusal) Error() string { return "refused by a fault: " + r.Name }

// Wire is how a protocol frames nonsense.
type Wire struct{ garbage, huge []byte }

const junk = "this is not what you asked for"

// The protocols.
var (
	PropertyLists = Wire{ // protocol.md 2.1
		garbage: append(binary.BigEndian.AppendUint32(nil, uint32(len(junk))), junk...),
		huge:    binary.BigEndian.AppendUint32(nil, math.MaxUint32),
	}
	Mux = Wire{garbage: muxFrame(uint32(16+len(junk)), junk), huge: muxFrame(math.MaxUint32, "")}
	AFC = Wire{garbage: bytes.Repeat([]byte("junk"), 10), huge: hugeAFC()}
)

func muxFrame(length uint32, body string) []byte {
	var b []byte
	for _, v := range []uint32{length, 1, 8, 0} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, body...)
}

func hugeAFC() []byte {
	b := []byte("CFA6LPAA")
	for _, v := range []uint64{math.MaxUint64, 40, 0, 2} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// At counts one event at point and carries out the fault that is due there, if
// any. It returns nil to go on as usual, a *Refusal, ErrBroken, or the error of
// ctx or of an ARG that makes no sense.
func (w Wire) At(ctx context.Context, h Hitter, point string, conn net.Conn) error {
	f, due := h.Hit(point, 1)
	if !due {
		return nil
	}
	return w.carryOut(ctx, f, conn)
}

func (w Wire) carryOut(ctx context.Context, f fault.Fault, conn net.Conn) error {
	switch f.Action {
	case "cut":
		return ErrBroken
	case "stall":
		return drain(conn)
	case "refuse":
		return &Refusal{f.Arg}
	case "garbage":
		_, err := conn.Write(w.garbage)
		return err
	case "huge":
		if _, err := conn.Write(w.huge); err != nil {
			return err
		}
		return drain(conn)
	case "delay":
		d, err := time.ParseDuration(f.Arg)
		if err != nil {
			return fmt.Errorf("fault %s: %w", f, err)
		}
		return sleep(ctx, d)
	}
	return fmt.Errorf("fault %s: %q cannot be done there", f, f.Action)
}

// drain waits until the peer, or whoever owns conn, closes it.
func drain(conn net.Conn) error {
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return errors.Join(ErrBroken, err)
	}
	return ErrBroken
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
