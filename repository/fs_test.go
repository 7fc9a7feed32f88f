package repository

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const bigSize = 5 << 20 // several pieces

// allKinds stores a folder with an entry of every kind.
func allKinds(t *testing.T, r *Repository) format.ID {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var root format.ID
	err := within(t.Context(), r, Shared, func(s *Session) error {
		w, err := s.Writer(t.Context())
		if err != nil {
			return err
		}
		c, err := w.SaveFile(t.Context(), bytes.NewReader(randomBytes(3, bigSize)), "big", -1)
		if err != nil {
			return err
		}
		big := file("big")
		big.Size = uint64(c.Size())
		if big.Content, err = c.IDs(t.Context()); err != nil {
			return err
		}
		empty := file("empty", []format.ID{}...)
		sub, err := w.SaveTree(t.Context(), &format.Tree{Nodes: []format.Node{empty}})
		if err != nil {
			return err
		}
		node := func(name string, kind format.NodeType, mode fs.FileMode) format.Node {
			return format.Node{Name: name, Type: kind, Mode: mode, ModTime: at, AccessTime: at, ChangeTime: at}
		}
		link := node("link", format.NodeSymlink, fs.ModeSymlink|0o777)
		link.LinkTarget = "big"
		dir := node("dir", format.NodeDir, fs.ModeDir|0o750)
		dir.Subtree = &sub
		nodes := []format.Node{big, node("char", format.NodeChar, 0o600), node("dev", format.NodeDevice, 0o600), dir, node("fifo", format.NodeFIFO, 0o600), link,
			node("socket", format.NodeSocket, fs.ModeDir|0o600)} // the type counts
		if root, err = w.SaveTree(t.Context(), &format.Tree{Nodes: nodes}); err == nil {
			_, err = w.Commit(t.Context(), &format.Snapshot{Time: at, Tree: &root, Paths: []string{"/"}})
		}
		return errors.Join(err, w.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFS(t *testing.T) {
	r := initIn(t, memory.New(), Options{})
	root := allKinds(t, r)
	f := begin(t, r, Shared).FS(t.Context(), root)
	modes := map[string]fs.FileMode{".": fs.ModeDir, "big": 0, "char": fs.ModeDevice | fs.ModeCharDevice, "dev": fs.ModeDevice, "dir": fs.ModeDir, "dir/empty": 0,
		"fifo": fs.ModeNamedPipe, "link": fs.ModeSymlink, "socket": fs.ModeSocket}
	for name, want := range modes {
		info, err := f.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Type() != want || info.IsDir() != (want == fs.ModeDir) {
			t.Errorf("%s: mode %v, want %v", name, info.Mode(), want)
		}
		if _, ok := info.Sys().(*format.Node); !ok || name == "big" && info.Size() != bigSize {
			t.Errorf("%s: %v", name, info)
		}
		open, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		again, err := open.Stat()
		if err != nil || again.Mode() != info.Mode() {
			t.Errorf("%s: opened, it is %v, %v", name, again, err)
		}
		if _, err := open.Read(make([]byte, 1)); want != 0 && (err == nil || err == io.EOF) {
			t.Errorf("reading from %s: %v", name, err)
		}
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	}
	if target, err := f.ReadLink("link"); err != nil || target != "big" {
		t.Errorf("link to %q, %v", target, err)
	}
	for _, err := range []error{
		second(f.ReadLink("big")), second(f.ReadLink("none")), second(f.Stat("dir/none")), second(f.Stat("big/x")), second(f.Lstat("../big")), second(f.Open("/big")),
		second(f.ReadDir("big")), second(f.ReadDir("none")),
	} {
		if path := (*fs.PathError)(nil); !errors.As(err, &path) {
			t.Errorf("%v is no path error", err)
		}
	}
	if _, err := f.Stat("dir/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// The rules of fs.FS, for what can be read.
	if err := fstest.TestFS(readable{f}, "big", "dir/empty"); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// readable leaves out what cannot be opened as a file.
type readable struct{ *FS }

func (r readable) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := r.FS.ReadDir(name)
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool { return !e.IsDir() && !e.Type().IsRegular() }), err
}

func (r readable) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if d, ok := f.(*folder); ok {
		d.rest, err = r.ReadDir(name)
		d.read = true
	}
	return f, err
}

// Every way of reading a file gives the same bytes.
func TestFile(t *testing.T) {
	r := initIn(t, memory.New(), Options{})
	f := begin(t, r, Shared).FS(t.Context(), allKinds(t, r))
	want := randomBytes(3, bigSize)
	open, err := f.Open("big")
	if err != nil {
		t.Fatal(err)
	}
	file := open.(*File)
	if file.Size() != int64(len(want)) {
		t.Errorf("size %d", file.Size())
	}
	buf := make([]byte, 100_000)
	for _, at := range []int64{0, 1, 1<<20 - 50, 2 << 20, bigSize - 100_000} {
		if n, err := file.ReadAt(buf, at); err != nil || !bytes.Equal(buf[:n], want[at:at+int64(n)]) || n != len(buf) {
			t.Errorf("read at %d: %d, %v", at, n, err)
		}
	}
	if n, err := file.ReadAt(buf, bigSize-10); n != 10 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	if n, err := file.ReadAt(buf, 2*bigSize); n != 0 || err != io.EOF {
		t.Errorf("read behind the end: %d, %v", n, err)
	}
	for _, c := range []struct {
		offset int64
		whence int
		at     int64
	}{{5, io.SeekStart, 5}, {10, io.SeekCurrent, 15}, {-5, io.SeekEnd, bigSize - 5}, {0, io.SeekStart, 0}} {
		if at, err := file.Seek(c.offset, c.whence); err != nil || at != c.at {
			t.Errorf("seek %d, %d: %d, %v", c.offset, c.whence, at, err)
		}
	}
	for _, c := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {0, 7}} {
		if _, err := file.Seek(c.offset, c.whence); err == nil {
			t.Errorf("seek %d, %d is taken", c.offset, c.whence)
		}
	}
	if _, err := file.ReadAt(buf, -1); err == nil {
		t.Error("read at -1 is taken")
	}
	for _, from := range []int64{0, 2<<20 + 3} {
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		if n, err := file.WriteTo(&all); err != nil || !bytes.Equal(all.Bytes(), want[from:]) || n != int64(len(want))-from {
			t.Errorf("write from %d: %d, %v", from, n, err)
		}
		if n, err := file.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("read after all was written from %d: %d, %v", from, n, err)
		}
	}
	// A reader that ends early ends the reading ahead.
	full := errors.New("the disk is full")
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteTo(failingWriter{full}); !errors.Is(err, full) {
		t.Errorf("writing to a full disk: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// More packs than are looked up one by one: one that is missing is named before
// an index names it, and one of another size.
func TestManyPacksLost(t *testing.T) {
	for _, f := range []fault.Fault{
		{Op: fault.Save, Type: backend.PackFile, Effect: fault.Lose, Nth: 50},
		{Op: fault.List, Type: backend.PackFile, Effect: fault.Resize, Bytes: 1, Times: fault.Always},
	} {
		m := memory.New()
		initTiny(t, m)
		be := fault.New(m)
		r, err := openTiny(t.Context(), be)
		if err != nil {
			t.Fatal(err)
		}
		many := files{}
		for i := range 2 * fewPacks {
			many[string(rune('a'+i/26))+string(rune('a'+i%26))] = randomBytes(uint64(i), tinyPack)
		}
		be.Inject(f)
		backup := func(r *Repository) error {
			return within(t.Context(), r, Shared, func(s *Session) error {
				_, err := backupFiles(t.Context(), s, many, time.Now())
				return err
			})
		}
		if err := backup(r); err == nil || !strings.Contains(err.Error(), "look whether pack ") {
			t.Errorf("%v: %v", f.Op, err)
		}
		for _, h := range m.Handles() {
			if h.Type == backend.IndexFile {
				t.Errorf("%v: there is an index", f.Op)
			}
		}
		be.Clear()
		if err := backup(r); err != nil {
			t.Error(err)
		}
		if _, err := r.Prune(t.Context(), PruneOptions{}); err != nil { // what nothing names
			t.Error(err)
		}
		wantClean(t, r)
	}
}
