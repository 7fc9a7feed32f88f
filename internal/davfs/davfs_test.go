package davfs_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/davfs"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

func serve(t *testing.T) (url string, film []byte) {
	t.Helper()
	dir := t.TempDir()
	film = bytes.Repeat([]byte("0123456789"), 300_000)
	if err := os.Mkdir(filepath.Join(dir, "Photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Photos", "Zoë & film.mov"), film, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte("<script>1</script>"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(davfs.Handler(os.DirFS(dir), secret.NewText("pw"), func(err error) { t.Error(err) }))
	t.Cleanup(s.Close)
	return s.URL, film
}

func ask(t *testing.T, method, url, password string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth(davfs.User, password)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, data
}

func TestHandler_lists(t *testing.T) {
	url, film := serve(t)
	resp, data := ask(t, "PROPFIND", url+"/Photos", "pw", "Depth", "1")
	var list struct {
		Responses []struct {
			Href   string `xml:"href"`
			Length int64  `xml:"propstat>prop>getcontentlength"`
			Type   string `xml:"propstat>prop>getcontenttype"`
		} `xml:"response"`
	}
	if err := xml.Unmarshal(data, &list); err != nil || resp.StatusCode != http.StatusMultiStatus {
		t.Fatalf("%s, %v: %s", resp.Status, err, data)
	}
	i := slices.IndexFunc(list.Responses, func(r struct {
		Href   string `xml:"href"`
		Length int64  `xml:"propstat>prop>getcontentlength"`
		Type   string `xml:"propstat>prop>getcontenttype"`
	}) bool {
		return strings.HasSuffix(r.Href, ".mov")
	})
	if len(list.Responses) != 2 || i < 0 || list.Responses[i].Length != int64(len(film)) || list.Responses[i].Href != "/Photos/Zo%C3%AB%20&%20film.mov" {
		t.Errorf("%+v", list.Responses)
	}
}

func TestHandler_partOfAFilm(t *testing.T) {
	url, film := serve(t)
	resp, data := ask(t, http.MethodGet, url+"/Photos/Zo%C3%AB%20&%20film.mov", "pw", "Range", "bytes=2000003-2000012")
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(data, film[2000003:2000013]) {
		t.Errorf("%s, %q", resp.Status, data)
	}
}

func TestHandler_refuses(t *testing.T) {
	url, _ := serve(t)
	for _, method := range []string{http.MethodPut, http.MethodDelete, "MKCOL", "MOVE", "COPY", "LOCK", "PROPPATCH", http.MethodPost} {
		if resp, _ := ask(t, method, url+"/page.html", "pw", "Destination", url+"/x"); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
	for _, password := range []string{"", "wrong", "pw "} {
		if resp, data := ask(t, http.MethodGet, url+"/page.html", password); resp.StatusCode != http.StatusUnauthorized || bytes.Contains(data, []byte("script")) {
			t.Errorf("password %q: %s", password, resp.Status)
		}
	}
	if resp, _ := ask(t, http.MethodGet, url+"/..%2f..%2fetc/passwd", "pw"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a path that leads out: %s", resp.Status)
	}
	if resp, _ := ask(t, http.MethodGet, url+"/page.html", "pw"); resp.Header.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
		t.Error("a page from a backup could run script")
	}
}
