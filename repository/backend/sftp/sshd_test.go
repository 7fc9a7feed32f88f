package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// sshd is OpenSSH's server on loopback with keys of its own, and what a client
// needs to reach it.
type sshd struct {
	dir  string
	port string
}

func startSSHD(t *testing.T) *sshd {
	t.Helper()
	s := &sshd{dir: t.TempDir()}
	for _, name := range []string{"host", "ours", "strange"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.path(name)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	s.write(t, "authorized", s.read(t, "ours.pub"))
	s.write(t, "known", fmt.Sprintf("[127.0.0.1]:%s %s", s.port, s.read(t, "host.pub")))
	s.write(t, "known-other", fmt.Sprintf("[127.0.0.1]:%s %s", s.port, s.read(t, "strange.pub")))
	s.write(t, "known-none", "")
	s.write(t, "sshd_config", fmt.Sprintf(`
ListenAddress 127.0.0.1
Port %s
HostKey %s
PidFile none
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp %s
`, s.port, s.path("host"), s.path("authorized"), opensshServer(t)))
	s.run(t)
	return s
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *sshd) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *sshd) run(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		// Where sshd locks itself in before a login; its service makes it else.
		if err := os.Mkdir("/run/sshd", 0o755); err == nil {
			t.Cleanup(func() { os.Remove("/run/sshd") })
		} else if !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	program, err := exec.LookPath("sshd") // sshd wants to be called by its whole path
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	var said tail
	cmd := exec.Command(program, "-D", "-e", "-f", s.path("sshd_config"))
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start sshd (install openssh-server): %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("sshd: %v: %s", err, &said)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %v: %s", err, &said)
		}
	}
}

// config is for our own command line, with nothing but a configuration of
// ssh's put into it.
func (s *sshd) config(t *testing.T, key, known string) Config {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "ssh_config", fmt.Sprintf("IdentityFile %s\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile %s\nGlobalKnownHostsFile /dev/null\n", s.path(key), s.path(known)))
	c := Config{User: me.Username, Host: "127.0.0.1", Port: s.port, Path: filepath.Join(t.TempDir(), "backups")}
	c.Command = slices.Insert(c.command(), 1, "-F", s.path("ssh_config"))
	return c
}

func TestSSH(t *testing.T) {
	s := startSSHD(t)
	t.Run("save and load", func(t *testing.T) {
		b := created(t, s.config(t, "ours", "known"), usual)
		data := random(6 << 20)
		h := save(t, b, backend.PackFile, data)
		if got, err := load(t, b, h); err != nil || !bytes.Equal(got, data) {
			t.Errorf("load: %d bytes, %v", len(got), err)
		}
		if err := b.Save(t.Context(), backend.Handle{Type: backend.ConfigFile}, strings.NewReader("config")); err != nil {
			t.Error(err)
		}
		if err := b.Remove(t.Context(), h); err != nil {
			t.Error(err)
		}
	})
	t.Run("the connection is cut", func(t *testing.T) {
		b := created(t, s.config(t, "ours", "known"), usual)
		data := random(6 << 20)
		h := file(backend.PackFile, data)
		err := b.Save(t.Context(), h, &content{Reader: bytes.NewReader(data), from: 2 << 20, at: func() { b.conn.cmd.Process.Kill() }})
		if err == nil || backend.IsPermanent(err) {
			t.Errorf("got %v", err)
		}
		if err := b.Save(t.Context(), h, bytes.NewReader(data)); err != nil {
			t.Error(err)
		}
		if got, err := load(t, b, h); err != nil || !bytes.Equal(got, data) {
			t.Errorf("load: %d bytes, %v", len(got), err)
		}
	})
	for name, c := range map[string]struct{ key, known, says string }{
		"an unknown host key":        {"ours", "known-none", "by hand"},
		"another host key":           {"ours", "known-other", "another key"},
		"a key the server knows not": {"strange", "known", "ssh-copy-id"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			b, err := Open(ctx, s.config(t, c.key, c.known))
			if err == nil {
				b.Close()
			}
			if !errors.Is(err, backend.ErrDenied) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		c := s.config(t, "ours", "known")
		c.Command[slices.Index(c.Command, s.port)] = "1"
		if b, err := Open(t.Context(), c); err == nil || backend.IsPermanent(err) || !strings.Contains(err.Error(), "refused") {
			if err == nil {
				b.Close()
			}
			t.Errorf("got %v", err)
		}
	})
}
