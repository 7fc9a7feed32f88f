package browsertest

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
)

// house is a service made up in memory, and its page.
type house struct {
	*fake.Household
	people server.Auth
	base   string
	stop   func() // the computer is switched off
}

func newHouse(t *testing.T, o fake.Options) *house {
	t.Helper()
	h := &house{Household: fake.New(o), people: fake.NewPeople(o)}
	handler, err := server.New(server.Options{Service: h.Household, Auth: h.people, Version: "v0.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(merge(r.Context(), ctx)))
	}))
	s.Start()
	h.stop = sync.OnceFunc(func() { cancel(); s.CloseClientConnections(); s.Close() })
	t.Cleanup(h.stop)
	h.base = s.URL
	return h
}

// merge is ctx that ends with end too, so that open streams do not hold a server.
func merge(ctx, end context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(end, cancel)
	return ctx
}

// session begins one without the form.
func (h *house) session(t *testing.T, login string) string {
	t.Helper()
	token, _, err := h.people.SignIn(t.Context(), login, secret.NewText(fake.Password), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

// open opens a tab in which login is signed in, "" nobody.
func (h *house) open(t *testing.T, login string, width int64, dark bool) *tab {
	t.Helper()
	b := open(t, h.base, width, dark)
	if login != "" {
		if _, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: "keepsake", Value: h.session(t, login), URL: h.base}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// client is a program with a session.
func (h *house) client(t *testing.T, login string) *http.Client {
	t.Helper()
	if login == "" {
		return clientOf(t, h.base, "")
	}
	return clientOf(t, h.base, h.session(t, login))
}

// clientOf is a program with a session at base, "" none.
func clientOf(t *testing.T, base, session string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	if session != "" {
		jar.SetCookies(u, []*http.Cookie{{Name: "keepsake", Value: session}})
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second}
}

// newest is the newest version of a phone that is a backup.
func (h *house) newest(t *testing.T, udid string) string {
	t.Helper()
	vs, err := h.Versions(t.Context(), adminWho, udid)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		if !v.Media {
			return v.ID
		}
	}
	t.Fatalf("%s has no backup", udid)
	return ""
}

// oldest is the first version of a phone that is a backup.
func (h *house) oldest(t *testing.T, udid string) string {
	t.Helper()
	vs, err := h.Versions(t.Context(), adminWho, udid)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range slices.Backward(vs) {
		if !v.Media {
			return v.ID
		}
	}
	t.Fatalf("%s has no backup", udid)
	return ""
}
