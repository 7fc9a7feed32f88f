package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/keepsake-backup/keepsake/auth"
	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
	"github.com/keepsake-backup/keepsake/service"
)

var fakeSystem = service.System

// sane fails on what no request, however bent, may bring about.
func sane(t *testing.T, what string, a answer) {
	t.Helper()
	if a.StatusCode >= 500 {
		t.Errorf("%s: status %d\n%s", what, a.StatusCode, a.body)
	}
	if strings.Contains(a.body, "goroutine ") || strings.Contains(a.body, ".go:") {
		t.Errorf("%s: the answer tells of the inside:\n%s", what, a.body)
	}
}

func TestStrangersGetNothing(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(fake.Ben) {
		if h.public(r.pattern) || r.pattern == "GET /metrics" {
			continue
		}
		for name, b := range map[string]*browser{"nobody": h.stranger(), "a made-up session": {h: h, cookie: "AAAAAAAAAAAAAAAAAAAAAAAAAA"}, "a made-up token": {h: h, token: "ksk_AAAAAAAAAAAAAAAAAAAAAAAAAA"}} {
			a := b.do(r.method, r.path, "")
			what := name + ": " + r.pattern
			sane(t, what, a)
			switch {
			case a.StatusCode == http.StatusUnauthorized, a.StatusCode == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/signin"):
			default:
				t.Errorf("%s: status %d, Location %q", what, a.StatusCode, a.Header.Get("Location"))
			}
			if strings.Contains(a.body, "iPhone") || strings.Contains(a.body, "IMG_") {
				t.Errorf("%s: the answer tells of phones:\n%s", what, a.body)
			}
		}
	}
	// What is not there looks the same to them as what is.
	for _, path := range []string{"/nothing", "/phones/nothing", "/api/v1/nothing", "/api/nothing"} {
		if a := h.stranger().do("GET", path, ""); a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
}

// bodies are requests that would be done if they came from whoever may. Operations
// that are not here have none.
var bodies = map[string]string{
	"POST /api/v1/phones/{udid}/backup":              `{}`,
	"POST /api/v1/phones/{udid}/encryption":          `{"new":"a new backup password"}`,
	"POST /api/v1/phones/{udid}/rehearse":            `{}`,
	"PUT /api/v1/phones/{udid}/policy":               `{"automatic":true,"every_days":1,"from":"00:00","to":"00:00","on_connect":true,"on_power":false,"min_battery":0,"on_unlock":false,"media":false,"remind_after_days":7}`,
	"PUT /api/v1/phones/{udid}/retention":            `{"last":0,"daily":7,"weekly":0,"monthly":0,"yearly":0}`,
	"PUT /api/v1/phones/{udid}/owner":                `{"account":2}`,
	"PUT /api/v1/phones/{udid}/grant":                `{"on":true}`,
	"PUT /api/v1/phones/{udid}/wifi":                 `{"on":true}`,
	"PUT /api/v1/phones/{udid}/address":              `{"address":"10.0.0.9"}`,
	"PUT /api/v1/phones/{udid}/password":             `{"password":"some backup password"}`,
	"PUT /api/v1/phones/{udid}/versions/{id}/pin":    `{"on":true}`,
	"POST /api/v1/setup":                             `{"place":"/tmp/x","password":"some password"}`,
	"POST /api/v1/recovery-sheet":                    `{"with_password":true}`,
	"POST /api/v1/targets":                           `{"name":"Attic","location":"/tmp/y"}`,
	"PUT /api/v1/settings":                           `{"name":"x","notify":[],"parallel":1,"check_weekly":1,"rehearse_monthly":false}`,
	"POST /api/v1/accounts":                          `{"login":"eve","name":"Eve","password":"a long enough password","admin":true}`,
	"PATCH /api/v1/accounts/{id}":                    `{"admin":true}`,
	"POST /api/v1/tokens":                            `{"name":"x","scopes":["read"],"phones":["` + fake.Anna + `"]}`,
	"PUT /api/v1/me/password":                        `{"old":"wrong","new":"another long password"}`,
	"POST /api/v1/preflight":                         `{"udid":"` + fake.Anna + `","source":"` + fake.Anna + `","version":"x"}`,
	"POST /api/v1/restores":                          `{"udid":"` + fake.Anna + `","source":"` + fake.Anna + `","version":"x"}`,
	"GET /api/v1/phones/{udid}/versions/{id}/search": ``,
}

// own are operations that everybody has for themselves.
var own = []string{"GET /api/v1/version", "GET /api/v1/overview", "GET /api/v1/jobs", "GET /api/v1/events", "GET /api/v1/me", "PUT /api/v1/me/password",
	"GET /api/v1/tokens", "DELETE /api/v1/tokens/{id}", "GET /api/v1/me/sessions", "DELETE /api/v1/me/sessions/{id}", "GET /api/v1/passkeys", "DELETE /api/v1/passkeys/{id}", "GET /api/v1/openapi.json"}

// adminsOnly are those of the whole service. Whether a member may read them is for
// the service to say; changing them is not theirs.
func adminsOnly(pattern string) bool {
	for _, p := range []string{"/api/v1/accounts", "/api/v1/audit", "/api/v1/setup", "/api/v1/recovery-sheet"} {
		if strings.Contains(pattern, p) {
			return true
		}
	}
	return !strings.HasPrefix(pattern, "GET ") && (strings.Contains(pattern, "/api/v1/settings") || strings.Contains(pattern, "/api/v1/targets"))
}

func TestMembersGetOnlyTheirOwn(t *testing.T) {
	h := newHouse(t)
	ben := h.member(2)
	before, err := h.people.Accounts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range h.routes(fake.Anna) {
		if h.public(r.pattern) || slices.Contains(own, r.pattern) {
			continue
		}
		path := r.path
		if strings.HasSuffix(r.pattern, "/search") {
			path += "?q=IMG"
		}
		if strings.HasSuffix(r.pattern, "/download") {
			path += "?path=HomeDomain/Library/SMS/sms.db"
		}
		if strings.HasSuffix(r.pattern, "/preview") {
			path += "?key=p0"
		}
		a := ben.do(r.method, path, bodies[r.pattern])
		sane(t, r.pattern, a)
		phones := strings.Contains(r.pattern, "{udid}")
		isAPI := strings.Contains(r.pattern, "/api/")
		switch {
		case isAPI && (phones || adminsOnly(r.pattern) || strings.HasSuffix(r.pattern, "/preflight") || strings.HasSuffix(r.pattern, "/restores") || r.pattern == "POST /api/v1/tokens"):
			if a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: status %d\n%s", r.pattern, a.StatusCode, a.body)
			}
		case phones && (a.StatusCode < 400 || a.StatusCode > 499):
			t.Errorf("%s: status %d", r.pattern, a.StatusCode)
		}
		if phones && strings.Contains(a.body, "Anna’s iPhone") {
			t.Errorf("%s: the answer names the phone", r.pattern)
		}
	}
	anna, err := h.fake.Phone(context.Background(), fakeSystem, fake.Anna)
	if err != nil || anna.Owner != 1 || anna.Granted || anna.Job != nil {
		t.Errorf("something of it was done: %+v, %v", anna, err)
	}
	if as, _ := h.people.Accounts(context.Background()); len(as) != len(before) || as[1].Admin {
		t.Errorf("accounts were changed: %+v", as)
	}
}

func TestForgedRequestsAreRefused(t *testing.T) {
	h := newHouse(t)
	anna := h.member(1)
	for _, r := range h.routes(fake.Anna) {
		forgeries := [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "bogus"}}
		if r.method == http.MethodGet {
			forgeries = [][]string{{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"},
				{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}}
		}
		for _, f := range forgeries {
			a := h.member(1).do(r.method, r.path, bodies[r.pattern], f...)
			if a.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %v: status %d", r.pattern, f, a.StatusCode)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s allows other origins", r.pattern)
			}
		}
	}
	// A link in a message is a person's visit.
	if a := anna.do("GET", "/activity", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); a.StatusCode == http.StatusForbidden {
		t.Error("a link from elsewhere does not lead to the page")
	}
}

// raw sends bytes as they are and gives the status, 0 if the connection was cut.
func (h *house) raw(request string) (int, string) {
	h.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = c.Write([]byte(request)) }() // the server may cut it before it is sent
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	buf := make([]byte, 4096)
	n, _ := resp.Body.Read(buf)
	return resp.StatusCode, string(buf[:n])
}

func TestPathTricks(t *testing.T) {
	h := newHouse(t)
	anna := h.member(1)
	tricks := []string{
		"/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/../../go.mod", "/static/%2e%2e/%2e%2e/go.mod", "/static/..%5c..%5cgo.mod",
		"/ui/../ui.go", "/phones/..%2f..%2f", "/phones/%00", "/%00", "/phones/" + fake.Anna + "%00.html", "/phones/" + fake.Anna + "/versions/..%2f..", "//etc/passwd", "/./", "/%2e/",
		"/phones//versions/", "/api/v1/phones/%2e%2e/versions", "/api/v1/../../phones", "/" + strings.Repeat("a/", 3000), "/" + strings.Repeat("%41", 3000),
		"/phones/" + fake.Anna + "/versions/x/files/../../../../etc/passwd", "/phones/" + fake.Anna + "/versions/x/download?path=../../../../etc/passwd",
		"/signin?next=//evil.example", "/%ff%fe", "/%c0%ae%c0%ae/", "*", "http://evil.example/",
	}
	for _, path := range tricks {
		for _, method := range []string{"GET", "POST", "HEAD", "DELETE"} {
			status, body := h.raw(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, path, server.PlainCookie, anna.cookie))
			if status >= 500 || strings.Contains(body, "root:") || strings.Contains(body, "module github.com") {
				t.Errorf("%s %.80q: status %d\n%s", method, path, status, body)
			}
			if status >= 200 && status < 300 && !strings.HasPrefix(path, "/signin") {
				t.Errorf("%s %.80q: status %d", method, path, status)
			}
		}
	}
	// A path of a version is a key: what is not in the version is not there.
	versions, err := h.fake.Versions(context.Background(), fakeSystem, fake.Anna)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../../../../etc/passwd", "/etc/passwd", "HomeDomain/../../../etc/passwd", "HomeDomain\x00", strings.Repeat("a", 4000)} {
		for _, prefix := range []string{"", "/api/v1"} {
			a := anna.do("GET", prefix+"/phones/"+fake.Anna+"/versions/"+versions[0].ID+"/download?path="+url.QueryEscape(path), "")
			if a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("download of %.40q: status %d", path, a.StatusCode)
			}
		}
	}
}

func TestOversized(t *testing.T) {
	h := newHouse(t)
	big := strings.Repeat("a", 2<<20)
	for _, r := range h.routes(fake.Anna) {
		if r.method == http.MethodGet {
			continue
		}
		anna := h.member(1) // anew: a route may end the session
		for _, body := range []string{"login=" + big, `{"password":"` + big + `"}`} {
			a := anna.do(r.method, r.path, body)
			if a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("%s with 2 MiB: status %d", r.pattern, a.StatusCode)
			}
			// And without saying how long it is.
			req, err := http.NewRequest(r.method, h.url+r.path, struct{ *strings.Reader }{strings.NewReader(body)})
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = -1
			req.Header.Set("Content-Type", kindFor(r.path, body))
			req.AddCookie(&http.Cookie{Name: server.PlainCookie, Value: anna.cookie})
			resp, err := plainClient.Do(req)
			if err != nil {
				continue // cut while it was sending: as good
			}
			resp.Body.Close()
			if resp.StatusCode >= 500 || resp.StatusCode < 300 && bodies[r.pattern] != "" {
				t.Errorf("%s with 2 MiB in chunks: status %d", r.pattern, resp.StatusCode)
			}
		}
	}
	for _, head := range []string{"Cookie: " + strings.Repeat("a=b; ", 20000), "X-Long: " + strings.Repeat("x", 1<<20), strings.Repeat("X-Many: y\r\n", 10000) + "X-End: z"} {
		if status, _ := h.raw("GET / HTTP/1.1\r\nHost: localhost\r\n" + head + "\r\n\r\n"); status != http.StatusRequestHeaderFieldsTooLarge && status != 0 {
			t.Errorf("oversized header: status %d", status)
		}
	}
	if status, _ := h.raw("GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); status != http.StatusRequestURITooLong {
		t.Errorf("long address: status %d", status)
	}
}

func TestWrongMethods(t *testing.T) {
	h := newHouse(t)
	known := map[string][]string{}
	for _, r := range h.routes(fake.Anna) {
		known[r.path] = append(known[r.path], r.method)
	}
	for path, have := range known {
		for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"} {
			if slices.Contains(have, m) {
				continue
			}
			a := h.member(1).do(m, path, "")
			sane(t, m+" "+path, a)
			if a.StatusCode != http.StatusMethodNotAllowed && a.StatusCode != http.StatusNotFound && !(a.StatusCode == http.StatusSeeOther && path == "/signin") {
				t.Errorf("%s %s: status %d", m, path, a.StatusCode)
			}
		}
	}
}

func TestWrongKindsOfContent(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(fake.Anna) {
		if r.method == http.MethodGet {
			continue
		}
		anna := h.member(1) // anew: a route may end the session
		for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", "application/xml", "nonsense", "application/cbor", "application/json+;"} {
			a := anna.do(r.method, r.path, `{"full":true}`, "Content-Type", kind)
			if a.StatusCode != http.StatusUnsupportedMediaType && a.StatusCode != http.StatusForbidden {
				t.Errorf("%s as %s: status %d", r.pattern, kind, a.StatusCode)
			}
		}
		if a := anna.do(r.method, r.path, `{"full":`); a.StatusCode < 300 && bodies[r.pattern] != "" {
			t.Errorf("%s with half a JSON: status %d", r.pattern, a.StatusCode)
		}
	}
}

func TestOtherNamesAreNotServed(t *testing.T) {
	h := newHouse(t, func(o *server.Options) { o.Hosts = []string{"nas.local"} })
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:80": 200, "[::1]:8443": 200, "nas.local": 200, "NAS.local.:8443": 200, "192.168.1.9": 200, "keepsake.localhost": 200,
		"evil.example": 421, "localhost.evil.example": 421, "nas.local.evil.example": 421, "evillocalhost": 421, "nas": 421,
	} {
		if a := h.stranger().do("GET", "/healthz", "", "Host", host); a.StatusCode != want {
			t.Errorf("Host %s: status %d, want %d", host, a.StatusCode, want)
		}
	}
}

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	forwarded := []string{"X-Forwarded-For", "203.0.113.9, 192.0.2.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "backups.example"}
	distrusting := newHouse(t)
	if a := distrusting.stranger().do("GET", "/healthz", "", forwarded...); a.StatusCode != 200 || a.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("an unnamed proxy is believed: %d", a.StatusCode)
	}
	// With traces of a proxy nobody is at this computer itself.
	if a := distrusting.stranger().do("GET", "/metrics", "", forwarded...); a.StatusCode != http.StatusForbidden {
		t.Errorf("/metrics through a proxy: status %d", a.StatusCode)
	}
	if a := distrusting.stranger().do("GET", "/metrics", ""); a.StatusCode != http.StatusOK {
		t.Errorf("/metrics from this computer: status %d\n%s", a.StatusCode, a.body)
	}
	trusting := newHouse(t, func(o *server.Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}
		o.Hosts, o.HSTS = []string{"backups.example"}, true
	})
	a := trusting.stranger().do("GET", "/healthz", "", forwarded...)
	if a.StatusCode >= 400 || a.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("through the proxy: status %d, HSTS %q", a.StatusCode, a.Header.Get("Strict-Transport-Security"))
	}
	plain := slices.Clone(forwarded)
	plain[3] = "http"
	if a := trusting.stranger().do("GET", "/signin", "", plain...); a.StatusCode != http.StatusForbidden {
		t.Errorf("without TLS before the proxy: status %d", a.StatusCode)
	}
	// The cookie of a secure session is bound to the host, and no other counts.
	in := trusting.stranger().do("POST", "/signin", "login=anna&password="+annasPassword, append(forwarded, "Origin", "https://backups.example")...)
	cookie := in.Header.Get("Set-Cookie")
	for _, want := range []string{server.SecureCookie + "=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the session's cookie lacks %s: %s", want, strings.Split(cookie, "=")[0])
		}
	}
	anna := trusting.member(1) // sends the plain one
	if a := anna.do("GET", "/activity", "", forwarded...); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the plain cookie over TLS: status %d", a.StatusCode)
	}
}

// A proxy that says nothing of itself makes nobody sit at this computer.
func TestSilentProxiesAreNotBelieved(t *testing.T) {
	h := newHouse(t, func(o *server.Options) { o.SetUpCode = secretText("ABCD-EFGH") })
	h.people.People = fake.NewPeople(fake.Options{Empty: true})
	form := "login=eve&name=Eve&password=a-long-enough-password&code="
	head := "Host: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(form)) + "\r\nConnection: close\r\n"
	for name, request := range map[string]string{
		"nginx as it comes": "POST /setup/account HTTP/1.0\r\n" + head + "\r\n" + form,
		"a page's name":     "POST /setup/account HTTP/1.1\r\n" + head + "Origin: https://backups.example\r\nSec-Fetch-Site: same-origin\r\n\r\n" + form,
	} {
		if status, body := h.raw(request); status == 0 || status == http.StatusOK {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if first, _ := h.people.FirstRun(context.Background()); !first {
			t.Fatalf("%s: an account was made without the code", name)
		}
	}
}

// A token for one phone manages no people, whoever made it.
func TestNarrowTokensManageNobody(t *testing.T) {
	h := newHouse(t)
	all, err := h.fake.Overview(context.Background(), service.System)
	if err != nil {
		t.Fatal(err)
	}
	narrow, wide := h.program(1, []string{all.Phones[0].UDID}, "admin"), h.program(1, nil, "admin")
	for _, path := range []string{"/api/v1/accounts", "/api/v1/audit"} {
		if a := wide.do("GET", path, ""); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
		if a := narrow.do("GET", path, ""); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s with a token for one phone: %d", path, a.StatusCode)
		}
	}
	if a := narrow.do("POST", "/api/v1/accounts", `{"login":"eve","name":"Eve","admin":true,"password":"a long enough password"}`); a.StatusCode != http.StatusForbidden {
		t.Errorf("it makes an admin: %d %s", a.StatusCode, a.body)
	}
}

// keeper is the real thing, over a catalog on the disk, with Anna and Ben in it.
func keeper(t *testing.T, origins ...string) (*auth.Keeper, *catalog.DB) {
	t.Helper()
	key := make([]byte, 32)
	db, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "keepsake.db"), catalog.Options{Key: secret.NewBytes(key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	k, err := auth.New(db, auth.Options{Origins: origins, Hash: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 8, KeyLength: 16}})
	if err != nil {
		t.Fatal(err)
	}
	anna, err := k.CreateFirst(t.Context(), "anna", "Anna", secretText(annasPassword))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.CreateAccount(t.Context(), anna.ID, auth.Account{Login: "ben", Name: "Ben"}, secretText(bensPassword)); err != nil {
		t.Fatal(err)
	}
	return k, db
}

// Ten thousand guesses from this network, eight at a time: hardly any is looked at,
// and whoever has a session keeps it.
func TestManyGuesses(t *testing.T) {
	k, _ := keeper(t)
	h := newHouse(t, func(o *server.Options) { o.Auth = k })
	in := h.stranger().do("POST", "/signin", url.Values{"login": {"anna"}, "password": {annasPassword}}.Encode())
	_, cookie, _ := strings.Cut(strings.Split(in.Header.Get("Set-Cookie"), ";")[0], "=")
	start := time.Now()
	var wg sync.WaitGroup
	var looked, came atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			for i := range 1250 {
				login := []string{"anna", "ben", "nobody"}[i%3]
				a := h.stranger().do("POST", "/signin", fmt.Sprintf("login=%s&password=guess-%d-%d", login, g, i))
				switch loc := a.Header.Get("Location"); {
				case strings.HasPrefix(loc, "/signin?error=wrong"):
					looked.Add(1)
				case !strings.HasPrefix(loc, "/signin?error=wait"):
					came.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if came.Load() > 0 || looked.Load() > 60 {
		t.Errorf("%d guesses were looked at, %d ended otherwise", looked.Load(), came.Load())
	}
	if d := time.Since(start); d > 3*time.Minute {
		t.Errorf("they took %v", d)
	}
	if a := (&browser{h: h, cookie: cookie}).do("GET", "/", ""); a.StatusCode != http.StatusOK {
		t.Errorf("Anna's session after them: %d", a.StatusCode)
	}
}

func TestSetUpWantsTheCode(t *testing.T) {
	h := newHouse(t, func(o *server.Options) { o.SetUpCode = secretText("ABCD-EFGH") })
	h.people.People = fake.NewPeople(fake.Options{Empty: true})
	elsewhere := []string{"Via", "1.1 somebody"} // a proxy's trace: not this computer
	form := "login=eve&name=Eve&password=a-long-enough-password&code="
	for range 10 {
		a := h.stranger().do("POST", "/setup/account", form+"WRONG", elsewhere...)
		if a.Header.Get("Location") != "/setup?error=code" {
			t.Fatalf("a wrong code: %d %s", a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := h.stranger().do("POST", "/setup/account", form+"ABCDEFGH", elsewhere...); a.Header.Get("Location") != "/setup?error=wait" {
		t.Errorf("after ten wrong ones: %s", a.Header.Get("Location"))
	}
	if first, _ := h.people.FirstRun(context.Background()); !first {
		t.Fatal("an account was made")
	}
	if a := h.stranger().do("GET", "/activity", ""); a.Header.Get("Location") != "/setup" {
		t.Errorf("before the set-up a page leads to %q", a.Header.Get("Location"))
	}
	if a := h.stranger().do("POST", "/setup/account", form); a.StatusCode != http.StatusSeeOther || a.Header.Get("Set-Cookie") == "" {
		t.Errorf("at this computer: %d", a.StatusCode)
	}
	if a := h.stranger().do("POST", "/setup/account", form, elsewhere...); a.Header.Get("Location") != "/" {
		t.Errorf("a second first account: %s", a.Header.Get("Location"))
	}
}
