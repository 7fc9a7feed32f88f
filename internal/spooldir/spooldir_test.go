package spooldir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/spooldir"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

func TestTidy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	at, err := location.Parse(dir)
	if err != nil {
		t.Fatal(err)
	}
	be, err := location.Open(t.Context(), at, location.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Init(t.Context(), be, secret.NewRepositoryPassword("p"), repository.InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spool := filepath.Join(dir, "keepsake-spool")
	if got := spooldir.Of(r); got != spool {
		t.Errorf("of %s: %q", dir, got)
	}
	spooldir.Tidy(r, "A") // nothing is there
	for _, udid := range []string{"A", "B"} {
		if err := os.MkdirAll(filepath.Join(spool, r.ID().String(), udid), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	segment := filepath.Join(spool, r.ID().String(), "B", "segment-1")
	if err := os.WriteFile(segment, []byte("unfinished"), 0o600); err != nil {
		t.Fatal(err)
	}
	spooldir.Tidy(r, "A")
	spooldir.Tidy(r, "B")
	if _, err := os.Stat(filepath.Join(spool, r.ID().String(), "A")); !os.IsNotExist(err) {
		t.Errorf("the finished run's folder is still there: %v", err)
	}
	if _, err := os.Stat(segment); err != nil {
		t.Errorf("an unfinished run lost its segment: %v", err)
	}
	if err := os.Remove(segment); err != nil {
		t.Fatal(err)
	}
	spooldir.Tidy(r, "B")
	if _, err := os.Stat(spool); !os.IsNotExist(err) {
		t.Errorf("an empty spool is still there: %v", err)
	}
}
