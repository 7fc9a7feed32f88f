//go:build !windows

package restorer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/treetest"
	"github.com/keepsake-backup/keepsake/repository/restorer"
)

// told collects problems.
type told struct {
	mu       sync.Mutex
	problems map[string]string
	progress func(restorer.Progress)
}

func (o *told) Problem(path string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.problems == nil {
		o.problems = map[string]string{}
	}
	o.problems[path] = err.Error()
}

func (o *told) Progress(p restorer.Progress) {
	if o.progress != nil {
		o.progress(p)
	}
}

// fake is a repository in memory, which holds whatever a test wants.
type fake struct {
	trees map[format.ID]*format.Tree
	blobs map[format.ID][]byte
}

func newFake() *fake { return &fake{map[format.ID]*format.Tree{}, map[format.ID][]byte{}} }

func (f *fake) Tree(_ context.Context, id format.ID) (*format.Tree, error) {
	t, ok := f.trees[id]
	if !ok {
		return nil, &repository.MissingError{Blob: format.BlobHandle{ID: id, Type: format.TreeBlob}}
	}
	return t, nil
}

func (f *fake) BlobSize(_ context.Context, h format.BlobHandle) (uint32, error) {
	data, ok := f.blobs[h.ID]
	if !ok {
		return 0, &repository.MissingError{Blob: h}
	}
	return uint32(len(data)), nil
}

func (f *fake) FetchEach(ctx context.Context, blobs []format.BlobHandle, deliver func(int, []byte) error) error {
	for i, h := range blobs {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := deliver(i, f.blobs[h.ID]); err != nil {
			return err
		}
	}
	return nil
}

// dir stores a folder.
func (f *fake) dir(nodes ...format.Node) format.ID {
	id := format.Hash([]byte(fmt.Sprint(nodes, len(f.trees))))
	f.trees[id] = &format.Tree{Nodes: nodes}
	return id
}

var when = time.Unix(1_600_000_000, 123)

func (f *fake) file(name string, pieces ...string) format.Node {
	n := format.Node{Name: name, Type: format.NodeFile, Mode: 0o644, ModTime: when, AccessTime: when, Content: []format.ID{}, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	for _, p := range pieces {
		id := format.Hash([]byte(p))
		f.blobs[id] = []byte(p)
		n.Content = append(n.Content, id)
		n.Size += uint64(len(p))
	}
	return n
}

func folder(name string, tree format.ID) format.Node {
	return format.Node{Name: name, Type: format.NodeDir, Mode: fs.ModeDir | 0o755, ModTime: when, AccessTime: when, Subtree: &tree, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
}

func link(name, target string) format.Node {
	return format.Node{Name: name, Type: format.NodeSymlink, Mode: fs.ModeSymlink | 0o777, ModTime: when, AccessTime: when, LinkTarget: target}
}

// contents lists what is below dir: paths, contents and targets.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case d.IsDir():
			all[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			all[name] = "-> " + target
			return err
		default:
			data, err := os.ReadFile(path)
			all[name] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantContents(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := contents(t, dir)
	for name, content := range want {
		if other, ok := got[name]; !ok || other != content {
			t.Errorf("%s is %q (%v), want %q", name, other, ok, content)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is too much", name)
		}
	}
}

func wantProblems(t *testing.T, o *told, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if got, ok := o.problems[path]; !ok || !strings.Contains(got, text) {
			t.Errorf("problem of %q: %q, want %q", path, got, text)
		}
	}
	if len(o.problems) != len(want) {
		t.Errorf("problems: %q", o.problems)
	}
}

// Nothing leaves the target, whatever a repository holds.
func TestRestore_hostile(t *testing.T) {
	work := t.TempDir()
	outside := filepath.Join(work, "outside")
	target := filepath.Join(work, "a", "target")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(target, "planted")); err != nil {
		t.Fatal(err)
	}
	f := newFake()
	evil := f.file("evil", "evil")
	inner := f.dir(evil)
	f.blobs[format.Hash(nil)] = nil
	missing := format.Hash([]byte("nowhere"))
	nodes := []format.Node{
		folder("", inner), folder(".", inner), folder("..", inner), f.file("../up", "x"), f.file("../../outside/up", "x"), f.file("/outside/abs", "x"), f.file("a\x00b", "x"),
		link("d", outside), folder("d", inner), folder("lost", missing), link("link", "../../outside"), f.file("link/evil", "x"),
		folder("nosubtree", inner), folder("planted", inner), {Name: "strange", Type: "irregular"},
	}
	nodes[12].Subtree = nil
	o := &told{}
	sum, err := restorer.Restore(t.Context(), f, f.dir(nodes...), restorer.Options{Target: target}, o)
	if err != nil {
		t.Fatal(err)
	}
	if left := contents(t, outside); len(left) > 0 {
		t.Errorf("outside there is %q", left)
	}
	wantContents(t, target, map[string]string{"d": "-> " + outside, "link": "-> ../../outside", "lost/": "", "planted/": "", "planted/evil": "evil"})
	wantContents(t, work, map[string]string{"outside/": "", "a/": "", "a/target/": "", "a/target/d": "-> " + outside, "a/target/link": "-> ../../outside", "a/target/lost/": "",
		"a/target/planted/": "", "a/target/planted/evil": "evil"})
	if sum.Problems < 11 || o.problems["/d"] == "" || !strings.Contains(o.problems["/lost"], "missing") || !strings.Contains(o.problems["/strange"], "irregular") {
		t.Errorf("%d problems: %q", sum.Problems, o.problems)
	}
}

// What is in the way, for each policy.
func TestRestore_overwrite(t *testing.T) {
	f := newFake()
	tree := f.dir(f.file("changed", "new"), folder("dir", f.dir(f.file("inside", "new"))), folder("dirlink", f.dir(f.file("inside", "new"))),
		f.file("filedir", "new"), link("link", "new"), f.file("linkfile", "new"), f.file("missing", "new"), f.file("same", "new"))
	prepare := func(t *testing.T) string {
		dir := t.TempDir()
		outside := t.TempDir()
		for name, content := range map[string]string{"changed": "older", "same": "NEW", "mine": "mine"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		errs := errors.Join(os.Chtimes(dir+"/same", when, when), os.Mkdir(dir+"/dir", 0o500), os.Symlink(outside, dir+"/dirlink"), os.Mkdir(dir+"/filedir", 0o700),
			os.WriteFile(dir+"/filedir/mine", []byte("mine"), 0o600), os.Symlink("old", dir+"/link"), os.Symlink(outside+"/x", dir+"/linkfile"))
		if errs != nil {
			t.Fatal(errs)
		}
		t.Cleanup(func() {
			if left := contents(t, outside); len(left) > 0 {
				t.Errorf("behind the links there is %q", left)
			}
		})
		return dir
	}
	always := map[string]string{"changed": "new", "dir/": "", "dir/inside": "new", "dirlink/": "", "dirlink/inside": "new", "filedir/": "", "filedir/mine": "mine",
		"link": "-> new", "linkfile": "new", "mine": "mine", "missing": "new", "same": "new"}
	for policy, change := range map[restorer.Overwrite]map[string]string{
		restorer.Always:    {},
		restorer.IfChanged: {"same": "NEW"}, // size and time are the same
	} {
		t.Run(policy.String(), func(t *testing.T) {
			dir, o := prepare(t), &told{}
			if _, err := restorer.Restore(t.Context(), f, tree, restorer.Options{Target: dir, Overwrite: policy}, o); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for name, content := range always {
				want[name] = content
			}
			for name, content := range change {
				want[name] = content
			}
			wantContents(t, dir, want)
			wantProblems(t, o, map[string]string{"/filedir": "a folder is in the way"})
		})
	}
	t.Run("never", func(t *testing.T) {
		dir, o := prepare(t), &told{}
		sum, err := restorer.Restore(t.Context(), f, tree, restorer.Options{Target: dir, Overwrite: restorer.Never, Verify: true}, o)
		if err != nil {
			t.Fatal(err)
		}
		got := contents(t, dir)
		for name, want := range map[string]string{"changed": "older", "dir/inside": "new", "link": "-> old", "missing": "new", "same": "NEW"} {
			if got[name] != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		wantProblems(t, o, map[string]string{"/filedir": "a folder is in the way", "/dirlink": "no folder is in the way", "/dirlink/inside": "its folder could not be made"})
		if sum.Skipped != 4 || sum.Verified != 2 {
			t.Errorf("summary: %+v", sum)
		}
	})
	t.Run("verify finds what only looks the same", func(t *testing.T) {
		dir, o := prepare(t), &told{}
		if _, err := restorer.Restore(t.Context(), f, tree, restorer.Options{Target: dir, Verify: true}, o); err != nil {
			t.Fatal(err)
		}
		wantProblems(t, o, map[string]string{"/filedir": "a folder is in the way", "/same": "not what the snapshot holds"})
	})
}

func TestRestore_patterns(t *testing.T) {
	f := newFake()
	deep := f.dir(f.file("a.jpg", "a"), f.file("b.png", "b"))
	tree := f.dir(folder("photos", f.dir(folder("2026", deep), folder("empty", f.dir()))), folder("other", f.dir(f.file("A.JPG", "A"), f.file("c", "c"))), f.file("top.jpg", "t"))
	for _, test := range []struct {
		o    restorer.Options
		want string
	}{
		{restorer.Options{Include: []string{"*.jpg"}}, "photos/ photos/2026/ photos/2026/a.jpg top.jpg"},
		{restorer.Options{Include: []string{"*.jpg"}, IgnoreCase: true}, "other/ other/A.JPG photos/ photos/2026/ photos/2026/a.jpg top.jpg"},
		{restorer.Options{Include: []string{"/photos/2026/b.png"}}, "photos/ photos/2026/ photos/2026/b.png"},
		{restorer.Options{Include: []string{"/photos"}, Exclude: []string{"*.png"}}, "photos/ photos/2026/ photos/2026/a.jpg photos/empty/"},
		{restorer.Options{Exclude: []string{"photos", "*.JPG"}}, "other/ other/c top.jpg"},
		{restorer.Options{Include: []string{"nothing"}}, ""},
	} {
		test.o.Target = t.TempDir()
		test.o.Verify = true
		o := &told{}
		if _, err := restorer.Restore(t.Context(), f, tree, test.o, o); err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range contents(t, test.o.Target) {
			names = append(names, name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != test.want || len(o.problems) > 0 {
			t.Errorf("include %q exclude %q: %q, want %q; problems %q", test.o.Include, test.o.Exclude, got, test.want, o.problems)
		}
	}
	if _, err := restorer.Restore(t.Context(), f, tree, restorer.Options{Target: t.TempDir(), Include: []string{"["}}, nil); err == nil {
		t.Error("a malformed pattern is no error")
	}
}

// A blob that is missing or damaged costs the files that want it, no more.
func TestRestore_damage(t *testing.T) {
	src := t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 400, Big: 30 << 20})
	be := memory.New()
	sum := backUp(t, treetest.Init(t, be), nil, archiver.Options{Paths: []string{src}})
	packs := slices.DeleteFunc(be.Handles(), func(h backend.Handle) bool { return h.Type != backend.PackFile })
	for name, damage := range map[string]func(be *memory.Backend, h backend.Handle){
		"pack missing": func(be *memory.Backend, h backend.Handle) {
			if err := be.Remove(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		},
		"bits flipped": func(be *memory.Backend, h backend.Handle) {
			data := bytes.Clone(be.Bytes(h))
			for i := 0; i < len(data); i += 50_000 {
				data[i] ^= 1
			}
			be.Put(h, data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := be.Clone()
			largest := slices.MaxFunc(packs, func(a, b backend.Handle) int { return len(be.Bytes(a)) - len(be.Bytes(b)) })
			damage(damaged, largest)
			r, err := repository.Open(t.Context(), damaged, treetest.Password, repository.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s, end := treetest.Begin(t, r)
			defer end()
			target, o := t.TempDir(), &told{}
			got, err := restorer.Restore(t.Context(), s, sum.Tree, restorer.Options{Target: target, Verify: true}, o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Problems == 0 || got.Files == 0 || got.Verified != got.Files {
				t.Errorf("summary: %+v", got)
			}
			for path, problem := range o.problems {
				if !strings.Contains(problem, "data blob ") && !strings.Contains(problem, "pack ") {
					t.Errorf("%s: %s", path, problem)
				}
				if _, err := os.Lstat(filepath.Join(target, path)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is there: %v", path, err)
				}
			}
			wantEqualOrTold(t, src, filepath.Join(target, src), o.problems)
		})
	}
}

// wantEqualOrTold compares regular files.
func wantEqualOrTold(t *testing.T, src, got string, problems map[string]string) {
	t.Helper()
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || problems[path] != "" {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(got + strings.TrimPrefix(path, src))
		if err != nil || !bytes.Equal(data, want) {
			t.Errorf("%q: %v, equal %v", path, err, bytes.Equal(data, want))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An interruption leaves whole files and nothing else; the next run goes on.
func TestRestore_interrupted(t *testing.T) {
	src, target := t.TempDir(), ""
	treetest.Make(t, src, treetest.Size{Small: 1000, Big: 20 << 20})
	r := treetest.Init(t, memory.New())
	sum := backUp(t, r, nil, archiver.Options{Paths: []string{src}})
	s, end := treetest.Begin(t, r)
	defer end()
	for _, at := range []int64{1, 50, 400} {
		ctx, cancel := context.WithCancelCause(t.Context())
		target = t.TempDir()
		why := errors.New("pulled the plug")
		_, err := restorer.Restore(ctx, s, sum.Tree, restorer.Options{Target: target}, &told{progress: func(p restorer.Progress) {
			if p.Files >= at {
				cancel(why)
			}
		}})
		if !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d files: %v", at, err)
		}
		err = filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			want, err := os.ReadFile(strings.TrimPrefix(path, target))
			if err != nil {
				return err
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("after an interruption %q is not whole: %v", path, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// As after kill -9, and a file of somebody who likes our names.
	inside := filepath.Join(target, src, "contents")
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	rest, mine := inside+"/.keepsake-restore-0123456789abcdef01234567", target+"/.keepsake-restore-notes"
	for _, name := range []string{rest, mine} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := restorer.Restore(t.Context(), s, sum.Tree, restorer.Options{Target: target, Verify: true}, &restoreObserver{problems: problems{t}})
	if err != nil || again.Unchanged == 0 {
		t.Fatalf("%v, %+v", err, again)
	}
	treetest.Compare(t, src, filepath.Join(target, src), treetest.Ignore{Sockets: true})
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

// failing answers no more after some blobs.
type failing struct {
	restorer.Source
	err error
}

func (f failing) FetchEach(ctx context.Context, blobs []format.BlobHandle, deliver func(int, []byte) error) error {
	half := len(blobs) / 2
	if err := f.Source.FetchEach(ctx, blobs[:half], deliver); err != nil {
		return err
	}
	return f.err
}

func TestRestore_repositoryGone(t *testing.T) {
	f := newFake()
	tree := f.dir(f.file("a", "one", "two"), f.file("b", "three", "four", "five", "six"))
	gone := errors.New("the server is gone")
	target := t.TempDir()
	sum, err := restorer.Restore(t.Context(), failing{f, gone}, tree, restorer.Options{Target: target}, nil)
	if !errors.Is(err, gone) || sum.Files != 1 {
		t.Errorf("%v, %+v", err, sum)
	}
	wantContents(t, target, map[string]string{"a": "onetwo"})
}

func TestRestore_sizeContradicts(t *testing.T) {
	f := newFake()
	n := f.file("a", "one", "two")
	n.Size = 5
	target, o := t.TempDir(), &told{}
	if _, err := restorer.Restore(t.Context(), f, f.dir(n), restorer.Options{Target: target}, o); err != nil {
		t.Fatal(err)
	}
	wantContents(t, target, map[string]string{"a": "onetwo"})
	wantProblems(t, o, map[string]string{"/a": "its blobs hold 6 bytes, the tree says 5"})
}

func TestRestore_refuses(t *testing.T) {
	f := newFake()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restorer.Restore(t.Context(), f, f.dir(), restorer.Options{Target: file}, nil); err == nil {
		t.Error("a target that is a file is no error")
	}
	if _, err := restorer.Restore(t.Context(), f, format.ID{}, restorer.Options{Target: t.TempDir()}, nil); err == nil {
		t.Error("a missing tree is no error")
	}
	if _, err := restorer.ParseOverwrite("perhaps"); err == nil {
		t.Error("a wrong policy is no error")
	}
}

// What tar unpacks is what was backed up.
func TestWriteTar(t *testing.T) {
	src, target := t.TempDir(), t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 300, Big: 3 << 20})
	r := treetest.Init(t, memory.New())
	sum := backUp(t, r, nil, archiver.Options{Paths: []string{src}})
	s, end := treetest.Begin(t, r)
	defer end()
	var b bytes.Buffer
	if err := restorer.WriteTar(t.Context(), s, sum.Tree, &b); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "tar", "--extract", "--preserve-permissions", "--same-owner", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--directory", target)
	cmd.Stdin = bytes.NewReader(b.Bytes())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	treetest.Compare(t, src, filepath.Join(target, src), treetest.Ignore{Sockets: true})

	names := 0
	for archive := tar.NewReader(&b); ; names++ {
		if _, err := archive.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if names < 300 {
		t.Errorf("%d entries", names)
	}
}
