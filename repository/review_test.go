package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// hooked is a store whose operations can be met on their way.
type hooked struct {
	backend.Backend
	save, load, remove func(context.Context, backend.Handle) error
}

var errSwallow = errors.New("say yes and keep nothing")

func (b *hooked) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if b.save != nil {
		if err := b.save(ctx, h); errors.Is(err, errSwallow) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return b.Backend.Save(ctx, h, data)
}

func (b *hooked) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if b.load != nil {
		if err := b.load(ctx, h); err != nil {
			return err
		}
	}
	return b.Backend.Load(ctx, h, offset, length, fn)
}

func (b *hooked) Remove(ctx context.Context, h backend.Handle) error {
	if b.remove != nil {
		if err := b.remove(ctx, h); err != nil {
			return err
		}
	}
	return b.Backend.Remove(ctx, h)
}

func hookedRepo(t *testing.T) (*memory.Backend, *hooked, *Repository) {
	t.Helper()
	m := memory.New()
	b := &hooked{Backend: m}
	r := initIn(t, b, Options{PackSize: minPackSize})
	r.times = quick
	return m, b, r
}

// A source that breaks off early is not a short file.
func TestSourceThatBreaksOff(t *testing.T) {
	_, _, r := hookedRepo(t)
	w, err := begin(t, r, Shared).Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, n := range []int{0, 100, headSize, 10_000, 1 << 20} {
		broken := io.MultiReader(bytes.NewReader(textBytes(1, n)), errReader{io.ErrUnexpectedEOF})
		if c, err := w.SaveFile(t.Context(), broken, "notes.txt", 1<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("broken off after %d bytes: %v, a file of %d bytes", n, err, c.Size())
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// What a run has stored and not indexed, another one of the session must not
// rely on.
func TestRunsOfOneSession(t *testing.T) {
	_, _, r := hookedRepo(t)
	s := begin(t, r, Shared)
	f := files{"photo.jpg": randomBytes(3, 20<<20)}
	first, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := first.SaveFile(t.Context(), bytes.NewReader(f["photo.jpg"]), "photo.jpg", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.IDs(t.Context()); err != nil {
		t.Fatal(err)
	}
	for first.Stats().Packs == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := backupFiles(t.Context(), s, f, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	stats, err := begin(t, r, Shared).Check(t.Context(), CheckOptions{ReadData: true}, func(p Problem) {
		if p.Severity == Damage {
			t.Error(p)
		}
	})
	if err != nil || stats.Snapshots != 1 {
		t.Errorf("%d snapshots, %v", stats.Snapshots, err)
	}
}

// A lock that is refreshed between the listing and the reading is still there.
func TestLockRefreshedWhileOthersLook(t *testing.T) {
	_, b, r := hookedRepo(t)
	held, _, err := r.acquire(t.Context(), Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	held.stop()
	refreshes := 0
	b.load = func(ctx context.Context, h backend.Handle) error {
		if h.Type == backend.LockFile && refreshes < 3 {
			refreshes++
			return held.refresh(ctx)
		}
		return nil
	}
	locks, err := r.Locks(t.Context())
	if err != nil || len(locks) != 1 {
		t.Errorf("%d locks, %v, want 1", len(locks), err)
	}
	if err := held.remove(t.Context()); err != nil {
		t.Error(err)
	}
}

// What was cancelled did not succeed.
func TestCancelledFetch(t *testing.T) {
	_, b, r := hookedRepo(t)
	s := begin(t, r, Shared)
	f := files{"photo.jpg": randomBytes(3, 60<<20)}
	id, err := backupFiles(t.Context(), s, f, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s = begin(t, r, Shared)
	sn, err := s.FindSnapshot(t.Context(), id.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.FS(t.Context(), *sn.Tree).Node("photo.jpg")
	if err != nil {
		t.Fatal(err)
	}
	var blobs []format.BlobHandle
	for _, id := range n.Content {
		blobs = append(blobs, format.BlobHandle{ID: id, Type: format.DataBlob})
	}
	for round := range 10 {
		for _, at := range []int32{0, 1, 3} {
			ctx, cancel := context.WithCancel(t.Context())
			var loads atomic.Int32
			b.load = func(context.Context, backend.Handle) error {
				if loads.Add(1) > at {
					cancel()
				}
				return nil
			}
			if at == 0 {
				cancel()
			}
			got := 0
			err := s.Fetch(ctx, blobs, func(i int, data []byte) error { got += len(data); return nil })
			if err == nil && got != 60<<20 {
				t.Fatalf("Fetch, round %d/%d: no error, and %d bytes", round, at, got)
			}
			var each atomic.Int64
			err = s.FetchEach(ctx, blobs, func(i int, data []byte) error { each.Add(int64(len(data))); return nil })
			if err == nil && each.Load() != 60<<20 {
				t.Fatalf("FetchEach, round %d/%d: no error, and %d bytes", round, at, each.Load())
			}
			cancel()
			b.load = nil
		}
	}
}

func TestCancelledCheck(t *testing.T) {
	_, b, r := hookedRepo(t)
	s := begin(t, r, Shared)
	if _, err := backupFiles(t.Context(), s, files{"photo.jpg": randomBytes(3, 60<<20)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.load = func(_ context.Context, h backend.Handle) error {
		return nil
	}
	s = begin(t, r, Shared)
	stats, err := s.Check(ctx, CheckOptions{ReadData: true, Progress: func(c CheckStats) {
		if c.Read > 0 {
			cancel()
		}
	}}, func(Problem) {})
	if err == nil && stats.Read < stats.ToRead {
		t.Errorf("no error, and %d of %d packs read", stats.Read, stats.ToRead)
	}
}

// A store that lost an index has lost it at the second attempt, too.
func TestCommitAgain(t *testing.T) {
	_, b, r := hookedRepo(t)
	b.save = func(_ context.Context, h backend.Handle) error {
		if h.Type == backend.IndexFile {
			return errSwallow
		}
		return nil
	}
	s := begin(t, r, Shared)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tree, err := w.SaveTree(t.Context(), &format.Tree{})
	if err != nil {
		t.Fatal(err)
	}
	sn := &format.Snapshot{Time: time.Now(), Tree: &tree, Paths: []string{"/"}}
	for range 2 {
		if id, err := w.Commit(t.Context(), sn); err == nil {
			t.Errorf("snapshot %v without its index", id)
		}
	}
}

// Who holds a removed key must not remove the last one.
func TestLastKeyStays(t *testing.T) {
	m, _, r := hookedRepo(t)
	other := secret.NewRepositoryPassword("other")
	k, err := r.addKey(t.Context(), other, "", "", cheap)
	if err != nil {
		t.Fatal(err)
	}
	r2, err := Open(t.Context(), m, other, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r2.RemoveKey(t.Context(), r.keyID); err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveKey(t.Context(), k.ID); err == nil {
		t.Error("the last key was removed")
	}
}

// A snapshot that the store lists and does not give is needed even so.
func TestPruneMissesSnapshot(t *testing.T) {
	_, b, r := hookedRepo(t)
	s := begin(t, r, Shared)
	id, err := backupFiles(t.Context(), s, files{"a.txt": textBytes(1, 100_000)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b.load = func(_ context.Context, h backend.Handle) error {
		if h.Name == id.String() {
			return backend.ErrNotExist
		}
		return nil
	}
	if _, err := r.Prune(t.Context(), PruneOptions{Wait: time.Second}); err == nil {
		t.Error("pruned without knowing what a snapshot needs")
	}
	b.load = nil
	wantClean(t, r)
}

// Two packs are bad; one cannot be read today. What the other one still has is
// saved from there.
func TestRepairPacksUnreadable(t *testing.T) {
	for range 8 { // the order of packs is one of chance
		m, b, r := hookedRepo(t)
		s := begin(t, r, Shared)
		f := files{"a.bin": randomBytes(9, 300_000)}
		if _, err := backupFiles(t.Context(), s, f, time.Now()); err != nil {
			t.Fatal(err)
		}
		x, err := s.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h := format.BlobHandle{ID: format.Hash(f["a.bin"]), Type: format.DataBlob}
		e, ok := x.Lookup(h)
		if !ok {
			t.Fatal("one blob expected")
		}
		one := x.PackID(e.Pack)
		w, err := s.startWriter(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.put(t.Context(), h, f["a.bin"]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var bad []format.ID
		for _, p := range m.Handles() {
			if p.Type == backend.PackFile {
				id, _ := format.ParseID(p.Name)
				bad = append(bad, id)
			}
		}
		b.load = func(_ context.Context, h backend.Handle) error {
			if h.Name == one.String() {
				return errors.New("input/output error")
			}
			return nil
		}
		s, err = r.Begin(t.Context(), Exclusive, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.RepairPacks(t.Context(), bad, nil, func(Problem) {}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = begin(t, r, Shared)
		if _, err := s.Blob(t.Context(), h, nil); err != nil {
			t.Fatalf("it was there and is not any more: %v", err)
		}
	}
}

// Many files of unknown length at once come through.
func TestManyFilesAtOnce(t *testing.T) {
	const n = 5 // each holds 4 MiB, and then wants 8
	r := initIn(t, memory.New(), Options{Memory: minMemory})
	w, err := begin(t, r, Shared).Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var reached, g sync.WaitGroup
	reached.Add(n)
	for i := range n {
		g.Go(func() {
			head := randomBytes(uint64(i), 4<<20-1) // its buffer is full with the next byte
			src := io.MultiReader(bytes.NewReader(head), &gate{all: &reached}, bytes.NewReader(randomBytes(uint64(i+100), 9<<20)))
			if _, err := w.SaveFile(ctx, src, "a.mov", -1); err != nil {
				t.Errorf("file %d: %v", i, err)
			}
		})
	}
	g.Wait()
	if err := w.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if r.buffers.given != 0 || len(r.buffers.beyond) != 0 {
		t.Errorf("%d bytes were not given back", r.buffers.given)
	}
}

// gate lets nobody through until all are there.
type gate struct {
	all  *sync.WaitGroup
	once sync.Once
}

func (g *gate) Read([]byte) (int, error) {
	g.once.Do(func() { g.all.Done(); g.all.Wait() })
	return 0, io.EOF
}

// A pack that could not be saved is an error, whoever sees it first.
func TestFailedSaveIsNotCommitted(t *testing.T) {
	_, b, r := hookedRepo(t)
	b.save = func(_ context.Context, h backend.Handle) error {
		if h.Type == backend.PackFile {
			return errors.New("no")
		}
		return nil
	}
	s := begin(t, r, Shared)
	for i := range 3000 {
		w, err := s.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tree, err := w.SaveTree(t.Context(), &format.Tree{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Commit(t.Context(), &format.Snapshot{Time: time.Now(), Tree: &tree, Paths: []string{"/"}})
		w.Close()
		if err == nil {
			t.Fatalf("attempt %d: a snapshot without its tree", i)
		}
	}
}

// A session that ends while its lock is refreshed leaves none behind.
func TestSessionEndsDuringRefresh(t *testing.T) {
	m, b, r := hookedRepo(t)
	removing, ended := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.remove = func(ctx context.Context, h backend.Handle) error {
		once.Do(func() { close(removing); <-ended; time.Sleep(10 * time.Millisecond) })
		return ctx.Err()
	}
	s, err := r.Begin(t.Context(), Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(s.Context(), func() { close(ended) })
	<-removing
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := lockFiles(m); len(left) > 0 {
		t.Errorf("%d locks are left", len(left))
	}
}

// Flush may be given up and others go on.
func TestFlushGivenUp(t *testing.T) {
	_, _, r := hookedRepo(t)
	w, err := begin(t, r, Shared).Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const known = 50
	for n := range known { // nothing is left to be written
		if _, err := w.SaveBlob(t.Context(), format.DataBlob, fmt.Appendf(nil, "%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := time.Now().Add(time.Second)
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			for n := 0; time.Now().Before(stop); n++ {
				if _, err := w.SaveBlob(t.Context(), format.DataBlob, fmt.Appendf(nil, "%d", (i*7+n)%known)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	g.Go(func() {
		for time.Now().Before(stop) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			w.Flush(ctx)
		}
	})
	g.Wait()
}
