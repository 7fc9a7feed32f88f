package repository

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

const testPassword = "correct horse"

// cheap keeps tests quick: opening costs next to nothing.
var cheap = seal.Params{N: 1 << 10, R: 8, P: 1}

func withKDF(o Options, kdf KDF) Options {
	o.KDF = kdf
	return o
}

func initIn(t *testing.T, be backend.Backend, o Options) *Repository {
	t.Helper()
	r, err := Init(t.Context(), be, secret.NewRepositoryPassword(testPassword), InitOptions{Options: withKDF(o, cheap), Username: "test", Hostname: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dump writes what is in memory into a folder, for restic to look at.
func dump(t *testing.T, m *memory.Backend) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	for _, d := range []string{"keys", "data", "index", "snapshots", "locks"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range m.Handles() {
		at := filepath.Join(dir, filepath.FromSlash(h.Path()))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, m.Bytes(h), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func begin(t *testing.T, r *Repository, mode Mode) *Session {
	t.Helper()
	s, err := r.Begin(t.Context(), mode, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// files is what a test backs up: contents by path, one level of folders deep.
type files map[string][]byte

// backupFiles stores files as a snapshot.
func backupFiles(ctx context.Context, s *Session, content files, at time.Time) (format.ID, error) {
	w, err := s.Writer(ctx)
	if err != nil {
		return format.ID{}, err
	}
	id, err := backupWith(ctx, w, content, at)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return id, err
}

func backupWith(ctx context.Context, w *Writer, content files, at time.Time) (format.ID, error) {
	folders := map[string][]format.Node{"": nil}
	var names []string
	for name := range content {
		names = append(names, name)
	}
	sortStrings(names)
	contents := map[string]*Content{}
	for _, name := range names {
		c, err := w.SaveFile(ctx, bytes.NewReader(content[name]), name, int64(len(content[name])))
		if err != nil {
			return format.ID{}, err
		}
		contents[name] = c
	}
	for _, name := range names {
		ids, err := contents[name].IDs(ctx)
		if err != nil {
			return format.ID{}, err
		}
		dir, base := "", name
		if d, b, ok := strings.Cut(name, "/"); ok {
			dir, base = d, b
		}
		folders[dir] = append(folders[dir], format.Node{Name: base, Type: format.NodeFile, Mode: 0o644, ModTime: at, AccessTime: at, ChangeTime: at,
			Size: uint64(contents[name].Size()), Content: ids})
	}
	root := folders[""]
	for dir, nodes := range folders {
		if dir == "" {
			continue
		}
		id, err := w.SaveTree(ctx, &format.Tree{Nodes: nodes})
		if err != nil {
			return format.ID{}, err
		}
		root = append(root, format.Node{Name: dir, Type: format.NodeDir, Mode: os.ModeDir | 0o755, ModTime: at, AccessTime: at, ChangeTime: at, Subtree: &id})
	}
	sortNodes(root)
	tree, err := w.SaveTree(ctx, &format.Tree{Nodes: root})
	if err != nil {
		return format.ID{}, err
	}
	return w.Commit(ctx, &format.Snapshot{Time: at, Tree: &tree, Paths: []string{"/test"}, Hostname: "test"})
}

func randomBytes(seed uint64, n int) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	r.Read(data)
	return data
}

func textBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "message %d from %d: %x\n", r.IntN(1000), r.IntN(50), r.IntN(1<<20))
	}
	return b.Bytes()[:n]
}

func someFiles(seed uint64) files {
	f := files{
		"empty":          {},
		"photos/a.jpg":   append([]byte("\xff\xd8\xff\xe0"), randomBytes(seed, 9<<20)...),
		"text/log.txt":   textBytes(seed, 3<<20),
		"text/notes.txt": textBytes(seed+1, 100),
		"db/sms.db":      append([]byte("SQLite format 3\x00"), textBytes(seed+2, 1<<20)...),
	}
	for i := range 50 {
		f[fmt.Sprintf("small/%02d", i)] = textBytes(seed+uint64(i), 1000+i)
	}
	return f
}

// wantFiles compares a snapshot with what was backed up.
func wantFiles(t *testing.T, s *Session, id format.ID, want files) {
	t.Helper()
	sn, err := s.FindSnapshot(t.Context(), id.String())
	if err != nil {
		t.Fatal(err)
	}
	f := s.FS(t.Context(), *sn.Tree)
	for name, data := range want {
		file, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(file); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%s: %d bytes, not the %d of the original", name, got.Len(), len(data))
		}
	}
}

// restic runs Debian's restic on a folder.
func restic(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--no-cache", "-r", dir}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+testPassword)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("restic %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestResticReadsOurs(t *testing.T) {
	m := memory.New()
	r := initIn(t, m, Options{})
	s := begin(t, r, Shared)
	content := someFiles(1)
	id, err := backupFiles(t.Context(), s, content, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again := begin(t, r, Shared)
	wantFiles(t, again, id, content)
	dir := dump(t, m)
	if out := restic(t, dir, "check", "--read-data", "--no-lock"); !strings.Contains(out, "no errors were found") {
		t.Error(out)
	}
	target := t.TempDir()
	restic(t, dir, "restore", id.String(), "--target", target)
	for name, data := range content {
		got, err := os.ReadFile(filepath.Join(target, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("restic restores %s as %d bytes, not the %d of the original", name, len(got), len(data))
		}
	}
}

// Who knows the name of a piece is told that it is there, however soon he asks.
func TestWriter_hasWhatItNamed(t *testing.T) {
	r := initIn(t, memory.New(), Options{Workers: 4})
	s := begin(t, r, Shared)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var readers sync.WaitGroup
	for n := range 4 {
		readers.Go(func() {
			for i := range 500 {
				c, err := w.SaveFile(t.Context(), strings.NewReader(fmt.Sprint(n, " ", i)), "a.txt", -1)
				if err != nil {
					t.Error(err)
					return
				}
				ids, err := c.IDs(t.Context())
				if err != nil || len(ids) != 1 || !w.Has(format.BlobHandle{ID: ids[0], Type: format.DataBlob}) {
					t.Errorf("file %d: %v, %v, or it is said not to be there", i, ids, err)
					return
				}
			}
		})
	}
	readers.Wait()
}
