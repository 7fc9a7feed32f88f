package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// maxErrorBody is how much of what a server says to an error is read, in bytes.
const maxErrorBody = 512

// StatusError is a server's refusal. It is (errors.Is) the backend's error that
// the status means, if there is one: ErrNotExist, ErrExist, ErrDenied,
// ErrReadOnly or ErrFull.
type StatusError struct {
	Code int    // the HTTP status
	Text string // the beginning of what the server said, printable, on one line; may be empty

	cause error // one of the backend's errors, or nil
}

func (e *StatusError) Error() string {
	var b strings.Builder
	if e.cause != nil {
		fmt.Fprintf(&b, "%v (HTTP %d", e.cause, e.Code)
	} else {
		fmt.Fprintf(&b, "HTTP %d %s", e.Code, http.StatusText(e.Code))
	}
	if e.Text != "" && !strings.EqualFold(e.Text, http.StatusText(e.Code)) {
		fmt.Fprintf(&b, ": %s", e.Text)
	}
	if e.cause != nil {
		b.WriteByte(')')
	}
	return b.String()
}

// Unwrap is the meaning of the status.
func (e *StatusError) Unwrap() error { return e.cause }

// Permanent tells whether the same request would be refused again. A 400 is
// not: it is also the answer to a body that was damaged on its way.
func (e *StatusError) Permanent() bool {
	switch e.Code {
	case http.StatusBadRequest, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
		return true
	}
	return e.Code < 500
}

// Hint says what its owner can do about a refusal; "" if nothing general helps.
func (e *StatusError) Hint() string {
	switch {
	case e.Code == http.StatusUnauthorized:
		return "give the user name and the password that this server knows"
	case e.Code == http.StatusForbidden && errors.Is(e.cause, backend.ErrDenied):
		return "this user may not go there: where every user has a place of their own, the path begins with the user's name"
	case e.Code == http.StatusTooManyRequests:
		return "the server has seen too many wrong passwords: wait some minutes"
	}
	return ""
}

// refusal reads resp's answer to a request that was not granted.
func refusal(resp *http.Response) *StatusError {
	// What cannot be read of the explanation is not explained; the status stands.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := &StatusError{Code: resp.StatusCode, Text: oneLine(text)}
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		e.cause = backend.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		e.cause = backend.ErrDenied
	case http.StatusInsufficientStorage:
		e.cause = backend.ErrFull
	}
	return e
}

func oneLine(text []byte) string {
	fields := strings.FieldsFunc(strings.ToValidUTF8(string(text), ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
	line := strings.Join(fields, " ")
	if strings.HasPrefix(line, "<") {
		return "" // a page of a proxy says nothing in its first bytes
	}
	return line
}

// forWriting is err of an operation that writes or removes: there, "forbidden"
// means that nobody may.
func forWriting(err error) error {
	var e *StatusError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		return &StatusError{Code: e.Code, Text: e.Text, cause: backend.ErrReadOnly}
	}
	return err
}

// permanentError is a failure of the wire that trying again cannot mend.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error   { return e.error }
func (e *permanentError) Permanent() bool { return true }

// stallError ends a request that stood still.
type stallError struct{ after time.Duration }

func (e *stallError) Error() string { return fmt.Sprintf("nothing has moved for %v", e.after) }

// Timeout makes it a net.Error's kind of timeout for those who ask.
func (e *stallError) Timeout() bool { return true }

// hintedError is a failure of the connection with a known cure.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string   { return e.err.Error() }
func (e *hintedError) Unwrap() error   { return e.err }
func (e *hintedError) Hint() string    { return e.hint }
func (e *hintedError) Permanent() bool { return true }

// connectionError makes the errors of http.Client shorter, and says what helps
// where something does. What was asked of which server is said by the caller.
func connectionError(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var (
		unknown *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		host    x509.HostnameError
	)
	switch {
	case errors.As(err, &host):
		return &hintedError{err, "the certificate is for another name: use the name that is in it"}
	case errors.As(err, &unknown):
		return &hintedError{err, "if the certificate is your own, name the file of the authority that signed it"}
	case errors.As(err, &record):
		return &hintedError{err, "this server speaks no TLS: its address begins with http://, not https://"}
	}
	if errors.Is(err, backend.ErrNotExist) || errors.Is(err, backend.ErrExist) {
		return fmt.Errorf("reach the server: %v", err) // no file of the repository is meant
	}
	// net/http has no type for it.
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return &hintedError{err, "this server speaks no TLS: its address begins with http://, not https://"}
	}
	return err
}
