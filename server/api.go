package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

const apiPrefix = "/api/v1"

// scope is what a token must have for an operation. A session may everything that
// its account may.
type scope string

const (
	scopeRead   scope = "read"   // look and download
	scopeSignal scope = "signal" // say that the phone is in the hand, nothing else
	scopeBackup scope = "backup" // start what adds to the backups; and both before
	scopeAdmin  scope = "admin"  // everything that the account may
)

// includes are the scopes that each is good for besides itself.
var includes = map[scope][]scope{
	scopeBackup: {scopeRead, scopeSignal},
	scopeAdmin:  {scopeRead, scopeSignal, scopeBackup},
}

// operation describes one thing that the API does.
type operation struct {
	method, path, id, summary string
	tag                       string
	scope                     scope
	// fresh wants of a session that it has been confirmed not long ago, and of a
	// token the scope admin.
	fresh bool
	// covers is the method of Service that it stands for, "" none; a test holds that
	// every method has one.
	covers string
	status int
}

// apiRoutes registers operations with huma, which checks what comes in by the
// types of package api and describes them.
type apiRoutes struct {
	rt   *router
	huma huma.API
	// covered are the methods of Service that the operations stand for.
	covered []string
}

// muxAdapter lets huma register its operations through the router, which keeps the
// list of all routes and closes them to strangers.
type muxAdapter struct{ rt *router }

func (m muxAdapter) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	var handler http.Handler = http.HandlerFunc(h)
	if !strings.HasSuffix(pattern, "/events") && !strings.HasSuffix(pattern, "/download") {
		handler = m.rt.compress(handler)
	}
	m.rt.add(pattern, m.rt.apiMembers(onlyJSON(handler)))
}

// onlyJSON refuses what is not JSON, also where nothing would read it: forms of
// other sites cannot send that.
func onlyJSON(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.ContentLength != 0 && r.Method != http.MethodGet && (err != nil || kind != "application/json") {
			writeProblem(w, &api.Problem{Title: "Unsupported Media Type", Status: http.StatusUnsupportedMediaType, Detail: "the API takes JSON", Hint: "Set Content-Type: application/json."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (m muxAdapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.rt.mux.ServeHTTP(w, r) }

func newAPI(rt *router) (*apiRoutes, error) {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Keepsake", Version: "1",
				Description: "Everything that the page does. Work is started with a POST, which answers with the number of a job; GET /jobs/{id}/events follows it."},
			Servers: []*huma.Server{{URL: apiPrefix}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer", Description: "A token of Keepsake's page, with the scopes read, backup or admin."},
					"session": {Type: "apiKey", In: "cookie", Name: secureCookie, Description: "The session of the page. Requests of other sites are refused."},
				},
			},
		},
		// No OpenAPIPath, DocsPath or SchemasPath: the description is served below,
		// and the page that huma would show it on is loaded from somebody else's host.
		Formats:                      map[string]huma.Format{"application/json": strictJSON, "json": strictJSON},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{withoutValues},
	}
	a := &apiRoutes{rt: rt, huma: huma.NewAPI(config, humago.NewAdapter(muxAdapter{rt}, apiPrefix))}
	a.lookOperations()
	a.doOperations()
	a.browseOperations()
	a.contentOperations()
	a.keepOperations()
	a.peopleOperations()
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} {
		delete(a.huma.OpenAPI().Components.Schemas.Map(), unused)
	}
	doc, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	rt.add("GET "+apiPrefix+"/openapi.json", rt.compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(doc) // whoever asked has gone
	})))
	return a, nil
}

var strictJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}

// withoutValues makes our Problem of huma's errors, which would repeat what was
// sent: it could be a password.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &api.Problem{Title: e.Title, Status: e.Status, Detail: e.Detail}
	for _, d := range e.Errors {
		text := d.Message
		if _, raw := d.Value.(string); raw && d.Location == "body" {
			text = "it is not the JSON that is wanted here" // the decoder's own words may quote it
		}
		p.Fields = append(p.Fields, api.Field{Where: d.Location, Text: text})
	}
	return p, nil
}

// handle registers op.
func handle[I, O any](a *apiRoutes, op operation, do func(ctx context.Context, who service.Who, in *I) (*O, error)) {
	if op.covers != "" {
		a.covered = append(a.covered, op.covers)
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	ho := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Tags: []string{op.tag}, DefaultStatus: op.status,
		Security:     []map[string][]string{{"token": {string(op.needs())}}, {"session": {}}},
		MaxBodyBytes: maxAPIBody,
		Responses: map[string]*huma.Response{"default": {Description: "It failed, and why",
			Content: map[string]*huma.MediaType{api.ProblemType: {Schema: schema}}}},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			r, w := humago.Unwrap(ctx)
			err := a.rt.may(ctx.Context(), op)
			if err == nil {
				err = a.rt.note(op.method+" "+apiPrefix+op.path, r)
			}
			if err != nil {
				a.rt.respondAPIError(w, r, err)
				return
			}
			next(ctx)
		}},
	}
	huma.Register(a.huma, ho, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, whoFrom(ctx), in)
		if err != nil {
			return nil, a.rt.apiProblem(ctx, err)
		}
		return out, nil
	})
}

// needs is the scope that a token must have.
func (op operation) needs() scope {
	if op.fresh {
		return scopeAdmin
	}
	return op.scope
}

// may tells why who asks may not do op at all, or not without signing in again.
func (rt *router) may(ctx context.Context, op operation) error {
	v := visitorFrom(ctx)
	if v.Session == 0 {
		if !v.has(op.needs()) {
			return &scopeError{op.needs()}
		}
		return nil
	}
	if op.fresh && !v.fresh(rt.o.Now()) {
		return errFresh
	}
	return nil
}

// has tells whether a token's scopes are good for s.
func (v visitor) has(s scope) bool {
	return slices.ContainsFunc(v.Scopes, func(have string) bool {
		return scope(have) == s || slices.Contains(includes[scope(have)], s)
	})
}

// scopeError: the token is good, and not for this.
type scopeError struct{ want scope }

func (e *scopeError) Error() string { return "the token has not the scope " + string(e.want) }

// Hint says what to do.
func (e *scopeError) Hint() string {
	return "Make a token with the scope " + strconv.Quote(string(e.want)) + " on the page, under Account."
}

func (e *scopeError) Is(target error) bool { return target == service.ErrForbidden }

// apiProblem is err as the API tells it, and logs it if the fault is ours.
func (rt *router) apiProblem(ctx context.Context, err error) *api.Problem {
	if errors.Is(err, errFresh) {
		return &api.Problem{Title: "Sign in again", Status: http.StatusForbidden, Detail: err.Error(), Hint: "Sign in on the page once more; that is good for ten minutes."}
	}
	if s, ok := errors.AsType[*scopeError](err); ok {
		return &api.Problem{Title: "Not allowed", Status: http.StatusForbidden, Detail: s.Error(), Hint: s.Hint()}
	}
	e := problemOf(err)
	p := problemOnWire(e)
	if errors.Is(err, fs.ErrNotExist) {
		p.Detail = "there is no such thing, or it is not yours"
	}
	if e.ID != "" {
		rt.o.Log.ErrorContext(ctx, "request failed", "id", e.ID, "route", traceFrom(ctx).pattern, "err", err)
	}
	return p
}

func (rt *router) respondAPIError(w http.ResponseWriter, r *http.Request, err error) {
	writeProblem(w, rt.apiProblem(r.Context(), err))
}

func writeProblem(w http.ResponseWriter, p *api.Problem) {
	w.Header().Set("Content-Type", api.ProblemType)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Keepsake"`)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever asked has gone
}

// apiMembers lets those pass who have a session or a token.
func (rt *router) apiMembers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := visitorFrom(r.Context()); !v.signedIn() {
			writeProblem(w, unauthorized(v))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func unauthorized(v visitor) *api.Problem {
	p := &api.Problem{Title: "Unauthorized", Status: http.StatusUnauthorized, Detail: "the API wants a token or a session", Hint: "Make a token on the page, under Account."}
	if v.FirstRun {
		p.Hint = "Set Keepsake up on its page first."
	}
	return p
}

func problemOnWire(e problem) *api.Problem {
	return &api.Problem{Title: http.StatusText(e.Status), Status: e.Status, Detail: e.Text, Hint: e.Hint, ID: e.ID}
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// raw is an answer that page writes itself.
func (a *apiRoutes) raw(p page) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		if err := p(w, r); err != nil {
			a.rt.respondAPIError(w, r, err)
		}
	}}
}
