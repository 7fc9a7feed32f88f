package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// maxPing is how much of a summary a ping carries, in bytes. healthchecks keeps
// 100,000.
const maxPing = 10_000

// Ping is a dead man's switch as healthchecks.io and its kin have it: a URL that
// is asked for whenever a job went well, and that tells people when nobody did so
// for too long. It notices what the service cannot say itself: that it is dead.
//
//	Start    POST URL/start   a job begins
//	Success  POST URL         it went well; the body is a summary for people
//	Fail     POST URL/fail    it did not; the body says why
type Ping struct {
	URL    secret.Text  // it is the credential; none: nothing is sent
	Client *http.Client // nil: as in [Options]
}

// Start tells that a job begins.
func (p Ping) Start(ctx context.Context, text string) error { return p.send(ctx, "start", text) }

// Success tells that a job went well.
func (p Ping) Success(ctx context.Context, text string) error { return p.send(ctx, "", text) }

// Fail tells that a job did not.
func (p Ping) Fail(ctx context.Context, text string) error { return p.send(ctx, "fail", text) }

// Validate tells what is wrong with the URL without asking for it; none is right.
func (p Ping) Validate() error {
	if p.URL.IsZero() {
		return nil
	}
	_, err := p.parse()
	return err
}

func (p Ping) parse() (*url.URL, error) {
	raw := p.URL.Reveal()
	u, err := url.Parse(raw)
	switch {
	case len(raw) > MaxURL:
		return nil, fmt.Errorf("ping URL: it is longer than %d bytes", MaxURL)
	case err != nil:
		return nil, errors.New("ping URL: it is no URL")
	}
	if err := checkHTTP(u); err != nil {
		return nil, fmt.Errorf("ping URL: %w", err)
	}
	return u, nil
}

func (p Ping) send(ctx context.Context, what, text string) error {
	if p.URL.IsZero() {
		return nil
	}
	u, err := p.parse()
	if err != nil {
		return err
	}
	if what != "" {
		u = u.JoinPath(what)
	}
	client := p.Client
	if client == nil {
		client = newClient()
		defer client.CloseIdleConnections()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := post(ctx, client, u, "text/plain; charset=utf-8", []byte(cut(text, maxPing))); err != nil {
		place := &place{url: p.URL}
		return &PlaceError{Kind: "ping", Reason: place.reason(err)}
	}
	return nil
}
