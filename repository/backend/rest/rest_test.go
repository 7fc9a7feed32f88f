package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "hunter2-is-secret"

// serve starts a server of one handler, and gives a backend for /p/ on it.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Config)) *Backend {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	cfg := Config{URL: s.URL + "/p", Username: "ada", Password: secret.NewText(password), Patience: 10 * time.Second}
	for _, fn := range change {
		fn(&cfg)
	}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// pack is a file of n bytes.
func pack(n int) (backend.Handle, []byte) {
	data := bytes.Repeat([]byte("pack"), n/4+1)[:n]
	sum := sha256.Sum256(data)
	return backend.Handle{Type: backend.PackFile, Name: hex.EncodeToString(sum[:])}, data
}

// wantNoSecret fails if err shows the password in any form.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, form := range []string{password, "YWRhOmh1bnRlcjI"} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), form) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestOpen_urls(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"https://host:8421/ada", "rest:https://host:8421/ada/"},
		{"http://host", "rest:http://host/"},
		{"http://[::1]:80/a/b/", "rest:http://[::1]:80/a/b/"},
		{"https://ada:hunter2-is-secret@host/", ""},
		{"https://ada@host/", ""},
		{"ftp://host/", ""},
		{"/srv/backups", ""},
		{"https:///x", ""},
		{"https://host/?create=true", ""},
		{"https://host/#x", ""},
		{"http://ho st:hunter2-is-secret@/", ""},
		{"", ""},
	} {
		b, err := Open(t.Context(), Config{URL: c.url})
		got := ""
		if err == nil {
			got = b.Properties().Location
		}
		if got != c.want {
			t.Errorf("%s: got location %q, %v; want %q", c.url, got, err, c.want)
		}
		wantNoSecret(t, err)
	}
}

func TestRequests(t *testing.T) {
	var got []string
	h, data := pack(5)
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %q %d %s %v", r.Method, r.URL, body, r.ContentLength, r.Header.Get("Range"), user == "ada" && pass == password))
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes 2-3/5")
			w.WriteHeader(http.StatusPartialContent)
			w.Write([]byte("ck"))
		} else if r.Method == http.MethodHead {
			w.Header().Set("Content-Length", "5")
		} else if strings.HasSuffix(r.URL.Path, "/") && r.Method == http.MethodGet {
			io.WriteString(w, "[]")
		}
	})
	ctx := t.Context()
	if err := b.Create(ctx); err != nil {
		t.Error(err)
	}
	if err := b.Save(ctx, h, bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
	if _, err := b.Stat(ctx, backend.Handle{Type: backend.ConfigFile}); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 2)
	if err := backend.ReadFull(ctx, b, h, 2, buf); err != nil || string(buf) != "ck" {
		t.Errorf("got %q, %v", buf, err)
	}
	if err := b.List(ctx, backend.SnapshotFile, nil); err != nil {
		t.Error(err)
	}
	if err := b.Remove(ctx, backend.Handle{Type: backend.LockFile, Name: h.Name}); err != nil {
		t.Error(err)
	}
	want := []string{
		`POST /p/?create=true "" 0  true`,
		`POST /p/data/` + h.Name + ` "packp" 5  true`,
		`HEAD /p/config "" 0  true`,
		`GET /p/data/` + h.Name + ` "" 0 bytes=2-3 true`,
		`GET /p/snapshots/ "" 0  true`,
		`DELETE /p/locks/` + h.Name + ` "" 0  true`,
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("requests:\n%s\nwant:\n%s", a, b)
	}
}

func TestRefusals(t *testing.T) {
	h, data := pack(100)
	type ops struct{ save, load, remove error }
	for _, c := range []struct {
		status    int
		want      ops
		permanent bool
	}{
		{401, ops{backend.ErrDenied, backend.ErrDenied, backend.ErrDenied}, true},
		{403, ops{backend.ErrDenied, backend.ErrDenied, backend.ErrReadOnly}, true},
		{405, ops{backend.ErrReadOnly, nil, backend.ErrReadOnly}, true},
		{507, ops{backend.ErrFull, backend.ErrFull, backend.ErrFull}, true},
		{500, ops{}, false},
		{503, ops{}, false},
		{429, ops{}, false},
		{400, ops{}, false},
		{413, ops{}, true},
	} {
		b := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			http.Error(w, strings.Repeat("because of\x1b[31m\n reasons ", 100), c.status)
		})
		_, loadErr := backend.ReadAll(t.Context(), b, h, 1000)
		got := ops{b.Save(t.Context(), h, bytes.NewReader(data)), loadErr, b.Remove(t.Context(), h)}
		for _, x := range []struct {
			name      string
			got, want error
		}{{"save", got.save, c.want.save}, {"load", got.load, c.want.load}, {"remove", got.remove, c.want.remove}} {
			if x.got == nil || x.want != nil && !errors.Is(x.got, x.want) {
				t.Errorf("%d: %s: got %v, want %v", c.status, x.name, x.got, x.want)
				continue
			}
			if backend.IsPermanent(x.got) != c.permanent {
				t.Errorf("%d: %s: permanent is %v, want %v: %v", c.status, x.name, !c.permanent, c.permanent, x.got)
			}
			if text := x.got.Error(); len(text) > 800 || strings.ContainsAny(text, "\x1b\n") || !strings.Contains(text, h.Name) {
				t.Errorf("%d: %s: the error is long, not clean or does not name the file: %q", c.status, x.name, text)
			}
			wantNoSecret(t, x.got)
		}
		if c.status == 401 {
			var hint interface{ Hint() string }
			if !errors.As(got.load, &hint) || !strings.Contains(hint.Hint(), "password") {
				t.Errorf("a wrong password has no remedy: %v", got.load)
			}
		}
	}
}

// TestSave_forbidden: 403 is the answer to a name that exists, and to much else.
func TestSave_forbidden(t *testing.T) {
	h, data := pack(100)
	config := backend.Handle{Type: backend.ConfigFile}
	for _, c := range []struct {
		name   string
		h      backend.Handle
		status int // of HEAD
		size   int
		want   error
	}{
		{"there", h, 200, 100, nil},
		{"there with another size", h, 200, 99, backend.ErrReadOnly},
		{"not there", h, 404, 0, backend.ErrReadOnly},
		{"not to be seen", h, 403, 0, backend.ErrDenied},
		{"config", config, 200, 100, backend.ErrExist},
		{"config of a read-only server", config, 404, 0, backend.ErrReadOnly},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					w.Header().Set("Content-Length", fmt.Sprint(c.size))
					w.WriteHeader(c.status)
					return
				}
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(403)
			})
			if err := b.Save(t.Context(), c.h, bytes.NewReader(data)); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestSave_configAppears: the one who came second learns it from the 403.
func TestSave_configAppears(t *testing.T) {
	seen := 0
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(403)
		case seen == 0:
			seen++
			w.WriteHeader(404)
		default:
			w.Header().Set("Content-Length", "10")
		}
	})
	if err := b.Save(t.Context(), backend.Handle{Type: backend.ConfigFile}, strings.NewReader("x")); !errors.Is(err, backend.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
}

// TestSave_content: the transport may go on reading a body after the answer, but
// nobody reads a content after Save.
func TestSave_content(t *testing.T) {
	h, data := pack(8 << 20)
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError) // without having read
	})
	for range 5 {
		mine := bytes.Clone(data)
		if err := b.Save(t.Context(), h, bytes.NewReader(mine)); err == nil {
			t.Fatal("no error")
		}
		clear(mine) // the race detector sees who still reads
	}
}

func TestLoad_answers(t *testing.T) {
	const size = 100
	h, data := pack(size)
	type answer struct {
		status int
		header string // Content-Range
		body   string
	}
	for _, c := range []struct {
		name           string
		offset, length int64
		answer         answer
		want           string // "" with an error
		is             error
	}{
		{"whole", 0, 0, answer{200, "", string(data)}, string(data), nil},
		{"part", 10, 20, answer{206, "bytes 10-29/100", string(data[10:30])}, string(data[10:30]), nil},
		{"part of unknown size", 10, 20, answer{206, "bytes 10-29/*", string(data[10:30])}, string(data[10:30]), nil},
		{"rest", 90, 0, answer{206, "bytes 90-99/100", string(data[90:])}, string(data[90:]), nil},
		{"no ranges", 10, 20, answer{200, "", string(data)}, "", nil},
		{"other part", 10, 20, answer{206, "bytes 0-19/100", string(data[:20])}, "", nil},
		{"more", 10, 20, answer{206, "bytes 10-99/100", string(data[10:])}, "", nil},
		{"lie about length", 10, 20, answer{206, "bytes 10-29/100", string(data[10:20])}, "", nil},
		{"no Content-Range", 10, 20, answer{206, "", string(data[10:30])}, "", nil},
		{"strange Content-Range", 10, 20, answer{206, "bytes x-29/100", string(data[10:30])}, "", nil},
		{"fewer", 90, 20, answer{206, "bytes 90-99/100", string(data[90:])}, "", io.ErrUnexpectedEOF},
		{"behind the end", 100, 1, answer{416, "bytes */100", "no"}, "", io.ErrUnexpectedEOF},
		{"behind the end, silent", 100, 1, answer{416, "", "no"}, "", io.ErrUnexpectedEOF},
		{"rclone at the end", 100, 1, answer{206, "bytes 100-99/100", ""}, "", io.ErrUnexpectedEOF},
		{"rclone behind the end", 101, 1, answer{206, "bytes 101-99/100", ""}, "", io.ErrUnexpectedEOF},
		{"rest of an empty file", 0, 1, answer{200, "", ""}, "", io.ErrUnexpectedEOF},
		{"not all to the end", 90, 0, answer{206, "bytes 90-98/100", string(data[90:99])}, "", nil},
		{"missing", 0, 0, answer{404, "", "404 page not found"}, "", backend.ErrNotExist},
		{"206 to no range", 0, 0, answer{206, "bytes 0-99/100", string(data)}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.answer.header != "" {
					w.Header().Set("Content-Range", c.answer.header)
				}
				w.WriteHeader(c.answer.status)
				io.WriteString(w, c.answer.body)
			})
			var got []byte
			err := b.Load(t.Context(), h, c.offset, c.length, func(r io.Reader) (err error) {
				got, err = io.ReadAll(r)
				return err
			})
			if c.want == "" && err == nil || c.want != "" && err != nil || c.is != nil && !errors.Is(err, c.is) || string(got) != c.want {
				t.Errorf("got %d bytes, %v; want %d, %v", len(got), err, len(c.want), c.is)
			}
		})
	}
}

// TestLoad_atEnd: all from the end on is nothing, and no error.
func TestLoad_atEnd(t *testing.T) {
	h, _ := pack(100)
	for _, a := range []struct {
		status int
		header string
	}{{416, "bytes */100"}, {206, "bytes 100-99/100"}} {
		b := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", a.header)
			w.WriteHeader(a.status)
		})
		n := -1
		err := b.Load(t.Context(), h, 100, 0, func(r io.Reader) error {
			data, err := io.ReadAll(r)
			n = len(data)
			return err
		})
		if n != 0 || err != nil {
			t.Errorf("%d: got %d bytes, %v", a.status, n, err)
		}
	}
}

// TestLoad_cutOff: a connection that ends early is noticed, by fn and without it.
func TestLoad_cutOff(t *testing.T) {
	h, data := pack(1 << 20)
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
		panic(http.ErrAbortHandler)
	})
	for _, fn := range []func(io.Reader) error{
		func(r io.Reader) error { _, err := io.ReadAll(r); return err },
		func(r io.Reader) error { io.Copy(io.Discard, r); return nil },
	} {
		if err := b.Load(t.Context(), h, 0, 0, fn); err == nil || backend.IsPermanent(err) {
			t.Errorf("got %v, want an error that is worth another try", err)
		}
	}
}

func TestStalls(t *testing.T) {
	h, data := pack(1 << 20)
	release := make(chan struct{})
	defer close(release)
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:100])
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, func(c *Config) { c.Patience = 100 * time.Millisecond })
	_, loadErr := backend.ReadAll(t.Context(), b, h, 1<<30)
	_, statErr := b.Stat(t.Context(), h)
	for what, err := range map[string]error{"load": loadErr, "stat": statErr, "save": b.Save(t.Context(), h, bytes.NewReader(data))} {
		if err == nil || !strings.Contains(err.Error(), "nothing has moved") {
			t.Errorf("%s: got %v, want a stall", what, err)
		}
		if backend.IsPermanent(err) {
			t.Errorf("%s: a stall is not worth another try? %v", what, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.Stat(ctx, h); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stat with a deadline: got %v", err)
	}
}

// TestLoad_slowReader: it is not the server's fault if fn takes its time.
func TestLoad_slowReader(t *testing.T) {
	h, data := pack(1 << 20)
	b := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(data) }, func(c *Config) { c.Patience = 50 * time.Millisecond })
	err := b.Load(t.Context(), h, 0, 0, func(r io.Reader) error {
		time.Sleep(150 * time.Millisecond)
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRedirects(t *testing.T) {
	h, data := pack(1000)
	var credentials string
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credentials = r.Header.Get("Authorization")
		if body, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || !bytes.Equal(body, data) {
			w.WriteHeader(400)
		}
	}))
	defer target.Close()
	// The other server's name is another one, on this computer all the same.
	elsewhere := strings.Replace(target.URL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		status int
		ok     bool
	}{{307, true}, {308, true}, {302, false}, {301, false}} {
		credentials = ""
		b := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere+r.URL.Path, c.status)
		})
		err := b.Save(t.Context(), h, bytes.NewReader(data))
		if (err == nil) != c.ok {
			t.Errorf("%d: %v", c.status, err)
		}
		if err != nil && !backend.IsPermanent(err) {
			t.Errorf("%d: worth another try? %v", c.status, err)
		}
		if credentials != "" {
			t.Errorf("%d: the credentials went to another host", c.status)
		}
	}
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	})
	if _, err := loop.Stat(t.Context(), h); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("a loop: %v", err)
	}
}

func TestTLS(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "7") })
	s := httptest.NewUnstartedServer(ok)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of clients that hang up
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(cfg Config) error {
		b, err := Open(t.Context(), cfg)
		if err != nil {
			return err
		}
		defer b.Close()
		_, err = b.Stat(t.Context(), backend.Handle{Type: backend.ConfigFile})
		return err
	}
	if err := try(Config{URL: s.URL, CAFile: caFile}); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	err := try(Config{URL: s.URL})
	var hint interface{ Hint() string }
	if !backend.IsPermanent(err) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "authority") {
		t.Errorf("unknown authority: got %v without a remedy", err)
	}
	plain := httptest.NewServer(ok)
	defer plain.Close()
	err = try(Config{URL: strings.Replace(plain.URL, "http:", "https:", 1)})
	if !backend.IsPermanent(err) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "http://") {
		t.Errorf("no TLS there: got %v without a remedy", err)
	}
	down := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+"/config", http.StatusTemporaryRedirect)
	}))
	defer down.Close()
	if err := try(Config{URL: down.URL, Client: down.Client()}); err == nil || !strings.Contains(err.Error(), "https to http") {
		t.Errorf("a redirect out of TLS: %v", err)
	}
	if err := try(Config{URL: s.URL, CAFile: filepath.Join(t.TempDir(), "none")}); err == nil || !strings.Contains(err.Error(), "read CA file") {
		t.Errorf("missing CA file: %v", err)
	}
	if err := os.WriteFile(caFile, []byte("no pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(Config{URL: s.URL, CAFile: caFile}); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a CA file without certificates: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(nil)
	url := s.URL
	s.Close()
	b, err := Open(t.Context(), Config{URL: url, Username: "ada", Password: secret.NewText(password)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Stat(t.Context(), backend.Handle{Type: backend.ConfigFile})
	if err == nil || backend.IsPermanent(err) {
		t.Errorf("got %v, want an error that is worth another try", err)
	}
	wantNoSecret(t, err)
}
