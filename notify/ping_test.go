package notify

import (
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func TestPing(t *testing.T) {
	l := listen(t, 200, "OK")
	p := Ping{URL: secret.NewText(l.URL + "/7c3c-uuid?create=1")}
	for what, f := range map[string]func() error{
		"/7c3c-uuid/start": func() error { return p.Start(t.Context(), "") },
		"/7c3c-uuid":       func() error { return p.Success(t.Context(), "2 phones") },
		"/7c3c-uuid/fail":  func() error { return p.Fail(t.Context(), strings.Repeat("ä", maxPing)) },
	} {
		l.mu.Lock()
		l.got = nil
		l.mu.Unlock()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		if got := l.only(t); got.Method != "POST" || got.Path != what || got.Query != "create=1" || len(got.Body) > maxPing {
			t.Errorf("got %s %s?%s (%d bytes), want %s", got.Method, got.Path, got.Query, len(got.Body), what)
		}
	}
}

func TestPing_none(t *testing.T) {
	if err := (Ping{}).Success(t.Context(), "fine"); err != nil {
		t.Error(err)
	}
	if err := (Ping{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestPing_failures(t *testing.T) {
	const token = "8f2e-very-secret"
	gone := listen(t, 404, "no "+token)
	for raw, want := range map[string]string{
		gone.URL + "/" + token:                             "notify by ping: it answered 404 Not Found",
		"ftp://host/" + token:                              "ping URL: it does not begin with https://",
		"https:///" + token:                                "ping URL: it names no host",
		"http://169.254.169.254/" + token:                  "refused",
		"http://127.0.0.1:1/" + token:                      "notify by ping: nothing listens there",
		"https://%zz" + token:                              "no URL",
		"https://x/" + token + strings.Repeat("x", MaxURL): "longer",
	} {
		p := Ping{URL: secret.NewText(raw)}
		err := p.Fail(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), token) {
			t.Errorf("Fail to %.40q: %v, want %q", raw, err, want)
		}
		if v := p.Validate(); v == nil && !strings.HasPrefix(want, "notify by") {
			t.Errorf("Validate(%.40q) is content", raw)
		}
	}
}
