package dirstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// Nothing outside the folder is reached, whatever links stand in it.
func TestSymlinks(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, udid, "ab"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		udid + "/ab/link": secret, udid + "/out": outside, udid + "/Status.plist": secret, udid + "/ab/up": "../../..",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s, ctx := open(t, dir), t.Context()
	for _, p := range []string{udid + "/ab/link", udid + "/out/secret", udid + "/Status.plist", udid + "/ab/up/x"} {
		if r, _, err := s.Open(ctx, p); err == nil {
			r.Close()
			t.Errorf("%s was opened", p)
		}
	}
	for _, p := range []string{udid + "/out/new", udid + "/ab/up/new", udid + "/out/deep/new"} {
		if err := s.Put(ctx, p, strings.NewReader("x")); err == nil {
			t.Errorf("%s was written", p)
		}
		if err := s.Rename(ctx, udid+"/ab/link", p); err == nil {
			t.Errorf("%s was moved to", p)
		}
	}
	// A link itself may be replaced and removed; what it points to stays.
	put(t, s, udid+"/ab/link", "file")
	put(t, s, udid+"/Status.plist", "status")
	if err := s.Remove(ctx, udid+"/out"); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("the file outside is %q, %v", b, err)
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
		t.Errorf("outside: %v, %v", names, err)
	}
}

func TestRefusesBadPaths(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	for _, p := range []string{"", ".", "..", "../x", "/x", "a/../b", "a//b", "a/", "a/."} {
		r, _, err := s.Open(ctx, p)
		if err == nil {
			r.Close()
		}
		_, lerr := s.ReadDir(ctx, p)
		for op, err := range map[string]error{"open": err, "put": s.Put(ctx, p, strings.NewReader("")), "list": lerr, "mkdir": s.Mkdir(ctx, p),
			"remove": s.Remove(ctx, p), "rename": s.Rename(ctx, p, "b"), "rename to": s.Rename(ctx, "b", p), "copy": s.Copy(ctx, p, "b")} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q: %v", op, p, err)
			}
		}
	}
}

// A file with a second name, such as in a hard-linked copy of the backup, is
// never written into.
func TestPut_hardLinks(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, p := range []string{udid + "/ab/" + id(0xab), udid + "/Status.plist"} {
		put(t, s, p, "old")
		kept := filepath.Join(dir, "kept-"+filepath.Base(p))
		if err := os.Link(filepath.Join(dir, p), kept); err != nil {
			t.Fatal(err)
		}
		put(t, s, p, "new")
		if b, err := os.ReadFile(kept); err != nil || string(b) != "old" {
			t.Errorf("%s: the other name now has %q, %v", p, b, err)
		}
	}
}

func TestPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no such bits
	}
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, staged(1), "x")
	put(t, s, udid+"/Status.plist", "x")
	err := filepath.WalkDir(filepath.Join(dir, udid), func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", p, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Status.plist is the promise: when it is in place, everything before it is
// durable.
func TestSettleBeforeStatus(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, staged(1), "x")
	if !s.unsaved {
		t.Error("a written file counts as durable")
	}
	put(t, s, udid+"/Snapshot/Manifest.db", "db")
	put(t, s, udid+"/Status.plist", status(t, "moving"))
	if s.unsaved {
		t.Error("Status.plist went before the files")
	}
	if err := s.Rename(t.Context(), staged(1), udid+"/01/"+id(1)); err != nil {
		t.Fatal(err)
	}
	if !s.renamed {
		t.Error("a move counts as durable")
	}
	put(t, s, udid+"/Status.plist", status(t, "removing"))
	if s.renamed {
		t.Error("Status.plist went before the moves")
	}
	// A phone that writes no status on the way: the index itself comes last.
	put(t, s, staged(2), "x")
	if err := s.Rename(t.Context(), udid+"/Snapshot/Manifest.db", udid+"/Manifest.db"); err != nil || s.unsaved {
		t.Errorf("the index went before the files: %v", err)
	}
}

// Listings are true after changes from outside that no listing has seen.
func TestReadDir_readsOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, staged(1), "x") // the folder is made here, so its listing is known
	if err := os.WriteFile(filepath.Join(dir, udid, "Snapshot", "01", "foreign"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := s.ReadDir(t.Context(), udid+"/Snapshot/01"); err != nil || len(list) != 1 {
		t.Errorf("from memory: %v, %v", list, err)
	}
	if list, err := open(t, dir).ReadDir(t.Context(), udid+"/Snapshot/01"); err != nil || len(list) != 2 {
		t.Errorf("from the disk: %v, %v", list, err)
	}
}

// Many folders are in use in turn; few stay open.
func TestHandlesAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range 256 {
		put(t, s, staged(i), "x")
		if err := s.Mkdir(t.Context(), "other/"+id(i)[:2]); err != nil {
			t.Fatal(err)
		}
		put(t, s, "other/"+id(i)[:2]+"/x", "x")
	}
	for i := range 256 {
		if err := s.Rename(t.Context(), staged(i), udid+"/"+id(i)[:2]+"/"+id(i)); err != nil {
			t.Fatal(err)
		}
		if s.open > maxHandles {
			t.Fatalf("%d folders are open", s.open)
		}
	}
	n := 0
	for _, d := range s.dirs {
		if d.handle != nil {
			n++
		}
	}
	if n != s.open {
		t.Errorf("%d open, counted %d", n, s.open)
	}
}

// Half a million files cost far less than 100 MB.
func TestIndexMemory(t *testing.T) {
	s := open(t, t.TempDir())
	before := heap()
	const files = 500_000
	for i := range 256 {
		d := s.entry(id(i)[:2])
		d.learn()
		for k := range files / 256 {
			d.wrote(id(k*256+i), 1000)
		}
	}
	used := heap() - before
	if used > 60<<20 {
		t.Errorf("%d MB for %d files", used>>20, files)
	}
	if list := s.dirs["ab"].entries(); len(list) != files/256 {
		t.Errorf("%d entries", len(list))
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMeta(t *testing.T) {
	for _, size := range []int64{0, 1, 1<<32 - 1, 1 << 32, 1<<48 - 1} {
		if got := newMeta(size, 1788000000).size(); got != size {
			t.Errorf("size %d comes back as %d", size, got)
		}
	}
	for name, want := range map[string]bool{id(1): true, strings.Repeat("f", 40): true, strings.Repeat("F", 40): false, strings.Repeat("g", 40): false, "ab": false, strings.Repeat("0", 41): false} {
		if _, ok := parseID(name); ok != want {
			t.Errorf("parseID(%q) = %v", name, ok)
		}
	}
}

var _ mobilebackup2.Store = (*Store)(nil)

func TestCopy_cancelled(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, udid+"/ab/x", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Copy(ctx, udid, udid+"-2"); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if err := s.Copy(t.Context(), udid, udid+"/ab/y"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("into itself: %v", err)
	}
}
