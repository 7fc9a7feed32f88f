package ui_test

import (
	"bytes"
	"image/png"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/server/ui"
)

func newUI(t *testing.T) *ui.UI {
	t.Helper()
	u, err := ui.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func get(h http.Handler, etag string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("If-None-Match", etag)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	hashed := regexp.MustCompile(`^/assets/[a-z0-9-]+\.[0-9a-f]{12}\.[a-z]+$`)
	files := newUI(t).Files()
	for path, h := range files {
		w := get(h, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		cache := w.Header().Get("Cache-Control")
		if hashed.MatchString(path) != strings.Contains(cache, "immutable") {
			t.Errorf("%s: kept as %q", path, cache)
		}
		if again := get(h, w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: not known again: %d", path, again.Code)
		}
		if strings.Contains(w.Body.String(), "{{") {
			t.Errorf("%s: names a file that is not there", path)
		}
		// What the manifest and the service worker name has to be there.
		for _, url := range regexp.MustCompile(`/assets/[^"']+`).FindAllString(w.Body.String(), -1) {
			if files[url] == nil {
				t.Errorf("%s names %s, which is not there", path, url)
			}
		}
	}
	for _, path := range []string{"/manifest.webmanifest", "/sw.js", "/favicon.ico", "/apple-touch-icon.png"} {
		if files[path] == nil {
			t.Errorf("no %s", path)
		}
	}
}

func TestIcons_sizes(t *testing.T) {
	for path, h := range newUI(t).Files() {
		var want int
		switch {
		case strings.Contains(path, "icon-192"):
			want = 192
		case strings.Contains(path, "icon-512"), strings.Contains(path, "icon-maskable"):
			want = 512
		default:
			continue
		}
		c, err := png.DecodeConfig(get(h, "").Body)
		if err != nil || c.Width != want || c.Height != want {
			t.Errorf("%s is %dx%d, %v", path, c.Width, c.Height, err)
		}
	}
}

func TestRender_unknown(t *testing.T) {
	var b bytes.Buffer
	if err := newUI(t).Render(&b, "nothing", nil); err == nil || b.Len() > 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
	// A page that breaks half-way leaves nothing of it behind.
	if err := newUI(t).Render(&b, "home", struct{}{}); err == nil || b.Len() > 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}
