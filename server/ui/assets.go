package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// types of the files by extension; not left to mime.TypeByExtension, which asks
// the system and answers differently on each.
var types = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".webmanifest": "application/manifest+json",
}

// fixed are the files that are found under a name that never changes.
var fixed = map[string]string{
	"/manifest.webmanifest": "manifest.webmanifest",
	"/sw.js":                "sw.js",
	"/favicon.ico":          "icon-32.png", // browsers look at the bytes, not at the name
	"/apple-touch-icon.png": "icon-180.png",
}

// assets are the files of folder static, by their names there.
type assets struct {
	urls    map[string]string // "app.js" → "/assets/app.0123456789ab.js"
	content map[string][]byte
}

func loadAssets() (*assets, error) {
	a := &assets{urls: map[string]string{}, content: map[string][]byte{}}
	list, err := fs.ReadDir(files, "static")
	if err != nil {
		return nil, fmt.Errorf("list files of the page: %w", err)
	}
	for _, e := range list {
		b, err := fs.ReadFile(files, "static/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read file of the page: %w", err)
		}
		a.put(e.Name(), b)
	}
	// These two name other files, whose names are known only now.
	for _, name := range []string{"manifest.webmanifest", "sw.js"} {
		b := a.content[name]
		for other, url := range a.urls {
			b = bytes.ReplaceAll(b, []byte("{{"+other+"}}"), []byte(url))
		}
		a.put(name, b)
	}
	return a, nil
}

func (a *assets) put(name string, b []byte) {
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	a.content[name] = b
	a.urls[name] = "/assets/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
}

// url is where the file is; a template that names one that is not there fails.
func (a *assets) url(name string) (string, error) {
	u, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("no file %q", name)
	}
	return u, nil
}

// Files are the handlers of all files that the pages need, by path.
func (u *UI) Files() map[string]http.Handler {
	all := map[string]http.Handler{}
	for name, url := range u.assets.urls {
		all[url] = u.assets.serve(name, "public, max-age=31536000, immutable")
	}
	for url, name := range fixed {
		all[url] = u.assets.serve(name, "no-cache")
	}
	return all
}

func (a *assets) serve(name, cache string) http.Handler {
	b := a.content[name]
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", types[path.Ext(name)])
		h.Set("Cache-Control", cache)
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	})
}
