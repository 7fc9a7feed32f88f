//go:build !windows

package archiver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/treetest"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// observer collects what is told.
type observer struct {
	mu       sync.Mutex
	problems map[string]string
	last     archiver.Progress
	progress func(archiver.Progress)
}

func (o *observer) Problem(path string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.problems == nil {
		o.problems = map[string]string{}
	}
	o.problems[path] = err.Error()
}

func (o *observer) Progress(p archiver.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = p
	if o.progress != nil {
		o.progress(p)
	}
}

// hooked calls before for each file that is read, and grow when its first bytes
// have been.
type hooked struct {
	*repository.Writer
	before, during func(name string)
	wrote          error // what SaveTree says
}

func (h *hooked) SaveFile(ctx context.Context, r io.Reader, name string, size int64) (*repository.Content, error) {
	if h.before != nil {
		h.before(name)
	}
	if h.during != nil {
		r = &hookedReader{r, func() { h.during(name) }}
	}
	return h.Writer.SaveFile(ctx, r, name, size)
}

func (h *hooked) SaveTree(ctx context.Context, t *format.Tree) (format.ID, error) {
	if h.wrote != nil {
		return format.ID{}, h.wrote
	}
	return h.Writer.SaveTree(ctx, t)
}

type hookedReader struct {
	io.Reader
	hook func()
}

func (r *hookedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.hook != nil {
		r.hook()
		r.hook = nil
	}
	return n, err
}

// bench is a repository with a session and a writer.
type rig struct {
	t *testing.T
	r *repository.Repository
	s *repository.Session
	w *hooked
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := treetest.Init(t, memory.New())
	s, end := treetest.Begin(t, r)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		end()
	})
	return &rig{t, r, s, &hooked{Writer: w}}
}

// backUp backs up and expects these problems, "path" to a part of the text.
func (r *rig) backUp(parent *archiver.Summary, o archiver.Options, want map[string]string) archiver.Summary {
	r.t.Helper()
	var p *archiver.Parent
	if parent != nil {
		p = &archiver.Parent{Source: r.s, ID: parent.Snapshot, Tree: parent.Tree}
	}
	obs := &observer{}
	sum, err := archiver.Backup(r.t.Context(), r.w, p, o, obs)
	if err != nil {
		r.t.Fatal(err)
	}
	for path, text := range want {
		if got := obs.problems[path]; !strings.Contains(got, text) || got == "" {
			r.t.Errorf("problem of %q: %q, want %q", path, got, text)
		}
	}
	if len(obs.problems) != len(want) || sum.Problems != int64(len(want)) {
		r.t.Errorf("%d problems: %q", sum.Problems, obs.problems)
	}
	if obs.last.Files == 0 {
		r.t.Error("no progress was told")
	}
	return sum
}

// paths lists the tree below dir.
func (r *rig) paths(sum archiver.Summary, dir string) string {
	r.t.Helper()
	n, err := treewalk.Find(r.t.Context(), r.s, sum.Tree, dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var paths []string
	err = treewalk.Walk(r.t.Context(), r.s, *n.Subtree, treewalk.Visitor{Node: func(path string, _ *format.Node) error {
		paths = append(paths, path[1:])
		return nil
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(paths, " ")
}

func (r *rig) node(sum archiver.Summary, path string) *format.Node {
	r.t.Helper()
	n, err := treewalk.Find(r.t.Context(), r.s, sum.Tree, path)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// fill makes files and, where the name ends with a slash, folders.
func fill(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(name), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestBackup_snapshot(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "a", "b/c", "d/")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	first := r.backUp(nil, archiver.Options{Paths: []string{dir}}, nil)
	sum := r.backUp(&first, archiver.Options{Paths: []string{dir}, Host: "h", Username: "u", Tags: []string{"x"}, Time: at, Excludes: []string{"nothing"}, ProgramVersion: "v"}, nil)
	r2, err := r.r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r2.Close()
	sn, err := r2.FindSnapshot(t.Context(), sum.Snapshot.String())
	if err != nil {
		t.Fatal(err)
	}
	if !sn.Time.Equal(at) || sn.Hostname != "h" || sn.Username != "u" || !slices.Equal(sn.Tags, []string{"x"}) || !slices.Equal(sn.Paths, []string{dir}) ||
		!slices.Equal(sn.Excludes, []string{"nothing"}) || sn.ProgramVersion != "v" || *sn.Parent != first.Snapshot || *sn.Tree != sum.Tree {
		t.Errorf("snapshot: %+v", sn)
	}
	if s := sn.Summary; s == nil || s.FilesUnmodified != 2 || s.TotalFilesProcessed != 2 || s.TotalBytesProcessed != 4 || s.BackupEnd.Before(s.BackupStart) {
		t.Errorf("summary: %+v", s)
	}
	n := r.node(sum, dir+"/a")
	if n.Inode != 0 || n.DeviceID != 0 || n.Links != 0 || !n.AccessTime.Equal(n.ModTime) || n.ChangeTime.IsZero() || n.Size != 1 || len(n.Content) != 1 {
		t.Errorf("node: %+v", n)
	}
	if got := r.paths(sum, dir); got != "a b b/c d" {
		t.Errorf("tree: %q", got)
	}
}

func TestBackup_excludes(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "a.tmp", "keep", "sub/b.tmp", "sub/c", "cache/x", "deep/er/cache/y", "deep/er/z")
	sum := r.backUp(nil, archiver.Options{Paths: []string{dir}, Excludes: []string{"*.tmp", dir + "/cache", dir + "/**/z"}}, nil)
	if got := r.paths(sum, dir); got != "deep deep/er deep/er/cache deep/er/cache/y keep sub sub/c" {
		t.Errorf("tree: %q", got)
	}
	// What is asked for by name is there, whatever the patterns say.
	sum = r.backUp(nil, archiver.Options{Paths: []string{dir + "/a.tmp"}, Excludes: []string{"*.tmp"}}, nil)
	if got := r.paths(sum, dir); got != "a.tmp" {
		t.Errorf("tree: %q", got)
	}
	if _, err := archiver.Backup(t.Context(), r.w, nil, archiver.Options{Paths: []string{dir}, Excludes: []string{"["}}, nil); err == nil {
		t.Error("a malformed pattern is no error")
	}
}

func TestBackup_unchanged(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "a", "b", "c", "d")
	t.Chdir(dir) // not the folders above it, which others change
	o := archiver.Options{Paths: []string{"."}}
	first := r.backUp(nil, o, nil)
	read := map[string]bool{}
	var mu sync.Mutex
	r.w.before = func(name string) { mu.Lock(); defer mu.Unlock(); read[name] = true }

	// Another content with the mtime and size of before: the ctime tells.
	info, err := os.Stat(dir + "/b")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, dir, "x")
	time.Sleep(10 * time.Millisecond) // a step of the kernel's clock
	if err := errors.Join(os.WriteFile(dir+"/b", []byte("B"), 0o644), os.Chtimes(dir+"/b", info.ModTime(), info.ModTime()), os.Chtimes(dir+"/c", info.ModTime(), info.ModTime().Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	second := r.backUp(&first, o, nil)
	if !read["b"] || !read["c"] || !read["x"] || len(read) != 3 {
		t.Errorf("read: %v", read)
	}
	if second.FilesNew != 1 || second.FilesChanged != 1 || second.FilesUnmodified != 3 || second.DirsNew+second.DirsChanged != 0 {
		t.Errorf("summary: %+v", second)
	}
	clear(read)
	o.Force = true
	if third := r.backUp(&second, o, nil); len(read) != 5 || third.Tree != second.Tree || third.FilesUnmodified != 5 {
		t.Errorf("forced: read %v, %+v", read, third)
	}
	clear(read)
	o.Force = false
	if again := r.backUp(&second, o, nil); len(read) != 0 || again.Tree != second.Tree {
		t.Errorf("unchanged: read %v", read)
	}
	// A parent that is not there is as good as none.
	gone := second
	gone.Tree = format.Hash(nil)
	if again := r.backUp(&gone, o, nil); len(read) != 5 || again.Tree != second.Tree {
		t.Errorf("without the parent's tree: read %v", read)
	}
}

// A parent whose blobs are gone does not stand for anything.
func TestBackup_parentWithoutBlobs(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "a", "b")
	t.Chdir(dir)
	first := r.backUp(nil, archiver.Options{Paths: []string{"."}}, nil)
	lost := r.node(first, "a").Content[0]
	read := []string{}
	r.w.before = func(name string) { read = append(read, name) }
	obs := &observer{}
	for _, source := range []archiver.Source{lossy{r.s, lost, 0}, lossy{r.s, lost, 7}} {
		read = read[:0]
		sum, err := archiver.Backup(t.Context(), r.w, &archiver.Parent{Source: source, ID: first.Snapshot, Tree: first.Tree}, archiver.Options{Paths: []string{"."}, Parallel: 1}, obs)
		if err != nil || sum.Tree != first.Tree || !slices.Equal(read, []string{"a"}) {
			t.Errorf("%v, read %q", err, read)
		}
	}
}

// lossy has lost a blob, or has it with another size.
type lossy struct {
	archiver.Source
	lost format.ID
	size uint32
}

func (l lossy) BlobSize(ctx context.Context, h format.BlobHandle) (uint32, error) {
	if h.ID != l.lost {
		return l.Source.BlobSize(ctx, h)
	}
	if l.size > 0 {
		return l.size, nil
	}
	return 0, &repository.MissingError{Blob: h}
}

// Files that change while they are read are stored as they were read.
func TestBackup_changedWhileRead(t *testing.T) {
	for _, size := range []int{0, 10, 64 << 10, 300_000, 5 << 20} {
		for name, change := range map[string]func(f *os.File) error{
			"grows":   func(f *os.File) error { _, err := f.WriteAt(make([]byte, 3000), int64(size)); return err },
			"shrinks": func(f *os.File) error { return f.Truncate(int64(size / 2)) },
		} {
			r, dir := newRig(t), t.TempDir()
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
				t.Fatal(err)
			}
			r.w.during = func(string) {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err == nil {
					err = errors.Join(change(f), f.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}
			sum := r.backUp(nil, archiver.Options{Paths: []string{dir}}, nil)
			n := r.node(sum, path)
			stored := uint64(0)
			for _, id := range n.Content {
				size, err := r.s.BlobSize(t.Context(), format.BlobHandle{ID: id, Type: format.DataBlob})
				if err != nil {
					t.Fatal(err)
				}
				stored += uint64(size)
			}
			if n.Size != stored || sum.TotalBytesProcessed != stored {
				t.Errorf("%d bytes that %s: the node says %d, the content has %d", size, name, n.Size, stored)
			}
		}
	}
}

// What has become something else since the folder was listed is never followed
// nor waited for.
func TestBackup_replacedMeanwhile(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, "a", "b", "c", "d", "e")
	var once sync.Once
	r.w.before = func(string) {
		once.Do(func() {
			for _, name := range []string{"b", "c", "d", "e"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Error(err)
				}
			}
			if err := errors.Join(os.Symlink(secret, dir+"/b"), unix.Mkfifo(dir+"/c", 0o600), os.Mkdir(dir+"/d", 0o700)); err != nil {
				t.Error(err)
			}
		})
	}
	sum := r.backUp(nil, archiver.Options{Paths: []string{dir}, Parallel: 1}, map[string]string{
		dir + "/b": "", dir + "/c": "none any more", dir + "/d": "none any more", dir + "/e": "no such file"})
	if got := r.paths(sum, dir); got != "a" {
		t.Errorf("tree: %q", got)
	}
}

func TestBackup_paths(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "one/a", "two/b", "three")
	if err := os.Symlink("one", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	missing := dir + "/missing"
	sum := r.backUp(nil, archiver.Options{Paths: []string{dir + "/one", dir + "/three", dir + "/link", dir + "/link/a", missing}}, map[string]string{missing: "no such file"})
	if got := r.paths(sum, dir); got != "link one one/a three" {
		t.Errorf("tree: %q", got)
	}
	if n := r.node(sum, dir+"/link"); n.Type != format.NodeSymlink || n.LinkTarget != "one" {
		t.Errorf("link: %+v", n)
	}
	// A link on the way to a path is a folder.
	sum = r.backUp(nil, archiver.Options{Paths: []string{dir + "/link/a"}}, nil)
	if got := r.paths(sum, dir); got != "link link/a" {
		t.Errorf("tree: %q", got)
	}
	t.Chdir(dir)
	sum = r.backUp(nil, archiver.Options{Paths: []string{"one", "three"}}, nil)
	if got := r.paths(sum, "/"); got != "one one/a three" {
		t.Errorf("tree: %q", got)
	}
	sum = r.backUp(nil, archiver.Options{Paths: []string{"."}}, nil)
	if got := r.paths(sum, "/"); got != "link one one/a three two two/b" {
		t.Errorf("tree: %q", got)
	}
	if _, err := archiver.Backup(t.Context(), r.w, nil, archiver.Options{Paths: []string{missing, missing + "2"}}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}

// Many folders, with work going on in several of them: the order stays.
func TestBackup_order(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("%d/%d/%d", i%3, i%7, i))
	}
	names = append(names, "a", "a.b/c", "a/b/", "ab")
	names = slices.DeleteFunc(names, func(n string) bool { return n == "a" })
	fill(t, dir, names...)
	t.Chdir(dir)
	want := r.backUp(nil, archiver.Options{Paths: []string{"."}, Parallel: 1}, nil)
	for _, parallel := range []int{2, 8} {
		if got := r.backUp(nil, archiver.Options{Paths: []string{"."}, Parallel: parallel}, nil); got.Tree != want.Tree {
			t.Errorf("%d readers make another tree", parallel)
		}
	}
	if got := r.paths(want, "/"); !strings.HasSuffix(got, " a a.b a.b/c a/b ab") && !strings.HasSuffix(got, " a a/b a.b a.b/c ab") {
		t.Errorf("tree ends with %q", got[len(got)-40:])
	}
}

func TestBackup_ends(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		fill(t, dir, fmt.Sprintf("%d/file", i))
	}
	o := archiver.Options{Paths: []string{dir}}
	t.Run("cancelled", func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		_, err := archiver.Backup(ctx, r.w, nil, o, &observer{progress: func(archiver.Progress) { cancel(why) }})
		if !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	})
	t.Run("repository fails", func(t *testing.T) {
		r := newRig(t)
		r.w.wrote = errors.New("the disk is full")
		if _, err := archiver.Backup(t.Context(), r.w, nil, o, nil); !errors.Is(err, r.w.wrote) {
			t.Errorf("%v", err)
		}
	})
	t.Run("backend fails", func(t *testing.T) {
		be := &dead{Backend: memory.New()}
		repo := treetest.Init(t, be)
		s, end := treetest.Begin(t, repo)
		defer end()
		w, err := s.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		be.on = true
		if _, err := archiver.Backup(t.Context(), w, nil, o, nil); !errors.Is(err, errDead) {
			t.Errorf("%v", err)
		}
		if err := w.Close(); err == nil {
			t.Error("the writer says nothing")
		}
		for _, h := range be.Handles() {
			if h.Type == backend.SnapshotFile {
				t.Error("there is a snapshot")
			}
		}
	})
}

var errDead = errors.New("dead")

// dead is a backend that takes no packs when on.
type dead struct {
	*memory.Backend
	on bool
}

func (d *dead) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if d.on && h.Type == backend.PackFile {
		return errDead
	}
	return d.Backend.Save(ctx, h, data)
}
