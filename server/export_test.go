package server

import (
	"net/http"
	"time"
)

// Inside is what tests look at besides the handler.
type Inside struct {
	Handler http.Handler
	Routes  []string // patterns, all of them
	Assets  []string // those of files that anyone may have
	Covered []string // methods of Service that operations of the API stand for
}

// NewInside is New for tests that walk the routes.
func NewInside(o Options) (Inside, error) {
	rt, err := newRouter(o.withDefaults())
	if err != nil {
		return Inside{}, err
	}
	rt.beat = 50 * time.Millisecond
	var assets []string
	for pattern := range rt.pages.assets() {
		assets = append(assets, pattern)
	}
	return Inside{rt.handler(), rt.all, assets, rt.covered}, nil
}

// What tests ask directly.
var (
	SafeNext    = safeNext
	SafeName    = safeName
	Disposition = disposition
	OpenPages   = openPages
	OpenPosts   = openPosts
	StalePosts  = stalePosts
	Audited     = audited
)

// Cookies of sessions.
const (
	SecureCookie = secureCookie
	PlainCookie  = plainCookie
)
