package cli

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/restserver"
)

// run is keepsake with an environment.
func runWith(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := Program{Args: args, Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return env[name] }}
	code = p.Run(t.Context())
	return code, out.String(), errs.String()
}

// A server elsewhere: a failure is overcome, a cache is kept, nothing in it is
// what a check looks at, and the password of the server is shown to nobody.
func TestRemoteRepository(t *testing.T) {
	var reads atomic.Int64
	var broken atomic.Bool
	stored := filepath.Join(t.TempDir(), "stored")
	handler, err := restserver.New(restserver.Options{Open: func(context.Context, string) (backend.Backend, error) {
		return local.Open(stored, local.Options{})
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "server-secret" {
			t.Errorf("%s %s: password %q", r.Method, r.URL, password)
		}
		if broken.CompareAndSwap(true, false) {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/snapshots/") && !strings.HasSuffix(r.URL.Path, "/") {
			reads.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	cache := t.TempDir()
	env := map[string]string{
		"KEEPSAKE_REPOSITORY": "rest:" + server.URL + "/phone/", "KEEPSAKE_PASSWORD": scriptPassword,
		"RESTIC_REST_USERNAME": "ada", "RESTIC_REST_PASSWORD": "server-secret",
	}
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := runWith(t, env, append(args, "--cache-dir", cache)...)
		if code != 0 {
			t.Fatalf("%q: code %d\n%s%s", args, code, stdout, stderr)
		}
		if all := stdout + stderr; strings.Contains(all, "server-secret") || strings.Contains(all, scriptPassword) {
			t.Errorf("%q shows a password:\n%s", args, all)
		}
		return stdout
	}
	run("init")
	be, err := local.Open(stored, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(t.Context(), be, secret.NewRepositoryPassword(scriptPassword), repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storeFiles(t.Context(), r, format.Snapshot{Time: time.Now(), Hostname: "mac", Paths: []string{"/phone"}}, []string{"a=1"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	run("snapshots")
	reads.Store(0)
	broken.Store(true)
	if got := run("snapshots"); !strings.Contains(got, "1 snapshot\n") {
		t.Errorf("snapshots:\n%s", got)
	}
	if n := reads.Swap(0); n != 0 {
		t.Errorf("%d snapshots were read in spite of the cache", n)
	}
	run("check", "--read-data")
	if reads.Load() == 0 {
		t.Error("the check believed the cache")
	}
	files := 0
	err = filepath.WalkDir(cache, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files in the cache, %v", files, err)
	}
}

func TestOpenBackendRefuses(t *testing.T) {
	for where, want := range map[string]string{
		"rest:https://ada:hunter2@host/":                    "there is a secret in it",
		"rclone::sftp,host=nas,pass=hunter2:phone":          "there is a secret in it",
		"https://host/x":                                    "rest:https://",
		"gs:bucket:/x":                                      "rclone",
		"s3:https://AKID:hunter2@s3.example.com/bucket/ada": "environment",
	} {
		code, stdout, stderr := runWith(t, nil, "snapshots", "--repo", where)
		if code != exitUsage || !strings.Contains(stderr, want) || strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%s: code %d, want %q:\n%s", where, code, want, stderr)
		}
	}
}

func TestMention(t *testing.T) {
	var errs bytes.Buffer
	a := &app{Program: Program{Stderr: &errs}}
	a.mention(progress.Detail, "the wire broke")
	if errs.Len() > 0 {
		t.Errorf("a detail is told: %s", &errs)
	}
	a.mention(progress.Warn, "the wire broke")
	if got, want := errs.String(), "The wire broke\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var said []string
	defer a.using(recorder{&said})()
	a.mention(progress.Detail, "the wire broke")
	if len(said) != 1 {
		t.Errorf("work heard %q", said)
	}
}

type recorder struct{ said *[]string }

func (recorder) Phase(string, string)               {}
func (recorder) Update(progress.Counters)           {}
func (r recorder) Say(_ progress.Kind, text string) { *r.said = append(*r.said, text) }
func (recorder) Close()                             {}
