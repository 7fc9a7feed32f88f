package server_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
	"github.com/keepsake-backup/keepsake/service"
)

// listen opens the stream of events with a cookie.
func listen(t *testing.T, h *house, cookie string, head ...string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", h.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: server.PlainCookie, Value: cookie})
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	resp, err := plainClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewScanner(resp.Body)
}

// until reads lines until one has text in it.
func until(t *testing.T, s *bufio.Scanner, text string) string {
	t.Helper()
	var all strings.Builder
	for s.Scan() {
		all.WriteString(s.Text() + "\n")
		if strings.Contains(s.Text(), text) {
			return all.String()
		}
	}
	t.Fatalf("no %q came: %v\n%s", text, s.Err(), all.String())
	return ""
}

func TestEvents(t *testing.T) {
	h := newHouse(t)
	resp, s := listen(t, h, h.member(2).cookie)
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("the stream's headers: %v", resp.Header)
	}
	until(t, s, "retry:")
	// Ben hears of his phone and not of Anna's.
	ctx := t.Context()
	if err := h.fake.SetAddress(ctx, service.Who{Account: 1, Admin: true}, fake.Anna, "10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.fake.BackUp(ctx, service.Who{Account: 2}, fake.Ben, false); err != nil {
		t.Fatal(err)
	}
	if heard := until(t, s, fake.Ben); strings.Contains(heard, fake.Anna) {
		t.Errorf("Ben hears of Anna's phone:\n%s", heard)
	}
	// Who was away is told that everything may have changed.
	_, s = listen(t, h, h.member(2).cookie, "Last-Event-ID", "17")
	until(t, s, "event: again")
}

func TestHeadDoesNotStream(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(fake.Anna) {
		if r.method != http.MethodGet {
			continue
		}
		r, err := http.NewRequest("HEAD", h.url+r.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: server.PlainCookie, Value: h.member(1).cookie})
		if a := h.send(r); a.StatusCode >= 500 {
			t.Errorf("HEAD %s: %d", r.URL.Path, a.StatusCode)
		}
	}
	if resp, _ := listen(t, h, h.member(1).cookie); resp.StatusCode != http.StatusOK {
		t.Errorf("a stream after them: %d", resp.StatusCode)
	}
}

func TestEventsEndWithTheSession(t *testing.T) {
	h := newHouse(t)
	ben := h.member(2)
	_, s := listen(t, h, ben.cookie)
	until(t, s, ": still here")
	if a := h.member(2).do("POST", "/signout", "all=1"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign out everywhere: %d", a.StatusCode)
	}
	for s.Scan() {
	}
	if err := s.Err(); err != nil {
		t.Errorf("the stream did not end by itself: %v", err)
	}
}

func TestEventsAreLimited(t *testing.T) {
	h := newHouse(t)
	cookie := h.member(1).cookie
	for i := range 20 {
		if resp, _ := listen(t, h, cookie); resp.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: status %d", i, resp.StatusCode)
		}
	}
	if resp, _ := listen(t, h, cookie); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("stream 21: status %d", resp.StatusCode)
	}
	if resp, _ := listen(t, h, h.member(2).cookie); resp.StatusCode != http.StatusOK {
		t.Errorf("somebody else's first: status %d", resp.StatusCode)
	}
}

func TestDownload(t *testing.T) {
	h := newHouse(t)
	vs, err := h.fake.Versions(t.Context(), service.System, fake.Anna)
	if err != nil {
		t.Fatal(err)
	}
	base := "/phones/" + fake.Anna + "/versions/" + vs[0].ID + "/download?path="
	anna := h.member(1)
	page := url.QueryEscape("AppDomainGroup-group.net.whatsapp.WhatsApp.shared/Message/Media/49170@s/clip <weekend> & cake.mp4")
	a := anna.do("GET", base+page, "", "Range", "bytes=10-19")
	if a.StatusCode != http.StatusPartialContent || len(a.body) != 10 {
		t.Errorf("a part: status %d, %d bytes", a.StatusCode, len(a.body))
	}
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="clip _weekend_ & cake.mp4"`,
		"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := anna.do("GET", base+page+"&show=1", "", "Range", "bytes=0-0"); a.Header.Get("Content-Type") != "video/mp4" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "inline") {
		t.Errorf("a film to be shown: %v", a.Header)
	}
	for _, never := range []string{"HomeDomain/Library/SMS/sms.db", "AppDomain-com.example.recipes/Documents/Lentil soup.json"} {
		if a := anna.do("GET", base+url.QueryEscape(never)+"&show=1", "", "Range", "bytes=0-0"); a.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s to be shown: %v", never, a.Header)
		}
	}
	again := anna.do("GET", base+page, "", "If-None-Match", a.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: status %d", again.StatusCode)
	}
}

// hostile is a household whose versions hold names that no phone would have.
type hostile struct {
	*fake.Household
	names   []string
	endless bool
	broken  string
}

func (x *hostile) List(_ context.Context, _ service.Who, _, _, dir, _ string, _ int) (service.Listing, error) {
	l := service.Listing{Path: dir, Version: service.Version{Name: "x", Time: time.Unix(0, 0)}}
	if x.endless {
		l.Entries = []service.Entry{{Path: path.Join(dir, "d"), Dir: true}}
		return l, nil
	}
	for _, n := range x.names {
		l.Entries = append(l.Entries, service.Entry{Path: n, Size: 1})
	}
	return l, nil
}

type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error               { return nil }
func (bytesFile) Stat() (fs.FileInfo, error) { return nil, errors.New("no") }

func (x *hostile) Open(_ context.Context, _ service.Who, _, _, name string) (server.File, error) {
	if name == x.broken {
		return nil, errors.New("damaged")
	}
	return bytesFile{bytes.NewReader([]byte("x"))}, nil
}

func TestZipsDoNotClimb(t *testing.T) {
	x := &hostile{Household: fake.New(fake.Options{Still: true}), names: []string{"D/..", "D/../../etc/passwd", "/etc/passwd", `D/..\..\x`, "D/C:evil", "D/a\x00b", "D/same.txt", "D/SAME.txt", "D/same.txt", "D/\u202egpj.exe", "D/" + strings.Repeat("é", 300), "D/."}}
	h := newHouse(t, func(o *server.Options) { o.Service = x })
	a := h.member(1).do("GET", "/phones/"+fake.Anna+"/versions/x/download?zip=1&path=D", "")
	r, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatalf("%d: %v", a.StatusCode, err)
	}
	seen := map[string]bool{}
	for _, f := range r.File {
		low := strings.ToLower(f.Name)
		if seen[low] || !fs.ValidPath(f.Name) || strings.ContainsAny(f.Name, "\\:\x00\u202e") || len(f.Name) > 220 {
			t.Errorf("the ZIP has %q", f.Name)
		}
		seen[low] = true
	}
	if len(r.File) != len(x.names) {
		t.Errorf("%d of %d files", len(r.File), len(x.names))
	}
}

func TestHalfAZipIsNone(t *testing.T) {
	for name, x := range map[string]*hostile{
		"a damaged file":         {names: []string{"D/a", "D/b"}, broken: "D/b"},
		"folders without an end": {endless: true},
	} {
		x.Household = fake.New(fake.Options{Still: true})
		h := newHouse(t, func(o *server.Options) { o.Service = x })
		r, err := http.NewRequest("GET", h.url+"/phones/"+fake.Anna+"/versions/x/download?zip=1&path=D", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: server.PlainCookie, Value: h.member(1).cookie})
		resp, err := plainClient.Do(r)
		if err != nil {
			continue // cut before its first byte
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil {
			t.Errorf("%s: the download ended well", name)
		}
		if !strings.Contains(h.log.String(), "a download of a folder broke") {
			t.Errorf("%s: the log says nothing", name)
		}
	}
}

// TestDroppedDownloads: that a browser leaves is no fault, and none is logged.
func TestDroppedDownloads(t *testing.T) {
	x := &endless{Household: fake.New(fake.Options{Still: true}), done: make(chan error, 1)}
	h := newHouse(t, func(o *server.Options) { o.Service = x })
	r, err := http.NewRequest("GET", h.url+"/phones/"+fake.Anna+"/versions/x/content/photos/extract", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: server.PlainCookie, Value: h.member(1).cookie})
	resp, err := plainClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 1000); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-x.done; err == nil {
		t.Error("it went on for ever")
	}
	for end := time.Now().Add(5 * time.Second); !strings.Contains(h.log.String(), "a download of content broke") && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if log := h.log.String(); strings.Contains(log, "ERROR") || !strings.Contains(log, "a download of content broke") {
		t.Errorf("the log:\n%s", log)
	}
}

// endless has content without an end.
type endless struct {
	*fake.Household
	done chan error
}

func (x *endless) Extract(_ context.Context, _ service.Who, _, _, _ string, _ extract.ExportOptions, started func(service.Version, extract.Info) io.Writer) (_ int, err error) {
	w := started(service.Version{Name: "x"}, extract.Info{Title: "Photos"})
	for err == nil {
		_, err = w.Write(make([]byte, 64<<10))
	}
	err = fmt.Errorf("write picture: %w", err)
	x.done <- err
	return 0, err
}

// broken panics, or fails in ways that are nobody's but ours.
type broken struct {
	*fake.Household
	err error
}

func (b broken) Overview(_ context.Context, who service.Who) (service.Overview, error) {
	if b.err == nil {
		panic("our bug with a secret-detail")
	}
	return service.Overview{}, b.err
}

func TestFaultsOfOurs(t *testing.T) {
	for name, err := range map[string]error{"panic": nil, "error": errors.New("open /srv/secret-detail: no")} {
		h := newHouse(t, func(o *server.Options) { o.Service = broken{fake.New(fake.Options{Still: true}), err} })
		a := h.member(1).do("GET", "/api/v1/overview", "")
		if a.StatusCode != 500 || strings.Contains(a.body, "secret-detail") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		i := strings.LastIndex(h.log.String(), " id=")
		if i < 0 {
			t.Fatalf("%s: no number in the log:\n%s", name, h.log)
		}
		if id := h.log.String()[i+4 : i+12]; !strings.Contains(a.body, id) || !strings.Contains(h.log.String(), "secret-detail") {
			t.Errorf("%s: number %s of the log is not in the answer: %s", name, id, a.body)
		}
		if a := h.stranger().do("GET", "/healthz", ""); name == "error" && (a.StatusCode != 503 || strings.Contains(a.body, "secret-detail")) {
			t.Errorf("%s: health: %d %s", name, a.StatusCode, a.body)
		}
	}
	away := newHouse(t, func(o *server.Options) {
		o.Service = fake.New(fake.Options{Still: true, PlaceErr: "open /mnt/secret-disk: no such file"})
	})
	if a := away.stranger().do("GET", "/healthz", ""); a.StatusCode != 503 || strings.Contains(a.body, "secret-disk") || !strings.Contains(a.body, "place of the backups") {
		t.Errorf("health without the place: %d %s", a.StatusCode, a.body)
	}
}

func TestHeadersOnEveryRoute(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(fake.Anna) {
		a := h.member(1).do(r.method, r.path, "")
		for _, name := range []string{"Content-Security-Policy", "Permissions-Policy", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Cache-Control"} {
			if a.Header.Get(name) == "" {
				t.Errorf("%s: no %s", r.pattern, name)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "data:") {
			t.Errorf("%s: %v", r.pattern, a.Header)
		}
		if a.Header.Get("Server") != "" || a.Header.Get("X-Powered-By") != "" {
			t.Errorf("%s says what it is made of", r.pattern)
		}
	}
}

func TestCompression(t *testing.T) {
	h := newHouse(t)
	anna := h.member(1)
	a := anna.do("GET", "/api/v1/overview", "", "Accept-Encoding", "gzip")
	if a.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(a.Header.Get("Vary"), "Accept-Encoding") {
		t.Fatalf("the overview is not compressed: %v", a.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !strings.Contains(string(b), fake.Anna) {
		t.Errorf("unpacked: %v", err)
	}
	for path, body := range map[string]string{"/api/v1/tokens": `{"name":"x","scopes":["read"]}`, "/api/v1/recovery-sheet": `{"with_password":true}`} {
		a := anna.do("POST", path, body, "Accept-Encoding", "gzip")
		if a.Header.Get("Content-Encoding") != "" || a.Header.Get("No-Gzip-Compression") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s has a secret in it, and %v", path, a.Header)
		}
	}
	for _, a := range []answer{anna.do("GET", "/settings/sheet?password=1", "", "Accept-Encoding", "gzip"), anna.do("POST", "/account/tokens", "name=x&kind=read", "Accept-Encoding", "gzip")} {
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Encoding") != "" {
			t.Errorf("a page with a secret in it: %d %v", a.StatusCode, a.Header)
		}
	}
}

func TestMetrics(t *testing.T) {
	h := newHouse(t)
	a := h.stranger().do("GET", "/metrics", "")
	for _, want := range []string{"keepsake_verified_backup_age_seconds{", "keepsake_rehearsal_age_seconds{", "keepsake_target_behind_versions{", `keepsake_build_info{`, "keepsake_place_reachable 1", "go_goroutines"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	counting := newHouse(t, func(o *server.Options) { o.Service = counted{fake.New(fake.Options{Still: true})} })
	a = counting.stranger().do("GET", "/metrics", "")
	for _, want := range []string{`keepsake_jobs_total{kind="backup",state="done"} 7`, `keepsake_prompts_total{answer="ignored",udid="U"} 2`, "keepsake_received_bytes_total 5000", "keepsake_added_bytes_total 300"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in the metrics:\n%s", want, a.body)
		}
	}
}

type counted struct{ *fake.Household }

func (counted) Counts(context.Context) (service.Counts, error) {
	return service.Counts{Jobs: map[service.JobKind]map[service.JobState]int64{service.BackupJob: {service.Done: 7}}, Prompts: map[string]map[string]int64{"U": {"ignored": 2}}, Received: 5000, Added: 300}, nil
}
