package packaging

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// program is built once for all tests, as the Containerfile says, but for -trimpath,
// which would compile everything anew.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "keepsake-image-*")
	if err != nil {
		return "", err
	}
	removeProgram = func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "keepsake")
	build := exec.Command("go", "build", "-buildvcs=false",
		"-ldflags", "-s -w -X github.com/keepsake-backup/keepsake/internal/cli.release=v9.9.9", "-o", path, "../cmd/keepsake")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

var removeProgram = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	removeProgram()
	os.Exit(code)
}

// rootfs lays out the image as the Containerfile does.
func rootfs(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(program, filepath.Join(root, "keepsake")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"etc", "data", "repository", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(file(t, "container/passwd")), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, mode := range map[string]os.FileMode{"data": 0o700, "repository": 0o700, "tmp": 0o777} {
		path := filepath.Join(root, dir)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(path, 10001, 10001); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// inImage is a command that sees nothing but the image: its root is the folder, its
// user has no rights, its environment is that of the Containerfile.
func inImage(t *testing.T, root string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/keepsake", args...)
	cmd.Dir = "/data"
	for _, i := range lastStage(parseContainerfile(t, file(t, "container/Containerfile"))) {
		if i.name == "ENV" {
			cmd.Env = strings.Fields(i.args)
		}
	}
	attr := &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: 10001, Gid: 10001}
	} else {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 10001, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 10001, HostID: os.Getgid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
	return cmd
}

// The program needs nothing that an empty image does not have.
func TestImage(t *testing.T) {
	root := rootfs(t)
	out, err := inImage(t, root, "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "v9.9.9") {
		t.Fatalf("--version: %v\n%s", err, out)
	}
	var exit *exec.ExitError
	if err := inImage(t, root, "doctor", "--health=127.0.0.1:1").Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("health of nothing: %v", err)
	}
	initialise := inImage(t, root, "init", "--repo", "/repository/r")
	initialise.Env = append(initialise.Env, "KEEPSAKE_PASSWORD=four words of nothing")
	if out, err := initialise.CombinedOutput(); err != nil {
		t.Errorf("init: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(root, "repository/r/config")); err != nil {
		t.Error(err)
	}
}
