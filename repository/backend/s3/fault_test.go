package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// What goes wrong between us and the store while an object is on its way.
func TestLoad_brokenAnswers(t *testing.T) {
	s := serve(t, plain)
	b := s.created(t)
	data := random(10_000)
	h := save(t, b, backend.PackFile, data)
	mine := errors.New("the caller's own error")
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		fn     func(io.Reader) error
		want   error
	}{
		"cut off": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			w.Header().Set("Content-Range", "bytes 100-5099/10000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[100:3000])
		}, nil, io.ErrUnexpectedEOF},
		"cut off and nobody cares": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			w.Header().Set("Content-Range", "bytes 100-5099/10000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[100:3000])
		}, func(r io.Reader) error { io.Copy(io.Discard, r); return nil }, io.ErrUnexpectedEOF},
		"too short": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", "bytes 100-199/10000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[100:200])
		}, nil, io.ErrUnexpectedEOF},
		"range ignored": {func(w http.ResponseWriter) { w.Write(data) }, nil, nil},
		"another range": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", "bytes 0-4999/10000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[:5000])
		}, nil, nil},
		"the caller's error": {nil, func(r io.Reader) error { return fmt.Errorf("%w: %w", mine, context.DeadlineExceeded) }, mine},
	} {
		t.Run(name, func(t *testing.T) {
			s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if c.answer == nil {
					return false
				}
				w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
				c.answer(w)
				return true
			})
			fn := c.fn
			if fn == nil {
				fn = func(r io.Reader) error { _, err := io.ReadAll(r); return err }
			}
			err := b.Load(t.Context(), h, 100, 5000, fn)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), h.Name) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>what the store\nsays %s</Message></Error>", code, strings.Repeat("and says ", 200))
}

func TestErrorsOfTheStore(t *testing.T) {
	s := serve(t, plain)
	b := s.created(t)
	h := save(t, b, backend.PackFile, []byte("pack"))
	for _, c := range []struct {
		status    int
		code      string
		want      error
		permanent bool
	}{
		{404, "NoSuchKey", backend.ErrNotExist, true},
		{404, "NoSuchBucket", backend.ErrNotExist, true},
		{404, "", backend.ErrNotExist, true},
		{403, "AccessDenied", backend.ErrDenied, true},
		{403, "", backend.ErrDenied, true},
		{403, "InvalidAccessKeyId", backend.ErrDenied, true},
		{403, "SignatureDoesNotMatch", backend.ErrDenied, true},
		{403, "RequestTimeTooSkewed", backend.ErrDenied, true},
		{404, "XAdminUserNotFound", backend.ErrDenied, true},
		{404, "NoSuchUpload", nil, false},
		{401, "Unauthorized", backend.ErrDenied, true},
		{507, "", backend.ErrFull, true},
		{507, "XMinioStorageFull", backend.ErrFull, true},
		{403, "QuotaExceeded", backend.ErrFull, true},
		{405, "MethodNotAllowed", backend.ErrReadOnly, true},
		{400, "AuthorizationHeaderMalformed", nil, true},
		{400, "BadDigest", nil, false},
		{400, "RequestTimeout", nil, false},
		{409, "ConditionalRequestConflict", nil, false},
		{503, "SlowDown", nil, false},
		{500, "InternalError", nil, false},
		{502, "", nil, false},
	} {
		t.Run(fmt.Sprint(c.status, c.code), func(t *testing.T) {
			s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if c.code == "" {
					w.WriteHeader(c.status)
				} else {
					answer(w, c.status, c.code)
				}
				return true
			})
			sent := total(b)
			ops := map[string]error{
				"save": b.Save(t.Context(), h, strings.NewReader("pack")),
				"load": b.Load(t.Context(), h, 0, 0, func(io.Reader) error { return nil }),
				"list": b.List(t.Context(), backend.PackFile, func(backend.FileInfo) error { return nil }),
			}
			if n := total(b) - sent; n != 3 {
				t.Errorf("%d requests for 3 operations: who repeats them here?", n)
			}
			_, ops["stat"] = b.Stat(t.Context(), h)
			ops["remove"] = b.Remove(t.Context(), h)
			for op, err := range ops {
				if err == nil || c.want != nil && !errors.Is(err, c.want) || backend.IsPermanent(err) != c.permanent {
					t.Errorf("%s: %v, permanent %v; want %v, %v", op, err, backend.IsPermanent(err), c.want, c.permanent)
					continue
				}
				if len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: the text is not fit for a line: %q", op, err)
				}
				var e *Error
				if !errors.As(err, &e) || e.Status != c.status {
					t.Errorf("%s: %#v is not an Error with status %d", op, err, c.status)
				}
			}
		})
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"a plain sentence":                 "a plain sentence",
		"two\r\nlines\x1b[31m\x00 \xffred": "two lines [31m red",
		strings.Repeat("ä", 200):           strings.Repeat("ä", 150) + " …",
		"":                                 "",
	} {
		if got := text(in); got != want {
			t.Errorf("text(%q) = %q, want %q", in, got, want)
		}
	}
}

func total(b *Backend) (n int64) {
	for _, v := range b.Requests() {
		n += v
	}
	return n
}

// A store that accepts and then says nothing: the end of ctx and Close both get
// us out, and so does the limit on standing still.
func TestStandstill(t *testing.T) {
	s := serve(t, plain)
	s.created(t)
	release := make(chan struct{})
	entered := make(chan struct{}, 10)
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		entered <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	})
	defer close(release)
	load := func(ctx context.Context, b *Backend) error {
		return b.Load(ctx, file(backend.PackFile, nil), 0, 0, func(io.Reader) error { return nil })
	}
	t.Run("ctx", func(t *testing.T) {
		b := s.open(t, s.config())
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		if err := load(ctx, b); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("close", func(t *testing.T) {
		b := s.open(t, s.config())
		go func() { <-entered; b.Close() }()
		if err := load(t.Context(), b); !errors.Is(err, errClosed) || !backend.IsPermanent(err) {
			t.Error(err)
		}
		if err := load(t.Context(), b); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
	for name, op := range map[string]func(*Backend) error{
		"limit": func(b *Backend) error { return load(t.Context(), b) },
		"limit for an upload": func(b *Backend) error {
			return b.Save(t.Context(), file(backend.PackFile, nil), bytes.NewReader(make([]byte, 32<<20)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := open(s.config(), 100*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := op(b); err == nil || backend.IsPermanent(err) {
				t.Errorf("got %v, want an error worth another try", err)
			}
		})
	}
}

// A slow transfer is not a stalled one.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	s := serve(t, plain)
	s.created(t)
	data := random(400)
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			// Takes the body in sips, for longer than the limit.
			buf := make([]byte, 1<<20)
			for {
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					return true
				}
				time.Sleep(40 * time.Millisecond)
			}
		}
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", "400")
		for i := range 8 {
			w.Write(data[i*50 : i*50+50])
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond)
		}
		return true
	})
	b, err := open(s.config(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := backend.ReadAll(t.Context(), b, file(backend.PackFile, data), 1000); err != nil || !bytes.Equal(got, data) {
		t.Errorf("slow download: %d bytes, %v", len(got), err)
	}
	if err := b.Save(t.Context(), file(backend.PackFile, data), bytes.NewReader(make([]byte, 40<<20))); err != nil {
		t.Errorf("slow upload: %v", err)
	}
}
