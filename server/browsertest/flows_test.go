package browsertest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/keepsake-backup/keepsake/server/fake"
)

// quick is a house whose jobs are over in seconds.
func quick(t *testing.T) *house {
	return newHouse(t, fake.Options{Step: 300 * time.Millisecond, Still: true})
}

// tabTo presses the tab key until what is wanted has the focus, which has to be
// seen.
func (b *tab) tabTo(what, js string) {
	b.t.Helper()
	for range 120 {
		b.do("press tab", chromedp.KeyEvent(kb.Tab))
		if eval[bool](b, "!!(document.activeElement && document.activeElement.matches("+js+"))") {
			if !eval[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== 'none' && parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2`) {
				b.t.Errorf("the focus on %s is not seen", what)
			}
			return
		}
	}
	b.picture("failed")
	b.t.Fatalf("the tab key does not come to %s on %s", what, b.at())
}

func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fake.Options{Step: 1200 * time.Millisecond, Still: true})
	b := h.open(t, "", 390, false)
	b.visit("/signin")
	b.tabTo("the link over the menu", `'.skip'`)
	b.tabTo("the name", `'#login'`)
	b.do("type the name", chromedp.KeyEvent("anna"))
	b.tabTo("the password", `'#password'`)
	b.do("type the password", chromedp.KeyEvent(fake.Password), chromedp.KeyEvent(kb.Enter))
	b.shows("need somebody")
	b.tabTo("Back Up Now", fmt.Sprintf(`'[data-key="b%s"]'`, fake.Anna))
	b.do("press enter", chromedp.KeyEvent(kb.Enter))
	b.shows("Enter the passcode on Anna’s iPhone.")
	b.picture("backup-passcode")
	b.await("what is read aloud", `document.getElementById('spoken').textContent.includes('Copying')`)
	b.picture("backup-copying")
	b.shows("Backed up and verified.")
	b.picture("backup-done")
}

// TestLiveKeepsTheFocus: what is replaced while somebody stands on it does not
// throw him off.
func TestLiveKeepsTheFocus(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fake.Options{Step: 2 * time.Second})
	b := h.open(t, "ben", 390, false)
	b.visit("/phones/" + fake.Ben)
	b.do("focus", chromedp.Focus(chromedp.CSS(`[data-key="cancel"]`)))
	was := eval[string](b, "document.getElementById('phone-head').innerHTML")
	b.await("a change", fmt.Sprintf("document.getElementById('phone-head').innerHTML !== %q", was))
	if !eval[bool](b, `document.activeElement.dataset.key === 'cancel' || document.activeElement.closest('#phone-head') !== null`) {
		t.Error("the focus is lost")
	}
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fake.Options{Empty: true, Step: 1200 * time.Millisecond})
	b := h.open(t, "", 390, false)
	b.visit("/")
	b.shows("Who are you?")
	b.fill("name", "Anna")
	b.fill("login", "anna")
	b.fill("password", "a good page password")
	b.press("Next: where the backups go")

	b.shows("Where do the backups go?")
	b.expect = []string{"409"}
	b.fill("place", "/readonly")
	b.press("Next")
	b.shows("permission denied")
	b.shows("Choose a folder that the service may write to")
	b.picture("setup-place-wrong")
	b.fill("place", "/srv/keepsake")
	if p := eval[string](b, "document.getElementById('password').value"); len(p) < 20 {
		t.Errorf("the suggested password is %q", p)
	}
	b.picture("setup-place")
	b.press("Next")

	b.shows("Print the recovery sheet")
	b.visit("/settings/sheet?password=1")
	b.shows("Recovery sheet")
	b.visit("/setup/sheet")
	b.press("I have it")

	b.shows("The first phone")
	b.do("pair", chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-key="%s"]`, fake.Guest))))
	b.shows("tap Trust")
	b.picture("setup-trust")
	b.press("Next: encryption")

	b.shows("Encrypt the backups")
	b.fill("new", "winter 2026")
	b.fill("again", "winter 2027")
	b.expect = []string{"400"}
	b.press("Switch on encryption")
	b.shows("The two new passwords are not the same")
	b.fill("new", "winter 2026")
	b.fill("again", "winter 2026")
	b.press("Switch on encryption")
	b.shows("Enter the passcode")
	b.shows("Its backups are encrypted.")
	b.press("Next: when")

	b.shows("When is iPhone backed up?")
	b.press("Finish")
	b.shows("All set.")
	b.press("Back Up Now")
	b.shows("Backed up and verified.")
	p, err := h.Phone(t.Context(), adminWho, fake.Guest)
	if err != nil || !p.Mine || !p.Encrypted || p.Versions != 1 {
		t.Errorf("the phone after the set-up: %+v, %v", p, err)
	}
}

func TestRestoreOntoFreshPhone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fake.Options{Step: 1200 * time.Millisecond})
	b := h.open(t, "anna", 390, true)
	b.visit("/")
	b.press("Restore from…")
	b.shows("Restore onto this iPhone 16")
	b.press("Anna’s iPhone")
	b.shows("Which version")
	b.press("Yesterday")
	b.shows("Ready to restore")
	b.do("tick", chromedp.Click(chromedp.CSS("input[name=sure]")))
	b.press("Restore now")
	b.shows("Enter the passcode")
	b.picture("restore-running")
	b.shows("Restored.")
}

func TestRestoreWantsTheBox(t *testing.T) {
	t.Parallel()
	h := quick(t)
	path := "/phones/" + fake.Anna + "/restore/" + fake.Anna + "/" + h.newest(t, fake.Anna)
	body := h.post(t, h.client(t, "anna"), path, url.Values{"chosen": {"1"}}, http.StatusBadRequest)
	if !strings.Contains(body, "The box was not ticked") {
		t.Error("it does not say why nothing was restored")
	}
}

func TestLookInside(t *testing.T) {
	t.Parallel()
	h := quick(t)
	b := h.open(t, "anna", 390, false)
	b.visit("/phones/" + fake.Anna + "/history")
	b.press("Yesterday")
	b.shows("Photos and videos")
	b.press("Recipes")
	b.press("Documents")
	b.shows("100% rye?.json")
	c := h.client(t, "anna")
	for _, link := range eval[[]string](b, `[...document.querySelectorAll('a[download]')].map((a) => a.getAttribute('href'))`) {
		r, err := c.Get(h.base + link)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || len(body) == 0 || !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %s, %d bytes, %v, %v", link, r.Status, len(body), r.Header, err)
		}
	}
	b.visit("/phones/" + fake.Anna + "/versions/" + h.newest(t, fake.Anna) + "/search?q=PLUM")
	b.shows("Grandmother’s plum cake.json")
}

func TestTargets(t *testing.T) {
	t.Parallel()
	h := quick(t)
	b := h.open(t, "anna", 390, false)
	b.visit("/targets")
	b.press("Add a place")
	b.press("S3 storage")
	b.fill("name", "attic bucket")
	b.fill("location", "s3:https://nas.lan:9000/wrong")
	b.fill("AWS_ACCESS_KEY_ID", "key")
	b.fill("AWS_SECRET_ACCESS_KEY", "not the one")
	b.expect = []string{"409"}
	b.press("Add it and copy")
	b.shows("Check the access key and the secret key.")
	b.picture("target-wrong")
	if eval[string](b, "document.getElementById('location').value") == "" {
		t.Error("what was typed is gone")
	}
	b.fill("location", "s3:https://nas.lan:9000/backups")
	b.fill("AWS_ACCESS_KEY_ID", "key")
	b.fill("AWS_SECRET_ACCESS_KEY", "the one")
	b.press("Add it and copy")
	b.shows("Copied and verified.")
	b.visit("/targets")
	b.shows("attic-bucket")
	b.visit("/targets/attic-bucket/remove")
	b.press("Forget it")
	b.shows("Removed.")
	if strings.Contains(b.text(), "attic-bucket") {
		t.Error("it is still there")
	}
}

func TestMembersSeeTheirOwn(t *testing.T) {
	t.Parallel()
	h := quick(t)
	b := h.open(t, "ben", 390, false)
	b.visit("/")
	b.shows("Ben’s iPhone")
	if strings.Contains(b.text(), "Anna’s") {
		t.Error("Ben sees Anna’s phone")
	}
	b.expect = []string{"404", "403"}
	for _, path := range []string{"/phones/" + fake.Anna, "/phones/" + fake.Anna + "/history", "/people", "/settings", "/targets"} {
		b.visit(path)
		if text := b.text(); !strings.Contains(text, "There is no such page") && !strings.Contains(text, "That is not yours to do") {
			t.Errorf("%s shows Ben: %s", path, text)
		}
	}
	b.picture("not-yours")
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fake.Options{Step: time.Hour})
	b := h.open(t, "ben", 390, false)
	b.visit("/phones/" + fake.Ben)
	b.press("Cancel")
	b.await("the question", "document.querySelector('dialog[open]')")
	b.axe()
	b.picture("confirm")
	b.press("Go back")
	b.await("no question", "!document.querySelector('dialog')")
	b.press("Cancel")
	b.await("the question", "document.querySelector('dialog[open]')")
	eval[bool](b, "(() => { document.querySelector('dialog .grave').click(); return true })()")
	b.shows("Cancelled.")
}

func TestLetSomebodyIn(t *testing.T) {
	t.Parallel()
	h := quick(t)
	b := h.open(t, "anna", 390, false)
	b.visit("/people")
	b.fill("name", "Emma")
	b.fill("login", "emma")
	b.press("Make an account")
	b.shows("Give this to emma")
	b.axe()
	b.picture("people-made")
	password := eval[string](b, "document.getElementById('pw').textContent")
	e := h.open(t, "", 390, false)
	e.visit("/signin")
	e.fill("login", "emma")
	e.fill("password", password)
	e.press("Sign in")
	e.shows("Let’s back up the first phone.")
	e.picture("home-nothing")
}

func TestShortcut(t *testing.T) {
	t.Parallel()
	h := quick(t)
	b := h.open(t, "anna", 390, false)
	b.visit("/account")
	b.press("Make an address for a Shortcut")
	b.shows("Get Contents of URL")
	b.picture("shortcut")
	r, err := http.Post(eval[string](b, "document.getElementById('tok').textContent"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 200 || !strings.Contains(string(text), "A backup starts") {
		t.Errorf("the Shortcut: %s, %s, %v", r.Status, text, err)
	}
}

func TestOffline(t *testing.T) {
	t.Parallel()
	h := quick(t)
	b := h.open(t, "anna", 390, true)
	b.visit("/")
	b.await("the service worker", "navigator.serviceWorker.controller")
	b.expect = []string{"Failed to load resource", "ERR_CONNECTION_REFUSED"}
	h.stop()
	b.visit("/activity")
	b.shows("Keepsake cannot be reached")
	b.picture("cut-off")
}

// post sends a form as a browser without the script does.
func (h *house) post(t *testing.T, c *http.Client, path string, form url.Values, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", h.base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != status {
		t.Errorf("POST %s: %s:\n%s", path, a.Status, b)
	}
	return string(b)
}

// TestWithoutScript sends every form as a browser without the script would.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fake.Options{Step: 100 * time.Millisecond})
	c := h.client(t, "anna")
	phone := "/phones/" + fake.Anna
	version := phone + "/versions/" + h.newest(t, fake.Anna)
	policy := url.Values{"automatic": {"1"}, "every_days": {"3"}, "min_battery": {"30"}, "remind_after_days": {"5"}, "hours": {"window"}, "from": {"22:30"}, "to": {"06:00"}}
	for _, f := range []struct {
		path string
		form url.Values
		want string
	}{
		{phone + "/backup", nil, "Anna’s iPhone"},
		{phone + "/policy", policy, "Saved."},
		{phone + "/retention", url.Values{"keep": {"some"}, "last": {"2"}, "daily": {"7"}, "weekly": {"4"}, "monthly": {"6"}, "yearly": {"1"}}, "Saved."},
		{phone + "/wifi", url.Values{"on": {"1"}}, "Saved."},
		{phone + "/address", url.Values{"address": {"10.8.0.7"}}, "Saved."},
		{phone + "/grant", url.Values{"on": {"1"}}, "Admins may look inside"},
		{phone + "/owner", url.Values{"owner": {"1"}}, "Saved."},
		{phone + "/media", nil, "Pictures and music"}, {phone + "/check", nil, "Check"}, {phone + "/rehearse", url.Values{"version": {h.newest(t, fake.Anna)}}, "Rehearsal"},
		{phone + "/encryption", url.Values{"new": {"abc def"}, "again": {"abc def"}}, "Backup password"},
		{version + "/pin", url.Values{"on": {"1"}}, "This version stays"}, {version + "/pin", nil, "as the rules say"}, {version + "/forget", nil, "Removal"},
		{"/phones/" + fake.Reset + "/pair", nil, "Pairing"},
		{"/targets/blue-disk/copy", nil, "Copy"},
		{"/settings", url.Values{"part": {"work"}, "parallel": {"3"}, "check": {"10"}}, "Saved."}, {"/settings", url.Values{"part": {"messages"}, "add": {"ntfy://ntfy.sh/x"}}, "Saved."}, {"/settings/test", nil, "on its way"},
		{"/settings", url.Values{"part": {"ping"}, "ping": {"https://hc.example.org/x"}}, "Saved."}, {"/settings", url.Values{"part": {"handover"}, "handover": {"/srv/photos"}}, "Saved."}, {"/settings", url.Values{"part": {"name"}, "name": {"Our house"}}, "Saved."},
		{"/people/2", url.Values{"name": {"Benjamin"}}, "Saved."}, {"/people/3", url.Values{"do": {"password"}}, "Give this to clara"}, {"/people/4", url.Values{"do": {"delete"}}, "Removed."},
		{"/account/tokens", url.Values{"kind": {"read"}, "name": {"Home"}, "days": {"30"}}, "Your new token"},
		{"/account/password", url.Values{"old": {fake.Password}, "new": {"something else"}, "again": {"something else"}}, "Your password is changed"},
	} {
		if body := h.post(t, c, f.path, f.form, http.StatusOK); !strings.Contains(body, f.want) {
			t.Errorf("POST %s %v does not lead to %q", f.path, f.form, f.want)
		}
	}
	p, err := h.Phone(t.Context(), adminWho, fake.Anna)
	if err != nil || p.Policy.EveryDays != 3 || p.Policy.Window.From != 22*60+30 || p.Retention.Daily != 7 || !p.Granted || p.Policy.OnConnect {
		t.Errorf("what the forms said is not so: %+v, %v", p, err)
	}
	for _, f := range []struct {
		path string
		form url.Values
		want string
	}{
		{phone + "/policy", url.Values{"every_days": {"0"}}, "from 1 to 30"},
		{phone + "/policy", url.Values{"every_days": {"1"}, "min_battery": {"1"}, "remind_after_days": {"1"}, "hours": {"window"}, "from": {"late"}}, "such as 22:30"},
		{"/settings", url.Values{"part": {"work"}, "parallel": {"99"}}, "from 1 to 16"},
		{"/account/tokens", url.Values{"kind": {"all"}, "name": {"x"}}, "Choose one of the three"},
		{"/account/password", url.Values{"old": {"wrong"}, "new": {"a"}, "again": {"a"}}, "The old password is wrong"},
		{"/targets/add", url.Values{"kind": {"disk"}, "location": {"/x"}, "password": {"p"}}, "no name yet"},
	} {
		if body := h.post(t, c, f.path, f.form, http.StatusBadRequest); !strings.Contains(body, f.want) {
			t.Errorf("POST %s %v does not say %q", f.path, f.form, f.want)
		}
	}
	if body := h.post(t, c, "/phones/"+fake.David+"/backup", nil, http.StatusConflict); !strings.Contains(body, "Plug it in, or bring it into this Wi-Fi") {
		t.Error("it does not say what to do about a phone that is away")
	}
}
