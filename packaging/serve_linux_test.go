package packaging

import (
	"bytes"
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is systemd's end of the notify socket of a service in an image.
func manager(t *testing.T, root string) (got func() string) {
	t.Helper()
	path := filepath.Join(root, "tmp/notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1000)
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("the service says nothing: %v", err)
		}
		return string(b[:n])
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

// The service lives in the image, is asked how it is as the image asks, tells
// systemd, takes its key from systemd, and ends when it is told to.
func TestImage_serve(t *testing.T) {
	root := rootfs(t)
	key := sha256.Sum256([]byte("a key of this test"))
	credentials := filepath.Join(root, "credentials")
	if err := os.Mkdir(credentials, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(credentials, "keepsake-key"), key[:], 0o444); err != nil {
		t.Fatal(err)
	}
	said := manager(t, root)
	address := freePort(t)
	serve := inImage(t, root, "serve", "--listen", address, "--data", "/data", "--no-wifi")
	serve.Env = append(serve.Env, "NOTIFY_SOCKET=/tmp/notify", "WATCHDOG_USEC=200000", "CREDENTIALS_DIRECTORY=/credentials")
	var log bytes.Buffer
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	defer func() {
		if t.Failed() {
			_ = serve.Process.Kill() // it may have ended
			t.Logf("%v\n%s", <-ended, log.String())
		}
	}()
	if got := said(); !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("first it says %q", got)
	}
	for range 3 {
		if got := said(); got != "WATCHDOG=1\n" {
			t.Errorf("a sign of life is %q", got)
		}
	}
	if out, err := inImage(t, root, "doctor", "--health="+address).CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("health: %v\n%s", err, out)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for got := said(); got != "STOPPING=1\n"; got = said() {
		if got != "WATCHDOG=1\n" {
			t.Errorf("last it says %q", got)
		}
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
		ended <- err
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	// A key from systemd is not written beside the database.
	if _, err := os.Stat(filepath.Join(root, "data/key")); !os.IsNotExist(err) {
		t.Errorf("data/key: %v", err)
	}
	if info, err := os.Stat(filepath.Join(root, "data/keepsake.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("data/keepsake.db: %v, %v", info, err)
	}
	if bytes.Contains(log.Bytes(), key[:]) {
		t.Error("the log has the key")
	}
}
