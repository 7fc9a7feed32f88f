package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Ten thousand guesses, one a second, from one address or from very many:
// what gets through is too little to guess anything.
func TestSignIn_guesses(t *testing.T) {
	for name, test := range map[string]struct {
		address func(int) string
		guesses int
		most    int // that may be looked at
	}{
		"one address":       {func(int) string { return "203.0.113.7" }, 10_000, 40},
		"one IPv6 network":  {func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 2_000, 30},
		"many addresses":    {func(i int) string { return fmt.Sprintf("10.%d.%d.9", i/250, i%250) }, 10_000, 130},
		"nonsense for them": {func(i int) string { return strings.Repeat("x", i%7) }, 2_000, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			began, tried := h.time, 0
			for i := range test.guesses {
				_, _, err := h.signIn(fmt.Sprintf("guess number %d", i), test.address(i))
				switch {
				case errors.Is(err, ErrWrong):
					tried++
				case !errors.Is(err, ErrWait):
					t.Fatal(err)
				}
				h.time = h.time.Add(time.Second)
			}
			if tried > test.most {
				t.Errorf("%d of %d guesses in %v were looked at, want at most %d", tried, test.guesses, h.time.Sub(began), test.most)
			}
			// The owner, at home, is not kept out for longer than the longest wait.
			h.time = h.time.Add(longestWait)
			if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
				t.Errorf("the owner: %v", err)
			}
		})
	}
}

// Who guesses without end does not keep the owner out where the owner is at home.
func TestSignIn_ownerPasses(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, _, err := h.signIn("a wrong guess", fmt.Sprintf("10.1.%d.%d", i/250, i%250)); err == nil {
			t.Fatal("guessed")
		}
	}
	if _, _, err := h.signIn(goodPassword, "172.16.0.1"); !errors.Is(err, ErrWait) {
		t.Errorf("from elsewhere: %v, want to wait", err)
	}
	for _, known := range []string{"192.168.1.2", "127.0.0.1", "::1"} {
		if _, _, err := h.signIn(goodPassword, known); err != nil {
			t.Errorf("from %s: %v", known, err)
		}
	}
}

// One guesser, however long, keeps nobody out elsewhere, not even where the account
// was never used.
func TestSignIn_oneGuesserKeepsNobodyOut(t *testing.T) {
	h := newHouse(t)
	for i := range 4 * 24 * 60 {
		if _, _, err := h.signIn("a wrong guess", "203.0.113.7"); err == nil {
			t.Fatal("guessed")
		}
		if i%(6*60) == 0 {
			if _, _, err := h.signIn(goodPassword, fmt.Sprintf("198.51.100.%d", i/(6*60))); err != nil {
				t.Errorf("from elsewhere after %d minutes: %v", i, err)
			}
		}
		h.time = h.time.Add(time.Minute)
	}
}

// Where somebody has signed in is known when that session has long ended.
func TestSignIn_knownAfterItsEnd(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Fatal(err)
	}
	if err := h.SignOutAll(t.Context(), h.anna.ID); err != nil {
		t.Fatal(err)
	}
	h.time = h.time.Add(200 * 24 * time.Hour)
	for i := range 300 {
		if _, _, err := h.signIn("a wrong guess", fmt.Sprintf("10.1.%d.%d", i/250, i%250)); err == nil {
			t.Fatal("guessed")
		}
	}
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Errorf("from home: %v", err)
	}
}

// Signing in often is no guessing.
func TestSignIn_rightIsNotCounted(t *testing.T) {
	h := newHouse(t)
	for i := range 3 * limitStrangers.free {
		if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
			t.Fatalf("sign-in number %d: %v", i, err)
		}
	}
}

// What was counted is counted after a restart.
func TestSignIn_restart(t *testing.T) {
	h := newHouse(t)
	for range limitPair.free {
		if _, _, err := h.signIn("a wrong guess", "192.168.1.2"); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	h.restart()
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); !errors.Is(err, ErrWait) {
		t.Errorf("after a restart: %v, want to wait", err)
	}
	h.time = h.time.Add(longestWait)
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestCount(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	l := limit{free: 3, interval: time.Hour}
	for name, test := range map[string]struct {
		c     count
		ok    bool
		tries float64
		wait  time.Duration
	}{
		"the first":           {count{}, true, 1, 0},
		"the last free":       {count{Tries: 2, At: now}, true, 3, time.Second},
		"one too many":        {count{Tries: 3, At: now}, true, 4, 2 * time.Second},
		"it has to wait":      {count{Tries: 4, At: now, Until: now.Add(time.Second)}, false, 4, time.Second},
		"it has waited":       {count{Tries: 4, At: now, Until: now}, true, 5, 4 * time.Second},
		"the longest wait":    {count{Tries: 1e6, At: now}, true, 1e6 + 1, longestWait},
		"hours ago":           {count{Tries: 5, At: now.Add(-4 * time.Hour)}, true, 2, 0},
		"long ago":            {count{Tries: 5, At: now.Add(-1000 * time.Hour)}, true, 1, 0},
		"the clock went back": {count{Tries: 5, At: now.Add(time.Hour), Until: now.Add(time.Hour)}, true, 6, 8 * time.Second},
	} {
		ok := test.c.try(l, now)
		if wait := max(0, test.c.Until.Sub(now)); ok != test.ok || test.c.Tries != test.tries || wait != test.wait {
			t.Errorf("%s: %v, %+v, wait %v", name, ok, test.c, wait)
		}
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.168.1.2": "192.168.1.2", "::ffff:192.168.1.2": "192.168.1.2", "::1": "::1", "fe80::1%eth0": "fe80::/64",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "": nowhere, "192.168.1.2:80": nowhere, "nas.home": nowhere,
	} {
		if got := network(address); got != want {
			t.Errorf("network of %q is %q, want %q", address, got, want)
		}
	}
	if isLoopback(nowhere) || isLoopback("10.0.0.1") || !isLoopback("127.0.0.1") || !isLoopback("::1") {
		t.Error("loopback is not told from what is none")
	}
}

// No password costs less than another one: with all turns taken, every sign-in that is
// looked at waits for one, whether there is such an account or not.
func TestSignIn_alwaysHashes(t *testing.T) {
	h := newHouse(t)
	if _, err := h.CreateAccount(t.Context(), h.anna.ID, Account{Login: "gone", Disabled: true}, secret.NewText(goodPassword)); err != nil {
		t.Fatal(err)
	}
	for range cap(h.hashing) {
		h.hashing <- struct{}{}
	}
	for _, login := range []string{"anna", "gone", "nobody", ""} {
		for _, password := range []string{"", goodPassword, strings.Repeat("x", 1<<20)} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if _, _, err := h.SignIn(ctx, login, secret.NewText(password), "10.0.0.1"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%q, password of %d letters: %v", login, len(password), err)
			}
			cancel()
		}
	}
}

// Fifty at a time, each as large as it is for people, need the memory of two.
func TestSignIn_memory(t *testing.T) {
	h := newHouse(t)
	k, err := New(h.db, Options{Now: h.now, Hash: &argon2id.Params{Memory: defaultHash.Memory, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	if err != nil {
		t.Fatal(err)
	}
	most := make(chan uint64, 1)
	stop := make(chan struct{})
	go func() {
		var peak uint64
		for {
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
	}()
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			if _, _, err := k.SignIn(context.Background(), fmt.Sprint("guess", i), secret.NewText("a wrong guess"), fmt.Sprint("10.0.0.", i)); !errors.Is(err, ErrWrong) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	close(stop)
	// What is garbage already counts until it is collected: the heap may double.
	if peak := <-most; peak > 8*uint64(defaultHash.Memory)<<10 {
		t.Errorf("the heap had %d MiB", peak>>20)
	}
}

// A clock that was wrong does not keep the owner out until it is that late.
func TestSignIn_clockGoesBack(t *testing.T) {
	h := newHouse(t)
	right := h.time
	h.time = right.Add(3 * 365 * 24 * time.Hour)
	for range 2 * limitNetwork.free {
		if _, _, err := h.signIn("a wrong guess", "192.168.1.2"); err == nil {
			t.Fatal("guessed")
		}
		h.time = h.time.Add(time.Minute)
	}
	h.time = right
	if _, _, err := h.signIn(goodPassword, "192.168.1.2"); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// Attempts at the same time are counted one by one.
func TestSignIn_atOnce(t *testing.T) {
	h := newHouse(t)
	const n = 40
	results := make(chan error, n)
	for range n {
		go func() {
			_, _, err := h.SignIn(context.Background(), "anna", secret.NewText("a wrong guess"), "10.0.0.1")
			results <- err
		}()
	}
	tried := 0
	for range n {
		if err := <-results; errors.Is(err, ErrWrong) {
			tried++
		} else if !errors.Is(err, ErrWait) {
			t.Error(err)
		}
	}
	if tried > limitPair.free {
		t.Errorf("%d of %d guesses at once were looked at", tried, n)
	}
}
