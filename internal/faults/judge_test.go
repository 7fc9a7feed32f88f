//go:build linux

package faults

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

// verifies reads every byte of the last good backup.
func verifies(t *testing.T, folder string) {
	t.Helper()
	fsys, previous, err := dirstore.Previous(folder)
	if err != nil {
		t.Errorf("the last good backup: %v", err)
		return
	}
	defer fsys.Close()
	b, err := itunesbackup.OpenFS(t.Context(), fsys)
	if err != nil {
		t.Errorf("the last good backup: %v", err)
		return
	}
	defer b.Close()
	if err := b.Unlock(t.Context(), secret.NewBackupPassword(password)); err != nil {
		t.Errorf("the last good backup: %v", err)
		return
	}
	r, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil {
		t.Errorf("the last good backup: %v", err)
		return
	}
	if r.Files < 50 {
		t.Errorf("the last good backup has %d files", r.Files)
	}
	for _, p := range r.Problems {
		// Only Status.plist may speak of the interruption.
		if p.Severity == itunesbackup.Failure && (p.Path != "Status.plist" || previous) {
			t.Errorf("the last good backup is damaged: %v", p)
		}
	}
}

// restores puts the last good backup onto another, erased phone and compares
// every byte with want.
func restores(t *testing.T, x *templates, backups, want string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "target")
	copyTree(t, x.target(), dir)
	q := boot(t, dir, 77)
	defer q.stop(t)
	q.receive(t, x, backups, want)
}

func (p *phone) receive(t *testing.T, x *templates, backups, want string) {
	t.Helper()
	boots := p.Count("restored")
	p.must(t, "restore", "--folder", backups, "--source", x.udid, "--yes")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Await(ctx, "restored", boots+1); err != nil {
		t.Fatal(err)
	}
	same(t, "after the restore", want, p.digest(t))
}

func same(t *testing.T, when, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	n := 0
	for _, line := range w {
		if !slices.Contains(g, line) {
			if n++; n <= 10 {
				t.Errorf("%s: lost or changed: %s", when, line)
			}
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			if n++; n <= 20 {
				t.Errorf("%s: new: %s", when, line)
			}
		}
	}
}

// only holds that a folder contains these names and no others.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
		return
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if !slices.Equal(found, names) {
		t.Errorf("%s holds %q, want %q", filepath.Base(dir), found, names)
	}
}
