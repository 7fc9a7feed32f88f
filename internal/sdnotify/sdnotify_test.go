package sdnotify

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen is systemd's end of the socket.
func listen(t *testing.T) (Notifier, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return Notifier{path}, func() string {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1000)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestNotifier(t *testing.T) {
	n, next := listen(t)
	for _, c := range []struct {
		do   func() error
		want string
	}{
		{func() error { return n.Ready("2 phones\nMAINPID=1") }, "READY=1\nSTATUS=2 phones MAINPID=1\n"},
		{func() error { return n.Ready("") }, "READY=1\n"},
		{func() error { return n.Status("well") }, "STATUS=well\n"},
		{n.Stopping, "STOPPING=1\n"},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestNotifier_nobody(t *testing.T) {
	if err := errors.Join((Notifier{}).Ready("x"), (Notifier{}).Stopping(), (Notifier{}).Watch(t.Context(), time.Second, nil)); err != nil {
		t.Error(err)
	}
	for _, socket := range []string{"relative", filepath.Join(t.TempDir(), "missing")} {
		if err := (Notifier{socket}).Ready(""); err == nil || !strings.HasPrefix(err.Error(), "notify systemd: ") {
			t.Errorf("%s: %v", socket, err)
		}
	}
}

func TestWatch(t *testing.T) {
	n, next := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Watch(ctx, 20*time.Millisecond, func(context.Context) error { return nil }) }()
	for range 3 {
		if got := next(); got != "WATCHDOG=1\n" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A service that hangs gets no sign of life.
func TestWatch_dead(t *testing.T) {
	n, next := listen(t)
	err := n.Watch(t.Context(), 20*time.Millisecond, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, ErrDead) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if err := n.Stopping(); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "STOPPING=1\n" {
		t.Errorf("got %q: a sign of life of the dead", got)
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		usec, watched string
		want          time.Duration
		wrong         bool
	}{
		{"", "", 0, false}, {"120000000", "", 2 * time.Minute, false}, {"120000000", "77", 2 * time.Minute, false},
		{"120000000", "78", 0, false}, {"x", "", 0, true}, {"-1", "", 0, true}, {"99999999999999999", "", 0, true},
	} {
		got, err := Interval(c.usec, c.watched, 77)
		if got != c.want || (err != nil) != c.wrong {
			t.Errorf("Interval(%q, %q) = %v, %v", c.usec, c.watched, got, err)
		}
	}
}
