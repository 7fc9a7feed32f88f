package location

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/rclone"
	"github.com/keepsake-backup/keepsake/repository/backend/rest"
	"github.com/keepsake-backup/keepsake/repository/backend/retry"
	"github.com/keepsake-backup/keepsake/repository/backend/s3"
	"github.com/keepsake-backup/keepsake/repository/backend/sftp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, address string, o Options) backend.Backend {
	t.Helper()
	l, err := Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpen_local(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		b := open(t, "local:"+filepath.Join(t.TempDir(), "phone"), Options{Connections: 3})
		if _, direct := b.(*local.Backend); !direct || b.Properties().Connections != 3 {
			t.Errorf("got a %T, %+v", b, b.Properties())
		}
		return b
	})
}

// seen is what a server was asked with.
type seen struct {
	mu   sync.Mutex
	path string
	auth string
}

// nothing is a server that has nothing.
func nothing(t *testing.T) (address string, s *seen) {
	t.Helper()
	s = &seen{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.path, s.auth = r.URL.Path, r.Header.Get("Authorization")
		s.mu.Unlock()
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, s
}

var config = backend.Handle{Type: backend.ConfigFile}

// wantRemote asks a store that has nothing and closes it.
func wantRemote[B backend.Backend](t *testing.T, b backend.Backend, location string) {
	t.Helper()
	defer func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	if _, patient := b.(*retry.Backend); !patient {
		t.Errorf("a remote store is a bare %T", b)
	}
	if _, ok := backend.As[B](b); !ok {
		t.Errorf("behind %T is another store than wanted", b)
	}
	if p := b.Properties(); p.Location != location || !p.Remote || p.Connections != 2 {
		t.Errorf("properties: %+v, want the location %s", p, location)
	}
	if _, err := b.Stat(t.Context(), config); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
}

func TestOpen_rest(t *testing.T) {
	url, s := nothing(t)
	host := strings.TrimPrefix(url, "http://")
	o := Options{Username: "anna", Password: secret.NewText("geheim"), Connections: 2}
	wantRemote[*rest.Backend](t, open(t, "rest:"+url+"/phone", o), "rest:"+url+"/phone/")
	if s.path != "/phone/config" || s.auth != "Basic YW5uYTpnZWhlaW0=" {
		t.Errorf("asked for %s with %q", s.path, s.auth)
	}
	// A user in the address, the password beside it.
	wantRemote[*rest.Backend](t, open(t, "rest:http://bob@"+host+"/", o), "rest:"+url+"/")
	if s.auth != "Basic Ym9iOmdlaGVpbQ==" {
		t.Errorf("asked with %q", s.auth)
	}
	// What the address says goes first.
	wantRemote[*rest.Backend](t, open(t, "rest:http://bob:secret@"+host+"/", o), "rest:"+url+"/")
	if s.path != "/config" || s.auth != "Basic Ym9iOnNlY3JldA==" {
		t.Errorf("asked for %s with %q", s.path, s.auth)
	}
}

func TestOpen_s3(t *testing.T) {
	url, s := nothing(t)
	o := Options{AccessKeyID: "KEYID", SecretAccessKey: secret.NewText("geheim"), Region: "eu-nowhere-1", Connections: 2}
	wantRemote[*s3.Backend](t, open(t, "s3:"+url+"/bucket/phone", o), "s3:"+url+"/bucket/phone")
	if s.path != "/bucket/phone/config" || !strings.Contains(s.auth, "KEYID/") || !strings.Contains(s.auth, "eu-nowhere-1") {
		t.Errorf("asked for %s with %q", s.path, s.auth)
	}
}

func TestOpen_sftp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "phone")
	b := open(t, "sftp:anna@nas:"+dir, Options{SFTPCommand: []string{"/usr/lib/openssh/sftp-server"}, Connections: 2})
	wantRemote[*sftp.Backend](t, b, "sftp:anna@nas:"+dir)
}

func TestOpen_rclone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "phone")
	b := open(t, "rclone::local:"+dir, Options{Connections: 2})
	wantRemote[*rclone.Backend](t, b, "rclone::local:"+dir)
}

func TestOpen_retries(t *testing.T) {
	failures := 2
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if failures--; failures >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		io.WriteString(w, "content")
	}))
	defer server.Close()
	var events []retry.Event
	o := Options{Retry: retry.Options{First: time.Microsecond, Report: func(e retry.Event) { events = append(events, e) }}}
	b := open(t, "rest:"+server.URL, o)
	defer b.Close()
	if got, err := backend.ReadAll(t.Context(), b, config, 100); err != nil || string(got) != "content" || len(events) != 2 {
		t.Errorf("got %q, %v after %d retries", got, err, len(events))
	}
	failures, o.NoRetry = 1, true
	bare := open(t, "rest:"+server.URL, o)
	defer bare.Close()
	if _, err := backend.ReadAll(t.Context(), bare, config, 100); err == nil {
		t.Error("without retries: no error")
	}
}

func TestOpen_errors(t *testing.T) {
	for _, c := range []struct {
		address string
		o       Options
	}{
		{"/dev/null", Options{}},
		{"s3:https://h/bucket", Options{SecretAccessKey: secret.NewText("geheim")}},
		{"s3:https://h/bucket", Options{CAFile: "/nowhere"}},
		{"rest:https://u:geheim@h/", Options{CAFile: "/nowhere"}},
		{"rclone::sftp,pass=geheim:x", Options{RcloneProgram: "/nowhere/rclone"}},
		{"sftp:nas:x", Options{SFTPCommand: []string{"/nowhere/ssh"}}},
	} {
		l, err := Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(t.Context(), l, c.o)
		if err == nil || b != nil {
			t.Errorf("%v: got %v, no error", l, b)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v: the error shows a secret: %v", l, err)
		}
	}
	if _, err := Open(t.Context(), Location{}, Options{}); err == nil {
		t.Error("a location that is none: no error")
	}
	for kind := range parsers {
		if openers[kind] == nil {
			t.Errorf("%s can be parsed and not opened", kind)
		}
	}
}
