package browsertest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/keepsake-backup/keepsake/server/fake"
	"github.com/keepsake-backup/keepsake/service"
)

var adminWho = service.Who{Account: 1, Name: "Anna", Admin: true}

// limit of a page in bytes, before pictures and before compression.
const limit = 100 << 10

// axe is the program that looks for what keeps people out of a page.
var axe = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		return "", fmt.Errorf("%w: run make deps", err)
	}
	return string(b), nil
})

// picked is a page, and the name of its pictures.
type picked struct{ name, path, login string }

// everyPage is every page of the family's house.
func everyPage(t *testing.T, h *house) []picked {
	anna := "/phones/" + fake.Anna
	v := anna + "/versions/" + h.newest(t, fake.Anna)
	return []picked{
		{"home", "/", "anna"}, {"home-member", "/", "ben"}, {"phone", anna, "anna"}, {"phone-failed", "/phones/" + fake.Old, "ben"}, {"phone-late", "/phones/" + fake.David, "david"}, {"phone-busy", "/phones/" + fake.Ben, "ben"},
		{"history", anna + "/history", "anna"}, {"version", v, "anna"}, {"folder", v + "?path=CameraRollDomain/Media/DCIM/100APPLE", "anna"}, {"search", v + "/search?q=cake", "anna"}, {"search-nothing", v + "/search?q=zebra", "anna"},
		{"content-photos", v + "/content/photos", "anna"}, {"content-album", v + "/content/photos?group=a1", "anna"}, {"content-photo", v + "/content/photos?key=p12", "anna"}, {"content-contacts", v + "/content/contacts", "anna"},
		{"content-messages", v + "/content/messages", "anna"}, {"content-conversation", v + "/content/messages?group=g1", "anna"}, {"content-group", v + "/content/messages?group=g2", "anna"}, {"content-absent", v + "/content/voicemail", "anna"},
		{"find", anna + "/search?q=attic", "anna"}, {"find-version", anna + "/search?q=IMG&version=" + h.newest(t, fake.Anna), "anna"}, {"find-nothing", anna + "/search?q=zebra", "anna"}, {"find-reading", anna + "/search?q=being+read", "anna"},
		{"find-sealed", anna + "/search?q=sealed", "anna"}, {"find-form", anna + "/search", "anna"}, {"find-closed", "/phones/" + fake.Ben + "/search?q=cake", "anna"}, {"find-wrong", anna + "/search?q=" + strings.Repeat("a+", 100), "anna"},
		{"changes", anna + "/changes", "anna"}, {"changes-busy", anna + "/changes?from=" + h.oldest(t, fake.Anna), "anna"}, {"changes-closed", "/phones/" + fake.Ben + "/changes", "anna"},
		{"sealed", "/phones/" + fake.Old + "/versions/" + h.newest(t, fake.Old), "ben"}, {"closed", "/phones/" + fake.Ben + "/versions/" + h.newest(t, fake.Ben), "anna"}, {"forget", v + "/forget", "anna"},
		{"encryption", anna + "/encryption", "anna"}, {"password", anna + "/password", "anna"},
		{"restore", "/phones/" + fake.Reset + "/restore?from=" + fake.Anna, "anna"}, {"preflight", "/phones/" + fake.Reset + "/restore/" + fake.Anna + "/" + h.newest(t, fake.Anna), "anna"}, {"preflight-blocked", "/phones/" + fake.Anna + "/restore/" + fake.Anna + "/" + h.newest(t, fake.Anna) + "?chosen=1&settings=1", "anna"},
		{"targets", "/targets", "anna"}, {"target-kinds", "/targets/add", "anna"}, {"target-s3", "/targets/add?kind=s3", "anna"}, {"target-remove", "/targets/garage/remove", "anna"},
		{"activity", "/activity", "anna"}, {"job", "/activity/3", "anna"}, {"settings", "/settings", "anna"}, {"people", "/people", "anna"}, {"person", "/people/2", "anna"}, {"log", "/people/log", "anna"}, {"account", "/account", "anna"},
		{"signin", "/signin", ""}, {"signin-wrong", "/signin?error=wrong", ""}, {"setup-sheet", "/setup/sheet", "anna"}, {"setup-phone", "/setup/phone", "anna"}, {"setup-encryption", "/setup/encryption/" + fake.Guest, "anna"}, {"setup-schedule", "/setup/schedule/" + fake.Anna, "anna"}, {"setup-done", "/setup/done", "anna"},
		{"offline", "/offline", "anna"},
	}
}

func TestEveryPage(t *testing.T) {
	h := newHouse(t, fake.Options{Step: time.Hour})
	inspect(t, h, everyPage(t, h))
}

func TestEmptyAndFailed(t *testing.T) {
	t.Run("nobody yet", func(t *testing.T) {
		inspect(t, newHouse(t, fake.Options{Empty: true}), []picked{{"setup-account", "/setup", ""}})
	})
	t.Run("no place", func(t *testing.T) {
		h := newHouse(t, fake.Options{PlaceErr: "the disk is not plugged in", Still: true})
		inspect(t, h, []picked{{"home-no-place", "/", "anna"}, {"settings-no-place", "/settings", "anna"}})
	})
	t.Run("many", func(t *testing.T) {
		h := newHouse(t, fake.Options{Phones: 50, Versions: 100, Step: time.Hour})
		inspect(t, h, []picked{{"home-many", "/", "anna"}, {"history-many", "/phones/" + fake.Anna + "/history", "anna"}, {"activity-many", "/activity", "anna"}})
	})
}

// inspect looks at pages at both widths, in light and in dark. Each is loaded once:
// width and colours are matters of the style sheet.
func inspect(t *testing.T, h *house, pages []picked) {
	tabs := map[string]*tab{}
	for _, p := range pages {
		if tabs[p.login] == nil {
			tabs[p.login] = h.open(t, p.login, 390, false)
		}
		t.Run(p.name, func(t *testing.T) {
			small(t, h, p)
			b := tabs[p.login]
			defer func(outer *testing.T) { b.t = outer }(b.t)
			b.t = t
			b.look(390, false)
			b.visit(p.path)
			for _, width := range []int64{390, 1280} {
				for _, dark := range []bool{false, true} {
					b.look(width, dark)
					if eval[bool](b, "document.documentElement.scrollWidth > innerWidth") {
						t.Errorf("wider than %d: %s", width, eval[string](b, widest))
					}
					// Light and narrow, dark and wide: each rule meets both.
					if dark == (width > 700) {
						b.axe()
					}
					if width < 700 && !dark {
						b.targets()
					}
					b.picture(p.name)
					b.check()
				}
			}
		})
	}
}

const widest = `[...document.querySelectorAll('main *')].sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right)[0].outerHTML.slice(0, 200)`

// small holds that the page is, and that it has nothing inline.
func small(t *testing.T, h *house, p picked) {
	t.Helper()
	r, err := h.client(t, p.login).Get(h.base + p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != 200 || len(b) > limit {
		t.Errorf("%s: status %d, %d bytes of %d", p.path, r.StatusCode, len(b), limit)
	}
	for _, bad := range []string{" style=", "<style", " onclick=", "javascript:", "ZgotmplZ"} {
		if strings.Contains(string(b), bad) {
			t.Errorf("%s: has %q", p.path, bad)
		}
	}
}

// violation is what axe found.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// axe reports serious faults of the page.
func (b *tab) axe() {
	b.t.Helper()
	program, err := axe()
	if err != nil {
		b.t.Fatal(err)
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](program+`; axe.run(document, {resultTypes: ['violations']}).then((r) => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe: %v", err)
	}
	var vs []violation
	if err := json.Unmarshal([]byte(found), &vs); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range vs {
		if v.Impact != "serious" && v.Impact != "critical" && v.Impact != "moderate" {
			continue
		}
		for _, n := range v.Nodes {
			b.t.Errorf("axe: %s (%s): %s\n%.300s\n%s", v.ID, v.Impact, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// targets holds that all that can be pressed is as large as a finger.
func (b *tab) targets() {
	b.t.Helper()
	for _, s := range eval[[]string](b, `[...document.querySelectorAll('button, .button, .row, select, summary, .tabs a, .check, input:not([type=checkbox], [type=radio], [type=hidden], .hidden), .crumbs a, .brand, .me')]
	  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 43.5 && e.getBoundingClientRect().height > 0).map((e) => e.getBoundingClientRect().height + ' ' + e.outerHTML.slice(0, 120))`) {
		b.t.Errorf("smaller than a finger: %s", s)
	}
}

// A test that can only pass is none: axe has to find what is put there.
func TestAxeFinds(t *testing.T) {
	h := newHouse(t, fake.Options{Still: true})
	b := h.open(t, "anna", 390, false)
	b.visit("/offline")
	eval[bool](b, `(() => { document.querySelector('main').innerHTML += '<img src="/favicon.ico"><button></button>'; return true })()`)
	program, err := axe()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](program+`; axe.run(document).then((r) => r.violations.map((v) => v.id))`, chromedp.EvalAwaitPromise))
	if err != nil || !slices.Contains(ids, "image-alt") || !slices.Contains(ids, "button-name") {
		t.Errorf("axe found %v, %v", ids, err)
	}
}
