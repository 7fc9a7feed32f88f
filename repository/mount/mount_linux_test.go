package mount_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/treetest"
	"github.com/keepsake-backup/keepsake/repository/mount"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backUp makes a snapshot of dir.
func backUp(t *testing.T, r *repository.Repository, dir string, o archiver.Options) {
	t.Helper()
	s, end := treetest.Begin(t, r)
	defer end()
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o.Paths = []string{dir}
	if _, err := archiver.Backup(t.Context(), w, nil, o, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// mounted shows all snapshots of r in a folder until the test ends.
func mounted(t *testing.T, r *repository.Repository, wrap func(mount.Source) mount.Source, o mount.Options) string {
	t.Helper()
	s, end := treetest.Begin(t, r)
	all, err := s.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var source mount.Source = s
	if wrap != nil {
		source = wrap(s)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	dir := t.TempDir()
	srv, err := mount.Mount(ctx, dir, source, all, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := srv.Wait(); err != nil {
			t.Error(err)
		}
		end()
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("still mounted: %v, %v", entries, err)
		}
	})
	return dir
}

func failOnProblem(t *testing.T) mount.Options {
	return mount.Options{Problem: func(path string, err error) { t.Errorf("problem: %s: %v", path, err) }}
}

func TestMount_showsEverything(t *testing.T) {
	src := t.TempDir()
	treetest.Make(t, src, treetest.Size{Small: 300, Big: 20 << 20})
	r := treetest.Init(t, memory.New())
	at := time.Date(2026, 11, 22, 14, 3, 5, 0, time.UTC)
	backUp(t, r, src, archiver.Options{Host: "a/b", Tags: []string{"x", ".."}, Time: at})
	backUp(t, r, src, archiver.Options{Host: "", Time: at})
	dir := mounted(t, r, nil, failOnProblem(t))

	var names []string
	for _, pattern := range []string{"*", "ids/*", "snapshots/*", "hosts/*", "hosts/*/*", "tags/*", "tags/*/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name := strings.TrimPrefix(f, dir+"/")
			if strings.HasPrefix(name, "ids/") {
				name = "ids/…"
			}
			names = append(names, name)
		}
	}
	want := []string{"hosts", "ids", "snapshots", "tags", "ids/…", "ids/…", "snapshots/2026-11-22T14:03:05Z", "snapshots/2026-11-22T14:03:05Z-1",
		"snapshots/latest", "hosts/_", "hosts/a_b", "hosts/_/2026-11-22T14:03:05Z", "hosts/_/latest", "hosts/a_b/2026-11-22T14:03:05Z",
		"hosts/a_b/latest", "tags/__", "tags/x", "tags/__/2026-11-22T14:03:05Z", "tags/__/latest", "tags/x/2026-11-22T14:03:05Z", "tags/x/latest"}
	if !slices.Equal(names, want) {
		t.Errorf("layout:\n%q, want\n%q", names, want)
	}
	if target, err := os.Readlink(dir + "/snapshots/latest"); err != nil || target != "2026-11-22T14:03:05Z-1" {
		t.Errorf("latest is %q, %v", target, err)
	}
	treetest.Compare(t, src, filepath.Join(dir, "tags/x/latest", src), treetest.Ignore{})
}

func TestMount_randomReads(t *testing.T) {
	src := t.TempDir()
	data := make([]byte, 30<<20)
	r := rand.NewChaCha8([32]byte{2})
	r.Read(data)
	if err := os.WriteFile(src+"/big", data, 0o600); err != nil {
		t.Fatal(err)
	}
	repo := treetest.Init(t, memory.New())
	backUp(t, repo, src, archiver.Options{})
	o := failOnProblem(t)
	o.Cache = 4 << 20 // so that blobs come and go
	counter := &counting{}
	dir := mounted(t, repo, func(s mount.Source) mount.Source { counter.Source = s; return counter }, o)
	f, err := os.Open(filepath.Join(dir, "snapshots/latest", src, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for range 60 {
				at := random.IntN(len(data))
				want := data[at:min(len(data), at+random.IntN(300_000))]
				got := make([]byte, len(want))
				if _, err := f.ReadAt(got, int64(at)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("read %d bytes at %d: %v, equal %v", len(want), at, err, bytes.Equal(got, want))
				}
			}
		})
	}
	group.Wait()
	if n, err := f.ReadAt(make([]byte, 10), int64(len(data))); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "snapshots/latest", src, "new"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing: %v", err)
	}
	if _, err := os.OpenFile(f.Name(), os.O_RDWR, 0); !errors.Is(err, syscall.EROFS) {
		t.Errorf("opening for writing: %v", err)
	}
}

type counting struct {
	mount.Source
	mu    sync.Mutex
	blobs map[format.ID]int
}

func (c *counting) Blob(ctx context.Context, h format.BlobHandle, buf []byte) ([]byte, error) {
	c.mu.Lock()
	if c.blobs == nil {
		c.blobs = map[format.ID]int{}
	}
	c.blobs[h.ID]++
	c.mu.Unlock()
	return c.Source.Blob(ctx, h, buf)
}

// Many readers of one blob load it once.
func TestMount_loadsOnce(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(src+"/movie.mov", bytes.Repeat([]byte("0123456789abcdef"), 400_000), 0o600); err != nil {
		t.Fatal(err)
	}
	repo := treetest.Init(t, memory.New())
	backUp(t, repo, src, archiver.Options{})
	counter := &counting{}
	dir := mounted(t, repo, func(s mount.Source) mount.Source { counter.Source = s; return counter }, failOnProblem(t))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := os.ReadFile(filepath.Join(dir, "snapshots/latest", src, "movie.mov")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	counter.mu.Lock() // the kernel may still read ahead
	defer counter.mu.Unlock()
	if len(counter.blobs) == 0 {
		t.Fatal("nothing was loaded")
	}
	for id, n := range counter.blobs {
		if n != 1 {
			t.Errorf("blob %v was loaded %d times", id, n)
		}
	}
}

type broken struct{ mount.Source }

func (broken) Blob(context.Context, format.BlobHandle, []byte) ([]byte, error) {
	return nil, errors.New("the disk is gone")
}

func TestMount_tellsWhatCannotBeRead(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(src+"/file", []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	repo := treetest.Init(t, memory.New())
	backUp(t, repo, src, archiver.Options{})
	var mu sync.Mutex
	var told []string
	dir := mounted(t, repo, func(s mount.Source) mount.Source { return broken{s} }, mount.Options{OwnerRoot: true, Problem: func(path string, err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf("%s: %v", filepath.Base(path), err))
	}})
	_, err := os.ReadFile(filepath.Join(dir, "snapshots/latest", src, "file"))
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("reading: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) == 0 || told[0] != "file: the disk is gone" {
		t.Errorf("told: %q", told)
	}
}

// Somebody who still uses the mount does not keep it from going away.
func TestMount_goesAwayWhileUsed(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(src+"/file", []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	repo := treetest.Init(t, memory.New())
	backUp(t, repo, src, archiver.Options{})
	var f *os.File
	t.Run("mounted", func(t *testing.T) {
		dir := mounted(t, repo, nil, mount.Options{})
		var err error
		if f, err = os.Open(filepath.Join(dir, "snapshots/latest", src, "file")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { time.AfterFunc(100*time.Millisecond, func() { f.Close() }) })
	})
}

func TestMount_says(t *testing.T) {
	repo := treetest.Init(t, memory.New())
	s, end := treetest.Begin(t, repo)
	defer end()
	if _, err := mount.Mount(t.Context(), t.TempDir()+"/missing", s, nil, mount.Options{}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("missing folder: %v", err)
	}
}
