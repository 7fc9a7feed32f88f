package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// MaxURL is the longest URL of a place, in bytes.
const MaxURL = 4096

// patience is how long one place has to take one message.
const patience = 10 * time.Second

// Options are what a [Notifier] needs from outside. The zero value is right.
type Options struct {
	Log     *slog.Logger  // nil: nothing is logged. It sees kinds of places, never their URLs
	Client  *http.Client  // nil: one that does not go where the package comment says
	Timeout time.Duration // for each place; 0 is ten seconds
}

// Notifier sends messages to places. It is safe for use by several goroutines.
type Notifier struct {
	places  []*place
	timeout time.Duration
	log     *slog.Logger
}

// New takes the URLs of the places. One that is wrong does not harm the others: it
// is named by every Send. Ask [Validate] before keeping a URL.
func New(urls []secret.Text, o Options) *Notifier {
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.Timeout <= 0 {
		o.Timeout = patience
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{timeout: o.Timeout, log: o.Log}
	for i, u := range urls {
		n.places = append(n.places, newPlace(u, i+1, o.Client))
	}
	return n
}

// Validate tells what is wrong with the URL of a place without sending anything,
// and without repeating any of it. nil says that a message may be tried.
func Validate(u secret.Text) error {
	p := newPlace(u, 0, newClient())
	if p.wrong != nil {
		return fmt.Errorf("notification URL: %w", p.wrong)
	}
	return nil
}

// Kind is the kind of place that a URL is for, "ntfy" or "webhook", to be shown
// instead of it; "unknown" for what is no URL.
func Kind(u secret.Text) string {
	parsed, err := url.Parse(u.Reveal())
	if err != nil {
		return unknownKind
	}
	return kindOf(parsed)
}

// Places is to how many places a message goes.
func (n *Notifier) Places() int { return len(n.places) }

// Send takes the message to all places at once and waits until each has it, has
// failed, or has had its time. The error joins one [*PlaceError] for each that has
// not got it.
func (n *Notifier) Send(ctx context.Context, m Message) error {
	m = m.cleaned()
	errs := make([]error, len(n.places))
	var wg sync.WaitGroup
	for i, p := range n.places {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, n.timeout)
			defer cancel()
			if err := p.send(ctx, m); err != nil {
				failed := &PlaceError{Kind: p.kind, Number: p.number, Reason: p.reason(err)}
				n.log.Warn("notification not sent", "kind", failed.Kind, "number", failed.Number, "reason", failed.Reason)
				errs[i] = failed
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// PlaceError is a place that has not got a message. It holds nothing of its URL,
// and wraps nothing, since the errors below may.
type PlaceError struct {
	Kind   string // "ntfy", "smtp", "webhook"
	Number int    // of the URL, from 1; 0 of a [Ping]
	Reason string // cleaned
}

func (e *PlaceError) Error() string {
	if e.Number == 0 {
		return fmt.Sprintf("notify by %s: %s", e.Kind, e.Reason)
	}
	return fmt.Sprintf("notify by %s (place %d): %s", e.Kind, e.Number, e.Reason)
}

const unknownKind = "unknown"

// place is one URL and how messages get there.
type place struct {
	kind   string
	number int
	url    secret.Text
	wrong  error // the URL cannot be used
	courier
	// turn lets one message at a time go: a courier that hangs in spite of its
	// context, as shoutrrr's for mail can, holds one goroutine, not one for every
	// message. After abandon it has lost its turn: the place may work again by then.
	turn    chan struct{}
	abandon time.Duration
}

// abandonAfter is how long a courier that hangs keeps others from the place.
const abandonAfter = 5 * time.Minute

// courier takes a message to one place.
type courier interface {
	deliver(ctx context.Context, m Message) error
}

func newPlace(u secret.Text, number int, client *http.Client) *place {
	p := &place{kind: unknownKind, number: number, url: u, turn: make(chan struct{}, 1), abandon: abandonAfter}
	raw := u.Reveal()
	parsed, err := url.Parse(raw)
	switch {
	case raw == "" || len(raw) > MaxURL:
		p.wrong = plainError(fmt.Sprintf("it is empty or longer than %d bytes", MaxURL))
		return p
	case err != nil || parsed.Scheme == "":
		p.wrong = plainError("it is no URL: it begins with what it is for, as ntfy:// or https://")
		return p
	}
	p.kind = kindOf(parsed)
	switch p.kind {
	case "webhook":
		p.courier, p.wrong = newWebhook(parsed, client)
	case "telegram":
		p.courier, p.wrong = newTelegram(parsed, client)
	default:
		p.courier, p.wrong = newShout(p.kind, u, client)
	}
	if p.wrong != nil {
		p.wrong = plainError(p.reason(p.wrong))
	}
	return p
}

// kindOf is the name of a place for people: its scheme, if that is a name at all.
func kindOf(u *url.URL) string {
	scheme, _, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	switch {
	case scheme == "http" || scheme == "https":
		return "webhook"
	case knownKinds[scheme]:
		return scheme
	}
	return unknownKind
}

const errBusy = plainError("the message before this one is still on its way")

func (p *place) send(ctx context.Context, m Message) error {
	if p.wrong != nil {
		return p.wrong
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return errBusy
	}
	done := make(chan error, 1)
	release := sync.OnceFunc(func() { <-p.turn })
	late := time.AfterFunc(p.abandon, release)
	go func() {
		defer func() { late.Stop(); release() }()
		done <- p.deliver(ctx, m)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
