package restserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted are users whose hashes count how often they are verified.
func counted(t *testing.T, n *atomic.Int32) *Users {
	t.Helper()
	u := openUsers(t, "ada", "hunter2")
	wrap := func(h passwordHash) passwordHash {
		return passwordHash{h.text, func(p []byte) bool {
			n.Add(1)
			time.Sleep(5 * time.Millisecond)
			return h.verify(p)
		}}
	}
	u.hashes["ada"] = wrap(u.hashes["ada"])
	u.decoy = wrap(u.decoy)
	return u
}

func from(remote, user, password string) *http.Request {
	r := httptest.NewRequest("GET", "/config", nil)
	r.RemoteAddr = remote
	r.SetBasicAuth(user, password)
	return r
}

func statusOf(err error) int {
	var e *httpError
	if errors.As(err, &e) {
		return e.status
	}
	return 200
}

func TestLogins_remember(t *testing.T) {
	var n atomic.Int32
	l := newLogins(counted(t, &n))
	var wg sync.WaitGroup
	for range 20 { // more than an address may be wrong
		wg.Go(func() {
			if user, err := l.admit(from("192.0.2.1:1000", "ada", "hunter2")); err != nil || user != "ada" {
				t.Errorf("got %q, %v", user, err)
			}
		})
	}
	wg.Wait()
	if n.Load() > 3 {
		t.Errorf("%d hashes for one login", n.Load())
	}
	before := n.Load()
	for range 50 {
		if _, err := l.admit(from("192.0.2.1:1001", "ada", "hunter2")); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != before {
		t.Errorf("%d more hashes for a known login", n.Load()-before)
	}
	// A new password is another one, at once.
	l.users.hashes["ada"], _ = parseHash(cheap(t, "other"))
	if _, err := l.admit(from("192.0.2.1:1000", "ada", "hunter2")); statusOf(err) != 401 {
		t.Errorf("the old password: %v", err)
	}
	if _, err := l.admit(from("192.0.2.1:1000", "ada", "other")); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestLogins_refuse(t *testing.T) {
	var n atomic.Int32
	l := newLogins(counted(t, &n))
	r := httptest.NewRequest("GET", "/", nil)
	if _, err := l.admit(r); statusOf(err) != 401 {
		t.Errorf("no credentials: %v", err)
	}
	r.Header.Set("Authorization", "Bearer x")
	if _, err := l.admit(r); statusOf(err) != 401 {
		t.Errorf("other credentials: %v", err)
	}
	for _, c := range []struct{ user, password string }{{"ada", "hunter3"}, {"ada", ""}, {"", ""}, {"nobody", "hunter2"}, {"ADA", "hunter2"}} {
		before := n.Load()
		if _, err := l.admit(from("192.0.2.2:1", c.user, c.password)); statusOf(err) != 401 {
			t.Errorf("%v: %v", c, err)
		}
		if n.Load() != before+1 {
			t.Errorf("%v: refused without a hash: the time tells who exists", c)
		}
	}
	if _, err := l.admit(from("192.0.2.2:1", "ada", strings.Repeat("x", maxPassword+1))); statusOf(err) != 401 {
		t.Errorf("a long password: %v", err)
	}
}

func TestLogins_limit(t *testing.T) {
	var n atomic.Int32
	l := newLogins(counted(t, &n))
	if _, err := l.admit(from("192.0.2.3:1", "ada", "hunter2")); err != nil {
		t.Fatal(err)
	}
	limited := 0
	for i := range attempts + 5 {
		if _, err := l.admit(from("192.0.2.3:1", "ada", strings.Repeat("x", i+1))); statusOf(err) == 429 {
			limited++
		}
	}
	if limited != 5 {
		t.Errorf("%d attempts were too many, want 5", limited)
	}
	if _, err := l.admit(from("192.0.2.3:2", "ada", "hunter2")); err != nil {
		t.Errorf("who is known is kept out by others: %v", err)
	}
	if _, err := l.admit(from("192.0.2.4:2", "ada", "wrong")); statusOf(err) != 401 {
		t.Errorf("another address: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	l := &newLogins(openUsers(t)).limit
	now := time.Now()
	a := address("[2001:db8::1]:5")
	for range attempts {
		if !l.take(a, now) {
			t.Fatal("too few attempts")
		}
	}
	if l.take(address("[2001:db8::ffff]:9"), now) {
		t.Error("another address of the same network begins anew")
	}
	if !l.take(a, now.Add(attemptEvery)) || l.take(a, now.Add(attemptEvery)) {
		t.Error("not one attempt after some seconds")
	}
	for i := range 2*maxAddresses + 100 {
		l.take(address(fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)), now)
	}
	if len(l.addresses) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(l.addresses))
	}
	if address("127.0.0.1:1") != address("[::ffff:127.0.0.1]:2") {
		t.Error("one address counts as two")
	}
	if address("pipe") != address("@") {
		t.Error("what has no address counts as several")
	}
}
