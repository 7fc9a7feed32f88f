package mdns

import (
	"context"
	"testing"
	"time"
)

// TestLoopback: where there is no network, the loopback interface is one.
func TestLoopback(t *testing.T) {
	opt := Options{Interfaces: Loopback}
	ctx, bye := context.WithCancel(t.Context())
	defer bye()
	said := make(chan error, 1)
	s := Service{Type: "_keepsake-test._tcp", Instance: "one@loopback", Host: "keepsake-test.local.", Port: 4711}
	go func() { said <- Announce(ctx, s, nil, opt) }()
	heard := make(chan Event, 16)
	browsing, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Browse(browsing, "_keepsake-test._tcp", opt, func(ev Event) { heard <- ev })
	}()
	limit := time.After(10 * time.Second)
	for _, here := range []bool{true, false} {
		for got := false; !got; {
			select {
			case ev := <-heard:
				got = ev.Here == here
				if ev.Instance.Port != 4711 || len(ev.Instance.Addrs) == 0 {
					t.Errorf("heard %+v", ev)
				}
			case err := <-said:
				if said = nil; ctx.Err() == nil {
					t.Fatal("announce:", err)
				}
			case err := <-ended:
				t.Fatal("browse:", err)
			case <-limit:
				t.Fatalf("here=%v never came", here)
			}
		}
		bye()
	}
	stop()
	if err := <-ended; err != context.Canceled {
		t.Error(err)
	}
}
