package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/keepsake-backup/keepsake/internal/chromiumtest"
)

// browser is Chromium, started once for all tests; each tab has cookies of its own.
var browser = sync.OnceValues(func() (context.Context, error) {
	ctx, stop, err := chromiumtest.Start()
	if err == nil {
		closeBrowser = stop
	}
	return ctx, err
})

var closeBrowser = func() error { return nil }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := closeBrowser(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// tab is a page that somebody looks at, and what is wrong with it.
type tab struct {
	t     *testing.T
	ctx   context.Context
	base  string // "http://127.0.0.1:1234"
	width int64
	dark  bool

	mu     sync.Mutex
	faults []string
	// expect are parts of what the console may say in this test.
	expect []string
}

// open opens a tab of its own on a house.
func open(t *testing.T, base string, width int64, dark bool) *tab {
	t.Helper()
	b, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(b, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open tab: %v", err)
	}
	ctx, stop := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(stop)
	b2 := &tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b2.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	b2.look(width, dark)
	t.Cleanup(b2.check)
	return b2
}

// look makes the window so wide, and asks for dark colours or light ones.
func (b *tab) look(width int64, dark bool) {
	b.t.Helper()
	b.width, b.dark = width, dark
	if err := chromiumtest.Look(b.ctx, width, dark); err != nil {
		b.t.Fatal(err)
	}
}

// listen notes what should not happen: errors, and requests to other hosts.
func (b *tab) listen(ev any) {
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.fault("exception: " + e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			b.fault(fmt.Sprintf("console %s: %v", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			b.fault(fmt.Sprintf("log %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || "http://"+u.Host != b.base && u.Scheme != "about" && u.Scheme != "data" { // Chromium draws its own controls with data
			b.fault("request to " + e.Request.URL)
		}
	}
}

func (b *tab) fault(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, part := range b.expect {
		if strings.Contains(s, part) {
			return
		}
	}
	b.faults = append(b.faults, s)
}

// check reports the faults so far.
func (b *tab) check() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Error(f)
	}
	b.faults = nil
}

// do runs steps; the test ends if one fails.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.picture("failed")
		b.t.Fatalf("%s: %v\non %s:\n%s", what, err, b.at(), b.text())
	}
}

// visit goes to a page.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do("visit "+path, chromedp.Navigate(b.base+path))
}

// eval gives the value of an expression.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("evaluate %.80s: %v", js, err)
	}
	return v
}

func (b *tab) at() string {
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.pathname + location.search"))
	if err != nil {
		return err.Error()
	}
	return s
}

func (b *tab) text() string {
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return s
}

// await waits until the expression is true, over navigations too.
func (b *tab) await(what, js string) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			b.picture("failed")
			b.t.Fatalf("%s did not come (%v); on %s:\n%s", what, err, b.at(), b.text())
		}
		time.Sleep(40 * time.Millisecond)
	}
}

// shows waits until the page says text.
func (b *tab) shows(text string) {
	b.t.Helper()
	b.await(fmt.Sprintf("%q", text), fmt.Sprintf("document.readyState === 'complete' && document.body.innerText.includes(%q)", text))
}

// press clicks the button or link that reads so, as a mouse does.
func (b *tab) press(label string) {
	b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll('dialog[open] button')].concat([...document.querySelectorAll('a, button, summary')]).find((e) => e.innerText.trim().split('\n')[0].startsWith(%q) && e.checkVisibility())`, label)
	b.await("something to press that reads "+label, find)
	if !eval[bool](b, "(() => { const e = "+find+"; if (!e) return false; e.click(); return true })()") {
		b.t.Fatalf("%q went away", label)
	}
}

// fill types into the field with this ID.
func (b *tab) fill(id, text string) {
	b.t.Helper()
	b.await("field "+id, fmt.Sprintf("document.getElementById(%q)", id))
	eval[bool](b, fmt.Sprintf("(() => { const e = document.getElementById(%q); e.value = ''; e.focus(); return true })()", id))
	b.do("fill "+id, chromedp.KeyEvent(text))
}

// picture keeps a picture of the page, down to its end, where pictures are wanted.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("KEEPSAKE_SCREENSHOTS")
	if dir == "" {
		return
	}
	h := min(eval[float64](b, "document.documentElement.scrollHeight"), 4000)
	size := emulation.SetDeviceMetricsOverrideParams{Width: b.width, Height: int64(max(h, 844)), DeviceScaleFactor: 1, Mobile: b.width < 700}
	chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, size) // the bar at the bottom goes down with it
	shot, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true), Clip: &page.Viewport{Width: float64(b.width), Height: h, Scale: 1}})
	if err != nil {
		b.t.Logf("picture of %s: %v", name, err)
		return
	}
	scheme := "light"
	if b.dark {
		scheme = "dark"
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, b.width, scheme)), shot.Data, 0o644)); err != nil {
		b.t.Error(err)
	}
	b.look(b.width, b.dark)
}
