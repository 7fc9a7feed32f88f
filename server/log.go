package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// trace is what the log says of a request. Addresses are not in it, but the pattern
// that they match: paths name people's files, queries what they search for, and the
// path of a signal is a key.
type trace struct {
	pattern string
	account int64
	started bool // the answer has begun
	status  int
	bytes   int64
}

type traceKey struct{}

func traceFrom(ctx context.Context) *trace {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

// tracer counts what goes out. http.ResponseController reaches through it.
type tracer struct {
	http.ResponseWriter
	t *trace
}

func (t *tracer) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tracer) WriteHeader(status int) {
	if !t.t.started && status >= 200 {
		t.t.started, t.t.status = true, status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracer) Write(b []byte) (int, error) {
	if !t.t.started {
		t.t.started, t.t.status = true, http.StatusOK
	}
	_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Now().Add(stallTimeout)) // only a test's recorder has none
	n, err := t.ResponseWriter.Write(b)
	t.t.bytes += int64(n)
	return n, err
}

// logged writes a line for each request, and turns a panic into an error page whose
// number leads to the log.
func (rt *router) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &trace{}
		began := rt.o.Now()
		r = r.WithContext(context.WithValue(r.Context(), traceKey{}, t))
		w = &tracer{w, t}
		defer func() {
			p := recover()
			abort := p != nil && rt.panicked(w, r, t, p)
			level := slog.LevelInfo
			if t.pattern == "GET /healthz" {
				level = slog.LevelDebug // asked every few seconds
			}
			rt.o.Log.Log(r.Context(), level, "request", "method", method(r), "route", t.pattern, "status", t.status, "bytes", t.bytes,
				"took", rt.o.Now().Sub(began).Round(time.Millisecond/10), "account", t.account)
			if abort {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// panicked answers a request whose handler has panicked. It tells whether the
// connection must be cut, because half an answer must not look like a whole one.
func (rt *router) panicked(w http.ResponseWriter, r *http.Request, t *trace, p any) (abort bool) {
	if p == http.ErrAbortHandler {
		return true
	}
	id := rand.Text()[:8]
	rt.o.Log.ErrorContext(r.Context(), "bug: a request panicked", "id", id, "method", method(r), "route", t.pattern, "panic", fmt.Sprintf("%T: %.200v", p, p), "stack", string(debug.Stack()))
	if t.started {
		return true
	}
	rt.pages.problem(w, r, problem{Status: http.StatusInternalServerError, Title: "Something went wrong here", Text: "It is Keepsake's fault, not yours.",
		Hint: "The log of the service says more about it under this number.", ID: id})
	return false
}

// method is the request's method if it is one that HTTP knows: others are text of
// the sender's choosing.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "OTHER"
}
