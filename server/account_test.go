package server_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
	"github.com/keepsake-backup/keepsake/service"
)

// TestSessions: the account page lists where somebody is signed in and ends what they
// choose; another password ends all but this one.
func TestSessions(t *testing.T) {
	h := newHouse(t)
	here, left, third, ben := h.member(1), h.member(1), h.member(1), h.member(2)
	alive := func(b *browser) bool { return b.do("GET", "/account", "").StatusCode == http.StatusOK }
	ids := func() []string {
		var list []string
		for _, m := range regexp.MustCompile(`action="/account/sessions/end"><input type="hidden" name="id" value="(\d+)"`).FindAllStringSubmatch(here.do("GET", "/account", "").body, -1) {
			list = append(list, m[1])
		}
		return list
	}
	list := ids()
	if len(list) != 2 || strings.Count(here.do("GET", "/account", "").body, "This browser") != 1 {
		t.Fatalf("other sessions: %v", list)
	}
	if a := ben.do("POST", "/account/sessions/end", "id="+list[0]); a.StatusCode != http.StatusNotFound {
		t.Errorf("Ben ends a session of Anna's: %d", a.StatusCode)
	}
	// The newest comes first.
	if a := here.do("POST", "/account/sessions/end", "id="+list[0]); a.Header.Get("Location") != "/account?said=signedout" {
		t.Errorf("end a session: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if alive(third) || !alive(left) || !alive(here) || !alive(ben) {
		t.Error("another session ended than the one that was chosen")
	}
	password := "a-new-password-2207"
	if a := here.do("POST", "/account/password", "old="+annasPassword+"&new="+password+"&again="+password); a.Header.Get("Location") != "/account?said=password" {
		t.Fatalf("change the password: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if !alive(here) || alive(left) || !alive(ben) {
		t.Errorf("after another password: here %v, elsewhere %v, Ben %v", alive(here), alive(left), alive(ben))
	}
	if list := ids(); len(list) != 0 {
		t.Errorf("sessions that are left: %v", list)
	}
}

// TestSignOutElsewhere: all sessions of somebody end but the one in which it is asked.
func TestSignOutElsewhere(t *testing.T) {
	h := newHouse(t)
	here, left, ben := h.member(1), h.member(1), h.member(2)
	if a := here.do("POST", "/account/sessions/end", "others=1"); a.Header.Get("Location") != "/account?said=elsewhere" {
		t.Fatalf("sign out elsewhere: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	for b, want := range map[*browser]int{here: http.StatusOK, left: http.StatusSeeOther, ben: http.StatusOK} {
		if a := b.do("GET", "/account", ""); a.StatusCode != want {
			t.Errorf("status %d, want %d", a.StatusCode, want)
		}
	}
}

// TestWhatOutlivesThePassword: tokens and passkeys stay with another password, unless
// somebody has said otherwise where it was asked.
func TestWhatOutlivesThePassword(t *testing.T) {
	for name, tt := range map[string]struct {
		form string
		keys int
		said string
	}{
		"asked, kept":   {"&asked=1&keep=1", 1, "password"},
		"asked, let go": {"&asked=1", 0, "allnew"},
		"not asked":     {"", 1, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			program, anna := h.program(1, nil, "read"), h.member(1)
			page := anna.do("GET", "/account", "").body
			if !strings.Contains(page, `name="keep" value="1" checked`) {
				t.Error("the page does not ask, or suggests to let go")
			}
			if a := anna.do("POST", "/account/password", "old="+annasPassword+"&new=a-new-password-2207&again=a-new-password-2207"+tt.form); a.Header.Get("Location") != "/account?said="+tt.said {
				t.Fatalf("change the password: %d %s", a.StatusCode, a.Header.Get("Location"))
			}
			if status := program.do("GET", "/api/v1/me", "").StatusCode; (status == http.StatusOK) != (tt.keys > 0) {
				t.Errorf("the token afterwards: %d", status)
			}
			if keys, err := h.people.Passkeys(t.Context(), 1); err != nil || len(keys) != tt.keys {
				t.Errorf("passkeys afterwards: %v, %v", keys, err)
			}
		})
	}
	if page := newHouse(t).member(2).do("GET", "/account", "").body; strings.Contains(page, `name="keep"`) {
		t.Error("whoever has none is asked about them")
	}
}

// noting keeps what is noted.
type noting struct {
	*people
	noted []server.AuditEntry
}

func (n *noting) Note(_ context.Context, e server.AuditEntry) error {
	n.noted = append(n.noted, e)
	return nil
}

// TestSearchesAreNoted: once in a while, and without the words.
func TestSearchesAreNoted(t *testing.T) {
	var n *noting
	h := newHouse(t, func(o *server.Options) { n = &noting{people: o.Auth.(*people)}; o.Auth = n })
	anna := h.member(1)
	for _, path := range []string{"/search", "/search?q=attic", "/search?q=cake&kind=messages", "/changes"} {
		if a := anna.do("GET", "/phones/"+fake.Anna+path, ""); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if a := anna.do("GET", "/api/v1/phones/"+fake.Anna+"/search?q=attic", ""); a.StatusCode != http.StatusOK {
		t.Errorf("by the API: %d", a.StatusCode)
	}
	want := []string{"searched in what was written", "looked at what has changed", "searched in what was written"}
	if got := fmt.Sprint(n.noted); len(n.noted) != len(want) || strings.Contains(got, "attic") || strings.Contains(got, "cake") {
		t.Fatalf("noted: %s", got)
	}
	for i, e := range n.noted {
		if e.What != want[i] || e.UDID != fake.Anna || e.Account != 1 {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

// TestLooksAreNoted: what is seen of somebody else's phone, once for each kind and not
// for each picture; what is one's own, and what is refused, is not.
func TestLooksAreNoted(t *testing.T) {
	var n *noting
	h := newHouse(t, func(o *server.Options) { n = &noting{people: o.Auth.(*people)}; o.Auth = n })
	anna, bens := h.member(1), service.Who{Account: 2}
	look := func(udid string) {
		t.Helper()
		vs, err := h.fake.Versions(t.Context(), fakeSystem, udid)
		if err != nil {
			t.Fatal(err)
		}
		version := "/phones/" + udid + "/versions/" + vs[0].ID
		for _, path := range []string{version + "/content/messages", version + "/content/messages?key=1", version + "/content/photos", version + "/content/photos/preview?key=1",
			version + "/content/photos/preview?key=2", version + "/content/nonsense", "/api/v1" + version + "/content/messages", version, version + "/search?q=a"} {
			anna.do("GET", path, "")
		}
	}
	look(fake.Anna)
	look(fake.Ben) // who has not let her in
	if len(n.noted) != 0 {
		t.Fatalf("noted: %v", n.noted)
	}
	if err := h.fake.SetGrant(t.Context(), bens, fake.Ben, true); err != nil {
		t.Fatal(err)
	}
	look(fake.Ben)
	look(fake.Ben)
	want := []string{"looked at messages", "looked at photos", "looked at files"}
	if len(n.noted) != len(want) {
		t.Fatalf("noted: %v", n.noted)
	}
	for i, e := range n.noted {
		if e.What != want[i] || e.UDID != fake.Ben || e.Account != 1 {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}
