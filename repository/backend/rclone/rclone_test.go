package rclone

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// localRemote is one in a folder of the test, with a configuration of its own.
func localRemote(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "rclone.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{
		Remote: ":local:" + filepath.Join(dir, "remote"),
		Env:    append(os.Environ(), "RCLONE_CONFIG="+conf, "RCLONE_USER=somebody", "RCLONE_PASS=else"),
	}
}

func open(t *testing.T, cfg Config) *Backend {
	t.Helper()
	b, err := Open(t.Context(), cfg)
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

func file(content string) (string, *bytes.Reader) {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:]), bytes.NewReader([]byte(content))
}

func TestBackend_restartsProcess(t *testing.T) {
	b := open(t, localRemote(t))
	ctx := t.Context()
	if err := b.Create(ctx); err != nil {
		t.Fatal(err)
	}
	name, data := file("hello")
	h := backend.Handle{Type: backend.PackFile, Name: name}
	if err := b.Save(ctx, h, data); err != nil {
		t.Fatal(err)
	}
	first := b.proc
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.exited
	info, err := b.Stat(ctx, h)
	if err != nil {
		info, err = b.Stat(ctx, h)
	}
	if err != nil || info.Size != 5 {
		t.Fatalf("after a restart: %+v, %v", info, err)
	}
	if b.proc == first {
		t.Error("the dead process is still in use")
	}
}

func TestOpen_missingProgram(t *testing.T) {
	cfg := localRemote(t)
	cfg.Program = filepath.Join(t.TempDir(), "no-rclone")
	_, err := Open(t.Context(), cfg)
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "install rclone") {
		t.Errorf("error %v has no remedy", err)
	}
	if !backend.IsPermanent(err) {
		t.Errorf("%v is worth trying again?", err)
	}
}

func TestOpen_saysWhatRcloneSays(t *testing.T) {
	cfg := localRemote(t)
	cfg.Remote = "nosuchremote:x"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := Open(ctx, cfg)
	if err == nil || !strings.Contains(err.Error(), "didn't find section in config file") {
		t.Errorf("error %v does not say why", err)
	}
}

// TestConformance uses rclone's own memory, which like most of its clouds shows
// a file when it is whole. Its local folders do not.
func TestConformance(t *testing.T) {
	backendtest.RunWith(t, backendtest.Options{RacyConfig: true}, func(t *testing.T) backend.Backend {
		cfg := localRemote(t)
		cfg.Remote = ":memory:bucket/phone"
		b, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
