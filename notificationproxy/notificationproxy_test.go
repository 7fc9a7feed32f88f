package notificationproxy

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pipe(t *testing.T) (*Client, *framing.Conn) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return New(ours), framing.New(theirs, plist.Binary)
}

func TestClient_requestsOnTheWire(t *testing.T) {
	const head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n" +
		"<plist version=\"1.0\">\n\t<dict>\n\t\t<key>Command</key>\n\t\t<string>"
	const name = "</string>\n\t\t<key>Name</key>\n\t\t<string>com.apple.itunes-mobdev.syncWillStart"
	const tail = "</string>\n\t</dict>\n</plist>\n"
	for want, call := range map[string]func(context.Context, *Client) error{
		head + "PostNotification" + name + tail:    func(ctx context.Context, c *Client) error { return c.Post(ctx, SyncWillStart) },
		head + "ObserveNotification" + name + tail: func(ctx context.Context, c *Client) error { return c.Observe(ctx, SyncWillStart) },
		head + "Shutdown" + tail:                   func(ctx context.Context, c *Client) error { return c.Shutdown(ctx) },
	} {
		c, phone := pipe(t)
		go call(t.Context(), c)
		got, err := phone.ReceiveFrame(t.Context())
		if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
			t.Errorf("error %v; message (-want +got):\n%s", err, diff)
		}
	}
}

func TestClient_Run(t *testing.T) {
	c, phone := pipe(t)
	go func() {
		for _, m := range []any{
			message{"RelayNotification", SyncCancelRequest},
			message{"FromTheFuture", "x"},
			message{"RelayNotification", AuthenticationPresented},
			message{Command: "ProxyDeath"},
		} {
			phone.Send(context.Background(), m)
		}
	}()
	var got []string
	err := c.Run(t.Context(), func(name string) error { got = append(got, name); return nil })
	if diff := cmp.Diff([]string{SyncCancelRequest, AuthenticationPresented}, got); !errors.Is(err, ErrProxyDeath) || diff != "" {
		t.Errorf("error %v; names (-want +got):\n%s", err, diff)
	}
}

func TestClient_Run_ends(t *testing.T) {
	t.Run("with its context, after hours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := pipe(t)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
			defer cancel()
			start := time.Now()
			if err := c.Run(ctx, func(string) error { return nil }); err != nil || time.Since(start) != 5*time.Hour {
				t.Errorf("got %v after %s", err, time.Since(start))
			}
		})
	})
	t.Run("with its callback", func(t *testing.T) {
		c, phone := pipe(t)
		go phone.Send(context.Background(), message{"RelayNotification", SyncCancelRequest})
		stop := errors.New("stop")
		if err := c.Run(t.Context(), func(string) error { return stop }); err != stop {
			t.Errorf("got %v", err)
		}
	})
	t.Run("with the connection", func(t *testing.T) {
		c, phone := pipe(t)
		phone.Close()
		var broken *framing.WireError
		if err := c.Run(t.Context(), func(string) error { return nil }); !errors.As(err, &broken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestClient_Shutdown(t *testing.T) {
	c, phone := pipe(t)
	go func() {
		var m message
		phone.Receive(context.Background(), &m)
		phone.Send(context.Background(), message{"RelayNotification", SyncCancelRequest}) // was on its way
		phone.Send(context.Background(), message{Command: "ProxyDeath"})
	}()
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c, phone := pipe(t)
		go phone.ReceiveFrame(context.Background())
		var stalled *framing.StalledError
		if err := c.Shutdown(t.Context()); !errors.As(err, &stalled) {
			t.Errorf("phone that does not answer: %v", err)
		}
	})
}
