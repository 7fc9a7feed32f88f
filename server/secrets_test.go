package server_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
)

// planted are secrets that go through every door of the server, and must come out
// of none.
const (
	plantedBackup     = "planted-backup-password-7be1"
	plantedRepository = "planted-repository-password-03fa"
	plantedAccess     = "planted-access-key-c41d"
	plantedLink       = "planted-notification-key-88aa"
	plantedNew        = "planted-password-of-eve-1f0c"
)

func TestSecretsStayInside(t *testing.T) {
	k, db := keeper(t)
	h := newHouse(t, func(o *server.Options) { o.Auth = k })
	var out strings.Builder
	see := func(a answer) answer {
		out.WriteString(a.Status + "\n")
		for k, v := range a.Header {
			if k != "Set-Cookie" {
				out.WriteString(k + ": " + strings.Join(v, ",") + "\n")
			}
		}
		out.WriteString(a.body + "\n")
		return a
	}
	see(h.stranger().do("POST", "/signin", url.Values{"login": {"anna"}, "password": {plantedNew}, "next": {"/activity"}}.Encode()))
	in := see(h.stranger().do("POST", "/signin", url.Values{"login": {"anna"}, "password": {annasPassword}}.Encode()))
	_, cookie, _ := strings.Cut(strings.Split(in.Header.Get("Set-Cookie"), ";")[0], "=")
	if cookie == "" {
		t.Fatalf("nobody was signed in: %d", in.StatusCode)
	}
	anna := &browser{h: h, cookie: cookie}
	api := "/api/v1/phones/" + fake.Anna
	requests := []struct{ method, path, body string }{
		{"POST", api + "/encryption", `{"old":"` + plantedBackup + `","new":"` + plantedBackup + `x"}`},
		{"POST", api + "/encryption", `{"old":"` + plantedBackup + `","new":7,"more":"` + plantedBackup + `"}`},
		{"POST", api + "/encryption", `{"old":"` + plantedBackup + `",`},
		{"POST", api + "/encryption", `["` + plantedBackup + `"]`},
		{"POST", api + "/encryption", `{"old":["` + plantedBackup + `"]}`},
		{"PUT", api + "/password", `{"password":"` + plantedBackup + `"}`},
		{"PUT", api + "/password", `{"password":{"x":"` + plantedBackup + `"}}`},
		{"PUT", api + "/password", `{"password":"` + plantedBackup + strings.Repeat("x", 2000) + `"}`},
		{"POST", "/api/v1/setup", `{"place":"/srv/other","password":"` + plantedRepository + `"}`},
		{"POST", "/api/v1/setup", `{"place":7,"password":"` + plantedRepository + `"}`},
		{"POST", "/api/v1/targets", `{"name":"S","location":"s3:host/b","credentials":{"secret_key":"` + plantedAccess + `"},"password":"` + plantedRepository + `"}`},
		{"POST", "/api/v1/targets", `{"name":"","location":"s3:host/b","credentials":{"secret_key":["` + plantedAccess + `"]},"password":"` + plantedRepository + `"}`},
		{"PUT", "/api/v1/settings", `{"name":"Home","notify":["ntfy://` + plantedLink + `@ntfy.sh/x"],"ping":"https://hc.example/` + plantedLink + `","parallel":2,"check_weekly":5,"rehearse_monthly":true}`},
		{"PUT", "/api/v1/settings", `{"name":"Home","notify":["ntfy://` + plantedLink + `@ntfy.sh/x"],"parallel":200}`},
		{"POST", "/api/v1/restores", `{"udid":"` + fake.Anna + `","source":"` + fake.Anna + `","version":"no","password":"` + plantedBackup + `"}`},
		{"POST", "/api/v1/accounts", `{"login":"eve","name":"Eve","password":"` + plantedNew + `"}`},
		{"PATCH", "/api/v1/accounts/2", `{"password":"` + plantedNew + `"}`},
		{"PUT", "/api/v1/me/password", `{"old":"` + plantedNew + `","new":"` + plantedNew + `"}`},
		{"GET", "/api/v1/settings", ""}, {"GET", "/api/v1/overview", ""}, {"GET", "/api/v1/jobs", ""}, {"GET", "/api/v1/accounts", ""}, {"GET", "/api/v1/tokens", ""}, {"GET", "/api/v1/audit", ""},
		{"GET", "/metrics", ""}, {"GET", "/healthz", ""}, {"GET", "/", ""}, {"GET", "/settings", ""}, {"GET", "/targets", ""}, {"GET", "/activity", ""}, {"GET", "/account", ""}, {"GET", "/people", ""},
		{"GET", "/phones/" + fake.Anna, ""}, {"POST", "/api/v1/recovery-sheet", `{}`},
	}
	for _, r := range requests {
		a := see(anna.do(r.method, r.path, r.body))
		sane(t, r.method+" "+r.path, a)
	}
	made := anna.do("POST", "/api/v1/tokens", `{"name":"Shortcut","scopes":["signal"],"phones":["`+fake.Anna+`"]}`)
	if made.StatusCode != http.StatusCreated || !strings.Contains(made.body, "ksk_") {
		t.Fatalf("no token was made: %d %s", made.StatusCode, made.body)
	}
	token := made.body[strings.Index(made.body, "ksk_"):]
	token = token[:strings.IndexByte(token, '"')]
	if a := see(h.stranger().do("POST", "/signal/"+token, "")); a.StatusCode != http.StatusOK {
		t.Errorf("the signal by address: status %d\n%s", a.StatusCode, a.body)
	}
	see(h.stranger().do("GET", "/signal/"+token, ""))
	see((&browser{h: h, token: token}).do("POST", "/api/v1/signal/"+fake.Anna, ""))
	see((&browser{h: h, token: token}).do("GET", "/api/v1/overview", ""))
	see(anna.do("POST", "/signout", ""))

	for _, s := range []string{annasPassword, bensPassword, plantedBackup, plantedRepository, plantedAccess, plantedLink, plantedNew, cookie, token} {
		if strings.Contains(out.String(), s) {
			i := strings.Index(out.String(), s)
			t.Errorf("an answer has %.12q… in it: …%s…", s, out.String()[max(0, i-200):i])
		}
		if strings.Contains(h.log.String(), s) {
			i := strings.Index(h.log.String(), s)
			t.Errorf("the log has %.12q… in it: …%s…", s, h.log.String()[max(0, i-200):i])
		}
	}
	// Nor are they in a copy of the catalog.
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := db.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{annasPassword, bensPassword, plantedNew, plantedBackup, plantedRepository, plantedAccess, plantedLink, cookie, token} {
		if bytes.Contains(stored, []byte(s)) {
			t.Errorf("a copy of the catalog has %.12q… in it", s)
		}
	}
	if !bytes.Contains(stored, []byte("Shortcut")) {
		t.Error("the copy of the catalog lacks what was done")
	}
	if !strings.Contains(h.log.String(), "route=\"POST /signal/{token}\"") {
		t.Error("the log lacks the request of the signal")
	}
	if strings.Contains(h.log.String(), fake.Anna) {
		t.Error("the log has addresses in it, not routes")
	}
}

func TestHeadersAreNotSplit(t *testing.T) {
	h := newHouse(t)
	for _, next := range []string{"/x\r\nSet-Cookie: evil=1", "/x%0d%0aSet-Cookie:%20evil=1", "/\nevil", "/x?y=\r\nEvil: 1"} {
		a := h.stranger().do("POST", "/signin", url.Values{"login": {"anna"}, "password": {annasPassword}, "next": {next}}.Encode())
		if len(a.Header.Values("Set-Cookie")) != 1 || a.Header.Get("Evil") != "" || strings.ContainsAny(a.Header.Get("Location"), "\r\n") {
			t.Errorf("next %q: %v", next, a.Header)
		}
	}
	for _, name := range []string{"a\r\nSet-Cookie: evil=1.txt", "a\";x=\"y.txt", "\u202egpj.exe", "größe €.txt", "", "..", "con\\a:b.txt"} {
		d := server.Disposition("attachment", name)
		if strings.ContainsAny(d, "\r\n\x00\u202e") || strings.Count(d, `"`)%2 != 0 {
			t.Errorf("disposition of %q: %q", name, d)
		}
	}
}

func TestSafeNext(t *testing.T) {
	for in, want := range map[string]string{
		"/phones/x?tab=1": "/phones/x?tab=1", "": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "javascript:alert(1)": "/", "/%2f/evil.example": "/",
		"/a\tb": "/", "phones": "/", "/signin?next=/signin": "/", "/signout": "/", "/api/v1/openapi.json": "/", "/a%20b": "/a%20b", "/%zz": "/", "http:/x": "/", "/x#y": "/x",
	} {
		if got := server.SafeNext(in); got != want {
			t.Errorf("next %q leads to %q, want %q", in, got, want)
		}
	}
}

func TestFreshSignIn(t *testing.T) {
	h := newHouse(t)
	anna := h.member(1)
	h.people.mu.Lock()
	h.people.aged[anna.cookie] = server.FreshFor + time.Second
	h.people.mu.Unlock()
	for path, body := range map[string]string{"/api/v1/restores": `{"udid":"` + fake.Anna + `","source":"` + fake.Anna + `","version":"x"}`, "/api/v1/recovery-sheet": `{}`, "/api/v1/tokens": `{"name":"x","scopes":["read"]}`} {
		if a := anna.do("POST", path, body); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "sign in again") {
			t.Errorf("%s with an old session: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := anna.do("POST", "/api/v1/phones/"+fake.Anna+"/backup", `{}`); a.StatusCode != http.StatusOK {
		t.Errorf("a backup wants a fresh session: %d %s", a.StatusCode, a.body)
	}
	for _, r := range h.routes(fake.Anna) {
		if r.method == http.MethodGet || strings.Contains(r.pattern, "/api/") || h.public(r.pattern) {
			continue
		}
		a := anna.do(r.method, r.path, "")
		asks := a.StatusCode == http.StatusForbidden || strings.HasPrefix(a.Header.Get("Location"), "/signin")
		if asks == slices.Contains(server.StalePosts, r.pattern) {
			t.Errorf("%s with an old session: %d %s", r.pattern, a.StatusCode, a.Header.Get("Location"))
		}
	}
	// Signing in again makes it fresh, and ends the session before.
	in := anna.do("POST", "/signin", "login=anna&password="+annasPassword+"&next=/activity")
	if in.StatusCode != http.StatusSeeOther || in.Header.Get("Location") != "/activity" {
		t.Fatalf("sign in again: %d %s", in.StatusCode, in.Header.Get("Location"))
	}
	if _, err := h.people.Session(context.Background(), secretText(anna.cookie)); err == nil {
		t.Error("the session before lives on")
	}
}

func TestTokens(t *testing.T) {
	h := newHouse(t)
	phone := "/api/v1/phones/" + fake.Anna
	for _, c := range []struct {
		scopes       []string
		phones       []string
		method, path string
		want         int
	}{
		{[]string{"read"}, nil, "GET", phone, 200},
		{[]string{"read"}, nil, "POST", phone + "/media", 403},
		{[]string{"read"}, nil, "POST", "/api/v1/signal/" + fake.Anna, 403},
		{[]string{"backup"}, nil, "POST", phone + "/media", 200},
		{[]string{"backup"}, nil, "GET", phone, 200},
		{[]string{"backup"}, nil, "GET", "/api/v1/accounts", 403},
		{[]string{"backup"}, nil, "POST", phone + "/pair", 403},
		{[]string{"backup"}, []string{fake.Kitchen}, "POST", phone + "/media", 404},
		{[]string{"signal"}, []string{fake.Anna}, "GET", phone, 403},
		{[]string{"signal"}, []string{fake.Anna}, "POST", phone + "/media", 403},
		{[]string{"signal"}, []string{fake.Anna}, "POST", "/api/v1/signal/" + fake.Anna, 200},
		{[]string{"signal"}, []string{fake.Anna}, "POST", "/api/v1/signal/" + fake.Kitchen, 404},
		{[]string{"admin"}, nil, "GET", "/api/v1/accounts", 200},
		{[]string{"admin"}, nil, "GET", "/metrics", 200},
		{[]string{"read"}, nil, "GET", "/metrics", 403},
		{[]string{"made-up"}, nil, "GET", phone, 403},
		{nil, nil, "GET", phone, 403},
	} {
		head := []string{}
		if c.path == "/metrics" {
			head = []string{"Via", "1.1 somebody"}
		}
		if a := h.program(1, c.phones, c.scopes...).do(c.method, c.path, "", head...); a.StatusCode != c.want {
			t.Errorf("%v for %v: %s %s: %d, want %d\n%s", c.scopes, c.phones, c.method, c.path, a.StatusCode, c.want, a.body)
		}
	}
	// The scope admin makes no admin of a member.
	if a := h.program(2, nil, "admin").do("GET", "/api/v1/accounts", ""); a.StatusCode != 403 {
		t.Errorf("a member's token with the scope admin: %d", a.StatusCode)
	}
	// A token opens no page, and by its address only signals.
	if a := h.program(1, nil, "admin").do("GET", "/activity", ""); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a page by token: %d", a.StatusCode)
	}
	for _, b := range []*browser{h.program(1, nil, "signal"), h.program(1, []string{fake.Anna}, "backup"), h.program(1, []string{fake.Anna}, "admin"), h.program(1, []string{fake.Anna, fake.Kitchen}, "signal")} {
		if a := h.stranger().do("POST", "/signal/"+b.token, ""); a.StatusCode != http.StatusForbidden {
			t.Errorf("a token for more by its address: %d", a.StatusCode)
		}
	}
	// A wrong token is not helped by a good cookie.
	b := h.member(1)
	b.token = "ksk_wrong"
	if a := b.do("GET", "/api/v1/me", ""); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token with a good cookie: %d", a.StatusCode)
	}
}

func TestWhatMattersIsNoted(t *testing.T) {
	k, _ := keeper(t)
	h := newHouse(t, func(o *server.Options) { o.Auth = k })
	for pattern := range server.Audited {
		if !slices.Contains(h.inside.Routes, pattern) {
			t.Errorf("%s is noted, and is no route", pattern)
		}
	}
	token, _, err := k.SignIn(t.Context(), "anna", secretText(annasPassword), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	anna := &browser{h: h, cookie: token.Reveal()}
	vs, err := h.fake.Versions(t.Context(), fakeSystem, fake.Anna)
	if err != nil {
		t.Fatal(err)
	}
	file := "/phones/" + fake.Anna + "/versions/" + vs[0].ID + "/download?path=HomeDomain/Library/SMS/sms.db"
	for _, part := range []string{"bytes=5-9", "bytes=0-4", "bytes=10-19"} {
		anna.do("GET", file, "", "Range", part)
	}
	anna.do("PUT", "/api/v1/phones/"+fake.Anna+"/grant", `{"on":true}`)
	es, err := k.Audit(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range es {
		if e.UDID == fake.Anna {
			got = append(got, e.What)
		}
		if strings.Contains(e.Detail, "sms.db") {
			t.Error("the audit log names a file")
		}
	}
	if want := []string{"changed whether admins may look inside", "downloaded"}; !slices.Equal(got, want) {
		t.Errorf("noted: %q, want %q", got, want)
	}
}
