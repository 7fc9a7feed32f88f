package framing

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

func pair(t *testing.T) (*Conn, net.Conn) {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return New(a, plist.Binary), b
}

func TestConn_roundTripsInBothEncodings(t *testing.T) {
	for _, f := range []plist.Format{plist.Binary, plist.XML} {
		c, peer := pair(t)
		other := New(peer, f)
		go other.Send(t.Context(), map[string]any{"Request": "QueryType"})
		var got struct{ Request string }
		if err := c.Receive(t.Context(), &got); err != nil || got.Request != "QueryType" {
			t.Errorf("format %v: got %+v, %v", f, got, err)
		}
	}
}

func TestConn_Receive_tellsFailuresApart(t *testing.T) {
	for name, tc := range map[string]struct {
		send []byte
		ok   func(error) bool
	}{
		"end between messages": {nil, func(err error) bool { return err == io.EOF }},
		"end inside length":    {[]byte{0, 0}, isWire},
		"end inside body":      {[]byte{0, 0, 0, 9, 'x'}, isWire},
		"4 GiB message":        {[]byte{255, 255, 255, 255}, func(err error) bool { return errors.Is(err, plist.ErrMalformed) }},
		"not a list":           {[]byte{0, 0, 0, 2, 'h', 'i'}, func(err error) bool { return errors.Is(err, plist.ErrMalformed) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t)
			go func() { peer.Write(tc.send); peer.Close() }()
			var v any
			if err := c.Receive(t.Context(), &v); !tc.ok(err) {
				t.Errorf("got %T %v", err, err)
			}
		})
	}
}

func isWire(err error) bool {
	var w *WireError
	return errors.As(err, &w)
}

func TestConn_Receive_stopsWithItsContextAndOnSilence(t *testing.T) {
	c, _ := pair(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
	var v any
	if err := c.Receive(ctx, &v); err != why {
		t.Errorf("cancelled: got %v", err)
	}

	c.SetIdle(10 * time.Millisecond)
	var stalled *StalledError
	if err := c.Receive(t.Context(), &v); !errors.As(err, &stalled) {
		t.Errorf("silent peer: got %v", err)
	}
	if err := c.Send(t.Context(), "x"); !errors.As(err, &stalled) {
		t.Errorf("peer that does not read: got %v", err)
	}
}
