package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server/api"
)

const (
	prefix    = "/api/v1"
	maxAnswer = 64 << 20 // bytes of JSON; the versions of many years are a few MiB
)

// Options are how to speak to a service.
type Options struct {
	// Token is one that the page has made, "ksk_…".
	Token secret.Text
	// HTTP makes the requests; nil is a client of its own, which goes through no proxy. Its CheckRedirect is not
	// used. For a service with a certificate of its own authority, give it a
	// transport that trusts that.
	HTTP *http.Client
}

// Client speaks to one service. It may be used by several goroutines.
type Client struct {
	base  *url.URL
	token secret.Text
	http  http.Client
}

// New makes a client of the service at address, such as "https://nas.local:8443".
// A path in it is where a proxy has put the service. Without TLS it speaks to
// this computer only, since the token would cross the network in plain.
func New(address string, o Options) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read address of the service: %w", err)
	}
	switch {
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("read address of the service: %q is not like https://host:port", u.Redacted())
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("read address of the service: %s is not this computer: use https", u.Host)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("read address of the service: %q is neither https nor http", u.Scheme)
	}
	c := &Client{base: u, token: o.Token}
	if o.HTTP != nil {
		c.http = *o.HTTP
	} else {
		c.http.Transport = &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: 2 * time.Minute, // opening a repository far away takes its time
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     true,
		}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func loopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// The kinds of what a service refuses, for errors.Is.
var (
	ErrSignIn    = errors.New("the token is missing or not good any more") // 401
	ErrForbidden = errors.New("not allowed")                               // 403
	ErrNotFound  = errors.New("there is no such thing")                    // 404
	ErrBusy      = errors.New("too many requests")                         // 429
)

// Error is a refusal of the service.
type Error struct {
	Op string // what was asked: "start backup"
	api.Problem
}

func (e *Error) Error() string { return e.Op + ": " + e.Problem.Error() }

// Hint says what a person can do about it, "" if the service knows nothing.
func (e *Error) Hint() string { return e.Problem.Hint }

// Unwrap gives the problem as it came.
func (e *Error) Unwrap() error { return &e.Problem }

// Is tells of which kind it is.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrSignIn:
		return e.Status == http.StatusUnauthorized
	case ErrForbidden:
		return e.Status == http.StatusForbidden
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrBusy:
		return e.Status == http.StatusTooManyRequests
	}
	return false
}

// request sends a request and gives the answer if it is a good one; the caller
// closes its body.
func (c *Client) request(ctx context.Context, op, method, path string, query url.Values, in any, head http.Header) (*http.Response, error) {
	u := c.base.JoinPath(prefix)
	u.RawPath = u.EscapedPath() + path // of escaped parts
	u.Path = u.Path + unescape(path)
	u.RawQuery = query.Encode()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s: encode: %w", op, err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	for k, v := range head {
		r.Header[k] = v
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // its text repeats the address, which may name a file
		}
		return nil, fmt.Errorf("%s: reach the service at %s: %w", op, c.base.Host, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusal(op, resp)
}

// refusal reads why the service has refused.
func refusal(op string, resp *http.Response) error {
	e := &Error{Op: op, Problem: api.Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != api.ProblemType {
		e.Problem.Hint = "Is this the address of a Keepsake service?"
		return e
	}
	var p api.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil {
		return fmt.Errorf("%s: read the refusal of the service (%s): %w", op, resp.Status, err)
	}
	p.Status = resp.StatusCode
	e.Problem = p
	return e
}

// call sends in and reads the answer as JSON into out; either may be nil.
func (c *Client) call(ctx context.Context, op, method, path string, query url.Values, in, out any) error {
	resp, err := c.request(ctx, op, method, path, query, in, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	body := &io.LimitedReader{R: resp.Body, N: maxAnswer}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		if body.N <= 0 {
			err = fmt.Errorf("more than %d bytes", maxAnswer)
		}
		if _, ok := errors.AsType[net.Error](err); !ok {
			return fmt.Errorf("%s: read the answer of the service: %w", op, err)
		}
		return fmt.Errorf("%s: the connection to the service broke: %w", op, err)
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, op, path string, query url.Values) (T, error) {
	var out T
	err := c.call(ctx, op, http.MethodGet, path, query, nil, &out)
	return out, err
}

func post[T any](ctx context.Context, c *Client, op, path string, in any) (T, error) {
	var out T
	err := c.call(ctx, op, http.MethodPost, path, nil, in, &out)
	return out, err
}

// start posts what starts a job.
func (c *Client) start(ctx context.Context, op, path string, in any) (int64, error) {
	s, err := post[api.Started](ctx, c, op, path, in)
	return s.Job, err
}

// at joins parts of a path, escaped.
func at(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

func unescape(path string) string {
	s, err := url.PathUnescape(path)
	if err != nil {
		return path // at has escaped it: this cannot be
	}
	return s
}
