package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// origin is where a request comes from and how, by our own eyes and by the word of
// trusted proxies.
type origin struct {
	addr   netip.Addr // invalid when it is not known: a socket, a test
	host   string     // the name that it was for, lower case, without port
	secure bool       // over TLS all the way that we know of
	// local: from this computer itself, to a loopback name, through nobody else. A
	// proxy beside us that was never named as trusted makes every request look as
	// if it came from here, so traces of one are enough to lose this: its headers,
	// the old HTTP that nginx speaks when it was told nothing, or a page that the
	// browser knows by another name.
	local bool
}

type originKey struct{}

func originFrom(ctx context.Context) origin {
	o, _ := ctx.Value(originKey{}).(origin)
	return o
}

// forwardHeaders are what proxies add.
var forwardHeaders = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-Ip", "Via"}

// remote finds out where requests come from, and hides what untrusted ones claim:
// nothing behind it reads X-Forwarded-*.
func (rt *router) remote(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := origin{addr: parseAddr(r.RemoteAddr), secure: r.TLS != nil}
		proxied := slices.ContainsFunc(forwardHeaders, func(h string) bool { return r.Header.Get(h) != "" })
		r = r.Clone(context.WithValue(r.Context(), originKey{}, o))
		if proxied && rt.trusted(o.addr) {
			rt.believe(&o, r)
		}
		for _, h := range forwardHeaders {
			r.Header.Del(h)
		}
		o.host = hostname(r.Host)
		o.local = !proxied && o.addr.IsLoopback() && isLoopbackName(o.host) && r.ProtoAtLeast(1, 1) && fromLoopback(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), originKey{}, o)))
	})
}

// believe takes what a trusted proxy says. Of the addresses in X-Forwarded-For the
// last one that is not a trusted proxy counts: those before it were written by
// whoever asked.
func (rt *router) believe(o *origin, r *http.Request) {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a := parseAddr(strings.TrimSpace(hop))
		if !a.IsValid() {
			break
		}
		o.addr = a
		if !rt.trusted(a) {
			break
		}
	}
	o.secure = strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	if h := r.Header.Get("X-Forwarded-Host"); h != "" && !strings.Contains(h, ",") {
		r.Host = h
	}
}

func (rt *router) trusted(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(rt.o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parseAddr reads an address with or without port and zone.
func parseAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// hostname is a Host header without its port, brackets and final dot.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// fromLoopback tells whether the page that sent r, if one did, has a loopback name:
// a browser behind a proxy that says nothing of itself gives it away so.
func fromLoopback(r *http.Request) bool {
	text := r.Header.Get("Origin")
	if text == "" {
		return true
	}
	u, err := url.Parse(text)
	return err == nil && isLoopbackName(strings.ToLower(u.Hostname()))
}

func isLoopbackName(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// served tells whether requests for host are for us. A name that is not ours has
// been made to point here, by mistake or to let a page of another site speak to us
// as if it were ours (DNS rebinding). An address cannot be made to point elsewhere.
func (rt *router) served(host string) bool {
	if isLoopbackName(host) {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(rt.o.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// hosts refuses requests that are not for us, and, but on this computer itself,
// those without TLS: passwords and sessions do not cross a network in plain.
func (rt *router) hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := originFrom(r.Context())
		switch {
		case !rt.served(o.host):
			rt.pages.problem(w, r, problem{Status: http.StatusMisdirectedRequest, Title: "Not here", Text: "Keepsake does not answer to this name.",
				Hint: "Start it with --name and the name to change that."})
		case !o.secure && !o.addr.IsLoopback() && o.addr.IsValid() && !rt.o.Plain && r.URL.Path != "/healthz":
			rt.pages.problem(w, r, problem{Status: http.StatusForbidden, Title: "Only over TLS", Text: "From another computer Keepsake speaks only over TLS (https).",
				Hint: "Open the https address, or put a proxy that Keepsake trusts before it."})
		default:
			next.ServeHTTP(w, r)
		}
	})
}
