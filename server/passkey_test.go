package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/keepsake-backup/keepsake/server"
)

// Anna makes a passkey, signs out, and signs in with it and nothing else.
func TestPasskeys(t *testing.T) {
	const origin = "http://localhost:8420"
	k, _ := keeper(t, origin)
	h := newHouse(t, func(o *server.Options) { o.Auth = k })
	site := virtualwebauthn.RelyingParty{ID: "localhost", Name: "Keepsake", Origin: origin}
	device := virtualwebauthn.NewAuthenticator()
	// One in 128 of the elliptic keys that virtualwebauthn makes is no good.
	key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)

	token, session, err := k.SignIn(t.Context(), "anna", secretText(annasPassword), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	anna := &browser{h: h, cookie: token.Reveal()}
	begin := func(b *browser, path string) (name, options string) {
		t.Helper()
		a := b.do("POST", path, "")
		var c struct {
			Ceremony string
			Options  json.RawMessage
		}
		if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, a.StatusCode, a.body, err)
		}
		return c.Ceremony, string(c.Options)
	}
	name, options := begin(anna, "/passkeys/register/begin")
	create, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	device.Options.UserHandle = []byte(create.UserID)
	if a := anna.do("POST", "/passkeys/register/finish?name=Test&ceremony="+name, virtualwebauthn.CreateAttestationResponse(site, device, key, *create)); a.StatusCode != http.StatusNoContent {
		t.Fatalf("register: %d %s", a.StatusCode, a.body)
	}
	device.AddCredential(key)
	if ks, err := k.Passkeys(t.Context(), session.Account.ID); err != nil || len(ks) != 1 || ks[0].Name != "Test" {
		t.Fatalf("passkeys: %+v, %v", ks, err)
	}

	name, options = begin(h.stranger(), "/passkeys/signin/begin")
	get, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	answer := virtualwebauthn.CreateAssertionResponse(site, device, key, *get)
	in := h.stranger().do("POST", "/passkeys/signin/finish?next=/activity&ceremony="+name, answer)
	if in.StatusCode != http.StatusOK || !strings.Contains(in.body, `"/activity"`) || !strings.HasPrefix(in.Header.Get("Set-Cookie"), server.PlainCookie+"=") {
		t.Fatalf("sign in: %d %s", in.StatusCode, in.body)
	}
	// The same answer is good once, and one of another site never.
	if a := h.stranger().do("POST", "/passkeys/signin/finish?ceremony="+name, answer); a.StatusCode < 400 || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("the same answer again: %d", a.StatusCode)
	}
	name, options = begin(h.stranger(), "/passkeys/signin/begin")
	if get, err = virtualwebauthn.ParseAssertionOptions(options); err != nil {
		t.Fatal(err)
	}
	site.Origin = "https://evil.example"
	if a := h.stranger().do("POST", "/passkeys/signin/finish?ceremony="+name, virtualwebauthn.CreateAssertionResponse(site, device, key, *get)); a.StatusCode != http.StatusUnauthorized || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("an answer made for another site: %d %s", a.StatusCode, a.body)
	}
}
