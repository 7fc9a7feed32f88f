package syncsession

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/notificationproxy"
)

const (
	lockFile = "/com.apple.itunes.lock_sync"
	farewell = 5 * time.Second // for unlocking and the last post
)

// Phone starts services.
type Phone interface {
	StartService(ctx context.Context, name string, opts ...device.ServiceOption) (net.Conn, error)
}

// BusyError says that another host holds the sync lock.
type BusyError struct{ Waited time.Duration }

func (e *BusyError) Error() string {
	return fmt.Sprintf("another program or computer is syncing with the phone (waited %s)", e.Waited)
}

// Hint says whom to ask.
func (e *BusyError) Hint() string {
	return "Wait until Finder, iTunes or the other program has finished, or disconnect the phone from the other computer, then start again."
}

// Session is what stands between Open and Close. It is used by one goroutine.
type Session struct {
	// AFC is the connection to the media partition, for the caller too.
	AFC *afc.Client

	np     *notificationproxy.Client
	lock   *afc.File
	begun  bool
	listen sync.WaitGroup
	stop   context.CancelFunc
}

// Observed are the notifications that Open listens to.
var Observed = []string{
	notificationproxy.SyncCancelRequest,
	notificationproxy.SyncSuspendRequest,
	notificationproxy.SyncResumeRequest,
	notificationproxy.BackupDomainChanged,
	notificationproxy.AuthenticationPresented,
	notificationproxy.AuthenticationDismissed,
}

// Open starts AFC and the notification proxy. heard is called from a goroutine
// of its own with the name of each notification observed, until Close; when the
// proxy ends early it is not called any more, which is no error: nothing of a
// backup depends on it.
func Open(ctx context.Context, phone Phone, heard func(name string)) (_ *Session, err error) {
	s, err := Listen(ctx, phone, heard)
	if err != nil {
		return nil, err
	}
	conn, err := phone.StartService(ctx, afc.Service)
	if err != nil {
		s.Close()
		return nil, err
	}
	s.AFC = afc.New(conn)
	return s, nil
}

// Listen is Open without AFC, for what takes no lock.
func Listen(ctx context.Context, phone Phone, heard func(name string)) (*Session, error) {
	conn, err := phone.StartService(ctx, notificationproxy.Service)
	if err != nil {
		return nil, err
	}
	s := &Session{np: notificationproxy.New(conn)}
	if err := s.np.Observe(ctx, Observed...); err != nil {
		s.np.Close()
		return nil, err
	}
	listenCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.listen.Go(func() {
		// However it ends: see Open.
		_ = s.np.Run(listenCtx, func(name string) error {
			heard(name)
			return nil
		})
	})
	return s, nil
}

// Lock announces the sync and takes the lock. A lock held elsewhere for ten
// seconds is a BusyError.
func (s *Session) Lock(ctx context.Context) error {
	s.begun = true
	if err := s.np.Post(ctx, notificationproxy.SyncWillStart); err != nil {
		return fmt.Errorf("announce sync: %w", err)
	}
	// The file lives as long as the session; Close unlocks it under a context
	// that ctx cannot end.
	cancelled := context.AfterFunc(ctx, func() { s.AFC.Close() })
	f, err := s.AFC.OpenFile(context.WithoutCancel(ctx), lockFile, afc.ModeReadWriteCreate)
	if !cancelled() {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("open sync lock: %w", err)
	}
	s.lock = f
	if err := s.np.Post(ctx, notificationproxy.SyncLockRequest); err != nil {
		return fmt.Errorf("announce sync: %w", err)
	}
	began := time.Now()
	err = f.Lock(ctx) // tries again and again while another host has it
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, afc.StatusWouldBlock) {
		return &BusyError{time.Since(began).Round(time.Second)}
	}
	if err != nil {
		return fmt.Errorf("take sync lock: %w", err)
	}
	if err := s.np.Post(ctx, notificationproxy.SyncDidStart); err != nil {
		return fmt.Errorf("announce sync: %w", err)
	}
	return nil
}

// Close gives the lock back, says that the sync is over and closes both
// connections. It never waits longer than a few seconds, and ignores a phone
// that is no longer there: the phone drops locks with their connection.
func (s *Session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if s.lock != nil {
		_ = s.lock.Unlock(ctx)
		closed := context.AfterFunc(ctx, func() { s.AFC.Close() })
		_ = s.lock.Close()
		closed()
		s.lock = nil
	}
	if s.begun {
		_ = s.np.Post(ctx, notificationproxy.SyncDidFinish)
	}
	s.stop()
	s.listen.Wait()
	s.np.Close()
	if s.AFC != nil {
		s.AFC.Close()
	}
}
