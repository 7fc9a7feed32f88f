package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// maxReason is the longest cause of a failure, in bytes.
const maxReason = 200

// statusError is an answer of HTTP that is not a yes.
type statusError int

func (e statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("it answered %d %s", int(e), http.StatusText(int(e))))
}

// plainError is words of our own, which hold nothing of a URL.
type plainError string

func (e plainError) Error() string { return string(e) }

// reason says in words why a place has not got a message, without any part of
// its URL. What is known is said in our own words; the rest is cleaned.
func (p *place) reason(err error) string {
	if s := knownReason(err); s != "" {
		return s
	}
	return scrub(err.Error(), p.url.Reveal())
}

func knownReason(err error) string {
	var (
		plain   plainError
		refused *RefusedAddressError
		status  statusError
		answer  jsonclient.Error
		mail    *textproto.Error
		name    *net.DNSError
		cert    *tls.CertificateVerificationError
		timeout net.Error
	)
	switch {
	case errors.As(err, &plain):
		return plain.Error()
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &answer) && answer.StatusCode != 0:
		return statusError(answer.StatusCode).Error()
	case errors.As(err, &mail):
		return mailReason(mail.Code)
	case errors.Is(err, context.Canceled):
		return "it was given up"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	case errors.As(err, &name):
		return "its name is not known to the network"
	case errors.As(err, &cert):
		return "its certificate is not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: connection refused"
	}
	return ""
}

// mailReason is the meaning of an answer of SMTP (RFC 5321 4.2, RFC 4954 6).
func mailReason(code int) string {
	switch {
	case code == 530 || code == 534 || code == 535 || code == 538:
		return fmt.Sprintf("it answered %d: the sign-in is refused", code)
	case code == 550 || code == 553:
		return fmt.Sprintf("it answered %d: an address is refused", code)
	case code >= 400 && code < 500:
		return fmt.Sprintf("it answered %d: not now", code)
	}
	return fmt.Sprintf("it answered %d", code)
}

var urlLike = regexp.MustCompile(`"?[A-Za-z][A-Za-z0-9+.-]*://[^\s"]*"?`)

// scrub takes all that looks like a URL, and every part of the URL raw that could
// be a secret, out of text.
func scrub(text, raw string) string {
	const gone = "…"
	text = strings.ReplaceAll(text, raw, gone)
	text = urlLike.ReplaceAllString(text, gone)
	for _, part := range partsOf(raw) {
		// Shorter ones are words of any sentence, and no secrets.
		if len(part) >= 4 {
			text = strings.ReplaceAll(text, part, gone)
			text = strings.ReplaceAll(text, url.QueryEscape(part), gone)
		}
	}
	return cut(strings.Join(strings.Fields(text), " "), maxReason)
}

// partsOf are the pieces of a URL, longest wholes first.
func partsOf(raw string) []string {
	_, rest, _ := strings.Cut(raw, "://")
	parts := []string{rest}
	if u, err := url.Parse(raw); err == nil {
		password, _ := u.User.Password()
		parts = append(parts, u.User.String(), u.User.Username(), password, u.Host, u.Hostname(), u.Path, strings.Trim(u.Path, "/"), u.RawQuery, u.Fragment, u.Opaque)
		parts = append(parts, strings.Split(u.Path, "/")...)
		for _, values := range u.Query() {
			for _, v := range values {
				parts = append(append(parts, v), strings.Split(v, ",")...)
			}
		}
		return parts
	}
	return append(parts, strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("/:@?&=#,", r) })...)
}
