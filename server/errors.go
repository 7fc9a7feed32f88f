package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/service"
)

// errFresh: the visitor has to prove again who he is.
var errFresh = errors.New("this wants you to sign in again")

// errAbsent: it is not there, or not for who asks.
var errAbsent = fmt.Errorf("there is no such thing: %w", fs.ErrNotExist)

// waitError: who asks has to wait.
type waitError struct{ text, hint string }

func (e *waitError) Error() string { return e.text }

// Hint says for how long, or what to do meanwhile.
func (e *waitError) Hint() string { return e.hint }

func tooMany(text, hint string) error { return &waitError{text, hint} }

// kindError: what was sent is of a kind that is not taken here.
type kindError struct{}

func (*kindError) Error() string { return "this kind of content is not taken here" }

// inputError is a mistake in what somebody has typed or sent.
type inputError struct {
	text, hint string
}

func (e *inputError) Error() string { return e.text }

// Hint says what to do about it.
func (e *inputError) Hint() string { return e.hint }

// hinter is an error that knows what people can do about it.
type hinter interface {
	error
	Hint() string
}

func hintOf(err error) string {
	if h, ok := errors.AsType[hinter](err); ok {
		return h.Hint()
	}
	return ""
}

// fresh is next for those who have signed in not longer ago than FreshFor.
// Others sign in first, and come back if it was a GET.
func (p *pages) fresh(next page) page {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !visitorFrom(r.Context()).fresh(p.o.Now()) {
			return errFresh
		}
		return next(w, r)
	}
}

// problemOf is what to tell people about err. An error without a known status
// but with a hint is one that the service explains: a conflict with how things
// are. All others are ours.
func problemOf(err error) problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem{Status: http.StatusRequestEntityTooLarge, Title: "That was too much", Text: "More was sent than this page takes."}
	}
	if in, ok := errors.AsType[*inputError](err); ok {
		return problem{Status: http.StatusBadRequest, Title: "That did not work", Text: in.text, Hint: in.hint}
	}
	if wait, ok := errors.AsType[*waitError](err); ok {
		return problem{Status: http.StatusTooManyRequests, Title: "Too many at once", Text: wait.text, Hint: wait.hint}
	}
	switch {
	case errors.Is(err, ErrWait):
		return problem{Status: http.StatusTooManyRequests, Title: "Wait a little", Text: "There were too many wrong passwords.", Hint: hintOf(err)}
	case errors.Is(err, ErrWrong):
		return problem{Status: http.StatusBadRequest, Title: "That did not work", Text: "The password is wrong.", Hint: hintOf(err)}
	}
	if kind, ok := errors.AsType[*kindError](err); ok {
		return problem{Status: http.StatusUnsupportedMediaType, Title: "That did not work", Text: kind.Error()}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problem{Status: http.StatusNotFound, Title: "There is no such page", Text: "It may have been there and is gone, or it is somebody else's."}
	case errors.Is(err, search.ErrQuery):
		return problem{Status: http.StatusBadRequest, Title: "That cannot be searched for", Text: err.Error(), Hint: "Type fewer words of what you look for."}
	case errors.Is(err, extract.ErrAbsent):
		return problem{Status: http.StatusNotFound, Title: "None in this version", Text: "This version has nothing of that kind."}
	case errors.Is(err, service.ErrForbidden):
		return problem{Status: http.StatusForbidden, Title: "That is not yours to do", Text: "It is there, but you may not see or change it.", Hint: hintOf(err)}
	case errors.Is(err, context.Canceled):
		return problem{Status: 499, Title: "Gone", Text: "The request was given up."}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{Status: http.StatusGatewayTimeout, Title: "That took too long", Text: "The computer or the phone did not answer in time.", Hint: "Try it once more."}
	}
	if h := hintOf(err); h != "" {
		return problem{Status: http.StatusConflict, Title: "That did not work", Text: err.Error(), Hint: h}
	}
	return problem{Status: http.StatusInternalServerError, Title: "Something went wrong here", Text: "It is Keepsake's fault, not yours.",
		Hint: "The log of the service says more about it under this number.", ID: rand.Text()[:8]}
}

// respondError shows err as a page, and logs what is our own fault.
func (rt *router) respondError(w http.ResponseWriter, r *http.Request, err error) {
	if wantsJSON(r) {
		rt.respondAPIError(w, r, err)
		return
	}
	if errors.Is(err, errFresh) {
		http.Redirect(w, r, rt.signInURL(r), http.StatusSeeOther)
		return
	}
	e := problemOf(err)
	if e.ID != "" {
		rt.o.Log.ErrorContext(r.Context(), "request failed", "id", e.ID, "method", r.Method, "route", r.Pattern, "err", err)
	}
	rt.pages.problem(w, r, e)
}

// wantsJSON tells whether a script has asked, and no person: it would not know what
// to do with a page.
func wantsJSON(r *http.Request) bool {
	return isAPI(r) || strings.HasPrefix(r.URL.Path, "/passkeys/") || strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func urlValues(m map[string]string) string {
	v := url.Values{}
	for k, s := range m {
		v.Set(k, s)
	}
	return v.Encode()
}
