package server

import "net/http"

// signInProblems are what the form says, by the word in ?error=.
var signInProblems = map[string]problem{
	"wrong": {Text: "the name or the password is wrong", Hint: "Try again. Somebody who is an admin can give you a new password."},
	"wait":  {Text: "there were too many wrong passwords", Hint: "Wait a minute and try again; a passkey works right away."},
	"code":  {Text: "the set-up code is wrong", Hint: "It stands in the terminal or the log where Keepsake was started."},
}

// formProblem is what ?error= names, nil if nothing.
func formProblem(r *http.Request) *problem {
	if e, ok := signInProblems[r.URL.Query().Get("error")]; ok {
		return &e
	}
	return nil
}

// signInPage is the form to sign in with, or to do so again before something that
// wants a fresh sign-in.
func (p *pages) signInPage(w http.ResponseWriter, r *http.Request) error {
	v := visitorFrom(r.Context())
	if v.FirstRun {
		return seeOther(w, r, "/setup")
	}
	return p.render(w, r, "signin", view{Title: "Sign in", Width: "narrow", Bare: true, Problem: formProblem(r), P: struct {
		Next, Login string
		Again       bool
	}{safeNext(r.URL.Query().Get("next")), v.Login, v.signedIn()}})
}
