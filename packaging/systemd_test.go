package packaging

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/autostart"
)

// exposureLimit is the most that "systemd-analyze security" may say, of 10: what is
// left are the network, which is its purpose, and its own user.
const exposureLimit = 1.5

func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err
}

// installed is a root folder with the units in it, as their comments say.
func installed(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	units := filepath.Join(root, "etc/systemd/system")
	for _, dir := range []string{"usr/local/bin", "usr/lib/systemd/system", "etc/systemd/system/keepsake.service.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(path string, data []byte, mode os.FileMode) {
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(root, "usr/local/bin/keepsake"), []byte("#!/bin/true\n"), 0o755)
	put(filepath.Join(units, "keepsake.service"), []byte(file(t, "systemd/keepsake.service")), 0o644)
	for _, target := range []string{"sysinit", "basic", "shutdown", "multi-user", "network-online", "time-sync"} {
		put(filepath.Join(root, "usr/lib/systemd/system", target+".target"), []byte("[Unit]\nDescription="+target+"\n"), 0o644)
	}
	for _, unit := range []string{"usbmuxd.service", "dbus.service"} {
		put(filepath.Join(root, "usr/lib/systemd/system", unit), []byte("[Service]\nExecStart=/usr/local/bin/keepsake\n"), 0o644)
	}
	return root
}

func file(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// systemd understands every line, also of the files that an owner may add.
func TestSystemUnit_verify(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // systemd is Linux'
	}
	for _, extra := range []string{"", "places.conf", "key-encrypted.conf"} {
		root := installed(t)
		if extra != "" {
			path := filepath.Join(root, "etc/systemd/system/keepsake.service.d", extra)
			if err := os.WriteFile(path, []byte(file(t, "systemd/keepsake.service.d/"+extra)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := analyze(t, "verify", "--root="+root, "--man=no", "keepsake.service")
		if err != nil || strings.Contains(out, "keepsake.service") {
			t.Errorf("with %q: %v\n%s", extra, err, out)
		}
	}
}

var exposure = regexp.MustCompile(`Overall exposure level for keepsake\.service: ([0-9.]+)`)

// systemd's own judgement of how much the service could do if it were taken over.
func TestSystemUnit_security(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // systemd is Linux'
	}
	out, err := analyze(t, "security", "--offline=yes", "--no-pager", "--root="+installed(t), "keepsake.service")
	m := exposure.FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	level, err := strconv.ParseFloat(m[1], 64)
	if err != nil || level > exposureLimit {
		t.Errorf("exposure is %s, want at most %v\n%s", m[1], exposureLimit, out)
	}
	t.Logf("exposure %s of 10", m[1])
}

// settings are the lines of a unit, several of one name in their order.
func settings(unit string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(unit) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			out[key] = append(out[key], value)
		}
	}
	return out
}

// What the brief of this unit is, whatever a tool's score says.
func TestSystemUnit_promises(t *testing.T) {
	got := settings(file(t, "systemd/keepsake.service"))
	for key, want := range map[string]string{
		"Type": "notify", "User": "keepsake", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "LimitCORE": "0",
		"CapabilityBoundingSet": "", "PrivateDevices": "yes", "StateDirectoryMode": "0700", "UMask": "0077",
		"LoadCredential":          "keepsake-key:/etc/keepsake/key",
		"RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
	} {
		if d := cmp.Diff([]string{want}, got[key]); d != "" {
			t.Errorf("%s (-want +got):\n%s", key, d)
		}
	}
	if len(got["WatchdogSec"]) != 1 {
		t.Error("no watchdog")
	}
	for _, forbidden := range []string{"PermissionsStartOnly", "SupplementaryGroups"} {
		if got[forbidden] != nil {
			t.Errorf("%s is set", forbidden)
		}
	}
}

// The user's unit is what "serve --install" writes.
func TestUserUnit_isTheInstalledOne(t *testing.T) {
	p, err := autostart.Make(autostart.Options{System: "linux", Executable: "/x", Name: "keepsake", Home: "/home/anna", UserID: "1000", User: "anna", Args: []string{"serve"}})
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(p.Data), "\n") // without who wrote it
	want = strings.Replace(want, "ExecStart=/x serve", "ExecStart=%h/.local/bin/keepsake serve", 1)
	_, got, _ := strings.Cut(file(t, "systemd/user/keepsake.service"), "\n\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A rule opens devices to a group or a person, never to all.
func TestUdevRule(t *testing.T) {
	operators := regexp.MustCompile(`^([A-Z]+(\{[A-Za-z_]+\})?)(==|!=|=|\+=|:=)"[^"]*"$`)
	labels, gotos := map[string]bool{}, []string{}
	for n, line := range strings.Split(file(t, "udev/60-keepsake.rules"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, part := range strings.Split(line, ",") {
			part = strings.TrimSpace(part)
			m := operators.FindStringSubmatch(part)
			if m == nil {
				t.Errorf("line %d: %q is no rule", n+1, part)
				continue
			}
			_, value, _ := strings.Cut(strings.TrimSuffix(part, `"`), `"`)
			switch m[1] {
			case "LABEL":
				labels[value] = true
			case "GOTO":
				gotos = append(gotos, value)
			case "MODE":
				if !strings.HasSuffix(value, "0") {
					t.Errorf("line %d: mode %s is open to all", n+1, value)
				}
			case "RUN", "PROGRAM", "IMPORT":
				t.Errorf("line %d: it runs something as root", n+1)
			}
		}
	}
	for _, g := range gotos {
		if !labels[g] {
			t.Errorf("GOTO %s leads nowhere", g)
		}
	}
}
