package server

import (
	"io"
	"net/http"
	"strings"
)

const (
	maxURI      = 8 << 10 // bytes; the longest path in a backup is 1,024 characters, each up to 12 when escaped
	maxFormBody = 64 << 10
	maxAPIBody  = 1 << 20
)

// contentPolicy lets pages use what comes from here, in files: nothing inline,
// nothing of another host, no frames in either direction.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// permissions are what the page may ask the browser for: passkeys.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=(), " +
	"publickey-credentials-get=(self), publickey-credentials-create=(self)"

// headers sets what browsers must know to protect the page. Handlers of files that
// never change replace Cache-Control.
func (rt *router) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Permissions-Policy", permissions)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not "no-referrer": browsers would say that forms of ours come from nowhere, and
		// whether a page of this computer has sent them could not be told.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store")
		if rt.o.HSTS && originFrom(r.Context()).secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// limits refuses what no honest request has: paths that climb or end early in a
// library written in C, addresses without end, bodies above what any page takes.
func (rt *router) limits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxURI || len(r.URL.Path) > maxURI {
			rt.pages.problem(w, r, problem{Status: http.StatusRequestURITooLong, Title: "There is no such page", Text: "The address is too long."})
			return
		}
		if r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/") || strings.ContainsRune(r.URL.Path, 0) || climbs(r.URL.Path) {
			rt.pages.problem(w, r, problem{Status: http.StatusBadRequest, Title: "There is no such page", Text: "The address makes no sense."})
			return
		}
		limit := int64(maxFormBody)
		if strings.HasPrefix(r.URL.Path, apiPrefix) {
			limit = maxAPIBody
		}
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close")
			rt.respondError(w, r, &http.MaxBytesError{Limit: limit})
			return
		}
		if r.Body == nil || r.Body == http.NoBody {
			long(w)
		} else {
			r.Body = &timedBody{http.MaxBytesReader(w, r.Body, limit), w}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody lifts the deadline of reading once the body has been read: from then on
// it would only end answers that take their time, by ending the request's context.
type timedBody struct {
	io.ReadCloser
	w http.ResponseWriter
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		long(b.w)
	}
	return n, err
}

// climbs tells whether a part of path, after unescaping, is "." or "..". The mux
// would redirect to the cleaned path; no browser and no client of ours asks so.
func climbs(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// sameSite refuses what pages of other sites make a browser send. Unsafe methods go
// by the rules of http.CrossOriginProtection (Sec-Fetch-Site, else Origin against
// Host). Safe ones may come from elsewhere only as a visit of a person: a link in a
// notification, never a picture, script, frame or fetch in somebody's page, so that
// no page can measure what the answer to its visitor's cookie is. Programs that are
// no browsers send neither header, and no cookie that they were not given.
//
// This is also why there are no tokens in forms, and why cookies may be
// SameSite=Lax: with Strict the links in notifications would lead to /signin.
func (rt *router) sameSite(next http.Handler) http.Handler {
	protect := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protect.Check(r); err != nil || crossSiteRead(r) {
			rt.pages.problem(w, r, problem{Status: http.StatusForbidden, Title: "Refused", Text: "Another web site has sent this request.",
				Hint: "If you meant it, open Keepsake's page yourself and do it there."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// crossSiteRead tells whether a page of another site wants to read from us, or to
// show us inside itself.
func crossSiteRead(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	dest := r.Header.Get("Sec-Fetch-Dest")
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || (dest != "document" && dest != "")
}
