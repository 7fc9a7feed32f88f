// Package storetest tests implementations of mobilebackup2.Store, and has one
// that lives in memory.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) mobilebackup2.Store { return newMine(t.TempDir()) })
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// UDID is the first element of all paths that the suite uses.
const UDID = "00008110-000A1B2C3D4E5F6A"

// id is a file ID that begins with the given two digits.
func id(prefix string, n int) string { return prefix + fmt.Sprintf("%038x", n) }

// Run holds the store that open makes, empty, against the contract.
func Run(t *testing.T, open func(t *testing.T) mobilebackup2.Store) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"put and open", (*suite).putOpen},
		{"sizes around buffers", (*suite).sizes},
		{"put replaces", (*suite).putReplaces},
		{"put that fails leaves nothing", (*suite).putFails},
		{"missing", (*suite).missing},
		{"mkdir", (*suite).mkdir},
		{"listing", (*suite).listing},
		{"rename", (*suite).rename},
		{"rename over a file", (*suite).renameReplaces},
		{"rename of a folder", (*suite).renameFolder},
		{"rename into or over itself", (*suite).renameItself},
		{"remove", (*suite).remove},
		{"a whole backup", (*suite).wholeBackup},
		{"against a model", (*suite).model},
		{"copy", (*suite).copy},
		{"free space", (*suite).freeSpace},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(&suite{T: t, s: open(t)})
		})
	}
}

type suite struct {
	*testing.T
	s mobilebackup2.Store
}

func (t *suite) must(what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (t *suite) put(path, content string) {
	t.Helper()
	t.must("put "+path, t.s.Put(t.Context(), path, strings.NewReader(content)))
}

func (t *suite) read(path string) string {
	t.Helper()
	r, size, err := t.s.Open(t.Context(), path)
	t.must("open "+path, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	t.must("read "+path, err)
	if int64(len(b)) != size {
		t.Errorf("open %s: size %d, contents %d", path, size, len(b))
	}
	return string(b)
}

func (t *suite) want(path, content string) {
	t.Helper()
	if got := t.read(path); got != content {
		t.Errorf("%s = %.40q, want %.40q", path, got, content)
	}
}

func (t *suite) absent(path string) {
	t.Helper()
	r, _, err := t.s.Open(t.Context(), path)
	if err == nil {
		r.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open %s: %v, want fs.ErrNotExist", path, err)
	}
}

// list gives name → "dir" or the size.
func (t *suite) list(path string) map[string]string {
	t.Helper()
	entries, err := t.s.ReadDir(t.Context(), path)
	t.must("list "+path, err)
	m := map[string]string{}
	for _, e := range entries {
		if _, twice := m[e.Name]; twice {
			t.Errorf("list %s: %s twice", path, e.Name)
		}
		m[e.Name] = fmt.Sprint(e.Size)
		if e.Dir {
			m[e.Name] = "dir"
		} else if d := time.Since(e.ModTime); d < -10*time.Second || d > time.Hour {
			t.Errorf("list %s: %s modified %s ago", path, e.Name, d)
		}
	}
	return m
}

func (t *suite) wantList(path string, want map[string]string) {
	t.Helper()
	got := t.list(path)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("list %s = %v, want %v", path, got, want)
	}
}

func (t *suite) putOpen() {
	p := UDID + "/Snapshot/ab/" + id("ab", 1)
	t.put(p, "hello")
	t.want(p, "hello")
	t.put(UDID+"/Status.plist", "status")
	t.want(UDID+"/Status.plist", "status")
	t.put(UDID+"/Snapshot/Manifest.db", "db")
	t.want(UDID+"/Snapshot/Manifest.db", "db")
	t.put(UDID+"/grüße ✓ "+"e\u0301", "name")
	t.want(UDID+"/grüße ✓ "+"e\u0301", "name")
}

func (t *suite) sizes() {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 32 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 1, 512 << 10, 1<<20 + 17, 5 << 20} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		p := UDID + "/Snapshot/00/" + id("00", n)
		t.must("put", t.s.Put(t.Context(), p, iotestOneByte{bytes.NewReader(b), n < 2<<20}))
		if got := t.read(p); got != string(b) {
			t.Errorf("%d bytes came back as %d, or different", n, len(got))
		}
	}
}

// iotestOneByte reads in odd pieces.
type iotestOneByte struct {
	r   io.Reader
	odd bool
}

func (o iotestOneByte) Read(p []byte) (int, error) {
	if o.odd && len(p) > 1021 {
		p = p[:1021]
	}
	return o.r.Read(p)
}

func (t *suite) putReplaces() {
	for _, p := range []string{UDID + "/Snapshot/ab/" + id("ab", 1), UDID + "/Status.plist"} {
		t.put(p, "long contents")
		t.put(p, "short")
		t.want(p, "short")
	}
	t.wantList(UDID+"/Snapshot/ab", map[string]string{id("ab", 1): "5"})
}

type failing struct {
	r   io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func (t *suite) putFails() {
	broken := errors.New("the phone could not read it")
	t.must("mkdir", t.s.Mkdir(t.Context(), UDID+"/Snapshot/ab"))
	for _, n := range []int{0, 100, 300 << 10, 2 << 20} {
		p := UDID + "/Snapshot/ab/" + id("ab", n)
		err := t.s.Put(t.Context(), p, failing{strings.NewReader(strings.Repeat("x", n)), broken})
		if !errors.Is(err, broken) {
			t.Errorf("put of %d bytes and a failure: %v, want the failure", n, err)
		}
		t.absent(p)
	}
	t.wantList(UDID+"/Snapshot/ab", map[string]string{})
	t.put(UDID+"/Status.plist", "old")
	if err := t.s.Put(t.Context(), UDID+"/Status.plist", failing{strings.NewReader("ne"), broken}); !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	if got := t.list(UDID); len(got) > 2 {
		t.Errorf("left behind: %v", got)
	}
}

func (t *suite) missing() {
	for _, p := range []string{UDID + "/Status.plist", UDID, UDID + "/ab/" + id("ab", 1)} {
		t.absent(p)
		if err := t.s.Remove(t.Context(), p); err != nil {
			t.Errorf("remove %s: %v, want nil", p, err)
		}
		if err := t.s.Rename(t.Context(), p, UDID+"/x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("rename %s: %v, want fs.ErrNotExist", p, err)
		}
		if _, err := t.s.ReadDir(t.Context(), p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("list %s: %v, want fs.ErrNotExist", p, err)
		}
	}
}

func (t *suite) mkdir() {
	p := UDID + "/Snapshot/ab"
	t.must("mkdir", t.s.Mkdir(t.Context(), p))
	if err := t.s.Mkdir(t.Context(), p); !errors.Is(err, fs.ErrExist) {
		t.Errorf("mkdir again: %v, want fs.ErrExist", err)
	}
	t.put(p+"/"+id("ab", 1), "1")
	if err := t.s.Mkdir(t.Context(), p); !errors.Is(err, fs.ErrExist) {
		t.Errorf("mkdir of a folder in use: %v, want fs.ErrExist", err)
	}
	t.want(p+"/"+id("ab", 1), "1")
	t.wantList(UDID, map[string]string{"Snapshot": "dir"})
	if err := t.s.Mkdir(t.Context(), p+"/"+id("ab", 1)+"/below"); err == nil {
		t.Error("mkdir below a file succeeded")
	}
}

func (t *suite) listing() {
	t.must("mkdir", t.s.Mkdir(t.Context(), UDID+"/ab"))
	t.wantList(UDID+"/ab", map[string]string{})
	for i := range 300 {
		t.put(UDID+"/ab/"+id("ab", i), strings.Repeat("x", i))
	}
	got := t.list(UDID + "/ab")
	if len(got) != 300 || got[id("ab", 299)] != "299" {
		t.Errorf("%d entries, the last %s", len(got), got[id("ab", 299)])
	}
	t.must("remove", t.s.Remove(t.Context(), UDID+"/ab/"+id("ab", 7)))
	t.must("rename", t.s.Rename(t.Context(), UDID+"/ab/"+id("ab", 8), UDID+"/ac/"+id("ac", 8)))
	t.put(UDID+"/ab/"+id("ab", 9), "changed")
	t.put(UDID+"/ab/other", "o")
	got = t.list(UDID + "/ab")
	if len(got) != 299 || got[id("ab", 7)] != "" || got[id("ab", 8)] != "" || got[id("ab", 9)] != "7" || got["other"] != "1" {
		t.Errorf("after changes: %d entries, %q %q %q %q", len(got), got[id("ab", 7)], got[id("ab", 8)], got[id("ab", 9)], got["other"])
	}
	t.wantList(UDID+"/ac", map[string]string{id("ac", 8): "8"})
	t.wantList(UDID, map[string]string{"ab": "dir", "ac": "dir"})
}

func (t *suite) rename() {
	from, to := UDID+"/Snapshot/ab/"+id("ab", 1), UDID+"/ab/"+id("ab", 1)
	t.put(from, "one")
	t.must("rename", t.s.Rename(t.Context(), from, to))
	t.absent(from)
	t.want(to, "one")
	t.wantList(UDID+"/Snapshot/ab", map[string]string{})
	t.wantList(UDID+"/ab", map[string]string{id("ab", 1): "3"})
	t.must("rename onto itself", t.s.Rename(t.Context(), to, to))
	t.want(to, "one")
}

func (t *suite) renameReplaces() {
	from, to := UDID+"/Snapshot/ab/"+id("ab", 1), UDID+"/ab/"+id("ab", 1)
	t.put(to, "the old one")
	t.list(UDID + "/ab")
	t.put(from, "new")
	t.must("rename", t.s.Rename(t.Context(), from, to))
	t.want(to, "new")
	t.wantList(UDID+"/ab", map[string]string{id("ab", 1): "3"})

	// What stands there may be of another kind.
	t.put(UDID+"/folder/x/y", "deep")
	t.put(UDID+"/file", "file")
	t.must("rename of a file over a folder", t.s.Rename(t.Context(), UDID+"/file", UDID+"/folder"))
	t.want(UDID+"/folder", "file")
	t.put(UDID+"/tree/x/y", "tree")
	t.must("rename of a folder over a file", t.s.Rename(t.Context(), UDID+"/tree", UDID+"/folder"))
	t.want(UDID+"/folder/x/y", "tree")
	t.wantList(UDID, map[string]string{"folder": "dir", "Snapshot": "dir", "ab": "dir"})
}

func (t *suite) renameFolder() {
	t.put(UDID+"/ab/"+id("ab", 1), "one")
	t.put(UDID+"/Manifest.plist", "m")
	t.list(UDID + "/ab")
	t.must("rename", t.s.Rename(t.Context(), UDID, UDID+"-20260102-030405"))
	t.absent(UDID + "/ab/" + id("ab", 1))
	t.want(UDID+"-20260102-030405/ab/"+id("ab", 1), "one")
	t.wantList(UDID+"-20260102-030405/ab", map[string]string{id("ab", 1): "3"})
	t.put(UDID+"/ab/"+id("ab", 2), "two")
	t.wantList(UDID+"/ab", map[string]string{id("ab", 2): "3"})
}

func (t *suite) renameItself() {
	p := UDID + "/ab/" + id("ab", 1)
	t.put(p, "1")
	for from, to := range map[string]string{p: UDID + "/ab", UDID: UDID + "/ab", UDID + "/ab": p} {
		if err := t.s.Rename(t.Context(), from, to); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("rename %s to %s: %v, want fs.ErrInvalid", from, to, err)
		}
		t.want(p, "1")
	}
}

func (t *suite) remove() {
	t.put(UDID+"/Snapshot/ab/"+id("ab", 1), "one")
	t.put(UDID+"/Snapshot/Manifest.db", "m")
	t.list(UDID + "/Snapshot/ab")
	t.must("remove a file", t.s.Remove(t.Context(), UDID+"/Snapshot/Manifest.db"))
	t.absent(UDID + "/Snapshot/Manifest.db")
	t.must("remove a folder that is not empty", t.s.Remove(t.Context(), UDID+"/Snapshot"))
	t.absent(UDID + "/Snapshot/ab/" + id("ab", 1))
	if _, err := t.s.ReadDir(t.Context(), UDID+"/Snapshot/ab"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list of a removed folder: %v", err)
	}
	t.must("mkdir", t.s.Mkdir(t.Context(), UDID+"/Snapshot/ab"))
	t.wantList(UDID+"/Snapshot/ab", map[string]string{})
}

// wholeBackup goes through the steps of protocol.md 4.13.
func (t *suite) wholeBackup() {
	ctx := t.Context()
	for range 2 {
		for _, top := range []string{UDID + "/", UDID + "/Snapshot/"} {
			for i := range 256 {
				if err := t.s.Mkdir(ctx, fmt.Sprintf("%s%02x", top, i)); err != nil && !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
			}
		}
		t.put(UDID+"/Status.plist", "uploading")
		for i := range 600 {
			name := fmt.Sprintf("%02x%038x", i*7%256, i)
			t.put(UDID+"/Snapshot/"+name[:2]+"/"+name, name)
		}
		t.put(UDID+"/Snapshot/Manifest.plist", "plist")
		t.put(UDID+"/Snapshot/Manifest.db", "db")
		t.put(UDID+"/Status.plist", "moving")
		for i := range 600 {
			name := fmt.Sprintf("%02x%038x", i*7%256, i)
			t.must("move", t.s.Rename(ctx, UDID+"/Snapshot/"+name[:2]+"/"+name, UDID+"/"+name[:2]+"/"+name))
		}
		t.must("move", t.s.Rename(ctx, UDID+"/Snapshot/Manifest.plist", UDID+"/Manifest.plist"))
		t.must("move", t.s.Rename(ctx, UDID+"/Snapshot/Manifest.db", UDID+"/Manifest.db"))
		t.put(UDID+"/Status.plist", "removing")
		t.must("remove", t.s.Remove(ctx, UDID+"/Snapshot"))
		t.put(UDID+"/Status.plist", "finished")
		files := 0
		for name, kind := range t.list(UDID) {
			if kind != "dir" {
				continue
			}
			for file, size := range t.list(UDID + "/" + name) {
				files++
				if size != "40" || file[:2] != name {
					t.Errorf("%s/%s has size %s", name, file, size)
				}
			}
		}
		if files != 600 {
			t.Errorf("%d files listed, want 600", files)
		}
		t.want(UDID+"/Manifest.db", "db")
		t.want(UDID+"/Status.plist", "finished")
	}
}

// model does random things to the store and to a map, and compares.
func (t *suite) model() {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(3, 4))
	model := map[string]string{}
	folders := []string{UDID + "/a0", UDID + "/a1", UDID + "/Snapshot/a0", UDID + "/Snapshot/a1"}
	for _, f := range folders {
		t.must("mkdir", t.s.Mkdir(ctx, f))
	}
	path := func() string { return folders[rnd.IntN(4)] + "/" + id("a0", rnd.IntN(12)) }
	for step := range 2000 {
		switch p := path(); rnd.IntN(5) {
		case 0, 1:
			model[p] = strings.Repeat("x", rnd.IntN(50))
			t.put(p, model[p])
		case 2:
			t.must("remove", t.s.Remove(ctx, p))
			delete(model, p)
		case 3:
			to := path()
			err := t.s.Rename(ctx, p, to)
			content, ok := model[p]
			if ok != (err == nil) && p != to {
				t.Fatalf("step %d: rename %s: %v, there: %v", step, p, err, ok)
			}
			if ok && p != to {
				model[to] = content
				delete(model, p)
			}
		case 4:
			f := folders[rnd.IntN(4)]
			want := map[string]string{}
			for p, c := range model {
				if strings.HasPrefix(p, f+"/") {
					want[p[len(f)+1:]] = fmt.Sprint(len(c))
				}
			}
			t.wantList(f, want)
		}
	}
	for _, p := range slices.Sorted(func(yield func(string) bool) {
		for p := range model {
			if !yield(p) {
				return
			}
		}
	}) {
		t.want(p, model[p])
	}
}

func (t *suite) copy() {
	c, ok := t.s.(mobilebackup2.Copier)
	if !ok {
		return // an optional interface
	}
	t.put(UDID+"/ab/"+id("ab", 1), "one")
	t.put(UDID+"/Info.plist", "info")
	t.must("copy", c.Copy(t.Context(), UDID, UDID+"-20260102-030405"))
	t.want(UDID+"-20260102-030405/ab/"+id("ab", 1), "one")
	t.want(UDID+"-20260102-030405/Info.plist", "info")
	t.want(UDID+"/Info.plist", "info")
	if err := c.Copy(t.Context(), UDID+"/none", UDID+"/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy of nothing: %v", err)
	}
}

func (t *suite) freeSpace() {
	f, ok := t.s.(mobilebackup2.FreeSpacer)
	if !ok {
		return // an optional interface
	}
	if n, err := f.FreeSpace(t.Context()); err != nil || n <= 0 {
		t.Errorf("free space: %d, %v", n, err)
	}
}
