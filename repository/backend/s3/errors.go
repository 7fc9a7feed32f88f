package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Error is a store's "no". It is a backend error (ErrNotExist, ErrDenied,
// ErrFull) where there is one for it.
type Error struct {
	Code    string // S3's word, such as "NoSuchKey"
	Status  int    // of HTTP
	Message string // the store's sentence, shortened
	Remedy  string // what the owner can do, or ""

	kind      error
	permanent bool
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s (%s, HTTP %d)", e.Message, e.Code, e.Status)
	if e.Message == "" {
		s = fmt.Sprintf("%s (HTTP %d)", e.Code, e.Status)
	}
	if e.kind != nil {
		s = e.kind.Error() + ": " + s
	}
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

func (e *Error) Unwrap() error { return e.kind }

// Permanent tells whether the same request would get the same answer.
func (e *Error) Permanent() bool { return e.permanent }

// answers are those of the store's codes that mean something to us. Everything
// else is worth another try, above all what S3 answers with 400 when the wire
// was at fault: BadDigest, IncompleteBody, RequestTimeout.
var answers = map[string]Error{
	minio.NoSuchKey:                  {kind: backend.ErrNotExist},
	"NotFound":                       {kind: backend.ErrNotExist},
	minio.NoSuchBucket:               {kind: backend.ErrNotExist, Remedy: "check the name of the bucket"},
	minio.AccessDenied:               {kind: backend.ErrDenied, Remedy: "check what the access key is allowed to do with this bucket"},
	"AllAccessDisabled":              {kind: backend.ErrDenied},
	"AccountProblem":                 {kind: backend.ErrDenied, Remedy: "ask the provider of the store"},
	"InvalidAccessKeyId":             {kind: backend.ErrDenied, Remedy: "the store does not know this access key ID: check it"},
	"XAdminUserNotFound":             {kind: backend.ErrDenied, Remedy: "the store does not know this access key ID: check it"},
	"SignatureDoesNotMatch":          {kind: backend.ErrDenied, Remedy: "the secret access key does not belong to the access key ID: check it"},
	"InvalidToken":                   {kind: backend.ErrDenied, Remedy: "check the session token"},
	"ExpiredToken":                   {kind: backend.ErrDenied, Remedy: "the session token has expired: get a new one"},
	"RequestTimeTooSkewed":           {kind: backend.ErrDenied, Remedy: "set the clock of this computer"},
	"QuotaExceeded":                  {kind: backend.ErrFull},
	"XMinioAdminBucketQuotaExceeded": {kind: backend.ErrFull},
	"XMinioStorageFull":              {kind: backend.ErrFull},
	"InsufficientStorage":            {kind: backend.ErrFull},
	"InvalidObjectState":             {permanent: true, Remedy: "the object lies in an archive: restore it from there at the store first"},
	"ObjectLocked":                   {kind: backend.ErrReadOnly},
	"MethodNotAllowed":               {kind: backend.ErrReadOnly},
	"BadDigest":                      {Remedy: changed},
	"XAmzContentSHA256Mismatch":      {Remedy: changed},
	minio.InvalidBucketName:          {permanent: true},
	"PermanentRedirect":              {permanent: true, Remedy: "the bucket is at another endpoint"},
	"AuthorizationHeaderMalformed":   {permanent: true, Remedy: "check the region of the bucket"},
	"InvalidRegion":                  {permanent: true, Remedy: "check the region of the bucket"},
	"EntityTooLarge":                 {permanent: true},
	minio.NotImplemented:             {permanent: true},
}

const changed = "the bytes changed on the way, or in the memory of this computer"

// byStatus is for stores, and proxies before them, that say it with a code of
// their own or none. Not found is not among them: what is not there may be a
// user (versitygw). Without any code the client makes it NoSuchKey.
var byStatus = map[int]string{
	http.StatusUnauthorized:        minio.AccessDenied,
	http.StatusForbidden:           minio.AccessDenied,
	http.StatusMethodNotAllowed:    "MethodNotAllowed",
	http.StatusNotImplemented:      minio.NotImplemented,
	http.StatusInsufficientStorage: "InsufficientStorage",
}

// explain turns what the client returned into an error of ours. ctx is the
// caller's: its end is told from the end of a time limit further down, which
// also calls itself context.DeadlineExceeded but is worth another try.
func (b *Backend) explain(ctx context.Context, err error) error {
	var caller *callerError
	switch {
	case errors.As(err, &caller):
		return caller.error
	case ctx.Err() != nil:
		return ctx.Err()
	case b.life.Err() != nil:
		return &localError{cause: errClosed, permanent: true}
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return fromAnswer(answer)
	}
	return fromWire(err)
}

func fromAnswer(a minio.ErrorResponse) error {
	e, ok := answers[a.Code]
	if !ok {
		e = answers[byStatus[a.StatusCode]]
	}
	e.Code, e.Status, e.Message = text(a.Code), a.StatusCode, text(a.Message)
	if e.Message == e.Code {
		e.Message = ""
	}
	return &e
}

// fromWire sorts the errors that no store's answer is behind, and those that fn
// of a Load or List returned.
func fromWire(err error) error {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return &localError{err, "give the file with the certificate of the store's authority", true}
	case errors.As(err, &hostname), errors.As(err, &invalid):
		return &localError{err, "the store shows a certificate that is not good for this address", true}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return &localError{err, "the store speaks plain HTTP at this port: use http:// for it", true}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// Not the caller's context: a limit on dialling or on waiting for an answer.
		return fmt.Errorf("the store did not answer in time: %v", err)
	}
	return err
}

// localError is a failure on our side of the wire, with what to do about it.
type localError struct {
	cause     error
	remedy    string
	permanent bool
}

func (e *localError) Error() string {
	if e.remedy == "" {
		return e.cause.Error()
	}
	return e.cause.Error() + ": " + e.remedy
}

func (e *localError) Unwrap() error   { return e.cause }
func (e *localError) Permanent() bool { return e.permanent }

// callerError is what a callback returned: not ours to explain.
type callerError struct{ error }

// codeOf is the store's code in err, or "".
func codeOf(err error) string { return answerIn(err).Code }

// statusOf is the store's HTTP status in err, or 0.
func statusOf(err error) int { return answerIn(err).StatusCode }

// isMissing tells whether err says that there is no such object or bucket.
func isMissing(err error) bool {
	a, ok := answers[codeOf(err)]
	return ok && a.kind == backend.ErrNotExist
}

func answerIn(err error) (answer minio.ErrorResponse) {
	errors.As(err, &answer)
	return answer
}

// text makes what a store sent fit for a line of an error.
func text(s string) string {
	const most = 300
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " …"
	}
	return s
}
