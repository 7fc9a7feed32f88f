package server

import (
	"net/http"
	"slices"
)

// openPages are the pages that need no session. Everything else does.
var openPages = []string{"GET /signin", "GET /setup"}

// router holds every route, so that tests can walk them.
type router struct {
	o     Options
	pages *pages
	mux   *http.ServeMux
	all   []string // patterns, sorted
}

func newRouter(o Options) *router {
	rt := &router{o: o, pages: newPages(o), mux: http.NewServeMux()}
	for pattern, h := range rt.pages.assets() {
		rt.add(pattern, h)
	}
	for pattern, p := range rt.pages.routes() {
		h := rt.page(p)
		if !slices.Contains(openPages, pattern) {
			h = rt.members(h)
		}
		rt.add(pattern, h)
	}
	slices.Sort(rt.all)
	return rt
}

func (rt *router) add(pattern string, h http.Handler) {
	rt.all = append(rt.all, pattern)
	rt.mux.Handle(pattern, h)
}

// page makes a handler of p, whose errors become error pages.
func (rt *router) page(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p(w, r); err != nil {
			rt.respondError(w, r, err)
		}
	})
}

// members lets those pass who are signed in, and sends others to do so.
func (rt *router) members(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorFrom(r.Context())
		switch {
		case v.signedIn():
			next.ServeHTTP(w, r)
		case v.FirstRun:
			http.Redirect(w, r, "/setup", http.StatusSeeOther)
		default:
			http.Redirect(w, r, signInURL(r), http.StatusSeeOther)
		}
	})
}

func (rt *router) handler() http.Handler { return rt.mux }

// signInURL is the page to sign in at that comes back to where r was going, as
// far as that can be gone to again.
func signInURL(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" {
		return "/signin"
	}
	return "/signin?" + urlValues(map[string]string{"next": r.URL.RequestURI()})
}
