package powerassertion

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent counts the assertions that are held.
type agent struct {
	mu            sync.Mutex
	held, made    int
	fewest        int // held at once, since the first was made
	refuse        bool
	unavailable   bool
	requests      []map[string]any
	connectedAt   []time.Duration
	start         time.Time
	stillToAnswer sync.WaitGroup
}

func (a *agent) connect(context.Context) (net.Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connectedAt = append(a.connectedAt, time.Since(a.start))
	if a.unavailable {
		return nil, errors.New("no such service")
	}
	ours, theirs := net.Pipe()
	a.stillToAnswer.Go(func() { a.serve(theirs) })
	return ours, nil
}

func (a *agent) serve(conn net.Conn) {
	defer conn.Close()
	c := framing.New(conn, plist.Binary)
	var req map[string]any
	if c.Receive(context.Background(), &req) != nil {
		return
	}
	answer := map[string]any{"CommandKey": "CommandCreateAssertion"}
	a.mu.Lock()
	a.requests = append(a.requests, req)
	if a.refuse {
		answer["Error"] = "Denied"
	} else {
		a.made++
		a.held++
	}
	a.mu.Unlock()
	c.Send(context.Background(), answer)
	c.ReceiveFrame(context.Background()) // until it is closed
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.refuse {
		a.held--
		a.fewest = min(a.fewest, a.held)
	}
}

func TestHold_renewsWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{start: time.Now(), fewest: 9}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Minute)
		defer cancel()
		go func() {
			time.Sleep(time.Hour - time.Minute)
			a.mu.Lock()
			if a.made != 6 || a.held != 1 || a.fewest != 1 {
				t.Errorf("in an hour %d were made, %d are held, at least %d were", a.made, a.held, a.fewest)
			}
			a.mu.Unlock()
		}()
		Hold(ctx, a.connect, "keepsake", func(err error) { t.Error(err) })
		a.stillToAnswer.Wait()
		if a.held != 0 {
			t.Error("not released")
		}
		want := map[string]any{"CommandKey": "CommandCreateAssertion", "AssertionTypeKey": "AMDPowerAssertionTypeWirelessSync",
			"AssertionNameKey": "keepsake", "AssertionTimeoutKey": 1200.0}
		if diff := cmp.Diff(want, a.requests[0]); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
	})
}

func TestHold_isBestEffort(t *testing.T) {
	for name, a := range map[string]*agent{"unavailable": {unavailable: true}, "refused": {refuse: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a.start = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
				defer cancel()
				warned := 0
				Hold(ctx, a.connect, "keepsake", func(err error) {
					warned++
					var refused *RefusedError
					if a.refuse && !errors.As(err, &refused) {
						t.Errorf("got %v", err)
					}
				})
				a.stillToAnswer.Wait()
				if diff := cmp.Diff([]time.Duration{0, time.Minute, 2 * time.Minute}, a.connectedAt); diff != "" || warned != 3 {
					t.Errorf("warned %d times; tried at (-want +got):\n%s", warned, diff)
				}
			})
		})
	}
}

func TestHold_keepsTheOldOneWhenRenewingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{start: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		go func() {
			time.Sleep(time.Minute)
			a.mu.Lock()
			a.unavailable = true
			a.mu.Unlock()
			time.Sleep(13 * time.Minute)
			a.mu.Lock()
			if a.held != 1 {
				t.Errorf("%d are held", a.held)
			}
			a.mu.Unlock()
		}()
		Hold(ctx, a.connect, "keepsake", nil)
		a.stillToAnswer.Wait()
	})
}

func TestCreate_failures(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		framing.New(theirs, plist.XML).ReceiveFrame(context.Background())
		theirs.Close()
	}()
	var broken *framing.WireError
	if err := Create(t.Context(), ours, "x"); !errors.As(err, &broken) {
		t.Errorf("phone that hangs up: %v", err)
	}
}
