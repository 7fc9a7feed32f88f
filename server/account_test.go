package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
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
