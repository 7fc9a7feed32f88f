package restserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

// named is data with its name.
func named(data string) (name string) {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// ask makes a request of a handler without a network.
func ask(h http.Handler, method, path, body string, change ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	for _, fn := range change {
		fn(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func as(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func header(key, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestProtocol is restic-format.md 14, request by request.
func TestProtocol(t *testing.T) {
	a, b := "the first", "the second one"
	pack, lock := "/p/data/"+named(a), "/p/locks/"+named(b)
	h := handler(t, Options{Open: new(stores).open})
	v2 := header("Accept", typeV2)
	for i, c := range []struct {
		method, path, body string
		change             func(*http.Request)
		status             int
		want               string // the body; "*": any
		headers            string // key: value, some
	}{
		{"HEAD", "/p/config", "", nil, 404, "*", ""},
		{"POST", "/p/", "", nil, 400, "*", ""},
		{"POST", "/p/?create=true", "", nil, 200, "", ""},
		{"POST", "/p/?create=true", "", nil, 200, "", ""},
		{"POST", "/p/config", "sealed config", nil, 200, "", ""},
		{"POST", "/p/config", "another", nil, 403, "it exists\n", ""},
		{"HEAD", "/p/config", "", nil, 200, "", "Content-Length: 13"},
		{"GET", "/p/config", "", nil, 200, "sealed config", "Content-Length: 13"},
		{"DELETE", "/p/config", "", nil, 403, "*", ""},

		{"GET", "/p/data/", "", nil, 200, "[]", "Content-Type: " + typeV1},
		{"GET", "/p/data/", "", v2, 200, "[]", "Content-Type: " + typeV2},
		{"POST", pack, a, nil, 200, "", ""},
		{"POST", pack, a, nil, 403, "it exists\n", ""},
		{"POST", "/p/data/" + named("other"), a, nil, 400, "the body's SHA-256 is not its name\n", ""},
		{"POST", "/p/data/" + named("other"), "", nil, 400, "the body's SHA-256 is not its name\n", ""},
		{"POST", "/p/data/" + named(""), "", nil, 200, "", ""},
		{"GET", "/p/data/" + named("other"), "", nil, 404, "Not Found\n", "Content-Type: text/plain; charset=utf-8"},
		{"GET", "/p/data/" + named(""), "", nil, 200, "", "Content-Length: 0"},
		{"GET", "/p/data/" + named(""), "", header("Range", "bytes=0-1"), 200, "", "Content-Length: 0"},
		{"GET", "/p/index/", "", v2, 200, "[]", ""},
		{"POST", lock, b, nil, 200, "", ""},
		{"GET", "/p/locks/", "", v2, 200, `[{"name":"` + named(b) + `","size":14}]`, "Content-Type: " + typeV2},
		{"GET", "/p/locks/", "", nil, 200, `["` + named(b) + `"]`, "Content-Type: " + typeV1},
		{"GET", "/elsewhere/locks/", "", nil, 200, `[]`, ""},

		{"GET", pack, "", nil, 200, a, "Accept-Ranges: bytes"},
		{"GET", pack, "", header("Range", "bytes=4-"), 206, "first", "Content-Range: bytes 4-8/9"},
		{"GET", pack, "", header("Range", "bytes=0-2"), 206, "the", "Content-Length: 3"},
		{"GET", pack, "", header("Range", "bytes=4-100"), 206, "first", "Content-Range: bytes 4-8/9"},
		{"GET", pack, "", header("Range", "bytes=4-99999999999999999999"), 206, "first", "Content-Range: bytes 4-8/9"},
		{"GET", pack, "", header("Range", "bytes=-5"), 206, "first", "Content-Range: bytes 4-8/9"},
		{"GET", pack, "", header("Range", "bytes=9-"), 416, "*", "Content-Range: bytes */9"},
		{"GET", pack, "", header("Range", "bytes=-0"), 416, "*", "Content-Range: bytes */9"},
		{"GET", pack, "", header("Range", "bytes=5-4"), 200, a, ""},
		{"GET", pack, "", header("Range", "bytes=0-1,3-4"), 200, a, ""},
		{"GET", pack, "", header("Range", "lines=0-1"), 200, a, ""},
		{"GET", pack, "", header("Range", "bytes=+1-2"), 200, a, ""},
		{"GET", pack, "", header("Range", "bytes=--2"), 200, a, ""},
		{"HEAD", pack, "", header("Range", "bytes=4-"), 200, "", "Content-Length: 9"},

		{"DELETE", pack, "", nil, 403, "*", ""},
		{"DELETE", "/p/keys/" + named("k"), "", nil, 403, "*", ""},
		{"DELETE", lock, "", nil, 200, "", ""},
		{"DELETE", lock, "", nil, 404, "*", ""},
		{"GET", pack, "", nil, 200, a, ""},

		{"DELETE", "/p/", "", nil, 405, "*", "Allow: POST"},
		{"GET", "/p/", "", nil, 405, "*", "Allow: POST"},
		{"POST", "/p/data/", "", nil, 405, "*", "Allow: GET"},
		{"PUT", pack, "", nil, 405, "*", "Allow: HEAD, GET, POST, DELETE"},
		{"GET", "/p/data/../config", "", nil, 404, "*", ""},
		{"GET", "/p/%2e%2e/config", "", nil, 404, "*", ""},
		{"GET", "/p%2fconfig", "", nil, 400, "*", ""},
		{"GET", "/p/data/zz", "", nil, 404, "*", ""},
		{"GET", "/favicon.ico", "", nil, 404, "*", ""},

		{"POST", "/p/keys/" + named("x"), "x", func(r *http.Request) { r.ContentLength = -1 }, 411, "*", ""},
		{"POST", "/p/keys/" + named("x"), "x", func(r *http.Request) { r.ContentLength = maxFile + 1 }, 413, "*", ""},
		{"POST", "/p/data/" + named("x"), "x", func(r *http.Request) { r.ContentLength = maxPack + 1 }, 413, "*", ""},
		{"POST", "/p/data/" + named("x"), "x", func(r *http.Request) { r.ContentLength = 2 }, 400, "*", ""},
		{"GET", "/p/config", "", func(r *http.Request) { r.Host = "evil.example" }, 403, "*", ""},
		{"GET", "/p/config", "", func(r *http.Request) { r.Host = "[::1]:8421" }, 200, "*", ""},
		{"POST", "/p/keys/" + named("x"), "x", header("Sec-Fetch-Site", "cross-site"), 403, "*", ""},
		{"GET", "/p/keys/", "", nil, 200, "[]", ""},
	} {
		if c.change == nil {
			c.change = func(*http.Request) {}
		}
		resp := ask(h, c.method, c.path, c.body, c.change)
		got := text(t, resp)
		if resp.StatusCode != c.status || c.want != "*" && got != c.want {
			t.Errorf("%d: %s %s: got %d %q, want %d %q", i, c.method, c.path, resp.StatusCode, got, c.status, c.want)
		}
		if key, value, ok := strings.Cut(c.headers, ": "); ok && resp.Header.Get(key) != value {
			t.Errorf("%d: %s %s: %s is %q, want %q", i, c.method, c.path, key, resp.Header.Get(key), value)
		}
		if c.method == "HEAD" && c.status == 200 && got != "" {
			t.Errorf("%d: HEAD has a body", i)
		}
	}
}

func TestRemoval(t *testing.T) {
	h := handler(t, Options{Open: new(stores).open, AllowRemoval: true})
	for _, path := range []string{"/config", "/data/" + named("x"), "/snapshots/" + named("x")} {
		for i, want := range []int{200, 200, 404} {
			method := []string{"POST", "DELETE", "DELETE"}[i]
			if resp := ask(h, method, path, "x"); resp.StatusCode != want {
				t.Errorf("%s %s: %d, want %d", method, path, resp.StatusCode, want)
			}
		}
	}
}

func TestPrivateRepos(t *testing.T) {
	h := handler(t, Options{Open: new(stores).open, Users: openUsers(t, "ada", "a", "bob", "b"), PrivateRepos: true})
	for _, c := range []struct {
		user, password, path string
		want                 int
	}{
		{"ada", "a", "/ada/?create=true", 200},
		{"ada", "a", "/ada/phone/?create=true", 200},
		{"ada", "a", "/bob/?create=true", 403},
		{"ada", "a", "/?create=true", 403},
		{"ada", "a", "/Ada/?create=true", 403},
		{"ada", "a", "/adam/?create=true", 403},
		{"ada", "a", "/ada/../bob/?create=true", 404},
		{"ada", "a", "/bob/%2e%2e/ada/?create=true", 404},
		{"ada", "a", "/ada%2f..%2fbob/?create=true", 400},
		{"bob", "b", "/ada/?create=true", 403},
		{"bob", "b", "/bob/phone/?create=true", 200},
		{"bob", "a", "/bob/phone/?create=true", 401},
	} {
		resp := ask(h, "POST", c.path, "", as(c.user, c.password))
		if resp.StatusCode != c.want {
			t.Errorf("%s at %s: %d %q, want %d", c.user, c.path, resp.StatusCode, text(t, resp), c.want)
		}
	}
	resp := ask(h, "GET", "/ada/config", "")
	if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("nobody: %d, %v", resp.StatusCode, resp.Header)
	}
	// With users the name of the server does not matter.
	if resp := ask(h, "POST", "/ada/?create=true", "", as("ada", "a"), func(r *http.Request) { r.Host = "nas.lan" }); resp.StatusCode != 200 {
		t.Errorf("under another name: %d", resp.StatusCode)
	}
}

func TestNew_options(t *testing.T) {
	for _, o := range []Options{{}, {Open: new(stores).open, PrivateRepos: true}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// broken is a store that answers everything with an error.
type broken struct {
	backend.Backend
	err error
}

func (b broken) Save(context.Context, backend.Handle, backend.Content) error { return b.err }
func (b broken) List(_ context.Context, _ backend.FileType, fn func(backend.FileInfo) error) error {
	return b.err
}
func (b broken) Create(context.Context) error { return b.err }
func (b broken) Load(context.Context, backend.Handle, int64, int64, func(io.Reader) error) error {
	return b.err
}

// TestStoreFails: clients learn what it means, the log what it was.
func TestStoreFails(t *testing.T) {
	data := "x"
	inner := memory.New()
	if err := inner.Save(t.Context(), backend.Handle{Type: backend.ConfigFile}, strings.NewReader("c")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("/secret/path: %w", backend.ErrFull), 507},
		{fmt.Errorf("/secret/path: %w", backend.ErrReadOnly), 403},
		{fmt.Errorf("/secret/path: %w", backend.ErrExist), 403},
		{fmt.Errorf("/secret/path: %w", backend.ErrNotExist), 404},
		{fmt.Errorf("/secret/path: %w", backend.ErrDenied), 500},
		{errors.New("/secret/path: i/o error"), 500},
	} {
		var log bytes.Buffer
		h := handler(t, Options{
			Open: func(context.Context, string) (backend.Backend, error) { return broken{inner, c.err}, nil },
			Log:  slog.New(slog.NewTextHandler(&log, nil)),
		})
		for _, r := range []struct{ method, path string }{{"POST", "/keys/" + named(data)}, {"GET", "/keys/"}, {"GET", "/config"}, {"POST", "/?create=true"}} {
			resp := ask(h, r.method, r.path, data)
			body := text(t, resp)
			if resp.StatusCode != c.want || strings.Contains(body, "secret") {
				t.Errorf("%v: %s %s: %d %q, want %d and no path", c.err, r.method, r.path, resp.StatusCode, body, c.want)
			}
			if length := resp.Header.Get("Content-Length"); length != "" {
				t.Errorf("%v: %s %s: Content-Length %s of the file is left", c.err, r.method, r.path, length)
			}
		}
		if n := strings.Count(log.String(), "/secret/path"); n != 4 && c.want != 404 {
			t.Errorf("%v: the log has it %d times:\n%s", c.err, n, &log)
		}
	}
	h := handler(t, Options{Open: func(context.Context, string) (backend.Backend, error) { return nil, errors.New("/secret/path") }})
	if resp := ask(h, "GET", "/config", ""); resp.StatusCode != 500 || strings.Contains(text(t, resp), "secret") {
		t.Errorf("a repository that cannot be opened: %d", resp.StatusCode)
	}
}

// flaky breaks off the first reading, and passes the same bytes again.
type flaky struct{ backend.Backend }

func (f flaky) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	err := f.Backend.Load(ctx, h, offset, length, func(r io.Reader) error {
		return fn(io.MultiReader(io.LimitReader(r, length/2), errReader{}))
	})
	if err == nil {
		return errors.New("the first reading is taken for whole")
	}
	return f.Backend.Load(ctx, h, offset, length, fn)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken off") }

func TestLoadAgain(t *testing.T) {
	inner := memory.New()
	data := strings.Repeat("0123456789", 10_000)
	hd := backend.Handle{Type: backend.PackFile, Name: named(data)}
	if err := inner.Save(t.Context(), hd, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	h := handler(t, Options{Open: func(context.Context, string) (backend.Backend, error) { return flaky{inner}, nil }})
	if got := text(t, ask(h, "GET", "/data/"+hd.Name, "")); got != data {
		t.Errorf("got %d bytes that are not the %d", len(got), len(data))
	}
	if got := text(t, ask(h, "GET", "/data/"+hd.Name, "", header("Range", "bytes=5-70000"))); got != data[5:70001] {
		t.Errorf("got %d bytes that are not the part", len(got))
	}
}

// eager is a store that says it has a file by the time it is to be saved.
type eager struct{ *memory.Backend }

func (eager) Save(context.Context, backend.Handle, backend.Content) error { return nil }

func TestPost_appears(t *testing.T) {
	h := handler(t, Options{Open: func(context.Context, string) (backend.Backend, error) { return eager{memory.New()}, nil }})
	if resp := ask(h, "POST", "/keys/"+named("a"), "b"); resp.StatusCode != 403 {
		t.Errorf("a body that nobody has looked at: %d", resp.StatusCode)
	}
}

// onDisk is a server for a folder, and what lies there.
func onDisk(t *testing.T, o Options) (*httptest.Server, func() []string) {
	t.Helper()
	dir := t.TempDir()
	o.Open = Folder(dir)
	s := httptest.NewServer(handler(t, o))
	t.Cleanup(s.Close)
	if resp, err := http.Post(s.URL+"/p/?create=true", "", nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("create: %v, %v", resp, err)
	}
	return s, func() (files []string) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return files
	}
}

// begin sends the head of a POST of size bytes, and a part of the body.
func begin(t *testing.T, s *httptest.Server, name string, size int, part []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /p/data/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", name, size)
	if _, err := conn.Write(part); err != nil {
		t.Fatal(err)
	}
	return conn
}

// eventually waits for a condition that others bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// TestPost_clientDies: what is cut off is never a file, and leaves nothing.
func TestPost_clientDies(t *testing.T) {
	s, files := onDisk(t, Options{})
	data := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
	conn := begin(t, s, named(data), len(data), []byte(data[:len(data)-1]))
	eventually(t, "a temporary file", func() bool { return len(files()) == 1 })
	if resp, err := http.Head(s.URL + "/p/data/" + named(data)); err != nil || resp.StatusCode != 404 {
		t.Errorf("seen while it comes: %v, %v", resp, err)
	}
	conn.Close()
	eventually(t, "an empty folder", func() bool { return len(files()) == 0 })
	resp, err := http.Post(s.URL+"/p/data/"+named(data), "", strings.NewReader(data))
	if err != nil || resp.StatusCode != 200 || len(files()) != 1 {
		t.Errorf("the next try: %v, %v, files %v", resp, err, files())
	}
}

// TestPost_stalls: who sends nothing any more is not waited for.
func TestPost_stalls(t *testing.T) {
	s, files := onDisk(t, Options{Patience: 200 * time.Millisecond})
	data := strings.Repeat("0123456789abcdef", 1<<16)
	conn := begin(t, s, named(data), len(data), []byte(data[:100_000]))
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) {
		t.Errorf("got %q, %v", answer, err)
	}
	if left := files(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestPost_slow: slowness is none of the server's business.
func TestPost_slow(t *testing.T) {
	s, _ := onDisk(t, Options{Patience: 300 * time.Millisecond})
	data := "slow but steady"
	conn := begin(t, s, named(data), len(data), nil)
	for i := range len(data) {
		time.Sleep(50 * time.Millisecond)
		if _, err := io.WriteString(conn, data[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 200" {
		t.Errorf("got %q, %v", answer, err)
	}
}

// TestGet_stalls: a client that takes nothing does not hold a connection for ever.
func TestGet_stalls(t *testing.T) {
	s, _ := onDisk(t, Options{Patience: 200 * time.Millisecond})
	data := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB, more than sockets keep
	if resp, err := http.Post(s.URL+"/p/data/"+named(data), "", strings.NewReader(data)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /p/data/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", named(data))
	time.Sleep(600 * time.Millisecond)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _ := io.Copy(io.Discard, conn)
	if n >= int64(len(data)) {
		t.Errorf("all %d bytes came to one who was not there", n)
	}
}

// TestGet_breaksOff: a store that fails in the middle never looks like an end.
func TestGet_breaksOff(t *testing.T) {
	inner := memory.New()
	data := strings.Repeat("x", 1<<20)
	hd := backend.Handle{Type: backend.PackFile, Name: named(data)}
	if err := inner.Save(t.Context(), hd, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler(t, Options{Open: func(context.Context, string) (backend.Backend, error) { return halfway{inner}, nil }}))
	defer s.Close()
	resp, err := http.Get(s.URL + "/data/" + hd.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("%d bytes, and no error", n)
	}
	resp, err = http.Get(s.URL + "/data/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("a list of %d bytes, and no error", n)
	}
}

// halfway fails in the middle of everything.
type halfway struct{ backend.Backend }

func (b halfway) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.Backend.Load(ctx, h, offset, length, func(r io.Reader) error {
		return fn(io.MultiReader(io.LimitReader(r, length/2), errReader{}))
	})
}

func (b halfway) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	for i := range 2000 {
		if err := fn(backend.FileInfo{Name: fmt.Sprintf("%064x", i)}); err != nil {
			return err
		}
	}
	return errors.New("broken off")
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "not mounted")
	h := handler(t, Options{Open: Folder(gone)})
	if resp := ask(h, "POST", "/p/?create=true", ""); resp.StatusCode != 500 {
		t.Errorf("create below a missing folder: %d", resp.StatusCode)
	}
	if resp := ask(h, "HEAD", "/p/config", ""); resp.StatusCode != 500 {
		t.Errorf("config below a missing folder: %d; 404 would mean that there is no repository", resp.StatusCode)
	}
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	h = handler(t, Options{Open: Folder(dir)})
	for _, path := range []string{"/keys/" + named("x"), "/config"} {
		if resp := ask(h, "POST", "/p"+path, "x"); resp.StatusCode != 404 {
			t.Errorf("%s of a repository that was not created: %d", path, resp.StatusCode)
		}
	}
	if resp := ask(h, "POST", "/a/b/?create=true", ""); resp.StatusCode != 200 {
		t.Errorf("create: %d", resp.StatusCode)
	}
	if info, err := os.Stat(filepath.Join(dir, "a", "b", "data", "ff")); err != nil || !info.IsDir() {
		t.Errorf("there is no data/ff: %v", err)
	}
	// What a killed server left is swept when packs are listed, if it is old.
	temp := filepath.Join(dir, "a", "b", "data", "6b", id+"-tmp-1")
	fresh := filepath.Join(dir, "a", "b", "data", "6b", id+"-tmp-2")
	for _, name := range []string{temp, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * tempAge)
	if err := os.Chtimes(temp, old, old); err != nil {
		t.Fatal(err)
	}
	if got := text(t, ask(h, "GET", "/a/b/data/", "")); got != "[]" {
		t.Errorf("temporary files are listed: %s", got)
	}
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("the fresh one is gone: %v", err)
	}
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if resp := ask(handler(t, Options{Open: Folder(blocked)}), "GET", "/config", ""); resp.StatusCode != 500 {
		t.Errorf("a file instead of a folder: %d", resp.StatusCode)
	}
}

// TestLog: requests are noted without what is secret.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	h := handler(t, Options{Open: new(stores).open, Users: openUsers(t, "ada", "hunter2"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	ask(h, "POST", "/p/?create=true", "", as("ada", "hunter2"))
	ask(h, "GET", "/p/config", "", as("ada", "hunter3"))
	got := log.String()
	if !strings.Contains(got, "user=ada") || !strings.Contains(got, "status=401") || strings.Contains(got, "hunter") || strings.Contains(got, "Basic") {
		t.Errorf("log: %s", got)
	}
}

// TestPost_together: of several who send one file, all succeed or learn that it
// exists, and it is whole.
func TestPost_together(t *testing.T) {
	s, files := onDisk(t, Options{})
	data := strings.Repeat("0123456789abcdef", 1<<16)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			resp, err := http.Post(s.URL+"/p/data/"+named(data), "", strings.NewReader(data))
			if err != nil || resp.StatusCode != 200 && resp.StatusCode != 403 {
				t.Errorf("%v, %v", resp, err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
	resp, err := http.Get(s.URL + "/p/data/" + named(data))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := text(t, resp); got != data || len(files()) != 1 {
		t.Errorf("got %d bytes in %v", len(got), files())
	}
}
