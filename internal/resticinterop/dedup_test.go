//go:build linux

package resticinterop

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/chunker"
)

// With Settings.Rabin we cut where restic cuts: who comes second stores no data.
// There is no flag for it; programs that share a repository with restic can set it.
func TestDedup_rabin(t *testing.T) {
	for _, first := range both {
		t.Run(string(first)+" first", func(t *testing.T) {
			t.Parallel()
			r := kinds[1].make(t)
			new := map[program]int{}
			for _, who := range []program{first, first.other()} {
				if who == restic {
					c := r.call(restic, "backup", "--json", "--force", "tree")
					c.dir = before(t).dir
					new[who] = summaryOf(t, c.run(t)).DataBlobs
				} else {
					new[who] = backupRabin(t, r, before(t).dir+"/tree")
				}
			}
			if new[first] < 100 || new[first.other()] != 0 {
				t.Errorf("new data blobs: %v, want none by %s", new, first.other())
			}
			r.check(t, "the same backed up by both")
		})
	}
}

// backupRabin backs up with restic's cuts and gives the number of new data blobs.
func backupRabin(t *testing.T, r repo, dir string) int {
	t.Helper()
	be, err := local.Open(r.dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	repository, err := repository.Open(t.Context(), be, secret.NewRepositoryPassword(password), repository.Options{Chunks: chunker.Settings{Rabin: true}})
	if err != nil {
		t.Fatal(err)
	}
	stats, err := backupInto(t, repository, dir)
	if err := errors.Join(err, repository.Close()); err != nil {
		t.Fatal(err)
	}
	return int(stats.DataBlobs)
}

func backupInto(t *testing.T, r *repository.Repository, dir string) (stats repository.WriterStats, err error) {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	w, err := s.Writer(s.Context())
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	_, err = archiver.Backup(s.Context(), w, nil, archiver.Options{Paths: []string{dir}, Force: true}, nil)
	return w.Stats(), err
}

// Without it files that are one piece to both are the same blobs: those below
// restic's minimum of 512 KiB. Larger ones are cut elsewhere.
func TestDedup_small(t *testing.T) {
	t.Parallel()
	r, dir := kinds[0].make(t), t.TempDir()
	for path, f := range before(t).files {
		if f.sum == "" || f.size > 500<<10 || filepath.Ext(path) == ".db" {
			continue
		}
		data, err := os.ReadFile(before(t).dir + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir+filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir+path, string(data))
	}
	for _, who := range []program{keepsake, restic, keepsake} {
		c := r.call(who, map[program][]string{restic: {"backup", "--json", "--force", "tree"}, keepsake: {"backup-dir", "--json", "--force", "tree"}}[who]...)
		c.dir = dir
		got := summaryOf(t, c.run(t))
		if isFirst := len(r.files(t, "snapshots")) == 1; isFirst != (got.DataBlobs > 0) {
			t.Errorf("%s stores %d new data blobs (the first to: %v)", who, got.DataBlobs, isFirst)
		}
	}
	r.check(t, "the same backed up by both")
}
