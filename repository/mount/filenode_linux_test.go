package mount_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/repository/mount"
)

func TestMountFS(t *testing.T) {
	src := t.TempDir()
	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	for name, data := range map[string][]byte{"a/film.mov": big, "a/Zoë 🏝.txt": []byte("x"), "empty": nil} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(src, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a/film.mov", filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	srv, err := mount.MountFS(ctx, dir, os.DirFS(src), failOnProblem(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		if err := srv.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if err := fstest.TestFS(os.DirFS(dir), "a/film.mov", "a/Zoë 🏝.txt", "empty", "link"); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "link")); err != nil || to != "a/film.mov" {
		t.Errorf("link to %q, %v", to, err)
	}
	f, err := os.Open(filepath.Join(dir, "a/film.mov"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	part := make([]byte, 20)
	if _, err := f.ReadAt(part, 3_000_001); err != nil || !bytes.Equal(part, big[3_000_001:3_000_021]) {
		t.Errorf("in the middle: %q, %v", part, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty"), []byte("no"), 0o600); err == nil {
		t.Error("it could be written")
	}
	if _, err := os.Stat(filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
