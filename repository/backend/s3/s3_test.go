package s3

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
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is an S3 server on loopback. before may answer a request in its place
// (returning true).
//
// What gofakes3 is not: it checks neither signatures nor the SHA-256 in them
// (the MD5 it does), keeps everything in memory, reads a body to its end before
// it says no, and answers 411 to a PUT whose Content-Length Go leaves out.
type store struct {
	*httptest.Server
	mem    *s3mem.Backend
	before atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func serve(t *testing.T, start func(*httptest.Server)) *store {
	t.Helper()
	s := &store{mem: s3mem.New()}
	fake := gofakes3.New(s.mem).Server()
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := s.before.Load(); f != nil && (*f)(w, r) {
			return
		}
		fake.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

func plain(s *httptest.Server) { s.Start() }

func (s *store) intercept(f func(w http.ResponseWriter, r *http.Request) bool) { s.before.Store(&f) }

func (s *store) config() Config {
	return Config{
		Endpoint: s.Listener.Addr().String(), Insecure: true, Bucket: "backups", Prefix: "/phones//anna/", Region: "us-east-1",
		AccessKeyID: "AKID", SecretAccessKey: secret.NewText("hunter2hunter2"),
	}
}

func (s *store) open(t *testing.T, c Config) *Backend {
	t.Helper()
	b, err := Open(t.Context(), c)
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

func (s *store) created(t *testing.T) *Backend {
	t.Helper()
	b := s.open(t, s.config())
	if err := b.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func file(typ backend.FileType, data []byte) backend.Handle {
	sum := sha256.Sum256(data)
	return backend.Handle{Type: typ, Name: hex.EncodeToString(sum[:])}
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func save(t *testing.T, b *Backend, typ backend.FileType, data []byte) backend.Handle {
	t.Helper()
	h := file(typ, data)
	if typ == backend.ConfigFile {
		h.Name = ""
	}
	if err := b.Save(t.Context(), h, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestKeysAreResticsLayout(t *testing.T) {
	s := serve(t, plain)
	b := s.created(t)
	want := map[string]bool{}
	for _, typ := range backend.FileTypes {
		h := save(t, b, typ, []byte(typ.String()))
		folder := map[backend.FileType]string{backend.KeyFile: "keys/", backend.IndexFile: "index/", backend.SnapshotFile: "snapshots/",
			backend.LockFile: "locks/", backend.PackFile: "data/", backend.ConfigFile: "config"}[typ]
		if typ == backend.PackFile {
			folder += h.Name[:2] + "/"
		}
		want["phones/anna/"+folder+h.Name] = true
	}
	list, err := s.mem.ListBucket("backups", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, o := range list.Contents {
		got[o.Key] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("keys\n got %v\nwant %v", got, want)
	}
	if loc := b.Properties().Location; loc != "s3:http://"+s.Listener.Addr().String()+"/backups/phones/anna" {
		t.Errorf("location %q", loc)
	}
}

func TestLoad_ranges(t *testing.T) {
	b := serve(t, plain).created(t)
	data := random(300_000)
	h := save(t, b, backend.PackFile, data)
	for _, c := range []struct {
		offset, length int64
		want           []byte // nil: io.ErrUnexpectedEOF
	}{
		{0, 0, data},
		{0, 1, data[:1]},
		{0, 300_000, data},
		{1, 1, data[1:2]},
		{299_999, 0, data[299_999:]},
		{299_999, 1, data[299_999:]},
		{300_000, 0, []byte{}},
		{300_000, 1, nil},
		{300_001, 0, nil},
		{299_000, 2000, nil},
		{0, 300_001, nil},
	} {
		called := false
		var got []byte
		err := b.Load(t.Context(), h, c.offset, c.length, func(r io.Reader) (err error) {
			called = true
			got, err = io.ReadAll(r)
			return err
		})
		if c.want == nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) || called || backend.IsPermanent(err) {
				t.Errorf("%d bytes from %d: %v, callback ran: %v", c.length, c.offset, err, called)
			}
		} else if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%d bytes from %d: %d bytes, %v", c.length, c.offset, len(got), err)
		}
	}
	if err := b.Load(t.Context(), h, -1, 0, func(io.Reader) error { return nil }); err == nil {
		t.Error("an offset below 0 was accepted")
	}
}

func TestConfigIsNeverOverwritten(t *testing.T) {
	config := backend.Handle{Type: backend.ConfigFile}
	refuse := func(status int, code string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut || r.Header.Get("If-None-Match") == "" {
				return false
			}
			answer(w, status, code)
			return true
		}
	}
	for name, c := range map[string]struct {
		before func(http.ResponseWriter, *http.Request) bool
		first  error
	}{
		"a store with conditions":                 {func(http.ResponseWriter, *http.Request) bool { return false }, nil},
		"a store that ignores them":               {func(w http.ResponseWriter, r *http.Request) bool { r.Header.Del("If-None-Match"); return false }, nil},
		"a store that refuses them":               {refuse(http.StatusNotImplemented, "NotImplemented"), nil},
		"somebody else came between question and": {refuse(http.StatusPreconditionFailed, "PreconditionFailed"), backend.ErrExist},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, plain)
			b := s.created(t)
			s.intercept(c.before)
			if err := b.Save(t.Context(), config, strings.NewReader("first")); !errors.Is(err, c.first) {
				t.Fatalf("first config: %v, want %v", err, c.first)
			}
			if c.first != nil {
				return
			}
			if err := b.Save(t.Context(), config, strings.NewReader("second")); !errors.Is(err, backend.ErrExist) || !backend.IsPermanent(err) {
				t.Errorf("second config: %v", err)
			}
			if got, err := backend.ReadAll(t.Context(), b, config, 100); string(got) != "first" || err != nil {
				t.Errorf("config is %q, %v", got, err)
			}
		})
	}

	t.Run("one of many wins", func(t *testing.T) {
		b := serve(t, plain).created(t)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				switch err := b.Save(t.Context(), config, strings.NewReader(fmt.Sprint("config ", i))); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, backend.ErrExist):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d configs were written", won.Load())
		}
	})
}

func TestRequestsAreCounted(t *testing.T) {
	s := serve(t, plain)
	b := s.created(t)
	before := b.Requests()
	h := save(t, b, backend.PackFile, random(70<<20))
	other := save(t, b, backend.SnapshotFile, []byte("snapshot"))
	save(t, b, backend.ConfigFile, []byte("config"))
	for range 3 {
		if err := b.Load(t.Context(), h, 10, 10, func(r io.Reader) error { _, err := io.ReadAll(r); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.List(t.Context(), backend.PackFile, func(backend.FileInfo) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	got := b.Requests()
	for k, n := range before {
		got[k] -= n
	}
	want := map[string]int64{"PUT": 3, "GET": 4, "HEAD": 2, "LIST": 1, "DELETE": 1, "OTHER": 0}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestList(t *testing.T) {
	s := serve(t, plain)
	b := s.created(t)
	want := map[string]int64{}
	for i := range 2100 { // three pages
		data := fmt.Appendf(nil, "pack %d", i)
		h := file(backend.PackFile, data)
		put(t, s, "phones/anna/data/"+h.Name[:2]+"/"+h.Name, data)
		want[h.Name] = int64(len(data))
	}
	name := strings.Repeat("ab", 32)
	for _, key := range []string{
		"data/" + name,                         // no folder
		"data/cd/" + name,                      // the folder of other digits
		"data/ab/" + name + "-tmp",             // somebody's temporary file
		"data/ab/" + strings.ToUpper(name),     // not lower case
		"data/ab/x/" + name, "x-lease/" + name, // folders of others
		"index/" + name + "/" + name, "data/ab/", "index/",
	} {
		put(t, s, "phones/anna/"+key, []byte("foreign"))
	}
	put(t, s, "phones/anna2/index/"+name, []byte("another repository"))
	got := map[string]int64{}
	if err := b.List(t.Context(), backend.PackFile, func(f backend.FileInfo) error { got[f.Name] = f.Size; return nil }); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("listed %d files, want %d", len(got), len(want))
	}
	for _, typ := range []backend.FileType{backend.IndexFile, backend.LockFile} {
		if err := b.List(t.Context(), typ, func(f backend.FileInfo) error { return errors.New("there is " + f.Name) }); err != nil {
			t.Error(err)
		}
	}
	stop := errors.New("enough")
	if err := b.List(t.Context(), backend.PackFile, func(backend.FileInfo) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	if err := b.List(ctx, backend.PackFile, func(backend.FileInfo) error { n++; cancel(); return nil }); !errors.Is(err, context.Canceled) || n > 1000 {
		t.Errorf("a listing that was ended after %d files: %v", n, err)
	}
	if err := b.List(t.Context(), backend.ConfigFile, func(backend.FileInfo) error { return nil }); err == nil {
		t.Error("the config was listed")
	}
}

func put(t testing.TB, s *store, key string, data []byte) {
	t.Helper()
	if _, err := s.mem.PutObject("backups", key, map[string]string{}, bytes.NewReader(data), int64(len(data)), nil); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutBucket(t *testing.T) {
	s := serve(t, plain)
	b := s.open(t, s.config())
	config := backend.Handle{Type: backend.ConfigFile}
	if _, err := b.Stat(t.Context(), config); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
	if err := b.List(t.Context(), backend.IndexFile, func(backend.FileInfo) error { return nil }); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("a missing bucket is listed as: %v", err)
	}
	for range 2 {
		if err := b.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		answer(w, http.StatusForbidden, "AccessDenied")
		return true
	})
	if err := b.Create(t.Context()); err != nil {
		t.Errorf("create with a key that may only use objects: %v", err)
	}
}

func TestTLS(t *testing.T) {
	s := serve(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	})
	c := s.config()
	c.Insecure = false
	c.Region = ""
	err := s.open(t, c).Create(t.Context())
	if err == nil || !backend.IsPermanent(err) || !strings.Contains(err.Error(), "authority") {
		t.Errorf("an unknown authority: %v", err)
	}
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if _, err := Open(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file of certificates: %v", err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for _, content := range [][]byte{[]byte("no certificate"), cert} {
		if err := os.WriteFile(c.CAFile, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), c); (err == nil) != (len(content) > 20) {
			t.Errorf("certificates %.20q: %v", content, err)
		}
	}
	b := s.open(t, c)
	if err := b.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	data := random(3 << 20)
	h := save(t, b, backend.PackFile, data)
	if got, err := backend.ReadAll(t.Context(), b, h, 4<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("over TLS: %d bytes, %v", len(got), err)
	}

	c.Endpoint = serve(t, plain).Listener.Addr().String()
	if err := s.open(t, c).Create(t.Context()); err == nil || !backend.IsPermanent(err) || !strings.Contains(err.Error(), "http://") {
		t.Errorf("TLS to a plain server: %v", err)
	}
}

func TestOpen_refuses(t *testing.T) {
	good := Config{Endpoint: "host:9000", Bucket: "backups", AccessKeyID: "AKID", SecretAccessKey: secret.NewText("hunter2")}
	for name, change := range map[string]func(*Config){
		"no endpoint":       func(c *Config) { c.Endpoint = "" },
		"a URL":             func(c *Config) { c.Endpoint = "https://host" },
		"credentials in it": func(c *Config) { c.Endpoint = "hunter2@host" },
		"no bucket":         func(c *Config) { c.Bucket = "" },
		"no secret":         func(c *Config) { c.SecretAccessKey = secret.Text{} },
		"no ID":             func(c *Config) { c.AccessKeyID = "" },
	} {
		c := good
		change(&c)
		if b, err := Open(t.Context(), c); err == nil {
			b.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	b, err := Open(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if p := b.Properties(); p.Connections != DefaultConnections || !p.Remote || strings.Contains(fmt.Sprintf("%+v %+v", p, good), "hunter2") {
		t.Errorf("%+v", p)
	}
}
