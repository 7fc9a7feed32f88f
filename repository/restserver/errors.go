package restserver

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// httpError is an answer that is no success. text is for the client, err for
// the log.
type httpError struct {
	status int
	text   string // "": the status' own
	err    error
}

func (e *httpError) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return http.StatusText(e.status) + ": " + e.text
}

func (e *httpError) Unwrap() error { return e.err }

func refuse(status int, text string) error { return &httpError{status: status, text: text} }

// answerTo is the one place where errors become HTTP. What went wrong inside is
// for the log: clients learn no paths.
func answerTo(err error) *httpError {
	var e *httpError
	switch {
	case errors.As(err, &e):
		return &httpError{e.status, e.text, err}
	case errors.Is(err, backend.ErrNotExist):
		return &httpError{http.StatusNotFound, "", err}
	case errors.Is(err, backend.ErrExist):
		return &httpError{http.StatusForbidden, "it exists", err}
	case errors.Is(err, backend.ErrReadOnly):
		return &httpError{http.StatusForbidden, "the store can only be read", err}
	case errors.Is(err, backend.ErrFull):
		return &httpError{http.StatusInsufficientStorage, "the store is full", err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &httpError{http.StatusRequestTimeout, "the transfer stood still", err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &httpError{http.StatusBadRequest, "there is less than was asked for or announced", err}
	}
	return &httpError{http.StatusInternalServerError, "the server's log says more", err}
}

// fail answers with err. After a part of the answer has been sent, all that can
// be done is to break off.
func (x *exchange) fail(err error) {
	e := answerTo(err)
	x.cause = err
	if x.w.status != 0 {
		panic(http.ErrAbortHandler) // net/http's way to say it; nothing is printed
	}
	switch e.status {
	case http.StatusUnauthorized:
		x.w.Header().Set("WWW-Authenticate", `Basic realm="keepsake", charset="UTF-8"`)
	default:
		x.w.drain()
	}
	h := x.w.Header()
	h.Del("Content-Length")
	h.Del("Content-Range")
	text := http.StatusText(e.status)
	if e.text != "" {
		text = e.text
	}
	http.Error(x.w, text, e.status)
}
