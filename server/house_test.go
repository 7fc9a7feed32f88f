package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
)

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// house is a server over a made-up household, listening on loopback.
type house struct {
	t      *testing.T
	inside server.Inside
	people *people
	fake   *fake.Household
	log    *lines
	url    string
}

func newHouse(t *testing.T, change ...func(*server.Options)) *house {
	t.Helper()
	h := &house{t: t, people: newPeople(), fake: fake.New(fake.Options{Still: true}), log: &lines{}}
	o := server.Options{Service: h.fake, Auth: h.people, Version: "test", Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range change {
		c(&o)
	}
	var err error
	if h.inside, err = server.NewInside(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := httptest.NewUnstartedServer(h.inside.Handler)
	s.Config = server.NewHTTP(ctx, h.inside.Handler, o.Log)
	s.Start()
	t.Cleanup(func() { cancel(); s.Close() })
	h.url = s.URL
	return h
}

// browser keeps cookies in hand and follows no redirects.
type browser struct {
	h      *house
	cookie string // of the session, "" none
	token  string
}

// member is a browser with a session of the account's.
func (h *house) member(account int) *browser {
	h.t.Helper()
	all, err := h.people.Accounts(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	a := all[account-1]
	password := map[string]string{"anna": annasPassword, "ben": bensPassword}[a.Login]
	token, _, err := h.people.People.SignIn(context.Background(), a.Login, secretText(password), "")
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h: h, cookie: token.Reveal()}
}

func (h *house) stranger() *browser { return &browser{h: h} }

// program has a token with scopes.
func (h *house) program(account int64, phones []string, scopes ...string) *browser {
	h.t.Helper()
	token, err := h.people.CreateToken(context.Background(), account, server.Token{Scopes: scopes, Phones: phones})
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h: h, token: token.Reveal()}
}

// answer is what came back, read whole.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path, body string, head ...string) answer {
	b.h.t.Helper()
	r, err := http.NewRequest(method, b.h.url+path, strings.NewReader(body))
	if err != nil {
		b.h.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", kindFor(path, body))
	}
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: server.PlainCookie, Value: b.cookie})
	}
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	for i := 0; i+1 < len(head); i += 2 {
		if head[i] == "Host" {
			r.Host = head[i+1]
		}
		r.Header.Set(head[i], head[i+1])
	}
	return b.h.send(r)
}

func kindFor(path, body string) string {
	if strings.HasPrefix(body, "{") || strings.HasPrefix(path, "/api/") {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

var plainClient = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (h *house) send(r *http.Request) answer {
	h.t.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	resp, err := plainClient.Do(r.WithContext(ctx))
	if err != nil {
		h.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind == "text/event-stream" || kind == "application/x-ndjson" {
		return answer{resp, ""} // it would not end
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		h.t.Fatalf("%s %s: read: %v", r.Method, r.URL.Path, err)
	}
	return answer{resp, string(b)}
}

// route is a pattern with an address that it matches.
type route struct{ method, pattern, path string }

// routes are all of the router's but the assets and the two that catch the rest.
func (h *house) routes(udid string) []route {
	h.t.Helper()
	versions, err := h.fake.Versions(context.Background(), fakeSystem, udid)
	if err != nil {
		h.t.Fatal(err)
	}
	fill := strings.NewReplacer("{udid}", udid, "/versions/{id}", "/versions/"+versions[0].ID, "{path...}", "CameraRollDomain", "{name}", "Attic", "{token}", "ksk_none",
		"{id}", "1", "{job}", "1", "{kind}", "photos", "{$}", "", "{source}", udid, "{version}", versions[0].ID)
	var all []route
	for _, pattern := range h.inside.Routes {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			continue
		}
		path = fill.Replace(path)
		path = unfilled.ReplaceAllString(path, "1")
		all = append(all, route{method, pattern, path})
	}
	return all
}

var unfilled = regexp.MustCompile(`\{[^}]*\}`)

// public are the patterns that anyone may ask for.
func (h *house) public(pattern string) bool {
	return slices.Contains(server.OpenPages, pattern) || slices.Contains(server.OpenPosts, pattern) || slices.Contains(h.inside.Assets, pattern) ||
		pattern == "GET /healthz" || pattern == "GET /api/v1/openapi.json"
}

func secretText(s string) secret.Text { return secret.NewText(s) }
