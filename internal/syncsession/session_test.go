package syncsession

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/device"
)

// mute is a phone whose services take everything and never answer.
type mute struct{ t *testing.T }

func (m mute) StartService(context.Context, string, ...device.ServiceOption) (net.Conn, error) {
	ours, theirs := net.Pipe()
	m.t.Cleanup(func() { theirs.Close() })
	go io.Copy(io.Discard, theirs)
	return ours, nil
}

// A phone that does not answer while the lock is opened keeps nobody waiting
// who wants to stop.
func TestLock_cancelled(t *testing.T) {
	s, err := Open(t.Context(), mute{t}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
	begun := time.Now()
	if err := s.Lock(ctx); !errors.Is(err, cause) {
		t.Errorf("err = %v", err)
	}
	if d := time.Since(begun); d > 3*time.Second {
		t.Errorf("took %s", d)
	}
}
