package sftp

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// resticAt runs restic over the same server as c.
func resticAt(t *testing.T, c Config, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--no-cache", "--quiet",
		"--repo", "sftp:nas:" + c.Path, "--option", "sftp.command=" + strings.Join(c.Command, " ")}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=correct horse")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("restic %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// What restic keeps on a server, we list and load; what we put there, restic
// finds, reads, approves of and removes, read-only or not.
func TestRestic_sharesTheFolder(t *testing.T) {
	t.Parallel()
	from, to := atOpenSSH(t), atOpenSSH(t)
	resticAt(t, from, "init")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo"), random(3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	resticAt(t, from, "backup", dir)

	theirs, ours := opened(t, from, usual), created(t, to, usual)
	for _, typ := range backend.FileTypes {
		handles := []backend.Handle{{Type: typ}}
		if typ != backend.ConfigFile {
			handles = nil
			if err := theirs.List(t.Context(), typ, func(f backend.FileInfo) error {
				handles = append(handles, backend.Handle{Type: typ, Name: f.Name})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if len(handles) == 0 && typ != backend.LockFile {
			t.Errorf("restic left no %v files that we find", typ)
		}
		for _, h := range handles {
			data, err := load(t, theirs, h)
			if err != nil || h.Name != "" && file(typ, data) != h {
				t.Fatalf("load %v: %d other bytes, %v", h, len(data), err)
			}
			if err := ours.Save(t.Context(), h, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	resticAt(t, to, "check", "--read-data")
	out := t.TempDir()
	resticAt(t, to, "restore", "latest", "--target", out)
	if got, err := os.ReadFile(filepath.Join(out, dir, "photo")); err != nil || !bytes.Equal(got, random(3<<20)) {
		t.Errorf("restored %d bytes, %v", len(got), err)
	}
	resticAt(t, to, "forget", "latest", "--prune")
	for _, typ := range []backend.FileType{backend.SnapshotFile, backend.PackFile} {
		if err := ours.List(t.Context(), typ, func(f backend.FileInfo) error { t.Errorf("restic forgot, yet %v %s is there", typ, f.Name); return nil }); err != nil {
			t.Error(err)
		}
	}
}
