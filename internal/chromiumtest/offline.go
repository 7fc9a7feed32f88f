package chromiumtest

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

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Offline is a tab in which somebody looks at the pages of an export, and what is
// wrong with them.
type Offline struct {
	t     *testing.T
	ctx   context.Context
	dir   string
	width int64

	mu     sync.Mutex
	faults []string // guarded by mu
}

// Open starts Chromium for the export in the folder dir, without links in its path.
// It ends with the test.
func Open(t *testing.T, dir string) *Offline {
	t.Helper()
	browser, stop, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Log(err)
		}
	})
	ctx, end := context.WithTimeout(browser, 2*time.Minute)
	t.Cleanup(end)
	o := &Offline{t: t, ctx: ctx, dir: dir}
	if err := chromedp.Listen(ctx, o.listen); err != nil {
		t.Fatal(err)
	}
	_, err = chromedp.Call(ctx, log.Enable, struct{}{})
	_, err2 := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return o
}

// listen notes errors, and requests for anything that is not in the export.
func (o *Offline) listen(ev any) {
	fault := func(format string, args ...any) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.faults = append(o.faults, fmt.Sprintf(format, args...))
	}
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		fault("exception: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		fault("console %s: %v", e.Type, e.Args)
	case *log.EventEntryAdded:
		fault("log %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "about" && (u.Scheme != "file" || !strings.HasPrefix(u.Path, o.dir)) {
			fault("request to %s", e.Request.URL)
		}
	}
}

// Visit opens the page whose path below the export is made of parts, in a window so
// wide.
func (o *Offline) Visit(width int64, dark bool, parts ...string) {
	o.t.Helper()
	o.width = width
	u := url.URL{Scheme: "file", Path: filepath.Join(append([]string{o.dir}, parts...)...)}
	if err := errors.Join(Look(o.ctx, width, dark), chromedp.Do(o.ctx, chromedp.Navigate(u.String()))); err != nil {
		o.t.Fatalf("visit %s: %v", u.Path, err)
	}
}

// Eval is the value of an expression in the page that is open.
func Eval[T any](o *Offline, js string) T {
	o.t.Helper()
	v, err := chromedp.Run(o.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		o.t.Fatalf("evaluate %.80s: %v", js, err)
	}
	return v
}

// Inspect holds the page that is open to what all exported pages promise: pictures
// show and have a text, nothing is wider than the window, no script, no form, nothing
// from elsewhere, a title, a language, one heading, and text that can be read.
func (o *Offline) Inspect(name string) {
	o.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !Eval[bool](o, "[...document.images].every((i) => { i.loading = 'eager'; return i.complete })") && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if broken := Eval[string](o, "[...document.images].filter((i) => !(i.naturalWidth > 0)).map((i) => i.src).join(' ')"); broken != "" {
		o.t.Errorf("%s: pictures that do not show: %s", name, broken)
	}
	if wide := Eval[float64](o, "document.documentElement.scrollWidth"); wide > float64(o.width) {
		o.t.Errorf("%s: %v px wide at %d px", name, wide, o.width)
	}
	if n := Eval[float64](o, "document.scripts.length + document.querySelectorAll('iframe, object, embed, form, link').length"); n != 0 {
		o.t.Errorf("%s: %v elements that have no place in it", name, n)
	}
	if title, lang := Eval[string](o, "document.title"), Eval[string](o, "document.documentElement.lang"); title == "" || lang != "en" {
		o.t.Errorf("%s: its title is %q, its language %q", name, title, lang)
	}
	if n := Eval[float64](o, "[...document.images].filter((i) => !i.alt).length + Math.abs(document.querySelectorAll('h1').length - 1)"); n != 0 {
		o.t.Errorf("%s: a picture without a text, or not one heading", name)
	}
	for _, low := range Eval[[]string](o, contrast) {
		o.t.Errorf("%s: %s", name, low)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.faults {
		o.t.Errorf("%s: %s", name, f)
	}
	o.faults = nil
}

// Picture keeps a picture of the page that is open where pictures are wanted.
func (o *Offline) Picture(name string) {
	o.t.Helper()
	dir := os.Getenv("KEEPSAKE_SCREENSHOTS")
	if dir == "" {
		return
	}
	h := min(Eval[float64](o, "document.documentElement.scrollHeight"), 4000)
	shot, err := chromedp.Call(o.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true), Clip: &page.Viewport{Width: float64(o.width), Height: h, Scale: 1}})
	if err != nil {
		o.t.Logf("picture of %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o600); err != nil {
		o.t.Error(err)
	}
}

// contrast finds text that stands out less than WCAG 2 asks for (4.5 to 1; 3 to 1
// if it is large). Colours that somebody gave to words are that person's.
const contrast = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m };
  const lum = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
  const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c } return [255, 255, 255, 1] };
  const found = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, s = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || e.closest('[style*="color"]') || !e.checkVisibility({ visibilityProperty: true })) continue;
    const [a, b] = [lum(parse(s.color)), lum(back(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < (parseFloat(s.fontSize) >= 24 ? 3 : 4.5)) found.add(e.className + ' <' + e.localName + '> ' + ratio.toFixed(2) + ': ' + walk.currentNode.data.trim().slice(0, 30));
  }
  return [...found];
})()`
