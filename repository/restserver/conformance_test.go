package restserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/backend/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores keeps a memory for each repository.
type stores struct {
	mu sync.Mutex
	m  map[string]*memory.Backend
}

func (s *stores) open(_ context.Context, repo string) (backend.Backend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]*memory.Backend{}
	}
	if s.m[repo] == nil {
		s.m[repo] = memory.New()
	}
	return s.m[repo], nil
}

// handler makes a server or ends the test.
func handler(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// client is a backend for the repository /phone/ of a server with options o.
func client(t testing.TB, o Options, http2 bool) backend.Backend {
	t.Helper()
	s := httptest.NewUnstartedServer(handler(t, o))
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	cfg := rest.Config{URL: s.URL + "/phone/"}
	if http2 {
		cfg.Client = s.Client()
	}
	b, err := rest.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestConformance holds the client and the server together to the contract.
func TestConformance(t *testing.T) {
	inMemory := func(*testing.T) func(context.Context, string) (backend.Backend, error) { return new(stores).open }
	onDisk := func(t *testing.T) func(context.Context, string) (backend.Backend, error) { return Folder(t.TempDir()) }
	for _, c := range []struct {
		name   string
		open   func(t *testing.T) func(context.Context, string) (backend.Backend, error)
		remove bool
		http2  bool
	}{{"append-only", inMemory, false, false}, {"folder", onDisk, true, false}, {"http2", inMemory, true, true}} {
		t.Run(c.name, func(t *testing.T) {
			o := backendtest.Options{HashedNames: true, NoReplace: true, OnlyLocks: !c.remove}
			backendtest.RunWith(t, o, func(t *testing.T) backend.Backend {
				return client(t, Options{Open: c.open(t), AllowRemoval: c.remove}, c.http2)
			})
		})
	}
}
