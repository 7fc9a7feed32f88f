//go:build !windows

package restorer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/treetest"
	"github.com/keepsake-backup/keepsake/repository/restorer"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// problems fails the test for each problem that is told.
type problems struct{ t *testing.T }

func (p problems) Problem(path string, err error) { p.t.Errorf("problem: %q: %v", path, err) }

type backupObserver struct{ problems }

func (backupObserver) Progress(archiver.Progress) {}

type restoreObserver struct {
	problems
	mu   sync.Mutex
	last restorer.Progress
}

func (o *restoreObserver) Progress(p restorer.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = p
}

func backUp(t *testing.T, r *repository.Repository, parent *archiver.Parent, o archiver.Options) archiver.Summary {
	t.Helper()
	s, end := treetest.Begin(t, r)
	defer end()
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if parent != nil {
		parent.Source = s
	}
	sum, err := archiver.Backup(t.Context(), w, parent, o, backupObserver{problems{t}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sum
}

// restoreFolder restores what was backed up of a path.
func restoreFolder(t *testing.T, r *repository.Repository, tree format.ID, path string, o restorer.Options) restorer.Summary {
	t.Helper()
	s, end := treetest.Begin(t, r)
	defer end()
	n, err := treewalk.Find(t.Context(), s, tree, path)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := restorer.Restore(t.Context(), s, *n.Subtree, o, &restoreObserver{problems: problems{t}})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestRoundTrip(t *testing.T) {
	src, target := t.TempDir(), t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 5000, Big: 40 << 20})
	r := treetest.Init(t, memory.New())
	sum := backUp(t, r, nil, archiver.Options{Paths: []string{src}, Host: "h", Tags: []string{"x"}})
	got := restoreFolder(t, r, sum.Tree, src, restorer.Options{Target: target, Verify: true})
	treetest.Compare(t, src, target, treetest.Ignore{Sockets: true, Root: true})
	if got.Problems != 0 || got.Verified != got.Files {
		t.Errorf("summary: %+v", got)
	}

	// Once more over the same folder, with holes; nothing is written for what is there.
	again := restoreFolder(t, r, sum.Tree, src, restorer.Options{Target: target, Sparse: true, Verify: true})
	treetest.Compare(t, src, target, treetest.Ignore{Sockets: true, Root: true})
	if again.Unchanged != got.Files || again.Files != 0 {
		t.Errorf("second restore: %+v", again)
	}

	sparse := t.TempDir()
	restoreFolder(t, r, sum.Tree, src+"/contents", restorer.Options{Target: sparse, Sparse: true, Verify: true})
	treetest.Compare(t, src+"/contents", sparse, treetest.Ignore{Root: true})
	var st unix.Stat_t
	if err := unix.Stat(sparse+"/sparse", &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("a file of holes takes %d bytes, %v", st.Blocks*512, err)
	}
}

func TestRoundTrip_incremental(t *testing.T) {
	src := t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 300})
	t.Chdir(src) // not the folders above it, which others change
	r := treetest.Init(t, memory.New())
	first := backUp(t, r, nil, archiver.Options{Paths: []string{"."}})
	parent := &archiver.Parent{ID: first.Snapshot, Tree: first.Tree}
	second := backUp(t, r, parent, archiver.Options{Paths: []string{"."}})
	if second.Tree != first.Tree {
		t.Error("nothing changed, and the tree did")
	}
	if second.FilesUnmodified != first.FilesNew || second.DataBlobs != 0 || second.TreeBlobs != 0 || second.DirsUnmodified != first.DirsNew {
		t.Errorf("second run: %+v", second)
	}
	if err := os.WriteFile(src+"/small/000/0007", []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(src + "/small/001/0100"); err != nil {
		t.Fatal(err)
	}
	third := backUp(t, r, parent, archiver.Options{Paths: []string{"."}})
	if third.FilesChanged != 1 || third.FilesNew != 0 || third.FilesUnmodified != first.FilesNew-2 || third.DataBlobs != 1 {
		t.Errorf("third run: %+v", third)
	}
	target := t.TempDir()
	restoreFolder(t, r, third.Tree, "/", restorer.Options{Target: target})
	treetest.Compare(t, src, target, treetest.Ignore{Sockets: true, Root: true})
}

func restic(t *testing.T, repo string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--repo", repo, "--no-cache", "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+treetest.Password.Reveal())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("restic %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func openLocal(t *testing.T, dir string) *local.Backend {
	t.Helper()
	be, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return be
}

// forRestic removes what restic 0.14 cannot keep: the target of a link that is
// no UTF-8.
func forRestic(t *testing.T, src string) {
	t.Helper()
	if err := os.Remove(src + "/kinds/bytes"); err != nil {
		t.Fatal(err)
	}
}

// What we wrote, restic checks and restores.
func TestResticRestoresOurs(t *testing.T) {
	src, repo, target := t.TempDir(), filepath.Join(t.TempDir(), "repo"), t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 500, Big: 5 << 20})
	forRestic(t, src)
	r := treetest.Init(t, openLocal(t, repo))
	backUp(t, r, nil, archiver.Options{Paths: []string{src}, Host: "h"})
	restic(t, repo, "check", "--read-data")
	restic(t, repo, "restore", "latest", "--target", target)
	treetest.Compare(t, src, filepath.Join(target, src), treetest.Ignore{Sockets: true})
}

// What restic wrote, we restore.
func TestWeRestoreRestics(t *testing.T) {
	src, repo, target := t.TempDir(), filepath.Join(t.TempDir(), "repo"), t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 500, Big: 5 << 20})
	forRestic(t, src)
	restic(t, repo, "init")
	restic(t, repo, "backup", src)
	r, err := repository.Open(t.Context(), openLocal(t, repo), treetest.Password, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, end := treetest.Begin(t, r)
	sn, err := s.FindSnapshot(t.Context(), "latest")
	end()
	if err != nil {
		t.Fatal(err)
	}
	got := restoreFolder(t, r, *sn.Tree, "/", restorer.Options{Target: target, Verify: true})
	treetest.Compare(t, src, filepath.Join(target, src), treetest.Ignore{Sockets: true})
	if got.Verified == 0 {
		t.Errorf("summary: %+v", got)
	}

	// Their snapshot is a parent for ours: nothing is read again.
	sum := backUp(t, r, &archiver.Parent{ID: sn.ID, Tree: *sn.Tree}, archiver.Options{Paths: []string{src}})
	if sum.FilesNew != 0 || sum.FilesChanged != 0 || sum.DataBlobs != 0 {
		t.Errorf("after restic: %+v", sum)
	}
	restic(t, repo, "check", "--read-data")
}
