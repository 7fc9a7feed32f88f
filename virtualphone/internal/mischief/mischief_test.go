package mischief

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
)

func TestAt(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		ctx  context.Context
		spec string
		want func(error) bool
		sent string // what the peer sees
	}{
		{nil, "", func(err error) bool { return err == nil }, ""},
		{nil, "cut@other", func(err error) bool { return err == nil }, ""},
		{nil, "cut@here", func(err error) bool { return errors.Is(err, ErrBroken) }, ""},
		{nil, "stall@here", func(err error) bool { return errors.Is(err, ErrBroken) }, ""},
		{nil, "refuse@here=Why", func(err error) bool { r := (*Refusal)(nil); return errors.As(err, &r) && r.Name == "Why" }, ""},
		{nil, "garbage@here", func(err error) bool { return err == nil }, "\x00\x00\x00\x1e" + junk},
		{nil, "huge@here", func(err error) bool { return errors.Is(err, ErrBroken) }, "\xff\xff\xff\xff"},
		{nil, "delay@here=1ms", func(err error) bool { return err == nil }, ""},
		{cancelled, "delay@here=1h", func(err error) bool { return errors.Is(err, context.Canceled) }, ""},
		{nil, "delay@here=soon", func(err error) bool { return err != nil && strings.Contains(err.Error(), "soon") }, ""},
		{nil, "dance@here", func(err error) bool { return err != nil && strings.Contains(err.Error(), "dance") }, ""},
	} {
		faults, err := fault.Parse(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		var set fault.Set
		set.Add(faults...)
		if tt.ctx == nil {
			tt.ctx = context.Background()
		}
		phone, peer := net.Pipe()
		seen := make(chan string, 1)
		go func() {
			// Reads what comes, then gives up, as a host does that waits for no one.
			peer.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			b, _ := io.ReadAll(peer) // ends by the deadline, or by the phone
			peer.Close()
			seen <- string(b)
		}()
		err = PropertyLists.At(tt.ctx, &set, "here", phone)
		phone.Close()
		if got := <-seen; !tt.want(err) || got != tt.sent {
			t.Errorf("%s: %v, the peer sees %q", tt.spec, err, got)
		}
	}
}
