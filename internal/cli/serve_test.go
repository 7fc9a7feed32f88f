package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// serveIn runs "keepsake serve" until the test ends or stop is called, and gives the
// address of its page.
func serveIn(t *testing.T, env map[string]string, args ...string) (url string, stop func() string) {
	t.Helper()
	out, in := io.Pipe()
	var errs syncBuffer
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	p := Program{Args: append([]string{"serve", "--json", "--no-wifi", "--listen", "127.0.0.1:0"}, args...), Stdout: in, Stderr: &errs, Getenv: func(name string) string { return env[name] }}
	ended := make(chan int, 1)
	go func() {
		ended <- p.Run(ctx)
		in.Close()
	}()
	stopped := false
	stop = func() string {
		if !stopped {
			stopped = true
			cancel(errInterrupted)
			<-ended
		}
		return errs.String()
	}
	t.Cleanup(func() { stop() })
	var v serving
	if err := json.NewDecoder(out).Decode(&v); err != nil {
		t.Fatalf("serve: %v\n%s", err, stop())
	}
	go io.Copy(io.Discard, out)
	return strings.TrimSuffix(v.URL, "/"), stop
}

// visitor is a browser without a script.
type visitor struct {
	t *testing.T
	c *http.Client
}

func newVisitor(t *testing.T) visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{t, &http.Client{Jar: jar}}
}

// send sends a form and gives the page that comes of it.
func (v visitor) send(url string, form neturl.Values) string {
	v.t.Helper()
	page, err := fetch(v.t.Context(), v.c, http.MethodPost, url, form, "")
	if err != nil {
		v.t.Fatal(err)
	}
	return page
}

// TestServe: a service is set up by its page, its phone paired, and then backed up by a
// command that finds the service.
func TestServe(t *testing.T) {
	phones, err := virtualphone.Start(context.WithoutCancel(t.Context()), virtualphone.Config{Dir: t.TempDir(), Profile: "tiny", KDFRounds: 10, RebootTime: 10 * time.Millisecond, DeviceName: "Anna's iPhone"})
	if err != nil {
		t.Fatal(err)
	}
	defer phones.Close()
	dir := t.TempDir()
	env := map[string]string{"USBMUXD_SOCKET_ADDRESS": phones.Addr(), "KEEPSAKE_STATE": filepath.Join(dir, "state"), "KEEPSAKE_DATA": filepath.Join(dir, "data"), "HOME": dir}
	if code, _, stderr := runWith(t, env, "status"); code != exitError || !strings.Contains(stderr, "keepsake serve") {
		t.Errorf("status without a service: code %d, %s", code, stderr)
	}
	url, stop := serveIn(t, env)
	if code, _, stderr := runWith(t, env, "serve", "--listen", "127.0.0.1:0"); code != exitError || !strings.Contains(stderr, "runs there already") {
		t.Errorf("a second service in the folder: code %d, %s", code, stderr)
	}
	v := newVisitor(t)
	v.send(url+"/setup/account", neturl.Values{"name": {"Anna"}, "login": {"anna"}, "password": {"four words by chance"}})
	v.send(url+"/setup/place", neturl.Values{"place": {filepath.Join(dir, "backups")}, "password": {scriptPassword}, "again": {scriptPassword}})
	udid := phones.Phones()[0].UDID()
	if page := v.send(url+"/phones/"+udid+"/pair", nil); strings.Contains(page, scriptPassword) {
		t.Error("a page shows the repository's password")
	}
	local := filepath.Join(dir, "data", "service.json")
	await(t, "the service can be found", func() bool { _, err := os.Stat(local); return err == nil })
	if info, err := os.Stat(local); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("service.json: %v, %v", info.Mode(), err)
	}
	await(t, "the phone is known", func() bool {
		_, stdout, _ := runWith(t, env, "status", "--json") // which tells of phones that somebody owns
		return strings.Contains(stdout, "Anna's iPhone") && strings.Contains(stdout, `"paired":true`)
	})
	code, stdout, stderr := runWith(t, env, "backup")
	if code != 0 || !strings.Contains(stdout, "Anna's iPhone") {
		t.Errorf("backup by the service: code %d\n%s%s", code, stdout, stderr)
	}
	// Neither is the service in the way of a command that names its place.
	if code, stdout, stderr = runWith(t, env, "backup", filepath.Join(dir, "backups"), "--json"); code != 0 || !strings.Contains(stdout, `"message_type":"job"`) {
		t.Errorf("backup into the service's place: code %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, stderr = runWith(t, env, "status", "--json"); code != 0 || !strings.Contains(stdout, `"days_verified":0`) {
		t.Errorf("status afterwards: code %d\n%s%s", code, stdout, stderr)
	}
	if log := stop(); strings.Contains(log, scriptPassword) || strings.Contains(log, "four words") {
		t.Errorf("the log holds a password:\n%s", log)
	}
	if _, err := os.Stat(local); !os.IsNotExist(err) {
		t.Errorf("service.json is still there: %v", err)
	}
	env["KEEPSAKE_PASSWORD"] = scriptPassword
	if code, stdout, stderr := runWith(t, env, "snapshots", "-r", filepath.Join(dir, "backups")); code != 0 || !strings.Contains(stdout, "Anna's iPhone") {
		t.Errorf("what the service made, seen by a command: code %d\n%s%s", code, stdout, stderr)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestServe_refuses(t *testing.T) {
	env := map[string]string{"KEEPSAKE_DATA": filepath.Join(t.TempDir(), "data"), "HOME": t.TempDir()}
	for _, args := range [][]string{
		{"--listen", "8420"}, {"--tls-cert", "x"}, {"--no-tls", "--tls-cert", "x", "--tls-key", "y"}, {"--install", "--status"}, {"--trusted-proxy", "nas"},
	} {
		if code, _, stderr := runWith(t, env, append([]string{"serve"}, args...)...); code != exitUsage {
			t.Errorf("%q: code %d, %s", args, code, stderr)
		}
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runWith(t, env, "serve", "--listen", "127.0.0.1:0", "--data", open); code != exitError || !strings.Contains(stderr, "hmod 700") {
		t.Errorf("a folder that others may enter: code %d, %s", code, stderr)
	}
}

// What starts by itself serves as whoever installed it said.
func TestServeFlags_args(t *testing.T) {
	here, err := filepath.Abs("cert.pem")
	if err != nil {
		t.Fatal(err)
	}
	f := serveFlags{listen: ":8420", cert: "cert.pem", key: "/etc/key.pem", noWiFi: true, names: []string{"nas.home", "nas"}, proxies: []string{"10.0.0.0/8"}, afterBackup: "sync now"}
	got, err := f.args("/srv/data")
	want := []string{"serve", "--data", "/srv/data", "--listen", ":8420", "--tls-cert", here, "--tls-key", "/etc/key.pem", "--no-wifi",
		"--name", "nas.home", "--name", "nas", "--trusted-proxy", "10.0.0.0/8", "--after-backup", "sync now"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}
