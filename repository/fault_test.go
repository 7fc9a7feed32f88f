package repository

import (
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

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// watched records what an operation asks of a store.
type watched struct {
	backend.Backend
	store *memory.Backend // behind it
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
	if info, err := w.store.Stat(ctx, h); err == nil && length == 0 {
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
	missed // the operation went another way
)

// mishap is a fault and how the operation may end.
type mishap struct {
	name   string
	faults []fault.Fault
	want   verdict
	is     error // that the error is, or nil
	damage bool  // to the operation it looks like damage, and may be what it mends
}

// mishaps are all faults for an operation of which a healthy run is known. known
// are the files that are there at its beginning; others have other names next time.
func mishaps(known []backend.Handle, events []fault.Event, loads []loadCall, saved int64) []mishap {
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
	nth := map[backend.FileType]int{}
	for _, l := range loads {
		nth[l.h.Type]++
		if seen[l.h] || l.length == 0 {
			continue
		}
		seen[l.h] = true
		f := fault.Fault{Op: fault.Load, Type: l.h.Type, Name: l.h.Name, Bit: 3}
		places := []int64{l.offset, l.offset + l.length/2, l.offset + l.length - 1}
		if !slices.Contains(known, l.h) {
			f.Name, f.Nth = "", nth[l.h.Type]
			places = []int64{l.offset, l.offset + 20, l.offset + 40} // of another length next time
		}
		for _, at := range places {
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
//
// With -v it shows a table: how many faults of a kind ended in a named error, and
// how many were survived.
func TestMishaps(t *testing.T) {
	base := newTinyBase(t)
	var mu sync.Mutex
	table := map[string]outcomes{}
	t.Run("all", func(t *testing.T) {
		for _, o := range operations {
			t.Run(o.name, func(t *testing.T) {
				t.Parallel()
				row := o.meetsAll(t, base)
				mu.Lock()
				table[o.name] = row
				mu.Unlock()
			})
		}
	})
	showOutcomes(t, table)
}

// outcomes counts, by kind of fault, named errors and successes.
type outcomes map[string][2]int

func (o operation) meetsAll(t *testing.T, base *tinyBase) outcomes {
	t.Helper()
	store := o.state(t, base)
	known := store.Handles()
	healthy := fault.New(store)
	w := &watched{Backend: healthy, store: store}
	if err := o.in(t.Context(), base, w, func() { healthy.ResetEvents(); w.loads, w.saved = nil, 0 }); err != nil {
		t.Fatal(err)
	}
	row := outcomes{}
	for _, m := range mishaps(known, healthy.Events(), w.loads, w.saved) {
		if v := o.meets(t, base, m); v != missed {
			n := row[m.kind()]
			n[v]++
			row[m.kind()] = n
		}
	}
	return row
}

var faultKinds = []string{"fails", "fails once", "lost", "wrong size", "wrong bit", "wrong bit once", "cut", "cut once", "read-only", "full"}

func (m mishap) kind() string {
	f := m.faults[0]
	kind := map[fault.Effect]string{fault.FailBefore: "fails", fault.FailAfter: "fails", fault.Lose: "lost", fault.Resize: "wrong size", fault.Flip: "wrong bit",
		fault.Truncate: "cut", fault.Full: "full"}[f.Effect]
	switch {
	case errors.Is(m.is, backend.ErrReadOnly):
		return "read-only"
	case f.Times != fault.Always && f.Effect != fault.Lose:
		return kind + " once"
	}
	return kind
}

func showOutcomes(t *testing.T, table map[string]outcomes) {
	var text strings.Builder
	fmt.Fprintf(&text, "named errors / survived\n%-17s", "")
	for _, kind := range faultKinds {
		fmt.Fprintf(&text, "%15s", kind)
	}
	for _, o := range operations {
		fmt.Fprintf(&text, "\n%-17s", o.name)
		for _, kind := range faultKinds {
			cell := "-"
			if n, ok := table[o.name][kind]; ok {
				cell = fmt.Sprintf("%d / %d", n[0], n[1])
			}
			fmt.Fprintf(&text, "%15s", cell)
		}
	}
	t.Log(text.String())
}

// meets lets an operation meet a fault and tells how it ended.
func (o operation) meets(t *testing.T, base *tinyBase, m mishap) verdict {
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
	switch {
	case len(struck) == 0:
		return missed
	case err == nil:
		return survived
	}
	return named
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
			// Operations that run at the same time end in another order than they began: one
			// that fails may be the first to end, and whose size was told wrongly does not show.
			seen[i]++
			if fails && injected || !fails && (f.Effect == fault.Resize || seen[i] >= f.Nth) {
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
