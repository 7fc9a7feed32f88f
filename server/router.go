package server

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// openPages are the pages that need no session. Everything else does.
var openPages = []string{"GET /signin", "GET /setup"}

// stalePosts change something and are content with a session of any age: they add
// to the backups, or to what is told, and take nothing away. What is not in this
// list wants a fresh sign-in, so that a new form is careful by itself.
var stalePosts = []string{
	"POST /phones/{udid}/backup", "POST /phones/{udid}/media", "POST /phones/{udid}/pair", "POST /phones/{udid}/check", "POST /phones/{udid}/rehearse",
	"POST /phones/{udid}/policy", "POST /phones/{udid}/wifi", "POST /phones/{udid}/address",
	"POST /phones/{udid}/versions/{id}/pin", "POST /activity/{job}/cancel", "POST /targets/{name}/copy", "POST /settings/test",
}

// router holds every route, so that tests can walk them.
type router struct {
	o        Options
	pages    *pages
	mux      *http.ServeMux
	all      []string        // patterns, sorted
	anyones  map[string]bool // patterns that are the same for everybody: nobody is looked up for them
	covered  []string        // methods of Service that the API stands for
	compress func(http.Handler) http.HandlerFunc
	streams  streams
	noted    notes
	patience patience
	beat     time.Duration // of streams
	guesses  *rate.Limiter // of the set-up code
}

func newRouter(o Options) (*router, error) {
	rt := &router{o: o, pages: newPages(o), mux: http.NewServeMux(), streams: streams{open: map[int64]int{}}, noted: notes{seen: map[string]time.Time{}}, patience: patience{until: map[string]time.Time{}}, beat: heartbeat, guesses: codeGuesses()}
	var err error
	if rt.compress, err = newCompressor(); err != nil {
		return nil, err
	}
	if rt.pages.uiErr != nil {
		return nil, fmt.Errorf("read the templates of the pages: %w", rt.pages.uiErr)
	}
	rt.anyones = map[string]bool{"GET /healthz": true, "GET " + apiPrefix + "/openapi.json": true}
	for pattern, h := range rt.pages.assets() {
		rt.anyones[pattern] = true
		rt.add(pattern, rt.compress(h))
	}
	for pattern, p := range rt.pages.routes() {
		rt.page(pattern, p)
	}
	for pattern, p := range rt.ownPages() {
		rt.page(pattern, p)
	}
	rt.add("GET /healthz", http.HandlerFunc(rt.healthz))
	rt.add("GET /metrics", rt.metrics())
	a, err := newAPI(rt)
	if err != nil {
		return nil, err
	}
	rt.covered = a.covered
	rt.fallbacks()
	slices.Sort(rt.all)
	return rt, nil
}

// ownPages are those that show nothing themselves.
func (rt *router) ownPages() map[string]page {
	own := map[string]page{
		"GET /events": rt.events,
		"GET /phones/{udid}/versions/{id}/download": rt.download,

		"GET /phones/{udid}/versions/{id}/content/{kind}/preview": rt.preview,
		"GET /phones/{udid}/versions/{id}/content/{kind}/extract": rt.extractContent,
	}
	maps.Copy(own, rt.signInPages())
	return own
}

func (rt *router) add(pattern string, h http.Handler) {
	rt.all = append(rt.all, pattern)
	rt.mux.Handle(pattern, h)
}

// page adds a page, whose error becomes an error page. It is closed to those who are
// not signed in, but for openPages.
func (rt *router) page(pattern string, p page) {
	open := slices.Contains(openPages, pattern) || slices.Contains(openPosts, pattern)
	if !strings.HasPrefix(pattern, "GET ") && !open && !slices.Contains(stalePosts, pattern) {
		p = rt.pages.fresh(p)
	}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := readForm(r)
		if err == nil {
			err = rt.note(pattern, r)
		}
		if err == nil {
			err = p(w, r)
		}
		if err != nil {
			rt.respondError(w, r, err)
		}
	})
	if !slices.Contains(uncompressed, pattern) {
		h = rt.compress(h)
	}
	if !open {
		h = rt.members(h)
	}
	rt.add(pattern, h)
}

// readForm reads what a form has sent, so that pages find it in r.PostForm and one
// that is too big or none at all is told. JSON is left to the page.
func readForm(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "" && r.ContentLength == 0, err == nil && kind == "application/json":
		return nil
	case err != nil || kind != "application/x-www-form-urlencoded":
		return &kindError{}
	}
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return err
		}
		return &inputError{"the form could not be read", "Load the page anew and try once more."}
	}
	return nil
}

// uncompressed are pages that must be flushed, that are sent in parts, or that have a
// secret in them (compress.go).
var uncompressed = []string{"GET /events", "GET /phones/{udid}/versions/{id}/download", "GET /settings/sheet", "POST /account/tokens"}

// fallbacks answer what nothing else does, in the form that who asks understands.
// They tell nothing to strangers: not even which pages there are.
func (rt *router) fallbacks() {
	rt.add("/", rt.members(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rt.pages.problem(w, r, rt.missing(r))
	})))
	rt.add("/api/", rt.apiMembers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := rt.missing(r)
		writeProblem(w, problemOnWire(e))
	})))
}

// missing tells a wrong method from a wrong path.
func (rt *router) missing(r *http.Request) problem {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if m == r.Method {
			continue
		}
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := rt.mux.Handler(other); pattern != "/" && pattern != "/api/" && pattern != "" {
			return problem{Status: http.StatusMethodNotAllowed, Title: "Not so", Text: fmt.Sprintf("This address does not take %s.", method(r))}
		}
	}
	return problem{Status: http.StatusNotFound, Title: "There is no such page", Text: "It may have been there and is gone."}
}

// members lets those pass who are signed in, and sends others to do so.
func (rt *router) members(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorFrom(r.Context())
		switch {
		case v.signedIn() && v.Session != 0:
			next.ServeHTTP(w, r)
		case r.URL.Path == "/events":
			writeProblem(w, unauthorized(v)) // a page would only confuse what listens
		case v.FirstRun:
			http.Redirect(w, r, "/setup", http.StatusSeeOther)
		default:
			http.Redirect(w, r, rt.signInURL(r), http.StatusSeeOther)
		}
	})
}

// handler is everything around the routes, from the outside in.
func (rt *router) handler() http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, traceFrom(r.Context()).pattern = rt.mux.Handler(r)
		rt.mux.ServeHTTP(w, r)
	})
	// From the innermost to the outermost.
	for _, wrap := range []func(http.Handler) http.Handler{rt.session, rt.sameSite, rt.limits, rt.hosts, rt.headers, rt.remote, rt.logged} {
		h = wrap(h)
	}
	return h
}

// signInURL is the page to sign in at that comes back to where r was going: for a
// form, to the page that it probably was on.
func (rt *router) signInURL(r *http.Request) string {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		next = rt.pageOf(r)
	}
	if next = safeNext(next); next == "/" {
		return "/signin"
	}
	return "/signin?" + urlValues(map[string]string{"next": next})
}

// pageOf is the path of the nearest page at or above that of r.
func (rt *router) pageOf(r *http.Request) string {
	look := r.Clone(r.Context())
	look.Method = http.MethodGet
	for p := path.Clean(r.URL.Path); p != "/" && p != "."; p = path.Dir(p) {
		look.URL.Path, look.URL.RawPath = p, ""
		if _, pattern := rt.mux.Handler(look); strings.HasPrefix(pattern, "GET /") {
			return (&url.URL{Path: p}).String()
		}
	}
	return "/"
}
