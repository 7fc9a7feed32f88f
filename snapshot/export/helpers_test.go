package export_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

// silent is a reporter; what is not nil is called.
type silent struct {
	phase  func(name string)
	update func(progress.Counters)
}

func (s silent) Phase(name, _ string) {
	if s.phase != nil {
		s.phase(name)
	}
}
func (s silent) Update(c progress.Counters) {
	if s.update != nil {
		s.update(c)
	}
}
func (silent) Say(progress.Kind, string) {}
func (silent) Close()                    {}

// imported gives a snapshot of a small backup, and the folder it came from.
func imported(t *testing.T, spec itunesbackuptest.Spec, sealed bool) (*snapshot.Snapshot, string) {
	t.Helper()
	dir := itunesbackuptest.Build(t, spec)
	// To find a polynomial takes time.
	o := repository.InitOptions{Polynomial: 0x3DA3358B4DC173}
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), memory.New(), secret.NewRepositoryPassword("correct horse"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var io importer.Options
	if !sealed {
		io.Password = func(context.Context, importer.Found, int) (secret.BackupPassword, error) { return spec.Password, nil }
	}
	result, err := importer.Folder(t.Context(), s, dir, io, silent{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := snapshot.Open(t.Context(), s, result.Backups[0].Snapshot.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// options are those of tests: passwords cost nothing.
func options(form export.Form) export.Options {
	return export.Options{Form: form, Rounds: itunesbackuptest.Rounds, Iterations: itunesbackuptest.Iterations, Verify: true}
}

// sameBytes compares folders, but for the files named.
func sameBytes(t *testing.T, want, got string, except ...string) {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{want, got} {
		err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names[strings.TrimPrefix(p, dir)] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range except {
		delete(names, "/"+name)
	}
	if len(names) < 5 {
		t.Errorf("only %d files were compared", len(names))
	}
	for name := range names {
		w, err := os.ReadFile(want + name)
		if err != nil {
			t.Error(err)
		}
		g, err := os.ReadFile(got + name)
		if err != nil {
			t.Error(err)
		}
		if string(w) != string(g) {
			t.Errorf("%s differs", name)
		}
	}
}

// opens proves that a folder is whole, and opens with the password.
func opens(t *testing.T, dir string, password secret.BackupPassword) *itunesbackup.Backup {
	t.Helper()
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if b.Encrypted() == password.IsZero() {
		t.Fatalf("encrypted: %t", b.Encrypted())
	}
	if err := b.Unlock(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	report, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil || !report.OK() || report.Warnings > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	return b
}
