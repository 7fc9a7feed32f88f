package autostart

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder stands for the system: it keeps the commands and fails those named.
type recorder struct {
	ran   []string
	fails map[string]bool
	says  map[string]string
}

func (r *recorder) run(_ context.Context, argv []string) ([]byte, error) {
	c := strings.Join(argv, " ")
	r.ran = append(r.ran, c)
	for part := range r.fails {
		if strings.Contains(c, part) {
			return []byte("it said no"), errors.New("exit status 1")
		}
	}
	for part, out := range r.says {
		if strings.Contains(c, part) {
			return []byte(out), nil
		}
	}
	return nil, nil
}

func here(t *testing.T, r *recorder) Options {
	return Options{System: "linux", Executable: "/usr/bin/keepsake", Args: []string{"serve"}, Home: filepath.ToSlash(t.TempDir()), UserID: "1000", User: "anna", Run: r.run}
}

func TestInstall(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the Linux plan wants paths that begin with a slash")
		return
	}
	r := &recorder{says: map[string]string{"status": "active (running)", "show-user": "Linger=no\n"}}
	o := here(t, r)
	before, err := Status(t.Context(), o)
	if err != nil || before.Installed || len(r.ran) != 0 {
		t.Fatalf("before: %+v, %v, %q", before, err, r.ran)
	}
	s, err := Install(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Installed || !s.Running || s.Changed || s.Text != "active (running)" || !strings.Contains(s.Hint, "enable-linger") {
		t.Errorf("state is %+v", s)
	}
	info, err := os.Stat(s.File)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("file: %v, %v", info, err)
	}
	r.says["show-user"] = "Linger=yes\n"
	if s, err = Status(t.Context(), o); err != nil || s.Hint != "" {
		t.Errorf("with linger: %+v, %v", s, err)
	}
	other := o
	other.Args = []string{"serve", "--listen", "127.0.0.1:9000"}
	if s, err = Status(t.Context(), other); err != nil || !s.Changed {
		t.Errorf("with other arguments: %+v, %v", s, err)
	}
	r.fails = map[string]bool{"status": true}
	if s, err = Status(t.Context(), o); err != nil || s.Running || s.Text != "it said no" {
		t.Errorf("stopped: %+v, %v", s, err)
	}
	r.fails = map[string]bool{"disable": true} // it may
	if err := Uninstall(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.File); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("file is still there: %v", err)
	}
	r.ran = nil
	if err := Uninstall(t.Context(), o); err != nil || len(r.ran) != 0 {
		t.Errorf("again: %v, %q", err, r.ran)
	}
}

func TestInstall_commandFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the Linux plan wants paths that begin with a slash")
		return
	}
	r := &recorder{fails: map[string]bool{"enable": true}}
	_, err := Install(t.Context(), here(t, r))
	var c *CommandError
	if !errors.As(err, &c) || err.Error() != "install autostart: run systemctl --user enable keepsake.service: exit status 1: it said no" {
		t.Errorf("error is %v", err)
	}
}

func TestInstall_folderCannotBeMade(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the Linux plan wants paths that begin with a slash")
		return
	}
	o := here(t, &recorder{})
	if err := os.WriteFile(filepath.Join(o.Home, ".config"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "install autostart: ") {
		t.Errorf("error is %v", err)
	}
}

// Whoever runs it has a folder and a name.
func TestOptions_defaults(t *testing.T) {
	o, _, err := (Options{Executable: map[bool]string{true: `C:\keepsake.exe`, false: "/usr/bin/keepsake"}[runtime.GOOS == "windows"], System: map[bool]string{true: "windows", false: "linux"}[runtime.GOOS == "windows"]}).plan()
	if err != nil || o.Home == "" || o.User == "" || o.UserID == "" || o.Name != "keepsake" {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestExecute(t *testing.T) {
	out, err := execute(t.Context(), []string{"go", "version"})
	if err != nil || !strings.HasPrefix(string(out), "go version") {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := execute(t.Context(), []string{"a-command-that-is-not-there"}); err == nil {
		t.Error("no error")
	}
}

// systemd reads the unit without a word, wherever it is installed.
func TestUnit_systemdAnalyze(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: Debian package systemd")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := here(t, &recorder{})
	o.Executable = self
	o.Args = nasty
	p, err := Make(func() Options { o.Name = "keepsake"; return o }())
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "keepsake.service")
	if err := os.WriteFile(unit, p.Data, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "verify", "--user", "--man=no", "--generators=no", unit)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "keepsake.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
