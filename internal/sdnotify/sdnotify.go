// Package sdnotify tells systemd how a service is: that it is ready, that it still
// lives, that it ends (sd_notify(3)). Each message is one datagram of lines to a
// Unix socket:
//
//	READY=1\nSTATUS=2 phones, all backed up
//	WATCHDOG=1
//	STOPPING=1
//
// The addresses come from systemd in the environment, which internal/cli reads:
// NOTIFY_SOCKET, and WATCHDOG_USEC, the time in which a sign of life is due. On
// systems without systemd there is no socket, and everything here does nothing.
package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Notifier speaks to one socket. The zero value speaks to nobody.
type Notifier struct {
	// Socket is an absolute path, or "@name" in Linux' abstract namespace; "" none.
	Socket string
}

// Ready says that the service answers. status is one line for people, or "".
func (n Notifier) Ready(status string) error { return n.send("READY=1", statusLine(status)) }

// Status says how it is, in one line for people.
func (n Notifier) Status(status string) error { return n.send(statusLine(status)) }

// Stopping says that it ends, and that this takes as long as it takes.
func (n Notifier) Stopping() error { return n.send("STOPPING=1") }

// ErrDead: a watchdog's question was not answered well.
var ErrDead = errors.New("the service does not answer itself")

// Watch gives signs of life until ctx ends, twice in each interval, but only as
// long as alive says nil: what hangs is started anew by systemd. It returns when
// ctx ends (nil), when alive gives an error, or when systemd cannot be told. An
// interval of 0, or no socket, returns at once.
func (n Notifier) Watch(ctx context.Context, interval time.Duration, alive func(context.Context) error) error {
	if n.Socket == "" || interval <= 0 {
		return nil
	}
	tick := time.NewTicker(max(interval/2, time.Millisecond))
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(ctx, interval/2)
		err := alive(ask)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("watchdog: %w: %w", ErrDead, err)
		}
		if err := n.send("WATCHDOG=1"); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Interval reads WATCHDOG_USEC and WATCHDOG_PID as systemd sets them for the process
// pid; 0 is no watchdog.
func Interval(usec, watched string, pid int) (time.Duration, error) {
	if usec == "" || watched != "" && watched != strconv.Itoa(pid) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond) {
		return 0, fmt.Errorf("watchdog interval %q: not microseconds up to a day", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

func statusLine(status string) string {
	if status == "" {
		return ""
	}
	return "STATUS=" + strings.Join(strings.Fields(status), " ")
}

func (n Notifier) send(lines ...string) error {
	if n.Socket == "" {
		return nil
	}
	if !strings.HasPrefix(n.Socket, "/") && !strings.HasPrefix(n.Socket, "@") {
		return fmt.Errorf("notify systemd: socket %q is neither a path nor abstract", n.Socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.Socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	var text strings.Builder
	for _, l := range lines {
		if l != "" {
			text.WriteString(l + "\n")
		}
	}
	_, err = conn.Write([]byte(text.String()))
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
