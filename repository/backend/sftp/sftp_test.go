package sftp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
)

// The test binary is also a server with faults; see fake_test.go.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == fakeArg {
		serveFake(os.Args[2:])
		return
	}
	goleak.VerifyTestMain(m)
}

// opensshServer is OpenSSH's sftp-server, spoken to over a pipe.
func opensshServer(t testing.TB) string {
	t.Helper()
	for _, p := range []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server", "/usr/lib/ssh/sftp-server"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Fatal("OpenSSH's sftp-server is missing: install openssh-sftp-server")
	return ""
}

func atOpenSSH(t testing.TB) Config {
	return Config{Host: "nas", Path: filepath.Join(t.TempDir(), "backups", "anna"), Command: []string{opensshServer(t)}}
}

// quick are limits for tests: long enough for a busy machine.
var quick = limits{connect: 20 * time.Second, stall: time.Minute, cancel: time.Second, exit: 2 * time.Second, listing: 64 << 20}

func opened(t testing.TB, c Config, l limits) *Backend {
	t.Helper()
	b, err := open(t.Context(), c, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func created(t testing.TB, c Config, l limits) *Backend {
	t.Helper()
	b := opened(t, c, l)
	if err := b.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func file(typ backend.FileType, data []byte) backend.Handle {
	sum := sha256.Sum256(data)
	return backend.Handle{Type: typ, Name: hex.EncodeToString(sum[:])}
}

func save(t testing.TB, b *Backend, typ backend.FileType, data []byte) backend.Handle {
	t.Helper()
	h := file(typ, data)
	if err := b.Save(t.Context(), h, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return h
}

func load(t testing.TB, b *Backend, h backend.Handle) ([]byte, error) {
	t.Helper()
	return backend.ReadAll(t.Context(), b, h, 1<<30)
}

func TestConformance(t *testing.T) {
	plant := func(t testing.TB, b backend.Backend, path string, data []byte) {
		t.Helper()
		name := filepath.Join(b.(*Backend).root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("OpenSSH", func(t *testing.T) {
		backendtest.RunWith(t, backendtest.Options{Plant: plant}, func(t *testing.T) backend.Backend { return opened(t, atOpenSSH(t), usual) })
	})
}
