package server

import (
	"context"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// visitor is who asks, as the pages need to know it.
type visitor struct {
	service.Who
	Login string
	// Session is the ID of the session, 0 for a token; SignedIn when it began or
	// was last confirmed by a password or a passkey.
	Session  int64
	SignedIn time.Time
	// Scopes are those of a token.
	Scopes []string
	// FirstRun: there is no account yet, and nobody can sign in. NeedsCode: this
	// visitor needs the set-up code that serve has printed to make the first one.
	FirstRun, NeedsCode bool
	// Remote is where the request comes from, by the word of trusted proxies only.
	Remote string
}

type visitorKey struct{}

func withVisitor(ctx context.Context, v visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// visitorFrom is who asks; its zero value is somebody unknown.
func visitorFrom(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v
}

// whoFrom is what the methods of Service want to know of who asks. Behind the
// session's middleware, where all pages are but those that are declared open,
// its Account is never 0.
func whoFrom(ctx context.Context) service.Who { return visitorFrom(ctx).Who }

// sessionFrom is the session in which is asked; its ID is 0 for a token.
func sessionFrom(ctx context.Context) Session {
	v := visitorFrom(ctx)
	return Session{ID: v.Session, Account: Account{ID: v.Account}}
}

// signedIn tells whether there is a session or a token at all.
func (v visitor) signedIn() bool { return v.Account != 0 }

// FreshFor is how long ago a sign-in may be for what wants a fresh one.
const FreshFor = 10 * time.Minute

// fresh tells whether the password or passkey was given not long ago.
func (v visitor) fresh(now time.Time) bool {
	ago := now.Sub(v.SignedIn)
	// Later than now it was by a clock that has gone back since.
	return v.Session != 0 && ago <= FreshFor && ago >= -FreshFor
}
