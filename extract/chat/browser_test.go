package chat_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
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

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

// tab is a page of an export that somebody looks at, offline.
type tab struct {
	t     *testing.T
	ctx   context.Context
	dir   string
	width int64

	mu     sync.Mutex
	faults []string
}

// browse starts Chromium and opens a tab in it.
func browse(t *testing.T, dir string) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU)
	for _, flag := range []string{"disable-background-networking", "disable-component-update", "disable-sync"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		cancel()
		stop()
		if err := os.RemoveAll(profile); err != nil {
			t.Log(err)
		}
	})
	ctx, end := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	b := &tab{t: t, ctx: ctx, dir: dir}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	_, err = chromedp.Call(ctx, log.Enable, struct{}{})
	_, err2 := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return b
}

// listen notes errors, and requests for anything that is not in the export.
func (b *tab) listen(ev any) {
	fault := func(format string, args ...any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fmt.Sprintf(format, args...))
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
		if err != nil || u.Scheme != "data" && u.Scheme != "about" && (u.Scheme != "file" || !strings.HasPrefix(u.Path, b.dir)) {
			fault("request to %s", e.Request.URL)
		}
	}
}

// visit opens a page of the export.
func (b *tab) visit(width int64, dark bool, parts ...string) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.width = width
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 700})
	_, err2 := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	u := url.URL{Scheme: "file", Path: filepath.Join(append([]string{b.dir}, parts...)...)}
	if err := errors.Join(err, err2, chromedp.Do(b.ctx, chromedp.Navigate(u.String()))); err != nil {
		b.t.Fatalf("visit %s: %v", u.Path, err)
	}
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("evaluate %.80s: %v", js, err)
	}
	return v
}

// inspect holds a page to what all pages promise.
func (b *tab) inspect(name string) {
	b.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !eval[bool](b, "[...document.images].every((i) => { i.loading = 'eager'; return i.complete })") && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if broken := eval[string](b, "[...document.images].filter((i) => !(i.naturalWidth > 0)).map((i) => i.src).join(' ')"); broken != "" {
		b.t.Errorf("%s: pictures that do not show: %s", name, broken)
	}
	if wide := eval[float64](b, "document.documentElement.scrollWidth"); wide > float64(b.width) {
		b.t.Errorf("%s: %v px wide at %d px", name, wide, b.width)
	}
	if n := eval[float64](b, "document.scripts.length + document.querySelectorAll('iframe, object, embed, form, link').length"); n != 0 {
		b.t.Errorf("%s: %v elements that have no place in it", name, n)
	}
	if lang := eval[string](b, "document.documentElement.lang"); lang != "en" {
		b.t.Errorf("%s: its language is %q", name, lang)
	}
	if n := eval[float64](b, "[...document.images].filter((i) => !i.alt).length + Math.abs(document.querySelectorAll('h1').length - 1)"); n != 0 {
		b.t.Errorf("%s: a picture without a text, or not one heading", name)
	}
	for _, low := range eval[[]string](b, contrast) {
		b.t.Errorf("%s: %s", name, low)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("%s: %s", name, f)
	}
	b.faults = nil
}

// contrast finds text that stands out less than WCAG 2 asks for (4.5 to 1; 3 to 1
// if it is large).
const contrast = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m };
  const lum = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
  const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c } return [255, 255, 255, 1] };
  const found = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, s = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || !e.checkVisibility({ visibilityProperty: true })) continue;
    const [a, b] = [lum(parse(s.color)), lum(back(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < (parseFloat(s.fontSize) >= 24 ? 3 : 4.5)) found.add(e.className + ' <' + e.localName + '> ' + ratio.toFixed(2) + ': ' + walk.currentNode.data.trim().slice(0, 30));
  }
  return [...found];
})()`

// picture keeps a picture of the page where pictures are wanted.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("KEEPSAKE_SCREENSHOTS")
	if dir == "" {
		return
	}
	h := min(eval[float64](b, "document.documentElement.scrollHeight"), 4000)
	shot, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true), Clip: &page.Viewport{Width: float64(b.width), Height: h, Scale: 1}})
	if err != nil {
		b.t.Logf("picture of %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o600); err != nil {
		b.t.Error(err)
	}
}

func TestBrowser(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	export(t, dir, everything(), source(files), extract.ExportOptions{Files: true})
	phone := extracttest.Source(t, extracttest.Phone(t, "17.3"))
	export(t, dir, whatsapp.New(), phone, extract.ExportOptions{Files: true})
	list, err := whatsapp.New().Conversations(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	b := browse(t, dir)
	for _, width := range []int64{390, 1280} {
		for _, dark := range []bool{false, true} {
			look := fmt.Sprintf("%d-%s", width, map[bool]string{false: "light", true: "dark"}[dark])
			b.visit(width, dark, "Test", "Book club", "conversation.html")
			b.inspect("book club " + look)
			b.picture("chat-conversation-" + look)
			b.visit(width, dark, "Test", "index.html")
			b.inspect("list " + look)
			b.picture("chat-list-" + look)
			b.visit(width, dark, "WhatsApp", "index.html")
			b.inspect("list of WhatsApp " + look)
			if n := eval[float64](b, "document.querySelectorAll('.conversations > li').length"); int(n) != len(list) {
				t.Errorf("the list has %v conversations, want %d", n, len(list))
			}
			for _, link := range eval[[]string](b, "[...document.querySelectorAll('h2 a')].map((a) => a.href)") {
				u, err := url.Parse(link)
				if err != nil {
					t.Fatal(err)
				}
				rel, err := filepath.Rel(dir, u.Path)
				if err != nil {
					t.Fatal(err)
				}
				b.visit(width, dark, rel)
				b.inspect(rel + " " + look)
			}
			b.picture("chat-whatsapp-" + look)
		}
	}
}
