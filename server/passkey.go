package server

import (
	"encoding/json"
	"net/http"

	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

// ceremony is what the page's script gets: options for navigator.credentials, and
// the name to send the answer back under.
type ceremony struct {
	Ceremony string          `json:"ceremony"`
	Options  json.RawMessage `json:"options"`
}

func writeJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // whoever asked has gone
	return nil
}

func (rt *router) passkeyBegin(w http.ResponseWriter, r *http.Request) error {
	options, name, err := rt.o.Auth.BeginSignIn(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, ceremony{name, options})
}

func (rt *router) passkeyFinish(w http.ResponseWriter, r *http.Request) error {
	answer, err := readAnswer(r)
	if err != nil {
		return err
	}
	token, s, err := rt.o.Auth.FinishSignIn(r.Context(), r.URL.Query().Get("ceremony"), answer, visitorFrom(r.Context()).Remote)
	if code := signInError(err); code != "" {
		writeProblem(w, &api.Problem{Title: "Unauthorized", Status: http.StatusUnauthorized, Detail: err.Error(), Hint: hintOf(err)})
		return nil
	}
	if err != nil {
		return err
	}
	if err := rt.begin(w, r, token, s); err != nil {
		return err
	}
	return writeJSON(w, map[string]string{"next": safeNext(r.URL.Query().Get("next"))})
}

func (rt *router) registerBegin(w http.ResponseWriter, r *http.Request) error {
	options, name, err := rt.o.Auth.BeginRegister(r.Context(), whoFrom(r.Context()).Account)
	if err != nil {
		return err
	}
	return writeJSON(w, ceremony{name, options})
}

func (rt *router) registerFinish(w http.ResponseWriter, r *http.Request) error {
	answer, err := readAnswer(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if err := rt.o.Auth.FinishRegister(r.Context(), whoFrom(r.Context()).Account, q.Get("ceremony"), q.Get("name"), answer); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// signal is for iOS Shortcuts that send no header: the address is the key. So only
// a token that can do nothing else, for one phone, is good here. The address stands
// in no log of ours; a proxy before us may log it.
func (rt *router) signal(w http.ResponseWriter, r *http.Request) error {
	t, err := rt.o.Auth.Token(r.Context(), secretOf(r.PathValue("token")))
	if err != nil || len(t.Phones) != 1 || len(t.Scopes) != 1 || t.Scopes[0] != string(scopeSignal) {
		return service.ErrForbidden
	}
	v := tokenVisitor(visitorFrom(r.Context()), t)
	text, err := rt.o.Service.Signal(r.Context(), v.Who, t.Phones[0])
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text + "\n")) // whoever asked has gone
	return nil
}
