package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 10 * time.Second // until the headers are there
	readTimeout   = time.Minute      // until the body is: 1 MiB at most
	idleTimeout   = 2 * time.Minute
	stallTimeout  = time.Minute // for one write: a download may be long, but it has to move
	maxHeader     = 32 << 10
)

// NewHTTP is the server around h, with limits on headers and on time: slow senders
// are cut, long answers are not as long as they move. Streams end when ctx does,
// so that Shutdown need not wait for them.
func NewHTTP(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

// long prepares for an answer that takes longer than a body may: the deadline of
// the request's reading would end it. Writes have their own, see tracer.
func long(w http.ResponseWriter) *http.ResponseController {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // only a test's recorder has none
	return c
}
