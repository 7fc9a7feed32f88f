package interop

import (
	"context"
	"maps"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

// inRepository opens a repository for the time of a test.
func inRepository(t *testing.T, r *repository.Repository) *repository.Session {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newRepository(t *testing.T) *repository.Repository {
	t.Helper()
	o := repository.InitOptions{Polynomial: 0x3DA3358B4DC173}
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), memory.New(), secret.NewRepositoryPassword("correct horse"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// exported writes a snapshot as a folder; it returns the folder above.
func exported(t *testing.T, s *repository.Session, sn repository.Snapshot, o export.Options) string {
	t.Helper()
	p, err := snapshot.Open(t.Context(), s, sn)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := export.Folder(t.Context(), p, dir, o, silent{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// idevicebackup2's folder, imported and exported, is the same folder; so it is
// from a copy of the repository in which other versions were forgotten, and
// idevicebackup2 restores a phone from it.
func TestTheirFolder_throughARepository(t *testing.T) {
	for _, password := range []string{"", "out and in"} {
		t.Run(name("encrypted ", password != ""), func(t *testing.T) {
			t.Parallel()
			p := start(t)
			theirs := t.TempDir()
			if password != "" {
				p.run("idevicebackup2", "encryption", "on", password, theirs)
			}
			r := newRepository(t)
			p.backup(theirs)
			first := importTheirs(t, r, theirs, password)
			p.use(1)
			p.backup(theirs)
			want := p.digest()
			second := importTheirs(t, r, theirs, password)

			s := inRepository(t, r)
			sameSums(t, filepath.Join(theirs, p.UDID()), filepath.Join(exported(t, s, second, export.Options{}), p.UDID()))
			other := newRepository(t)
			to := inRepository(t, other)
			copied, err := to.CopyFrom(t.Context(), s, []repository.Snapshot{second}, nil)
			if err != nil || len(copied.Copied) != 1 {
				t.Fatalf("%+v, %v", copied, err)
			}
			s.Close()
			forgetAndPrune(t, r, first)
			sn, err := inRepository(t, r).FindSnapshot(t.Context(), "latest")
			if err != nil {
				t.Fatal(err)
			}
			sameSums(t, filepath.Join(theirs, p.UDID()), filepath.Join(exported(t, inRepository(t, r), sn, export.Options{}), p.UDID()))
			to.Close()
			again := inRepository(t, other)
			if sn, err = again.FindSnapshot(t.Context(), "latest"); err != nil {
				t.Fatal(err)
			}
			dir := exported(t, again, sn, export.Options{Verify: true})
			sameSums(t, filepath.Join(theirs, p.UDID()), filepath.Join(dir, p.UDID()))

			args := []string{"restore", "--system", "--settings", "--remove"}
			if password != "" {
				args = append([]string{"--password", password}, args...)
			}
			p.erase()
			p.run("idevicepair", "pair")
			p.restore(dir, args...)
			sameDigest(t, want, p.digest())
		})
	}
}

func importTheirs(t *testing.T, r *repository.Repository, dir, password string) repository.Snapshot {
	t.Helper()
	s := inRepository(t, r)
	defer s.Close()
	o := importer.Options{Password: func(context.Context, importer.Found, int) (secret.BackupPassword, error) {
		return secret.NewBackupPassword(password), nil
	}}
	result, err := importer.Folder(t.Context(), s, dir, o, silent{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Backups[0].Snapshot.Snapshot
}

func forgetAndPrune(t *testing.T, r *repository.Repository, sn repository.Snapshot) {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Exclusive, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), []format.ID{sn.ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Prune(t.Context(), repository.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
}

func sameSums(t *testing.T, want, got string) {
	t.Helper()
	w, g := sums(t, want), sums(t, got)
	if len(w) < 50 || !maps.Equal(w, g) {
		t.Errorf("%d and %d files; lost %q, extra %q", len(w), len(g), missing(w, g), missing(g, w))
	}
}
