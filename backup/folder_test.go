package backup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// verify holds a folder against its index, contents included.
func verify(t *testing.T, dir string) *itunesbackup.Report {
	t.Helper()
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Errorf("backup is damaged: %v", r.Problems)
	}
	return r
}

func TestToFolder(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	dir, rep := t.TempDir(), &reporter{}
	first, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Full || first.Encrypted || first.Files == 0 || first.Bytes == 0 || first.Folder != folder(dir, phone) || len(first.Unread) != 0 {
		t.Errorf("first: %+v", first)
	}
	if r := verify(t, first.Folder); r.Files != first.Files {
		t.Errorf("received %d files, the index has %d", first.Files, r.Files)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left beside the backup: %v, %v", names, err)
	}
	if _, err := os.Stat(filepath.Join(first.Folder, "Snapshot")); !os.IsNotExist(err) {
		t.Errorf("Snapshot is still there: %v", err)
	}
	t.Log(rep.phases, first.Phases, rep.said)

	changes, err := phone.Use(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep)
	if err != nil {
		t.Fatal(err)
	}
	if second.Full || second.Files >= first.Files || second.Files == 0 {
		t.Errorf("second received %d files of %d: %+v, changes %d", second.Files, first.Files, second, len(changes.Added))
	}
	verify(t, second.Folder)

	third, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{Full: true}, rep)
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(t, third.Folder); !third.Full || third.Files != r.Files {
		t.Errorf("full again: %+v, index %d", third, r.Files)
	}
}
