package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func plant(t testing.TB, b backend.Backend, path string, data []byte) {
	t.Helper()
	host := filepath.Join(b.Properties().Location, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(host), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(host, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	backendtest.RunWith(t, backendtest.Options{Plant: plant}, func(t *testing.T) backend.Backend {
		b, err := Open(filepath.Join(t.TempDir(), "a", "repository"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { wantNoTemp(t, b.path) })
		return b
	})
}

// Each way of giving the config its name has to keep the contract alone.
func TestConformance_publishers(t *testing.T) {
	refuse := func(*os.Root, string, string) error { return errors.ErrUnsupported }
	for name, ways := range map[string][]publisher{
		"link":             {link},
		"exclusive rename": {renameExclusive},
		"reserve":          {reserve},
		"fallback":         {refuse, refuse, reserve},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			if name == "exclusive rename" && !hasExclusiveRename {
				if err := renameExclusive(nil, "", ""); !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("got %v", err)
				}
				return
			}
			for range 10 {
				b := folder(t, Options{})
				b.publish = ways
				won := race(t, b)
				got, err := backend.ReadAll(t.Context(), b, config, 100)
				if err != nil || string(got) != won {
					t.Errorf("the config is %q, %v; the one Save that succeeded wrote %q", got, err, won)
				}
				wantNoTemp(t, b.path)
			}
		})
	}
}

// race saves the config four times at once and gives what the winner wrote.
func race(t *testing.T, b *Backend) string {
	t.Helper()
	results := make(chan string, 4)
	for i := range 4 {
		go func() {
			mine := strings.Repeat(string(rune('0'+i)), 10+i)
			switch err := b.Save(t.Context(), config, bytes.NewReader([]byte(mine))); {
			case err == nil:
				results <- mine
			case errors.Is(err, backend.ErrExist):
				results <- ""
			default:
				t.Error(err)
				results <- ""
			}
		}()
	}
	var winners []string
	for range 4 {
		if w := <-results; w != "" {
			winners = append(winners, w)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%d saves of the config succeeded: %q", len(winners), winners)
	}
	return winners[0]
}

var (
	config = backend.Handle{Type: backend.ConfigFile}
	pack   = backend.Handle{Type: backend.PackFile, Name: strings.Repeat("ab", 32)}
	index  = backend.Handle{Type: backend.IndexFile, Name: strings.Repeat("cd", 32)}
)

// folder opens an empty folder: Save makes what it needs in it.
func folder(t *testing.T, o Options) *Backend {
	t.Helper()
	b, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func create(t *testing.T, dir string, o Options) *Backend {
	t.Helper()
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// tempFiles gives all temporary files below dir.
func tempFiles(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), tempMark) && d.Name() != "config-tmp-17" && !strings.HasSuffix(d.Name(), "-tmp-1") && !strings.HasSuffix(d.Name(), "-tmp-12345") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantNoTemp(t *testing.T, dir string) {
	t.Helper()
	if found := tempFiles(t, dir); len(found) > 0 {
		t.Errorf("temporary files stayed behind: %q", found)
	}
}

func TestCreate_layout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk", "phone")
	b := create(t, dir, Options{})
	for _, sub := range []string{".", "data/00", "data/7f", "data/ff", "keys", "index", "snapshots", "locks"} {
		info, err := os.Stat(filepath.Join(dir, sub))
		if err != nil || !info.IsDir() {
			t.Errorf("%s: %v", sub, err)
		} else if hasModes && info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, want 0700", sub, info.Mode())
		}
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "data")); len(entries) != 256 {
		t.Errorf("data has %d folders, want 256", len(entries))
	}
	if err := b.Save(t.Context(), pack, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "data", "ab", pack.Name))
	if err != nil {
		t.Fatal(err)
	}
	if hasModes && info.Mode().Perm() != 0o400 {
		t.Errorf("a pack has mode %v, want 0400", info.Mode())
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", file} {
		if _, err := Open(path, Options{}); err == nil {
			t.Errorf("open %q: no error", path)
		}
	}
	t.Chdir(dir)
	b, err := Open("phone", Options{Connections: 2})
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Properties(); !filepath.IsAbs(p.Location) || filepath.Base(p.Location) != "phone" || p.Connections != 2 || p.Remote {
		t.Errorf("properties: %+v", p)
	}
}

// A folder that is not there is empty, and is not made by a Save: it may be the
// mount point of a disk that is in a drawer.
func TestMissingFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "phone")
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), config); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
	if err := b.List(t.Context(), backend.PackFile, func(backend.FileInfo) error { return errors.New("a file") }); err != nil {
		t.Errorf("list: %v", err)
	}
	if n, err := b.SweepTemp(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
	if err := b.Save(t.Context(), pack, strings.NewReader("x")); err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("save: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder came into being: %v", err)
	}
	if err := b.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), pack, strings.NewReader("x")); err != nil {
		t.Errorf("save after create: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := b.Stat(t.Context(), pack); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("stat after close: %v, want fs.ErrClosed", err)
	}
}

func TestSave_makesMissingShards(t *testing.T) {
	b := create(t, t.TempDir(), Options{})
	if err := os.RemoveAll(filepath.Join(b.path, "data")); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), pack, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := b.List(t.Context(), backend.PackFile, func(backend.FileInfo) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("list with 255 shards missing: %d packs, %v", n, err)
	}
}

func TestList_passesOver(t *testing.T) {
	b := create(t, t.TempDir(), Options{})
	plant(t, b, "data/00/"+pack.Name, []byte("in another shard"))
	plant(t, b, "data/"+pack.Name, []byte("in no shard"))
	plant(t, b, "data/ab/"+pack.Name+"/file", []byte("a folder"))
	if err := os.Symlink("/etc/passwd", filepath.Join(b.path, "index", index.Name)); err != nil {
		t.Fatal(err)
	}
	for _, typ := range backend.FileTypes[1:] {
		if err := b.List(t.Context(), typ, func(f backend.FileInfo) error { return errors.New("lists " + f.Name) }); err != nil {
			t.Error(err)
		}
	}
	// Nor can they be read.
	for _, h := range []backend.Handle{pack, index} {
		if data, err := backend.ReadAll(t.Context(), b, h, 1<<20); err == nil {
			t.Errorf("load %v: %q", h, data)
		}
		if _, err := b.Stat(t.Context(), h); err == nil {
			t.Errorf("stat %v: no error", h)
		}
	}
}

var (
	saveSteps   = []string{"created", "written", "synced", "renamed", "dir synced"}
	removeSteps = []string{"removed", "dir synced"}
)

func TestStep_order(t *testing.T) {
	var got []string
	b := folder(t, Options{Step: func(s string) error { got = append(got, s); return nil }})
	for _, c := range []struct {
		what string
		do   func() error
		want []string
	}{
		{"save", func() error { return b.Save(t.Context(), index, strings.NewReader("x")) }, saveSteps},
		{"config", func() error { return b.Save(t.Context(), config, strings.NewReader("x")) }, saveSteps},
		{"save again", func() error { return b.Save(t.Context(), index, strings.NewReader("x")) }, nil},
		{"remove", func() error { return b.Remove(t.Context(), index) }, removeSteps},
		{"pack", func() error { return b.Save(t.Context(), pack, strings.NewReader("x")) }, saveSteps},
		{"remove pack", func() error { return b.Remove(t.Context(), pack) }, removeSteps[:1]},
	} {
		got = nil
		if err := c.do(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: steps %q, %v; want %q", c.what, got, err, c.want)
		}
	}
}

// A step that fails leaves the file whole or not at all, and no temporary one;
// a machine that stops leaves what it had, and the next Save works all the same.
func TestStep_failures(t *testing.T) {
	for _, h := range []backend.Handle{pack, config} {
		for i, step := range saveSteps {
			for _, cause := range []error{errors.New("a disk breaks"), ErrDied} {
				failing := true
				b := folder(t, Options{Step: func(s string) error {
					if failing && s == step {
						return cause
					}
					return nil
				}})
				if err := b.Save(t.Context(), h, strings.NewReader("content")); !errors.Is(err, cause) {
					t.Errorf("%v, %v at %q: %v", h, cause, step, err)
				}
				_, err := b.Stat(t.Context(), h)
				if there := err == nil; there != (i >= 3) {
					t.Errorf("%v, %v at %q: the file is there: %v", h, cause, step, there)
				}
				left := len(tempFiles(t, b.path))
				if want := cause == ErrDied && i < 3; (left == 1) != want || left > 1 {
					t.Errorf("%v, %v at %q: %d temporary files", h, cause, step, left)
				}
				failing = false
				err = b.Save(t.Context(), h, strings.NewReader("content"))
				if exists := h == config && i >= 3; exists != errors.Is(err, backend.ErrExist) || err != nil && !exists {
					t.Errorf("%v again after %v at %q: %v", h, cause, step, err)
				}
				if got, err := backend.ReadAll(t.Context(), b, h, 100); err != nil || string(got) != "content" {
					t.Errorf("%v after %v at %q: %q, %v", h, cause, step, got, err)
				}
				if n, err := b.SweepTemp(t.Context(), -time.Minute); n != left || err != nil {
					t.Errorf("sweep after %v at %q: %d, %v; want %d", cause, step, n, err, left)
				}
				wantNoTemp(t, b.path)
			}
		}
	}
}

func TestSweepTemp(t *testing.T) {
	b := folder(t, Options{})
	old := []string{
		"config-tmp-12", "data/ab/" + pack.Name + "-tmp-99887", "index/" + pack.Name + "-tmp-ABC", "locks/" + pack.Name + "-tmp-1x",
		"keys/" + pack.Name + "-tmp-1x", "snapshots/" + pack.Name + "-tmp-1x",
	}
	stay := []string{
		"data/ab/" + pack.Name, "data/ab/" + pack.Name + "-tmp", "notes-tmp-1", "data/" + pack.Name + "-tmp-1",
		"data/ab/" + pack.Name[:60] + "-tmp-1", "index/" + strings.ToUpper(pack.Name) + "-tmp-1",
	}
	young := "index/" + pack.Name + "-tmp-young"
	for _, path := range slices.Concat(old, stay, []string{young}) {
		plant(t, b, path, []byte("x"))
		if path == young {
			continue
		}
		yesterday := time.Now().Add(-25 * time.Hour)
		if err := os.Chtimes(filepath.Join(b.path, path), yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(b.path, "index", pack.Name+"-tmp-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	n, err := b.SweepTemp(t.Context(), 24*time.Hour)
	if n != len(old) || err != nil {
		t.Errorf("sweep: %d, %v; want %d", n, err, len(old))
	}
	for _, path := range old {
		if _, err := os.Stat(filepath.Join(b.path, path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	for _, path := range append(stay, young) {
		if _, err := os.Stat(filepath.Join(b.path, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.SweepTemp(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("sweep after the context ended: %v", err)
	}
}

func TestExplain(t *testing.T) {
	for _, c := range hostErrors {
		err := explain(&fs.PathError{Op: "write", Path: "data/ab/x", Err: c.err})
		if !errors.Is(err, c.want) || !errors.Is(err, c.err) {
			t.Errorf("explain %v: got %v, want %v", c.err, err, c.want)
		}
		if !backend.IsPermanent(err) {
			t.Errorf("%v is worth another try", err)
		}
		if again := explain(err); again != err {
			t.Errorf("explained twice: %v", again)
		}
	}
	for _, err := range []error{fs.ErrNotExist, io.ErrUnexpectedEOF, context.Canceled} {
		if got := explain(err); got != err {
			t.Errorf("explain %v: %v", err, got)
		}
	}
}

// What goes wrong between the steps comes out with its meaning.
func TestSave_explainsErrors(t *testing.T) {
	for _, c := range hostErrors {
		for _, step := range saveSteps[:3] {
			b := folder(t, Options{Step: func(s string) error {
				if s == step {
					return &fs.PathError{Op: "write", Path: "temp", Err: c.err}
				}
				return nil
			}})
			err := b.Save(t.Context(), pack, strings.NewReader("x"))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), pack.Name) {
				t.Errorf("%v at %q: %v", c.err, step, err)
			}
			wantNoTemp(t, b.path)
		}
	}
}

// fn's error is not one of the folder's.
func TestLoad_leavesTheCallersErrorAlone(t *testing.T) {
	b := folder(t, Options{})
	if err := b.Save(t.Context(), pack, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	err := b.Load(t.Context(), pack, 0, 0, func(io.Reader) error { return fs.ErrPermission })
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, backend.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkSave(b *testing.B) {
	store, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	if err := store.Create(b.Context()); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 16<<20)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	for _, c := range []struct {
		name    string
		content backend.Content
	}{{"bytes", bytes.NewReader(data)}, {"section", io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := store.Save(b.Context(), pack, c.content); err != nil {
					b.Fatal(err)
				}
				if err := store.Remove(b.Context(), pack); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
