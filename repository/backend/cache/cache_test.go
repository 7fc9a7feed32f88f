package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

// marking marks every pack as it is saved, so that the conformance tests go
// through the copies of packs.
type marking struct{ *Cache }

func (m marking) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	err := m.Cache.Save(ctx, h, data)
	if err == nil && h.Type == backend.PackFile {
		m.MarkTreePack(h.Name, data.Size())
	}
	return err
}

func TestConformance(t *testing.T) {
	full := func(io.Writer) io.Writer { return &fullDisk{left: 0} }
	for name, newBackend := range map[string]func(t *testing.T) backend.Backend{
		"plain":     func(t *testing.T) backend.Backend { return open(t, memory.New(), t.TempDir(), Options{}) },
		"all packs": func(t *testing.T) backend.Backend { return marking{open(t, memory.New(), t.TempDir(), Options{})} },
		"small": func(t *testing.T) backend.Backend {
			return marking{open(t, memory.New(), t.TempDir(), Options{MaxBytes: 500_000})}
		},
		"full disk": func(t *testing.T) backend.Backend {
			c := open(t, memory.New(), t.TempDir(), Options{})
			c.d.through = full
			return marking{c}
		},
		"no disk": func(t *testing.T) backend.Backend {
			c := open(t, memory.New(), t.TempDir(), Options{})
			c.d.close()
			return marking{c}
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) { backendtest.Run(t, newBackend) })
	}
}

func open(t testing.TB, b backend.Backend, dir string, o Options) *Cache {
	t.Helper()
	c, err := New(b, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type fullDisk struct{ left int }

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(d.left, len(p))
	d.left -= n
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// file makes a file that has its right name.
func file(t backend.FileType, size int, seed uint64) (backend.Handle, []byte) {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(t), byte(seed), byte(seed >> 8)}).Read(data)
	sum := sha256.Sum256(data)
	return backend.Handle{Type: t, Name: hex.EncodeToString(sum[:])}, data
}

func save(t testing.TB, b backend.Backend, h backend.Handle, data []byte) {
	t.Helper()
	if err := b.Save(t.Context(), h, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// want loads a range and compares it.
func want(t testing.TB, b backend.Backend, h backend.Handle, data []byte, offset, length int) {
	t.Helper()
	var got []byte
	err := b.Load(t.Context(), h, int64(offset), int64(length), func(r io.Reader) (err error) {
		got, err = io.ReadAll(r)
		return err
	})
	part := data[offset:]
	if length > 0 {
		part = part[:length]
	}
	if err != nil || !bytes.Equal(got, part) {
		t.Errorf("load %d bytes of %v from %d on: %d bytes, %v", length, h, offset, len(got), err)
	}
}

// loads gives how many Loads came through to the store since the last time.
func loads(m *memory.Backend) int {
	n := m.Ops().Load
	m.ResetOps()
	return n
}

func copyPath(dir string, h backend.Handle) string {
	return filepath.Join(dir, h.Type.Folder(), h.Name)
}

func TestSmallFilesAreKept(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.SnapshotFile} {
		m, dir := memory.New(), t.TempDir()
		c := open(t, m, dir, Options{})
		ours, oursData := file(typ, 50_000, 1)
		theirs, theirsData := file(typ, 70_000, 2)
		save(t, c, ours, oursData)
		save(t, m, theirs, theirsData)
		want(t, c, ours, oursData, 0, 0)
		if n := loads(m); n != 0 {
			t.Errorf("%v: what was saved here is loaded from there %d times", typ, n)
		}
		for range 3 {
			want(t, c, theirs, theirsData, 1000, 10)
			want(t, c, theirs, theirsData, 0, 0)
		}
		if n := loads(m); n != 1 {
			t.Errorf("%v: %d loads for one file, want 1", typ, n)
		}
		// The next process finds them, and they are sealed files like any other.
		again := open(t, m, dir, Options{})
		want(t, again, theirs, theirsData, 0, 0)
		if n := loads(m); n != 0 {
			t.Errorf("%v: the next process loads %d times", typ, n)
		}
		info, err := os.Stat(copyPath(dir, theirs))
		if err != nil || info.Size() != 70_000 || os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
			t.Errorf("%v: the copy: %v, %v", typ, info, err)
		}
	}
}

func TestOtherTypesAreNotKept(t *testing.T) {
	m, dir := memory.New(), t.TempDir()
	c := open(t, m, dir, Options{})
	for _, typ := range []backend.FileType{backend.KeyFile, backend.LockFile, backend.PackFile} {
		h, data := file(typ, 1000, 1)
		save(t, c, h, data)
		want(t, c, h, data, 0, 0)
		want(t, c, h, data, 10, 10)
	}
	if n := loads(m); n != 6 {
		t.Errorf("%d loads, want all 6", n)
	}
	if files := copies(t, dir); len(files) != 0 {
		t.Errorf("copies: %v", files)
	}
}

// copies gives the sizes of all files in a cache but its tag.
func copies(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == tagName {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		files[d.Name()] = info.Size()
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

func TestListDropsWhatVanished(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.SnapshotFile, backend.PackFile} {
		m, dir := memory.New(), t.TempDir()
		c := open(t, m, dir, Options{})
		gone, goneData := file(typ, 1000, 1)
		stays, staysData := file(typ, 1000, 2)
		for _, h := range []struct {
			backend.Handle
			data []byte
		}{{gone, goneData}, {stays, staysData}} {
			save(t, m, h.Handle, h.data)
			c.MarkTreePack(h.Name, 1000)
			want(t, c, h.Handle, h.data, 5, 5)
		}
		if err := m.Remove(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		if err := c.List(t.Context(), typ, func(backend.FileInfo) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("list: %v", err)
		}
		if n := len(copies(t, dir)); n != 2 {
			t.Errorf("%v: half a listing leaves %d copies, want 2", typ, n)
		}
		if err := c.List(t.Context(), typ, func(backend.FileInfo) error { return nil }); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(copyPath(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: the copy of a file that is gone: %v", typ, err)
		}
		loads(m)
		want(t, c, stays, staysData, 0, 0)
		if n := loads(m); n != 0 {
			t.Errorf("%v: the copy of a file that stays is gone too", typ)
		}
		if err := c.Load(t.Context(), gone, 0, 0, func(io.Reader) error { return nil }); !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("%v: load of a file that is gone: %v", typ, err)
		}
	}
}

// damage is what can happen to a file.
var damage = map[string]func(data []byte) []byte{
	"first bit":  func(d []byte) []byte { d[0] ^= 1; return d },
	"last byte":  func(d []byte) []byte { d[len(d)-1] = ^d[len(d)-1]; return d },
	"middle":     func(d []byte) []byte { clear(d[len(d)/2 : len(d)/2+16]); return d },
	"cut off":    func(d []byte) []byte { return d[:len(d)/2] },
	"empty":      func(d []byte) []byte { return nil },
	"longer":     func(d []byte) []byte { return append(d, 1) },
	"other file": func(d []byte) []byte { return bytes.Repeat([]byte("x"), len(d)) },
}

func TestDamagedCopies(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.SnapshotFile, backend.PackFile} {
		for name, hurt := range damage {
			for _, fresh := range []bool{false, true} { // a process that knows the copy, and one that does not
				m, dir := memory.New(), t.TempDir()
				told := 0
				o := Options{Trouble: func(err error) { told++ }}
				c := open(t, m, dir, o)
				h, data := file(typ, 200_000, 1)
				save(t, m, h, data)
				c.MarkTreePack(h.Name, int64(len(data)))
				want(t, c, h, data, 0, 0)
				if err := os.WriteFile(copyPath(dir, h), hurt(bytes.Clone(data)), 0o600); err != nil {
					t.Fatal(err)
				}
				if fresh {
					c = open(t, m, dir, o)
					c.MarkTreePack(h.Name, int64(len(data)))
				}
				for _, r := range [][2]int{{0, 10}, {199_990, 10}, {99_000, 2000}, {0, 0}} {
					want(t, c, h, data, r[0], r[1])
				}
				if told != 1 {
					t.Errorf("%v, %s, fresh %v: Trouble was told %d times, want once", typ, name, fresh, told)
				}
				loads(m)
				want(t, c, h, data, 0, 0)
				if n := loads(m); n != 0 {
					t.Errorf("%v, %s, fresh %v: the damaged copy was not replaced", typ, name, fresh)
				}
			}
		}
	}
}

// TestDamagedInTheRepository: the cache neither keeps nor hides it.
func TestDamagedInTheRepository(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.PackFile} {
		m, dir := memory.New(), t.TempDir()
		c := open(t, m, dir, Options{})
		h, data := file(typ, 100_000, 1)
		data[5]++
		save(t, m, h, data)
		c.MarkTreePack(h.Name, int64(len(data)))
		want(t, c, h, data, 0, 0)
		want(t, c, h, data, 3, 30)
		if files := copies(t, dir); len(files) != 0 {
			t.Errorf("%v: a damaged file was kept: %v", typ, files)
		}
	}
}

func TestSaveOfOtherBytesDropsTheCopy(t *testing.T) {
	m := memory.New()
	c := open(t, m, t.TempDir(), Options{})
	h, data := file(backend.IndexFile, 1000, 1)
	save(t, c, h, data)
	other := bytes.Repeat([]byte("x"), 999)
	save(t, c, h, other)
	want(t, c, h, other, 0, 0)
}

func TestPacks(t *testing.T) {
	m, dir := memory.New(), t.TempDir()
	c := open(t, m, dir, Options{})
	h, data := file(backend.PackFile, 3*blockSize+77, 1)
	save(t, c, h, data)
	want(t, c, h, data, 5, 10)
	if n := loads(m); n != 1 || len(copies(t, dir)) != 0 {
		t.Errorf("a pack that was not marked: %d loads, copies %v", n, copies(t, dir))
	}
	c.MarkTreePack(h.Name, int64(len(data)))
	for _, r := range [][2]int{{0, 1}, {5, 10}, {blockSize - 1, 2}, {blockSize, blockSize}, {0, len(data)}, {0, 0}, {len(data) - 1, 1}, {len(data), 0}, {3 * blockSize, 77}} {
		want(t, c, h, data, r[0], r[1])
	}
	if ops := m.Ops(); ops.Load != 1 || ops.BytesLoaded < int64(len(data)) {
		t.Errorf("a marked pack: %+v, want one load of all", ops)
	}
	err := c.Load(t.Context(), h, int64(len(data)), 1, func(io.Reader) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("load behind the end: %v", err)
	}
	if err := c.Remove(t.Context(), h); err != nil || len(copies(t, dir)) != 0 {
		t.Errorf("remove: %v, copies %v", err, copies(t, dir))
	}
	// Marks that cannot be right.
	c.MarkTreePack("../../x", 10)
	c.MarkTreePack(h.Name, -1)
	wrong, wrongData := file(backend.PackFile, 5000, 2)
	save(t, c, wrong, wrongData)
	for _, size := range []int64{4999, 5001} {
		c.MarkTreePack(wrong.Name, size)
		want(t, c, wrong, wrongData, 100, 100)
	}
	if n := len(copies(t, dir)); n != 0 {
		t.Errorf("%d copies of packs of another size", n)
	}
}

// TestPacks_leastRecentlyUsed also holds the bound at every moment.
func TestPacks_leastRecentlyUsed(t *testing.T) {
	const size, limit = 50_000, 500_000
	m, dir := memory.New(), t.TempDir()
	c := open(t, m, dir, Options{MaxBytes: limit})
	handles := make([]backend.Handle, 30)
	datas := make([][]byte, 30)
	for i := range handles {
		handles[i], datas[i] = file(backend.PackFile, size, uint64(i))
		save(t, m, handles[i], datas[i])
		c.MarkTreePack(handles[i].Name, size)
	}
	past := time.Now().Add(-time.Hour)
	for i := range 10 {
		want(t, c, handles[i], datas[i], i, 10)
		when := past.Add(time.Duration(i) * time.Second) // disks have coarse clocks
		if err := os.Chtimes(copyPath(dir, handles[i]), when, when); err != nil {
			t.Fatal(err)
		}
	}
	c.marked(handles[0]).touched = time.Time{}
	want(t, c, handles[0], datas[0], 0, 10) // the oldest is used again
	want(t, c, handles[10], datas[10], 0, 10)
	files := copies(t, dir)
	if len(files) != 10 || files[handles[0].Name] == 0 || files[handles[1].Name] != 0 || files[handles[10].Name] == 0 {
		t.Errorf("after 11 packs there are %d, the first used again: %v, the second: %v", len(files), files[handles[0].Name] != 0, files[handles[1].Name] != 0)
	}

	stop := make(chan struct{})
	var watcher, workers sync.WaitGroup
	var most int64
	watcher.Go(func() {
		for {
			var total int64
			for _, n := range copies(t, dir) {
				total += n
			}
			most = max(most, total)
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	for w := range 6 {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for range 60 {
				i := r.IntN(len(handles))
				offset := r.IntN(size - 1)
				want(t, c, handles[i], datas[i], offset, 1+r.IntN(size-offset-1))
			}
		})
	}
	workers.Wait()
	close(stop)
	watcher.Wait()
	// A walk is not a moment: a pack may be seen before it goes, and the one in
	// its place after it came.
	if most > limit+6*size {
		t.Errorf("the packs took %d bytes, want %d at most", most, limit)
	}
	var total int64
	for _, n := range copies(t, dir) {
		total += n
	}
	if total > limit || c.reserved != 0 {
		t.Errorf("the packs take %d bytes, %d reserved; want %d at most", total, c.reserved, limit)
	}

	big, bigData := file(backend.PackFile, limit/4+1, 99)
	save(t, m, big, bigData)
	c.MarkTreePack(big.Name, int64(len(bigData)))
	want(t, c, big, bigData, 0, 10)
	if copies(t, dir)[big.Name] != 0 {
		t.Error("a pack that is too large was kept")
	}
}

func TestConcurrentLoadsFetchOnce(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.PackFile} {
		m := memory.New()
		slow := &gated{Backend: m, gate: make(chan struct{})}
		c := open(t, slow, t.TempDir(), Options{})
		h, data := file(typ, 300_000, 1)
		save(t, m, h, data)
		c.MarkTreePack(h.Name, int64(len(data)))
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() { want(t, c, h, data, i*1000, 5000) })
		}
		// One of the waiting gives up.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Load(ctx, h, 0, 10, func(io.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("load after cancel: %v", err)
		}
		close(slow.gate)
		wg.Wait()
		if n := loads(m); n != 1 {
			t.Errorf("%v: %d loads, want 1", typ, n)
		}
	}
}

// gated answers no Load before its gate opens.
type gated struct {
	backend.Backend
	gate chan struct{}
	hits atomic.Int32
}

func (g *gated) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	g.hits.Add(1)
	select {
	case <-g.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	return g.Backend.Load(ctx, h, offset, length, fn)
}

// TestLeaderGivesUp: those who waited for it load for themselves.
func TestLeaderGivesUp(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.PackFile} {
		m := memory.New()
		slow := &gated{Backend: m, gate: make(chan struct{})}
		c := open(t, slow, t.TempDir(), Options{})
		h, data := file(typ, 10_000, 1)
		save(t, m, h, data)
		c.MarkTreePack(h.Name, int64(len(data)))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			err := c.Load(ctx, h, 0, 10, func(io.Reader) error { return nil })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v: the leader: %v", typ, err)
			}
		})
		for slow.hits.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		wg.Go(func() { want(t, c, h, data, 0, 0) })
		cancel()
		close(slow.gate)
		wg.Wait()
	}
}

// TestRemoveBeatsLoad: a file that is removed while it is being loaded leaves no
// copy behind.
func TestRemoveBeatsLoad(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.PackFile} {
		m, dir := memory.New(), t.TempDir()
		during := &hooked{Backend: m}
		c := open(t, during, dir, Options{})
		h, data := file(typ, 10_000, 1)
		save(t, m, h, data)
		c.MarkTreePack(h.Name, int64(len(data)))
		during.loaded = func() {
			if err := c.Remove(t.Context(), h); err != nil {
				t.Error(err)
			}
		}
		err := c.Load(t.Context(), h, 0, 0, func(r io.Reader) error { _, err := io.ReadAll(r); return err })
		if err != nil && !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("%v: %v", typ, err)
		}
		if files := copies(t, dir); len(files) != 0 {
			t.Errorf("%v: a copy stays: %v", typ, files)
		}
	}
}

// hooked calls loaded once, when a file has been loaded and not been kept yet.
type hooked struct {
	backend.Backend
	loaded func()
}

func (b *hooked) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	err := b.Backend.Load(ctx, h, offset, length, fn)
	if f := b.loaded; f != nil {
		b.loaded = nil
		f()
	}
	return err
}

func TestDiskFillsUp(t *testing.T) {
	for _, typ := range []backend.FileType{backend.IndexFile, backend.PackFile} {
		for _, room := range []int{0, 1, 40_000} {
			m, dir := memory.New(), t.TempDir()
			var told []error
			c := open(t, m, dir, Options{Trouble: func(err error) { told = append(told, err) }})
			c.d.through = func(w io.Writer) io.Writer { return io.MultiWriter(&fullDisk{left: room}, w) }
			for seed := range uint64(3) {
				h, data := file(typ, 100_000, seed)
				save(t, m, h, data)
				c.MarkTreePack(h.Name, int64(len(data)))
				want(t, c, h, data, 50_000, 100)
				want(t, c, h, data, 0, 0)
			}
			if files := copies(t, dir); len(files) != 0 {
				t.Errorf("%v, room for %d: %v stays", typ, room, files)
			}
			if len(told) != 1 || !strings.Contains(told[0].Error(), "no space left") {
				t.Errorf("%v, room for %d: told %v", typ, room, told)
			}
			if c.reserved != 0 {
				t.Errorf("%v, room for %d: %d bytes stay reserved", typ, room, c.reserved)
			}
			// When there is room again, copies are made again.
			c.d.through = nil
			c.resting = time.Time{}
			h, data := file(typ, 100_000, 9)
			save(t, m, h, data)
			c.MarkTreePack(h.Name, int64(len(data)))
			want(t, c, h, data, 0, 0)
			if copies(t, dir)[h.Name] == 0 {
				t.Errorf("%v, room for %d: no copy after the disk was emptied", typ, room)
			}
		}
	}
}

func TestFolderVanishes(t *testing.T) {
	m, dir := memory.New(), filepath.Join(t.TempDir(), "a", "b")
	c := open(t, m, dir, Options{})
	var handles []backend.Handle
	for i, typ := range []backend.FileType{backend.IndexFile, backend.SnapshotFile, backend.PackFile} {
		h, data := file(typ, 10_000, uint64(i))
		handles = append(handles, h)
		save(t, c, h, data)
		c.MarkTreePack(h.Name, 10_000)
		want(t, c, h, data, 0, 0)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for i, h := range handles {
		_, data := file(h.Type, 10_000, uint64(i))
		want(t, c, h, data, 10, 10)
		other, otherData := file(h.Type, 10_000, 77)
		save(t, c, other, otherData)
		want(t, c, other, otherData, 0, 0)
		if err := c.List(t.Context(), h.Type, func(backend.FileInfo) error { return nil }); err != nil {
			t.Error(err)
		}
		if err := c.Remove(t.Context(), h); err != nil {
			t.Error(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "caches", "id")
	c := open(t, memory.New(), dir, Options{})
	if info, err := os.Stat(dir); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, tagName)); err != nil || !strings.HasPrefix(string(got), "Signature: 8a477f597d28d172789f06886806bc55\n") {
		t.Errorf("the tag: %q, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// What a crash left is swept a day later, and no sooner.
	for name, age := range map[string]time.Duration{"tmp-old": 25 * time.Hour, "tmp-new": time.Hour} {
		path := filepath.Join(dir, "data", name)
		if err := os.WriteFile(path, []byte("half a pack"), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	m := memory.New()
	c = open(t, m, dir, Options{})
	if files := copies(t, dir); len(files) != 1 || files["tmp-new"] == 0 {
		t.Errorf("after the sweep: %v", files)
	}
	if got, ok := backend.As[*memory.Backend](c); !ok || got != m {
		t.Error("the backend behind is not found")
	}
	if c.Properties() != m.Properties() {
		t.Error("the properties are not those of the backend behind")
	}
	// A file where the folder should be: no cache, and an error that says so.
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, path, Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a cache in a file: %v", err)
	}
}

// TestTwoProcesses works on one folder with two caches, while one loses copies.
func TestTwoProcesses(t *testing.T) {
	m, dir := memory.New(), t.TempDir()
	var caches []*Cache
	for range 2 {
		caches = append(caches, open(t, m, dir, Options{MaxBytes: 200_000}))
	}
	var wg sync.WaitGroup
	for w := range 6 {
		c := caches[w%2]
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for range 80 {
				typ := keptTypes[r.IntN(3)]
				h, data := file(typ, 20_000, uint64(r.IntN(12)))
				c.MarkTreePack(h.Name, int64(len(data)))
				switch r.IntN(6) {
				case 0:
					save(t, c, h, data)
				case 1:
					if err := c.Remove(t.Context(), h); err != nil && !errors.Is(err, backend.ErrNotExist) {
						t.Error(err)
					}
				case 2:
					if err := c.List(t.Context(), typ, func(backend.FileInfo) error { return nil }); err != nil {
						t.Error(err)
					}
				default:
					var got []byte
					err := c.Load(t.Context(), h, 100, 1000, func(r io.Reader) (err error) { got, err = io.ReadAll(r); return err })
					if err != nil && !errors.Is(err, backend.ErrNotExist) || err == nil && !bytes.Equal(got, data[100:1100]) {
						t.Errorf("load: %d bytes, %v", len(got), err)
					}
				}
			}
		})
	}
	wg.Wait()
	for name := range copies(t, dir) {
		if !backend.IsName(name) {
			t.Errorf("%s is left over", name)
		}
	}
	if n := len(caches[0].flights) + len(caches[1].flights); n != 0 {
		t.Errorf("%d flights have not ended", n)
	}
}
