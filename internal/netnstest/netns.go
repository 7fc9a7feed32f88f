// Package netnstest gives tests networks of their own: a test runs itself again
// in network and mount namespaces that nobody else sees, where it may make
// interfaces and put daemons beside itself. All of it is gone with the process.
//
//	func TestWire(t *testing.T) {
//		if !netnstest.Inside(t) {
//			return // it ran, and passed or failed, inside
//		}
//		netnstest.Run(t, "ip", "link", "add", …)
//	}
//
// Root is not needed: without, the namespaces are those of an own user namespace.
package netnstest

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// marker names the test that runs inside.
const marker = "KEEPSAKE_NETNSTEST"

// Inside tells whether t runs in namespaces of its own. If not it runs it there,
// passes on what it says, and fails when it failed.
func Inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(marker) == t.Name() {
		return true
	}
	cmd := Self(t.Context(), t.Name(), t.Name())
	args := []string{"--net", "--mount", "--propagation", "private"}
	if os.Getuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	cmd.Args = append(append([]string{"unshare"}, append(args, "--", cmd.Path)...), cmd.Args[1:]...)
	cmd.Path = look(t, "unshare")
	out, err := cmd.CombinedOutput()
	t.Logf("inside:\n%s", out)
	if err != nil {
		t.Fatalf("run in namespaces of its own: %v", err)
	}
	return false
}

// Self is this test binary, about to run one test, which sees mark as its role:
// see [Role].
func Self(ctx context.Context, test, mark string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+regexp.QuoteMeta(test)+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), marker+"="+mark)
	return cmd
}

// Role is the mark that this process was started with, "" outside.
func Role() string { return os.Getenv(marker) }

// Run runs a command and fails the test when that fails; it returns its output.
func Run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), look(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// look finds a program of the system, also where ordinary users do not look.
func look(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name
		}
	}
	t.Fatalf("%s is not installed", name)
	return ""
}

// Look is the path of a program of the system.
func Look(t *testing.T, name string) string { t.Helper(); return look(t, name) }
