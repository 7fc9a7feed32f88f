package notes

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
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page that somebody looks at, offline.
type tab struct {
	t   *testing.T
	ctx context.Context
	dir string

	mu     sync.Mutex
	faults []string
}

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
	case *log.EventEntryAdded:
		fault("log %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "about" && (u.Scheme != "file" || !strings.HasPrefix(u.Path, b.dir)) {
			fault("request to %s", e.Request.URL)
		}
	}
}

func (b *tab) visit(width int64, dark bool, file string) {
	b.t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 700})
	_, err2 := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	u := url.URL{Scheme: "file", Path: file}
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
func (b *tab) inspect(name string, width int64) {
	b.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !eval[bool](b, "[...document.images].every((i) => { i.loading = 'eager'; return i.complete })") && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if broken := eval[string](b, "[...document.images].filter((i) => !(i.naturalWidth > 0)).map((i) => i.src).join(' ')"); broken != "" {
		b.t.Errorf("%s: pictures that do not show: %s", name, broken)
	}
	if wide := eval[float64](b, "document.documentElement.scrollWidth"); wide > float64(width) {
		b.t.Errorf("%s: %v px wide at %d px", name, wide, width)
	}
	if n := eval[float64](b, "document.scripts.length + document.querySelectorAll('iframe, object, embed, form, link').length"); n != 0 {
		b.t.Errorf("%s: %v elements that a page does not need", name, n)
	}
	if title := eval[string](b, "document.title"); title == "" {
		b.t.Errorf("%s has no title", name)
	}
}

// Every page of an export opens offline, asks for nothing outside, fits a phone. The
// pictures of the pages are kept where KEEPSAKE_SCREENSHOTS says.
func TestPagesInChromium(t *testing.T) {
	dir := t.TempDir()
	exported(t, opened(t, phone(t, "18.6"), "keepsake"), "html", dir)
	b := browse(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "Notes", "*", "*.html"))
	if err != nil || len(files) < 9 {
		t.Fatalf("pages %v, %v", files, err)
	}
	nested, err := filepath.Glob(filepath.Join(dir, "Notes", "House", "Garden", "*.html"))
	if err != nil || len(nested) != 2 {
		t.Fatalf("pages %v, %v", nested, err)
	}
	for i, file := range append(files, nested...) {
		width := []int64{390, 1280}[i%2]
		b.visit(width, i%3 == 0, file)
		b.inspect(filepath.Base(file), width)
		b.look(filepath.Base(file), width)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		t.Error(f)
	}
}

// look keeps a picture of the page where KEEPSAKE_SCREENSHOTS says.
func (b *tab) look(name string, width int64) {
	b.t.Helper()
	dir := os.Getenv("KEEPSAKE_SCREENSHOTS")
	if dir == "" {
		return
	}
	height := eval[float64](b, "document.documentElement.scrollHeight")
	shot, err := chromedp.Call(b.ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{CaptureBeyondViewport: new(true), Clip: &cdppage.Viewport{Width: float64(width), Height: height, Scale: 1}})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes "+name+".png"), shot.Data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
