package server_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
)

// description is what the tests look at of an OpenAPI document.
type description struct {
	OpenAPI string `json:"openapi"`
	Servers []struct {
		URL string `json:"url"`
	} `json:"servers"`
	Paths map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Security    []map[string][]string `json:"security"`
		Parameters  []struct {
			Name, In string
		} `json:"parameters"`
		RequestBody json.RawMessage            `json:"requestBody"`
		Responses   map[string]json.RawMessage `json:"responses"`
	} `json:"paths"`
}

func describe(t *testing.T, h *house) (description, string) {
	t.Helper()
	a := h.stranger().do("GET", "/api/v1/openapi.json", "")
	var d description
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		t.Fatalf("%d: %v\n%s", a.StatusCode, err, a.body)
	}
	return d, a.body
}

// What the router answers below /api/v1 is what the document describes, and the
// other way round.
func TestOpenAPIDescribesTheRoutes(t *testing.T) {
	h := newHouse(t)
	d, text := describe(t, h)
	if d.OpenAPI != "3.1.0" || len(d.Servers) != 1 || d.Servers[0].URL != "/api/v1" {
		t.Errorf("the document begins %q %v", d.OpenAPI, d.Servers)
	}
	var described, routed []string
	ids := map[string]bool{}
	for path, ops := range d.Paths {
		for method, op := range ops {
			described = append(described, strings.ToUpper(method)+" /api/v1"+path)
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || len(op.Security) == 0 || op.Responses["default"] == nil {
				t.Errorf("%s %s is described badly: %+v", method, path, op)
			}
			ids[op.OperationID] = true
			for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				if !slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.Name == name[1] && p.In == "path" }) {
					t.Errorf("%s %s does not read {%s}", method, path, name[1])
				}
			}
		}
	}
	for _, pattern := range h.inside.Routes {
		if strings.Contains(pattern, " /api/v1/") && pattern != "GET /api/v1/openapi.json" {
			routed = append(routed, pattern)
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described:\n%s\nrouted:\n%s", strings.Join(described, "\n"), strings.Join(routed, "\n"))
	}
	if strings.Contains(text, "ErrorModel") {
		t.Error("the document describes errors that the API does not give")
	}
	if strings.Contains(text, "http://") || strings.Contains(strings.ReplaceAll(text, "https://json-schema.org", ""), "https://") {
		t.Error("the document points to other hosts")
	}
}

// Whatever the interface Service can do, the API can.
func TestTheAPIDoesAllThatTheServiceDoes(t *testing.T) {
	h := newHouse(t)
	methods := reflect.TypeFor[server.Service]()
	for i := range methods.NumMethod() {
		if name := methods.Method(i).Name; !slices.Contains(h.inside.Covered, name) {
			t.Errorf("no operation of the API stands for %s", name)
		}
	}
	for _, name := range h.inside.Covered {
		if _, ok := methods.MethodByName(name); !ok {
			t.Errorf("an operation stands for %s, which is no method of Service", name)
		}
	}
}

// Every operation does what it says for whoever may: without this, tests that it is
// refused to others would show nothing.
func TestOperationsWork(t *testing.T) {
	works := map[string]int{} // expected status where it is not 200 or 204
	for _, p := range []string{"POST /api/v1/accounts", "POST /api/v1/tokens"} {
		works[p] = 201
	}
	for _, p := range []string{"DELETE /api/v1/passkeys/{id}", "DELETE /api/v1/tokens/{id}", "DELETE /api/v1/me/sessions/{id}", "GET /api/v1/phones/{udid}/versions/{id}/download",
		"POST /api/v1/preflight", "POST /api/v1/targets/{name}/copy"} {
		works[p] = 404 // there is none, or none of that name
	}
	works["PUT /api/v1/me/password"] = 400 // the old one is wrong
	for _, r := range newHouse(t).routes(fake.Anna) {
		if !strings.Contains(r.pattern, "/api/v1/") {
			continue
		}
		h := newHouse(t) // each on its own: they change what is there
		path := r.path
		switch {
		case strings.HasSuffix(r.pattern, "/search"):
			path += "?q=IMG"
		case strings.HasSuffix(r.pattern, "/download"):
			path += "?path=nothing"
		case strings.HasSuffix(r.pattern, "/preview"):
			path += "?key=p0"
		case strings.HasSuffix(r.pattern, "/extract"):
			path += "?format=jsonl"
		}
		a := h.member(1).do(r.method, path, bodies[r.pattern])
		want, other := works[r.pattern]
		if a.StatusCode == want || !other && (a.StatusCode == 200 || a.StatusCode == 204) {
			continue
		}
		if a.StatusCode == 409 || strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") && strings.Contains(a.body, "hint") && a.StatusCode < 500 {
			t.Logf("%s: %d %s", r.pattern, a.StatusCode, a.body) // the household has its reasons
			continue
		}
		t.Errorf("%s: %d\n%s", r.pattern, a.StatusCode, a.body)
	}
}

// sameAs says for each form of the page which operation of the API does the same;
// "" for what only a browser can do.
var sameAs = map[string]string{
	"POST /phones/{udid}/backup": "back-up", "POST /phones/{udid}/media": "copy-media", "POST /phones/{udid}/pair": "pair", "POST /phones/{udid}/check": "check",
	"POST /phones/{udid}/rehearse": "rehearse", "POST /phones/{udid}/policy": "set-policy", "POST /phones/{udid}/retention": "set-retention", "POST /phones/{udid}/wifi": "set-wifi",
	"POST /phones/{udid}/address": "set-address", "POST /phones/{udid}/grant": "set-grant", "POST /phones/{udid}/owner": "set-owner", "POST /phones/{udid}/encryption": "set-encryption",
	"POST /phones/{udid}/password": "remember-password", "POST /phones/{udid}/restore/{source}/{version}": "restore",
	"POST /phones/{udid}/versions/{id}/pin": "pin", "POST /phones/{udid}/versions/{id}/forget": "forget",
	"POST /targets/add": "add-target", "POST /targets/{name}/copy": "copy", "POST /targets/{name}/remove": "remove-target",
	"POST /settings": "set-settings", "POST /settings/test": "test-notification",
	"POST /people": "create-account", "POST /people/{account}": "change-account", "POST /account/password": "change-password", "POST /account/passkeys/drop": "delete-passkey",
	"POST /account/sessions/end": "end-session", "POST /account/tokens": "create-token", "POST /account/tokens/drop": "delete-token",
	"POST /setup/place": "set-up", "POST /setup/phone/{udid}": "pair", "POST /activity/{job}/cancel": "cancel", "POST /signal/{token}": "signal",
	"POST /signin": "", "POST /signout": "", "POST /setup/account": "", "POST /passkeys/signin/begin": "", "POST /passkeys/signin/finish": "", "POST /passkeys/register/begin": "", "POST /passkeys/register/finish": "",
}

// Nothing that the page can do is missing in the API, and what wants a fresh sign-in
// on the page wants it there.
func TestTheAPIDoesAllThatThePageDoes(t *testing.T) {
	h := newHouse(t)
	d, _ := describe(t, h)
	scopes := map[string]string{} // of each operation
	for _, ops := range d.Paths {
		for _, op := range ops {
			scopes[op.OperationID] = op.Security[0]["token"][0]
		}
	}
	for _, pattern := range h.inside.Routes {
		if strings.HasPrefix(pattern, "GET ") || strings.Contains(pattern, "/api/") || pattern == "/" {
			continue
		}
		id, known := sameAs[pattern]
		if !known {
			t.Errorf("%s: which operation of the API does that?", pattern)
		}
		if id != "" && scopes[id] == "" {
			t.Errorf("%s: the API has no operation %q", pattern, id)
		}
		if id != "" && scopes[id] != "admin" && !slices.Contains(server.StalePosts, pattern) && !slices.Contains(server.OpenPosts, pattern) {
			t.Errorf("%s wants a fresh sign-in, and %s only the scope %s", pattern, id, scopes[id])
		}
	}
}
