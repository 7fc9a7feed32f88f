package importer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent is a reporter that keeps what is said.
type silent struct {
	mu   sync.Mutex
	said []string
}

func (s *silent) Phase(string, string)     {}
func (s *silent) Update(progress.Counters) {}
func (s *silent) Close()                   {}
func (s *silent) Say(_ progress.Kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, text)
}

var repositoryPassword = secret.NewRepositoryPassword("correct horse")

func newRepository(t *testing.T, be backend.Backend) *repository.Repository {
	t.Helper()
	o := repository.InitOptions{Polynomial: 0x3DA3358B4DC173} // to find one takes time
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), be, repositoryPassword, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func inMemory(t *testing.T) *repository.Repository { return newRepository(t, memory.New()) }

func begin(t *testing.T, r *repository.Repository, mode repository.Mode) *repository.Session {
	t.Helper()
	s, err := r.Begin(t.Context(), mode, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// importInto imports in a session of its own.
func importInto(t *testing.T, r *repository.Repository, dir string, password secret.BackupPassword) *importer.Result {
	t.Helper()
	s := begin(t, r, repository.Shared)
	defer s.Close()
	result, err := importer.Folder(t.Context(), s, dir, with(password), &silent{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range result.Backups {
		if b.Err != nil {
			t.Fatalf("%s: %v", b.Path, b.Err)
		}
	}
	return result
}

// with gives the password once.
func with(password secret.BackupPassword) importer.Options {
	return importer.Options{Password: func(_ context.Context, f importer.Found, wrong int) (secret.BackupPassword, error) {
		if wrong > 0 {
			return password, fmt.Errorf("import %s: %w", f.Path, keybag.ErrWrongPassword)
		}
		return password, nil
	}}
}

// exportOf exports a snapshot and returns the folder.
func exportOf(t *testing.T, r *repository.Repository, text string, o export.Options) string {
	t.Helper()
	s := begin(t, r, repository.Shared)
	defer s.Close()
	p := openSnapshot(t, s, text)
	result, err := export.Folder(t.Context(), p, t.TempDir(), o, &silent{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Folder
}

func openSnapshot(t *testing.T, s *repository.Session, text string) *snapshot.Snapshot {
	t.Helper()
	info, err := snapshot.Find(t.Context(), s, text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := snapshot.Open(t.Context(), s, info.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// phone is a virtual phone that is backed up into folders.
type phone struct {
	*virtualphone.Phone
	dev *device.Device
}

func startPhone(t *testing.T, change ...func(*virtualphone.Config)) *phone {
	t.Helper()
	cfg := virtualphone.Config{Dir: t.TempDir(), Seed: 11, Profile: "tiny", KDFRounds: 50, RebootTime: 50 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	s, err := virtualphone.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close phone: %v", err)
		}
	})
	addr, err := usbmux.ParseAddress(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	dev, err := device.Open(t.Context(), device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	if err := dev.Pair(t.Context(), device.PairOptions{}); err != nil {
		t.Fatal(err)
	}
	return &phone{s.Phones()[0], dev}
}

// encrypt switches encryption on.
func (p *phone) encrypt(t *testing.T, password secret.BackupPassword) {
	t.Helper()
	if err := backup.SetEncryption(t.Context(), p.dev, secret.BackupPassword{}, password, &silent{}); err != nil {
		t.Fatal(err)
	}
}

// backup backs up into dir and returns the phone's folder.
func (p *phone) backup(t *testing.T, dir string) string {
	t.Helper()
	r, err := backup.ToFolder(t.Context(), p.dev, dir, backup.Options{}, &silent{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Folder
}

func (p *phone) use(t *testing.T) {
	t.Helper()
	if _, err := p.Use(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
}

// copyFolder copies a backup folder.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// sums hashes every file of a folder.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, p))
		m[p] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sameFolder compares two folders, name by name and byte by byte.
func sameFolder(t *testing.T, want, got string, except ...string) {
	t.Helper()
	w, g := sums(t, want), sums(t, got)
	for _, name := range except {
		delete(w, name)
		delete(g, name)
	}
	if maps.Equal(w, g) {
		return
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if other, ok := g[name]; !ok {
			fmt.Fprintf(&b, "lost    %s\n", name)
		} else if other != w[name] {
			fmt.Fprintf(&b, "changed %s\n", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if _, ok := w[name]; !ok {
			fmt.Fprintf(&b, "extra   %s\n", name)
		}
	}
	lines := strings.SplitAfter(b.String(), "\n")
	t.Errorf("%d names differ:\n%s", len(lines)-1, strings.Join(lines[:min(len(lines), 20)], ""))
}
