package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// resticAt runs restic against the repository in a bucket of s.
func resticAt(t *testing.T, s *store, place string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--no-cache", "--quiet", "--repo", "s3:" + s.URL + "/" + place}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=correct horse", "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=hunter2hunter2", "AWS_DEFAULT_REGION=us-east-1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("restic %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What restic keeps in a bucket, we list and load under the same names; and
// what we put into one, restic finds, reads and approves of.
func TestRestic_sharesTheBucket(t *testing.T) {
	t.Parallel()
	s := serve(t, plain)
	b := s.created(t)
	resticAt(t, s, "backups/phones/anna", "init")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo"), random(3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	resticAt(t, s, "backups/phones/anna", "backup", dir)

	c := s.config()
	c.Prefix = "" // restic and we, at the top of a bucket
	c.Bucket = "copies"
	to := s.open(t, c)
	if err := to.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, typ := range backend.FileTypes {
		names := []string{""}
		if typ != backend.ConfigFile {
			names = nil
			if err := b.List(t.Context(), typ, func(f backend.FileInfo) error { names = append(names, f.Name); return nil }); err != nil {
				t.Fatal(err)
			}
			if len(names) == 0 && typ != backend.LockFile {
				t.Errorf("restic left no %v files that we find", typ)
			}
		}
		for _, name := range names {
			copyFile(t.Context(), t, b, to, backend.Handle{Type: typ, Name: name})
		}
	}
	resticAt(t, s, "copies", "check", "--read-data")
	out := t.TempDir()
	resticAt(t, s, "copies", "restore", "latest", "--target", out)
	if got, err := os.ReadFile(filepath.Join(out, dir, "photo")); err != nil || !bytes.Equal(got, random(3<<20)) {
		t.Errorf("restored %d bytes, %v", len(got), err)
	}

	// What we remove is gone for restic.
	if err := to.Remove(t.Context(), backend.Handle{Type: backend.SnapshotFile, Name: first(t, to, backend.SnapshotFile)}); err != nil {
		t.Fatal(err)
	}
	if left := resticAt(t, s, "copies", "list", "snapshots", "--no-lock"); strings.TrimSpace(left) != "" {
		t.Errorf("restic still lists %q", left)
	}
}

func first(t *testing.T, b *Backend, typ backend.FileType) (name string) {
	t.Helper()
	stop := errors.New("enough")
	if err := b.List(t.Context(), typ, func(f backend.FileInfo) error { name = f.Name; return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	return name
}

func copyFile(ctx context.Context, t *testing.T, from, to *Backend, h backend.Handle) {
	t.Helper()
	var data []byte
	if err := from.Load(ctx, h, 0, 0, func(r io.Reader) (err error) { data, err = io.ReadAll(r); return err }); err != nil {
		t.Fatal(err)
	}
	if info, err := from.Stat(ctx, h); err != nil || info.Size != int64(len(data)) {
		t.Errorf("stat %v: %+v, %v; loaded %d bytes", h, info, err, len(data))
	}
	if sum := sha256.Sum256(data); h.Name != "" && hex.EncodeToString(sum[:]) != h.Name {
		t.Errorf("%v holds other bytes", h)
	}
	if err := to.Save(ctx, h, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}
