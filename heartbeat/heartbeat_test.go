package heartbeat

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs the heartbeat against a phone.
func run(ctx context.Context, phone func(c *framing.Conn)) error {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		phone(framing.New(theirs, plist.Binary))
	}()
	err := Run(ctx, ours)
	theirs.Close()
	<-done
	return err
}

func TestRun_answersForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		beats := 0
		err := run(ctx, func(c *framing.Conn) {
			for {
				if c.Send(ctx, message{"Marco", 10}) != nil {
					return
				}
				var m message
				if c.Receive(ctx, &m) != nil {
					return
				}
				if m.Command != "Polo" {
					t.Errorf("answer %q", m.Command)
				}
				beats++
				time.Sleep(10 * time.Second)
			}
		})
		if err != nil || beats < 1000 {
			t.Errorf("got %v after %d beats", err, beats)
		}
	})
}

func TestRun_ends(t *testing.T) {
	stalled := func(err error) bool { var s *framing.StalledError; return errors.As(err, &s) }
	for name, tc := range map[string]struct {
		phone func(c *framing.Conn)
		ok    func(error) bool
		after time.Duration
	}{
		"phone never beats": {func(*framing.Conn) {}, stalled, firstBeat},
		"phone stops": {func(c *framing.Conn) {
			c.Send(context.Background(), message{"Marco", 30})
			c.ReceiveFrame(context.Background())
		}, stalled, 35 * time.Second},
		"absurd interval": {func(c *framing.Conn) {
			c.Send(context.Background(), message{"Marco", 1 << 62})
			c.ReceiveFrame(context.Background())
		}, stalled, maxInterval},
		"phone sleeps": {func(c *framing.Conn) {
			c.Send(context.Background(), message{Command: "FromTheFuture"})
			c.Send(context.Background(), message{Command: "SleepyTime"})
		}, func(err error) bool { return errors.Is(err, ErrAsleep) }, 0},
		"phone hangs up": {func(c *framing.Conn) { c.Close() },
			func(err error) bool { var w *framing.WireError; return errors.As(err, &w) }, 0},
		"nonsense": {func(c *framing.Conn) { c.SendFrame(context.Background(), []byte("x")) },
			func(err error) bool { return errors.Is(err, plist.ErrMalformed) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				if err := run(t.Context(), tc.phone); !tc.ok(err) || time.Since(start) != tc.after {
					t.Errorf("got %v after %s", err, time.Since(start))
				}
			})
		})
	}
}
