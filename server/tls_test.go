package server_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/server"
)

// Over TLS browsers speak HTTP/2: sessions are bound to the host, and events come
// one by one.
func TestOverTLS(t *testing.T) {
	h := newHouse(t)
	s := httptest.NewUnstartedServer(h.inside.Handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c := s.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Post(s.URL+"/signin", "application/x-www-form-urlencoded", strings.NewReader("login=anna&password="+annasPassword))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if len(cookies) != 1 || cookies[0].Name != server.SecureCookie || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].Domain != "" || cookies[0].Path != "/" {
		t.Fatalf("the session's cookie: %v", cookies)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(cookies[0])
	r.Header.Set("Last-Event-ID", "3")
	resp, err = c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Proto, resp.Status)
	}
	until(t, bufio.NewScanner(resp.Body), "event: again")
}
