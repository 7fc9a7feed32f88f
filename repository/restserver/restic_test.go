package restserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// restic is Debian's, which knows nothing of us.
type restic struct {
	t   *testing.T
	url string // without scheme
	env []string
	ca  string
}

func newRestic(t *testing.T, l *Listener, ca string) *restic {
	dir := t.TempDir()
	return &restic{t: t, url: strings.TrimPrefix(l.URL(), "https://"), ca: ca, env: append(os.Environ(),
		"RESTIC_PASSWORD=sealed", "RESTIC_CACHE_DIR="+filepath.Join(dir, "cache"), "HOME="+dir, "TMPDIR="+dir)}
}

// command runs restic as a user on the repository at path.
func (r *restic) command(ctx context.Context, user, path string, args ...string) *exec.Cmd {
	all := append([]string{"-r", "rest:https://" + user + "@" + r.url + path}, args...)
	if r.ca != "" {
		all = append(all, "--cacert", r.ca)
	}
	cmd := exec.CommandContext(ctx, "restic", all...)
	cmd.Env = r.env
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (r *restic) run(user, path string, args ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	out, err := r.command(ctx, user, path, args...).CombinedOutput()
	if err != nil {
		r.t.Errorf("restic %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// fails runs restic, which has to end with an error that says want, or to go on
// trying until it is ended.
func (r *restic) fails(patience time.Duration, want, user, path string, args ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	out, err := r.command(ctx, user, path, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		r.t.Errorf("restic %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
	}
}

// sources are two folders of files, of some MB.
func sources(t *testing.T) (a, b string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"a/1", "a/2", "b/1"} {
		data := make([]byte, 3<<20)
		rand.Read(data)
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "a"), filepath.Join(dir, "b")
}

// TestRestic: a stock client, with all that it does, over TLS with a
// certificate of our own.
func TestRestic(t *testing.T) {
	dir := t.TempDir()
	rules := writeCertificate(t, t.TempDir(), 1)
	o := Options{Open: Folder(dir), Users: openUsers(t, "ada", "pa", "bob", "pb"), PrivateRepos: true}
	var removal atomic.Bool
	strict := handler(t, o)
	o.AllowRemoval = true
	lax := handler(t, o)
	l, _ := start(t, rules, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if removal.Load() {
			lax.ServeHTTP(w, r)
			return
		}
		strict.ServeHTTP(w, r)
	}))
	r := newRestic(t, l, rules.CertFile)
	a, b := sources(t)

	r.run("ada:pa", "ada/phone/", "init")
	r.fails(20*time.Second, "already", "ada:pa", "ada/phone/", "init")
	var clients sync.WaitGroup
	for _, folder := range []string{a, b} {
		clients.Go(func() { r.run("ada:pa", "ada/phone/", "backup", folder) })
	}
	clients.Wait()
	r.run("ada:pa", "ada/phone/", "backup", a)
	snapshots := func(want int) {
		t.Helper()
		names, err := os.ReadDir(filepath.Join(dir, "ada", "phone", "snapshots"))
		if err != nil || len(names) != want {
			t.Errorf("%d snapshots, %v; want %d", len(names), err, want)
		}
	}
	snapshots(3)
	r.run("ada:pa", "ada/phone/", "check", "--read-data")

	r.fails(20*time.Second, "401", "ada:wrong", "ada/phone/", "snapshots")
	r.fails(20*time.Second, "403", "bob:pb", "ada/phone/", "snapshots")
	r.fails(20*time.Second, "403", "bob:pb", "", "init")
	ca := r.ca
	r.ca = ""
	r.fails(20*time.Second, "certificate", "ada:pa", "ada/phone/", "snapshots")
	r.ca = ca

	// restic goes on asking for most of a minute.
	r.fails(4*time.Second, "403 Forbidden", "ada:pa", "ada/phone/", "forget", "--keep-last", "1")
	snapshots(3)
	removal.Store(true)
	r.run("ada:pa", "ada/phone/", "unlock", "--remove-all")
	r.run("ada:pa", "ada/phone/", "forget", "--group-by", "", "--keep-last", "1", "--prune")
	snapshots(1)
	r.run("ada:pa", "ada/phone/", "restore", "latest", "--target", t.TempDir(), "--verify")

	// The server's folder is an ordinary repository.
	local := exec.CommandContext(t.Context(), "restic", "-r", filepath.Join(dir, "ada", "phone"), "check", "--read-data")
	local.Env = r.env
	if out, err := local.CombinedOutput(); err != nil {
		t.Errorf("restic check on the folder: %v\n%s", err, out)
	}
}

// TestRestic_killed: a client that is killed in the middle of a pack leaves
// nothing that is seen.
func TestRestic_killed(t *testing.T) {
	dir := t.TempDir()
	rules := writeCertificate(t, t.TempDir(), 1)
	l, _ := start(t, rules, handler(t, Options{Open: Folder(dir)}))
	r := newRestic(t, l, rules.CertFile)
	a, _ := sources(t)
	r.run("", "", "init")
	temps := func() (n int) {
		names, err := filepath.Glob(filepath.Join(dir, "data", "*", "*-tmp-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	cmd := r.command(t.Context(), "", "", "backup", "--limit-upload", "500", a)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an upload", func() bool { return temps() > 0 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatalf("it ended well before it was killed: %s", &out)
	}
	eventually(t, "no upload", func() bool { return temps() == 0 })
	packs, err := filepath.Glob(filepath.Join(dir, "data", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		data, err := os.ReadFile(p)
		if err != nil || named(string(data)) != filepath.Base(p) || !backend.IsName(filepath.Base(p)) {
			t.Errorf("%s is not what its name says: %v", p, err)
		}
	}
	r.run("", "", "unlock", "--remove-all")
	r.run("", "", "backup", a)
	r.run("", "", "check", "--read-data")
}
