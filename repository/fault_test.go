package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

// tinyFiles is as little as makes several packs of tinyPack bytes.
func tinyFiles(seed uint64) files {
	return files{
		"same/a":  randomBytes(1, 3000),
		"same/b":  textBytes(1, 5000),
		"own/a":   randomBytes(100+seed, 3500),
		"own/b":   textBytes(200+seed, 3000),
		"own/c":   randomBytes(300+seed, 2500),
		"empty":   {},
		"top.txt": textBytes(400+seed, 300),
	}
}

const tinyPack = 4 << 10

// tiny makes every run one of many small steps.
func tiny(r *Repository) *Repository {
	r.times = resticTimes
	r.times.settle, r.times.poll, r.times.pollMax = time.Microsecond, time.Millisecond, time.Millisecond
	r.times.goodbye = 100 * time.Millisecond
	r.o.PackSize = tinyPack
	return r
}

// free is a key that costs nothing: thousands of runs open a repository.
var free = seal.Params{N: 2, R: 1, P: 1}

func initTiny(t *testing.T, be backend.Backend) *Repository {
	t.Helper()
	r, err := Init(t.Context(), be, secret.NewRepositoryPassword(testPassword), InitOptions{KDF: free})
	if err != nil {
		t.Fatal(err)
	}
	return tiny(r)
}

func openTiny(ctx context.Context, be backend.Backend) (*Repository, error) {
	r, err := Open(ctx, be, secret.NewRepositoryPassword(testPassword), Options{})
	if err != nil {
		return nil, err
	}
	return tiny(r), nil
}

// tinyBase is a repository with two versions, and a copy of both in another one.
type tinyBase struct {
	m, second *memory.Backend
	versions  map[format.ID]files
	ids       []format.ID
}

func newTinyBase(t *testing.T) *tinyBase {
	t.Helper()
	b := &tinyBase{memory.New(), memory.New(), map[format.ID]files{}, nil}
	r, other := initTiny(t, b.m), initTiny(t, b.second)
	for i := range uint64(2) {
		f := tinyFiles(i)
		f["same/c"] = randomBytes(2, tinyPack+1000) // a pack of its own, which prune leaves alone
		err := within(t.Context(), r, Shared, func(s *Session) error {
			id, err := backupFiles(t.Context(), s, f, time.Date(2026, 1, 1+int(i), 0, 0, 0, 0, time.UTC))
			b.versions[id] = f
			b.ids = append(b.ids, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := copyAll(t.Context(), other, r); err != nil {
		t.Fatal(err)
	}
	return b
}

// copyAll copies all versions of from that to does not have.
func copyAll(ctx context.Context, to, from *Repository) error {
	return within(ctx, from, Shared, func(src *Session) error {
		return within(ctx, to, Shared, func(dst *Session) error {
			all, err := src.Snapshots(ctx)
			if err == nil {
				_, err = dst.CopyFrom(ctx, src, all, nil)
			}
			return err
		})
	})
}

// operation is something that the engine does in a repository.
type operation struct {
	name string
	// start changes the repository before; may be nil.
	start func(*testing.T, *tinyBase, *memory.Backend)
	// run is the operation on an open repository; or on a store, if bare is set.
	run  func(context.Context, *tinyBase, *Repository) error
	bare func(context.Context, backend.Backend) error
	gone int // versions that it removes
	// mends: the repository is damaged until the operation has come to its end.
	mends bool
}

// collect turns damage that is reported into an error.
func collect(errs *[]error) func(Problem) {
	return func(p Problem) {
		if p.Severity == Damage {
			*errs = append(*errs, p)
		}
	}
}

func openSecond(ctx context.Context, b *tinyBase, f func(*Session) error) error {
	r, err := openTiny(ctx, b.second.Clone())
	if err != nil {
		return err
	}
	return within(ctx, r, Shared, f)
}

// readVersions reads all versions by read.
func readVersions(ctx context.Context, b *tinyBase, r *Repository, read func(*Session, *FS, string) ([]byte, error)) error {
	return within(ctx, r, Shared, func(s *Session) error {
		for id, want := range b.versions {
			sn, err := s.FindSnapshot(ctx, id.String())
			if err != nil {
				return err
			}
			f := s.FS(ctx, *sn.Tree)
			for name := range want {
				got, err := read(s, f, name)
				if err != nil {
					return err
				}
				if !bytes.Equal(got, want[name]) {
					return fmt.Errorf("read %s: wrong bytes were handed out", name)
				}
			}
		}
		return nil
	})
}

var operations = []operation{
	{name: "init", bare: func(ctx context.Context, be backend.Backend) error {
		_, err := Init(ctx, be, secret.NewRepositoryPassword(testPassword), InitOptions{KDF: free})
		return err
	}},
	{name: "open", bare: func(ctx context.Context, be backend.Backend) error {
		_, err := openTiny(ctx, be)
		return err
	}},
	{name: "lock", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		nothing := func(*Session) error { return nil }
		return errors.Join(within(ctx, r, Shared, nothing), within(ctx, r, Exclusive, nothing))
	}},
	{name: "unlock",
		start: func(t *testing.T, _ *tinyBase, m *memory.Backend) {
			r, err := openTiny(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			l := format.Lock{Time: time.Now().Add(-time.Hour), Hostname: "elsewhere", Username: "test", PID: 1}
			json, err := l.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.saveUnpacked(t.Context(), backend.LockFile, json); err != nil {
				t.Fatal(err)
			}
		},
		run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
			_, err := r.Unlock(ctx, false)
			return err
		}},
	{name: "keys", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		more := secret.NewRepositoryPassword("more")
		k, err := r.addKey(ctx, more, "test", "test", free)
		if err == nil {
			_, err = r.Keys(ctx)
		}
		if err == nil {
			err = r.RemoveKey(ctx, k.ID)
		}
		if err == nil {
			_, err = r.changePassword(ctx, secret.NewRepositoryPassword(testPassword), "test", "test", free)
		}
		return err
	}},
	{name: "write", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		return within(ctx, r, Shared, func(s *Session) error {
			_, err := backupFiles(ctx, s, tinyFiles(5), time.Now())
			return err
		})
	}},
	{name: "read", run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return readVersions(ctx, b, r, func(_ *Session, f *FS, name string) ([]byte, error) {
			file, err := f.Open(name)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(struct{ io.Reader }{file}) // by Read
		})
	}},
	{name: "fetch", run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return readVersions(ctx, b, r, func(_ *Session, f *FS, name string) ([]byte, error) {
			file, err := f.Open(name)
			if err != nil {
				return nil, err
			}
			var all bytes.Buffer
			_, err = file.(*File).WriteTo(&all) // by Fetch
			return all.Bytes(), err
		})
	}},
	{name: "check", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		var errs []error
		err := within(ctx, r, Shared, func(s *Session) error {
			_, err := s.Check(ctx, CheckOptions{ReadData: true}, collect(&errs))
			return err
		})
		return errors.Join(append(errs, err)...)
	}},
	{name: "forget", gone: 1, run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return within(ctx, r, Exclusive, func(s *Session) error { return s.Forget(ctx, b.ids[:1]) })
	}},
	{name: "prune", gone: 1,
		start: func(_ *testing.T, b *tinyBase, m *memory.Backend) {
			m.Put(backend.Handle{Type: backend.SnapshotFile, Name: b.ids[0].String()}, nil)
		},
		run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
			_, err := r.Prune(ctx, PruneOptions{})
			return err
		}},
	{name: "copy to", run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return openSecond(ctx, b, func(from *Session) error {
			return within(ctx, r, Shared, func(to *Session) error {
				all, err := from.Snapshots(ctx)
				if err == nil {
					to.names, to.snapshots = []format.ID{}, []Snapshot{} // copied whatever is there
					_, err = to.CopyFrom(ctx, from, all, nil)
				}
				if err == nil {
					_, err = backupFiles(ctx, to, tinyFiles(7), time.Now())
				}
				return err
			})
		})
	}},
	{name: "copy from", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		m := memory.New()
		to, err := Init(context.WithoutCancel(ctx), m, secret.NewRepositoryPassword(testPassword), InitOptions{KDF: free})
		if err != nil {
			return err
		}
		return copyAll(ctx, tiny(to), r)
	}},
	{name: "rebuild index", mends: true,
		start: func(_ *testing.T, _ *tinyBase, m *memory.Backend) { remove(m, backend.IndexFile, 0) },
		run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
			var errs []error
			err := within(ctx, r, Exclusive, func(s *Session) error {
				_, err := s.RebuildIndex(ctx, false, collect(&errs))
				return err
			})
			return errors.Join(append(errs, err)...)
		}},
	{name: "repair packs", mends: true,
		start: func(_ *testing.T, _ *tinyBase, m *memory.Backend) {
			for i, h := range m.Handles() {
				if data := m.Bytes(h); h.Type == backend.PackFile && i%2 == 0 {
					data[len(data)/3] ^= 1
					m.Put(h, data)
				}
			}
		},
		run: func(ctx context.Context, b *tinyBase, r *Repository) error {
			var found CheckStats
			var errs []error
			err := openSecond(ctx, b, func(from *Session) error {
				return within(ctx, r, Exclusive, func(s *Session) (err error) {
					found, err = s.Check(ctx, CheckOptions{ReadData: true}, func(Problem) {})
					if err == nil {
						_, err = s.RepairPacks(ctx, found.DamagedPacks, from, collect(&errs))
					}
					return err
				})
			})
			return errors.Join(append(errs, err)...)
		}},
	{name: "repair snapshots", mends: true,
		start: func(_ *testing.T, b *tinyBase, m *memory.Backend) {
			h := backend.Handle{Type: backend.SnapshotFile, Name: b.ids[0].String()}
			data := m.Bytes(h)
			data[50] ^= 1
			m.Put(h, data)
		},
		run: func(ctx context.Context, b *tinyBase, r *Repository) error {
			var errs []error
			err := openSecond(ctx, b, func(from *Session) error {
				return within(ctx, r, Exclusive, func(s *Session) error {
					_, err := s.RepairSnapshots(ctx, from, collect(&errs))
					return err
				})
			})
			return errors.Join(append(errs, err)...)
		}},
}

// remove deletes the i-th file of a type.
func remove(m *memory.Backend, t backend.FileType, i int) backend.Handle {
	for _, h := range m.Handles() {
		if h.Type == t {
			if i == 0 {
				m.Put(h, nil)
				return h
			}
			i--
		}
	}
	panic("there is no such file")
}

// watched records what an operation asks of a store.
type watched struct {
	backend.Backend
	mu    sync.Mutex
	loads []loadCall
	saved int64
}

type loadCall struct {
	h              backend.Handle
	offset, length int64
}

func (w *watched) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	size := length
	if info, err := w.Backend.Stat(ctx, h); err == nil && length == 0 {
		size = info.Size - offset
	}
	w.mu.Lock()
	w.loads = append(w.loads, loadCall{h, offset, size})
	w.mu.Unlock()
	return w.Backend.Load(ctx, h, offset, length, fn)
}

func (w *watched) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	w.mu.Lock()
	w.saved += data.Size()
	w.mu.Unlock()
	return w.Backend.Save(ctx, h, data)
}

// state is a store before an operation.
func (o operation) state(t *testing.T, b *tinyBase) *memory.Backend {
	t.Helper()
	if o.name == "init" {
		return memory.New()
	}
	m := b.m.Clone()
	if o.start != nil {
		o.start(t, b, m)
	}
	return m
}

// in does the operation with the faults from its beginning on.
func (o operation) in(ctx context.Context, b *tinyBase, be backend.Backend, arm func()) error {
	if o.bare != nil {
		arm()
		return o.bare(ctx, be)
	}
	r, err := openTiny(ctx, be)
	if err != nil {
		return err
	}
	arm()
	return o.run(ctx, b, r)
}

// verdict is how an operation may end.
type verdict int

const (
	named    verdict = iota // an error that names the object
	survived                // no error
	either
)

// mishap is a fault and how the operation may end.
type mishap struct {
	name   string
	faults []fault.Fault
	want   verdict
	is     error // that the error is, or nil
	damage bool  // to the operation it looks like damage, and may be what it mends
}

// mishaps are all faults for an operation of which a healthy run is known.
func mishaps(events []fault.Event, loads []loadCall, saved int64) []mishap {
	var all []mishap
	damage := false
	add := func(want verdict, f fault.Fault, format string, args ...any) *mishap {
		all = append(all, mishap{name: fmt.Sprintf(format, args...), faults: []fault.Fault{f}, want: want, damage: damage})
		return &all[len(all)-1]
	}
	type kind struct {
		op fault.Op
		t  backend.FileType
	}
	counts := map[kind]int{}
	var kinds []kind
	for _, e := range events {
		k := kind{e.Op, e.Handle.Type}
		if counts[k]++; counts[k] == 1 {
			kinds = append(kinds, k)
		}
	}
	for _, k := range kinds {
		f := fault.Fault{Op: k.op, Type: k.t}
		damage = k.op == fault.Load
		for _, nth := range slices.Compact([]int{1, (counts[k] + 1) / 2, max(1, counts[k]-1)}) {
			f.Nth = nth
			what := fmt.Sprintf("%v %v %d", k.op, k.t, nth)
			f.Times, f.Effect = fault.Always, fault.FailBefore
			add(named, f, "%s fails from then on", what)
			f.Effect = fault.FailAfter
			add(named, f, "%s fails from then on, done all the same", what)
			f.Times, f.Effect = 1, fault.FailBefore
			add(either, f, "%s fails once", what)
			f.Effect = fault.FailAfter
			add(either, f, "%s fails once, done all the same", what)
			switch k.op {
			case fault.Save:
				f.Effect = fault.Lose
				add(named, f, "%s is lost", what)
			case fault.Remove:
				f.Effect = fault.Lose
				want := either
				if k.t == backend.IndexFile { // packs go that it names
					want = named
				}
				add(want, f, "%s is lost", what)
			case fault.Stat, fault.List:
				f.Effect, f.Times, f.Bytes = fault.Resize, fault.Always, 1
				add(either, f, "%s tells one byte more", what)
				f.Bytes = -1
				add(either, f, "%s tells one byte less", what)
				f.Bytes = 0
			}
		}
	}
	damage = true
	seen := map[backend.Handle]bool{}
	for _, l := range loads {
		if seen[l.h] || l.h.Type == backend.LockFile { // locks have other names each time
			continue
		}
		seen[l.h] = true
		f := fault.Fault{Op: fault.Load, Type: l.h.Type, Name: l.h.Name, Bit: 3}
		for _, at := range []int64{l.offset, l.offset + l.length/2, l.offset + l.length - 1} {
			f.Effect, f.Offset, f.Times = fault.Flip, at, 1
			add(survived, f, "%v: a wrong bit once at %d", l.h, at)
			f.Times = fault.Always
			add(named, f, "%v: a wrong bit at %d", l.h, at)
		}
		f.Effect, f.Bytes, f.Times = fault.Truncate, l.length/2, 1
		add(survived, f, "%v: breaks off once", l.h)
		f.Err = io.EOF
		add(survived, f, "%v: ends early once", l.h)
		f.Times, f.Bytes = fault.Always, 0
		add(named, f, "%v: ends early", l.h)
		f.Err = nil
		add(named, f, "%v: breaks off", l.h)
	}
	damage = false
	if saved > 0 {
		all = append(all, mishap{name: "read-only", faults: fault.ReadOnly(), want: named, is: backend.ErrReadOnly})
		for _, room := range []int64{0, saved / 2} {
			add(named, fault.Fault{Effect: fault.Full, Bytes: room, Times: fault.Always}, "full after %d bytes", room).is = backend.ErrFull
		}
	}
	return all
}

// TestMishaps lets every operation of the engine meet every fault of a store. It
// has to end, in an error that names the object or in success; what was there
// before has to be whole, and the same operation has to come to its end on the
// healthy store.
func TestMishaps(t *testing.T) {
	base := newTinyBase(t)
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			healthy := fault.New(o.state(t, base))
			w := &watched{Backend: healthy}
			if err := o.in(t.Context(), base, w, func() { healthy.ResetEvents(); w.loads, w.saved = nil, 0 }); err != nil {
				t.Fatal(err)
			}
			all := mishaps(healthy.Events(), w.loads, w.saved)
			for _, m := range all {
				o.meets(t, base, m)
			}
			t.Logf("met %d faults", len(all))
		})
	}
}

func (o operation) meets(t *testing.T, base *tinyBase, m mishap) {
	t.Helper()
	store := o.state(t, base)
	be := fault.New(store)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- o.in(ctx, base, be, func() { be.ResetEvents(); be.Inject(m.faults...) }) }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(60 * time.Second):
		t.Fatalf("%s, %s: it hangs", o.name, m.name)
	}
	struck := struckBy(be.Events(), m)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		t.Errorf("%s: it hung: %v", m.name, err)
	case err == nil && m.want == named && len(struck) > 0 && !(o.mends && m.damage):
		t.Errorf("%s: it says that it succeeded", m.name)
	case err != nil && m.want == survived:
		t.Errorf("%s: not survived: %v", m.name, err)
	case err != nil && !names(err, struck):
		t.Errorf("%s: the error does not name the object %v: %v", m.name, struck, err)
	case err != nil && m.is != nil && !errors.Is(err, m.is):
		t.Errorf("%s: the error is not %q: %v", m.name, m.is, err)
	}
	o.recovers(t, base, store, m, err == nil, struck)
}

// struckBy gives the files that a fault may have struck.
func struckBy(events []fault.Event, m mishap) []backend.Handle {
	var struck []backend.Handle
	seen := map[int]int{}
	for _, e := range events {
		for i, f := range m.faults {
			if f.Op != fault.Any && f.Op != e.Op || f.Type != 0 && f.Type != e.Handle.Type || !strings.HasPrefix(e.Handle.Name, f.Name) {
				continue
			}
			fails := f.Effect == fault.FailBefore || f.Effect == fault.FailAfter || f.Effect == fault.Full
			injected := errors.Is(e.Err, fault.ErrInjected) || f.Err != nil && errors.Is(e.Err, f.Err) || errors.Is(e.Err, backend.ErrFull)
			if seen[i]++; seen[i] >= f.Nth && (!fails || injected) {
				struck = append(struck, e.Handle)
			}
		}
	}
	return struck
}

// names tells whether an error names one of the files: its type, and its name if
// it has one.
func names(err error, files []backend.Handle) bool {
	text := err.Error()
	return slices.ContainsFunc(files, func(h backend.Handle) bool {
		return strings.Contains(text, h.Type.String()) && (h.Name == "" || strings.Contains(text, h.Name[:8]))
	})
}

// recovers looks at the store when it is healthy again.
func (o operation) recovers(t *testing.T, base *tinyBase, store *memory.Backend, m mishap, succeeded bool, struck []backend.Handle) {
	t.Helper()
	failed := t.Failed()
	touchedLock := slices.ContainsFunc(struck, func(h backend.Handle) bool { return h.Type == backend.LockFile })
	if left := lockFiles(store); len(left) > 0 && !touchedLock && o.name != "unlock" {
		t.Errorf("%s: %d locks are left behind", m.name, len(left))
	}
	if o.name == "init" {
		err := o.bare(t.Context(), store)
		if err != nil && !errors.Is(err, backend.ErrExist) {
			t.Errorf("%s: init again: %v", m.name, err)
		}
		if _, err := openTiny(t.Context(), store); err != nil {
			t.Errorf("%s: open: %v", m.name, err)
		}
		return
	}
	r, err := openTiny(t.Context(), store)
	if err != nil {
		t.Fatalf("%s: open: %v", m.name, err)
	}
	if !o.mends || succeeded {
		base.whole(t, r, o.gone, m.name+": afterwards")
	}
	if _, err := r.Unlock(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := o.in(t.Context(), base, store, func() {}); err != nil {
		t.Errorf("%s: the next run: %v", m.name, err)
	}
	base.whole(t, r, o.gone, m.name+": after the next run")
	if t.Failed() && !failed {
		t.Logf("%s: struck %v", m.name, struck)
	}
}

// whole tells whether all data are good and all versions but gone ones restore.
func (b *tinyBase) whole(t *testing.T, r *Repository, gone int, when string) {
	t.Helper()
	s := begin(t, r, Unlocked)
	_, err := s.Check(t.Context(), CheckOptions{ReadData: true}, func(p Problem) {
		if p.Severity == Damage {
			t.Errorf("%s: check: %v", when, p)
		}
	})
	if err != nil {
		t.Errorf("%s: check: %v", when, err)
	}
	all, err := s.Snapshots(t.Context())
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	left := map[format.ID]bool{}
	for _, sn := range all {
		if f, ok := b.versions[origin(sn)]; ok { // a repaired one has another name
			left[origin(sn)] = true
			wantFiles(t, s, sn.ID, f)
		}
	}
	if len(left) < len(b.versions)-gone {
		t.Errorf("%s: %d of %d versions are left", when, len(left), len(b.versions))
	}
}

// TestStalls cancels every operation while the store does not answer: it returns
// at once, and nothing of it goes on.
func TestStalls(t *testing.T) {
	base := newTinyBase(t)
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) {
			healthy := fault.New(o.state(t, base))
			if err := o.in(t.Context(), base, healthy, healthy.ResetEvents); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, e := range healthy.Events() {
				f := fault.Fault{Op: e.Op, Type: e.Handle.Type, Effect: fault.Stall, Times: fault.Always}
				what := fmt.Sprintf("%v %v stalls", f.Op, f.Type)
				if seen[what] {
					continue
				}
				seen[what] = true
				o.stalls(t, base, mishap{name: what, faults: []fault.Fault{f}})
			}
		})
	}
}

func (o operation) stalls(t *testing.T, base *tinyBase, m mishap) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	store := o.state(t, base)
	be := fault.New(store)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- o.in(ctx, base, be, func() { be.Inject(m.faults...) }) }()
	select {
	case err := <-ended:
		t.Fatalf("%s: it ended without being cancelled: %v", m.name, err)
	case <-time.After(20 * time.Millisecond):
	}
	why := errors.New("enough")
	cancel(why)
	select {
	case err := <-ended:
		// A lock that cannot be removed has a time of its own.
		if !errors.Is(err, why) && !errors.Is(err, context.Canceled) && (m.faults[0].Op != fault.Remove || !names(err, []backend.Handle{{Type: backend.LockFile}})) {
			t.Errorf("%s: it ended with %v", m.name, err)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("%s: it goes on after its context has ended", m.name)
	}
	if err := goleak.Find(before); err != nil {
		t.Errorf("%s: %v", m.name, err)
	}
	touched := backend.Handle{Type: m.faults[0].Type}
	o.recovers(t, base, store, m, false, []backend.Handle{touched})
}
