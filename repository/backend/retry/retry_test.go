package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend { return New(memory.New(), Options{}) })
}

// flaky fails every other time on each file, before or after the fact.
type flaky struct {
	backend.Backend
	mu    sync.Mutex
	calls map[string]int
}

var errFlaky = errors.New("connection reset")

func (f *flaky) fails(what string, h backend.Handle) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	what += h.String()
	f.calls[what]++
	return f.calls[what]%2 == 1
}

func (f *flaky) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if f.fails("save", h) {
		if len(h.Name) > 0 && h.Name[0] < '8' {
			return errFlaky
		}
		if err := f.Backend.Save(ctx, h, data); err != nil {
			return err
		}
		return errFlaky
	}
	return f.Backend.Save(ctx, h, data)
}

func (f *flaky) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if f.fails("load", h) {
		return errFlaky
	}
	return f.Backend.Load(ctx, h, offset, length, fn)
}

func (f *flaky) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	if f.fails("stat", h) {
		return backend.FileInfo{}, errFlaky
	}
	return f.Backend.Stat(ctx, h)
}

func (f *flaky) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	n := 3
	if !f.fails("list", backend.Handle{Type: t}) {
		n = 1 << 30
	}
	return f.Backend.List(ctx, t, func(fi backend.FileInfo) error {
		if n == 0 {
			return errFlaky
		}
		n--
		return fn(fi)
	})
}

func (f *flaky) Remove(ctx context.Context, h backend.Handle) error {
	if err := f.Backend.Remove(ctx, h); err != nil {
		return err
	}
	return errFlaky
}

func TestConformance_overAFlakyStore(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		return New(&flaky{Backend: memory.New(), calls: map[string]int{}}, Options{First: time.Microsecond, Max: time.Microsecond})
	})
}

var (
	config = backend.Handle{Type: backend.ConfigFile}
	pack   = backend.Handle{Type: backend.PackFile, Name: strings.Repeat("ab", 32)}
)

// patient is a store with faults and a patient backend before it, that reports.
func patient(o Options, faults ...fault.Fault) (*Backend, *fault.Backend, *memory.Backend, *[]Event) {
	var events []Event
	o.Report = func(e Event) { events = append(events, e) }
	m := memory.New()
	f := fault.New(m, faults...)
	return New(f, o), f, m, &events
}

func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _, events := patient(Options{}, fault.Fault{Op: fault.Save, Times: fault.Always})
		start := time.Now()
		err := b.Save(t.Context(), pack, strings.NewReader("x"))
		if !errors.Is(err, fault.ErrInjected) || !strings.Contains(err.Error(), "gave up after") || !strings.Contains(err.Error(), pack.Name) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 15*time.Minute {
			t.Errorf("gave up after %v, want 15 minutes", took)
		}
		normal := 500 * time.Millisecond
		for i, e := range *events {
			if e.Operation != "save" || e.Handle != pack || e.Attempt != i+1 || !errors.Is(e.Err, fault.ErrInjected) {
				t.Errorf("event %d: %+v", i, e)
			}
			last := i == len(*events)-1
			if e.Wait < normal/2 && !last || e.Wait > normal*3/2 {
				t.Errorf("wait %d is %v, want about %v", i, e.Wait, normal)
			}
			normal = min(2*normal, time.Minute)
		}
		if len(*events) < 15 || len(*events) > 40 {
			t.Errorf("%d attempts in 15 minutes", len(*events))
		}
	})
}

func TestOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _, events := patient(Options{First: time.Second, Max: 2 * time.Second, Total: 10 * time.Second}, fault.Fault{Op: fault.Stat, Times: fault.Always})
		start := time.Now()
		if _, err := b.Stat(t.Context(), pack); !errors.Is(err, fault.ErrInjected) || time.Since(start) != 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		for _, e := range *events {
			if e.Wait > 3*time.Second {
				t.Errorf("a wait of %v", e.Wait)
			}
		}
		b, f, _, events := patient(Options{Total: -1}, fault.Fault{Op: fault.Stat, Times: fault.Always})
		if _, err := b.Stat(t.Context(), pack); !errors.Is(err, fault.ErrInjected) || len(*events) > 0 || f.Count(fault.Stat, 0) != 1 {
			t.Errorf("with no patience: %v, %d events", err, len(*events))
		}
	})
}

// operations are all of them, on files that are there.
func operations(b backend.Backend) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"save": func(ctx context.Context) error { return b.Save(ctx, pack, strings.NewReader("0123456789")) },
		"load": func(ctx context.Context) error {
			data, err := backend.ReadAll(ctx, b, pack, 100)
			if err == nil && string(data) != "0123456789" {
				return fmt.Errorf("loaded %q", data)
			}
			return err
		},
		"stat": func(ctx context.Context) error { _, err := b.Stat(ctx, pack); return err },
		"list": func(ctx context.Context) error {
			return b.List(ctx, backend.PackFile, func(backend.FileInfo) error { return nil })
		},
		"remove": func(ctx context.Context) error { return b.Remove(ctx, pack) },
	}
}

func TestEachOperationIsRepeated(t *testing.T) {
	for _, effect := range []fault.Effect{fault.FailBefore, fault.FailAfter, fault.Stall} {
		for name := range operations(nil) {
			synctest.Test(t, func(t *testing.T) {
				b, f, m, events := patient(Options{}, fault.Fault{Effect: effect, Times: 2})
				m.Put(pack, []byte("0123456789"))
				if err := operations(b)[name](t.Context()); err != nil {
					t.Errorf("%s with effect %d: %v", name, effect, err)
				}
				want := 3
				if name == "remove" && effect == fault.FailAfter {
					want = 2 // the second sees that the first did it
				}
				if n := f.Count(fault.Any, 0); n != want || len(*events) < want-1 {
					t.Errorf("%s with effect %d: %d attempts, %d events", name, effect, n, len(*events))
				}
				for _, e := range *events {
					if stall := (*StallError)(nil); errors.As(e.Err, &stall) != (effect == fault.Stall) || backend.IsPermanent(e.Err) || e.Operation != name {
						t.Errorf("%s with effect %d: %+v", name, effect, e)
					}
				}
			})
		}
	}
}

type permanentError struct{}

func (permanentError) Error() string   { return "never" }
func (permanentError) Permanent() bool { return true }

func TestNotRepeated(t *testing.T) {
	for _, cause := range []error{backend.ErrNotExist, backend.ErrExist, backend.ErrFull, backend.ErrReadOnly, backend.ErrDenied, fs.ErrClosed, permanentError{}, fault.ErrKilled} {
		for name := range operations(nil) {
			b, f, m, events := patient(Options{}, fault.Fault{Err: fmt.Errorf("the store: %w", cause), Times: fault.Always})
			m.Put(pack, []byte("0123456789"))
			if err := operations(b)[name](t.Context()); !errors.Is(err, cause) {
				t.Errorf("%s: got %v, want %v", name, err, cause)
			}
			if f.Count(fault.Any, 0) != 1 || len(*events) != 0 {
				t.Errorf("%s: tried again after %v", name, cause)
			}
		}
	}
}

// A backend's own deadline is not the caller's.
func TestForeignDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cause := range []error{context.DeadlineExceeded, context.Canceled} {
			b, _, m, _ := patient(Options{}, fault.Fault{Err: cause, Times: 3})
			m.Put(pack, []byte("0123456789"))
			if _, err := b.Stat(t.Context(), pack); err != nil {
				t.Errorf("after %v of the backend: %v", cause, err)
			}
		}
	})
}

func TestLoad_beginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, m, events := patient(Options{}, fault.Fault{Op: fault.Load, Effect: fault.Truncate, Bytes: 7, Times: 3})
		m.Put(pack, []byte("0123456789"))
		var got []string
		err := b.Load(t.Context(), pack, 0, 0, func(r io.Reader) error {
			data, err := io.ReadAll(r)
			got = append(got, string(data))
			return err
		})
		if want := []string{"0123456", "0123456", "0123456", "0123456789"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		if len(*events) != 3 {
			t.Errorf("%d events", len(*events))
		}
	})
}

func TestLoad_ownErrorEnds(t *testing.T) {
	mine := errors.New("I know better")
	for _, own := range []error{mine, io.ErrUnexpectedEOF, context.Canceled} {
		b, f, m, _ := patient(Options{})
		m.Put(pack, []byte("0123456789"))
		calls := 0
		err := b.Load(t.Context(), pack, 0, 0, func(r io.Reader) error { calls++; return own })
		if !errors.Is(err, own) || calls != 1 || f.Count(fault.Load, 0) != 1 {
			t.Errorf("%v: got %v after %d calls", own, err, calls)
		}
	}
	b, _, m, _ := patient(Options{})
	m.Put(pack, []byte("0123456789"))
	calls := 0
	err := b.List(t.Context(), backend.PackFile, func(backend.FileInfo) error { calls++; return mine })
	if !errors.Is(err, mine) || calls != 1 {
		t.Errorf("list: got %v after %d calls", err, calls)
	}
}

// A file that is too short does not grow while we wait.
func TestLoad_shortFile(t *testing.T) {
	b, _, m, events := patient(Options{})
	m.Put(pack, []byte("0123456789"))
	if err := backend.ReadFull(t.Context(), b, pack, 5, make([]byte, 6)); !errors.Is(err, io.ErrUnexpectedEOF) || len(*events) > 0 {
		t.Errorf("got %v after %d attempts more", err, len(*events))
	}
}

func TestBadRequests(t *testing.T) {
	b, f, _, _ := patient(Options{})
	bad := backend.Handle{Type: backend.PackFile, Name: "x"}
	_, err := b.Stat(t.Context(), bad)
	for i, err := range []error{
		err, b.Save(t.Context(), bad, strings.NewReader("")), b.Remove(t.Context(), bad),
		b.Load(t.Context(), bad, 0, 0, nil), b.Load(t.Context(), pack, -1, 0, nil), b.List(t.Context(), 0, nil),
	} {
		if err == nil {
			t.Errorf("request %d: no error", i)
		}
	}
	if n := f.Count(fault.Any, 0); n > 0 {
		t.Errorf("%d of them came through", n)
	}
}

// What a lost answer did.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, m, _ := patient(Options{}, fault.Fault{Op: fault.Save, Effect: fault.FailAfter}, fault.Fault{Op: fault.Load})
		if err := b.Save(t.Context(), config, strings.NewReader("mine")); err != nil {
			t.Errorf("save of a config that arrived: %v", err)
		}
		if got := m.Bytes(config); string(got) != "mine" {
			t.Errorf("the config is %q", got)
		}
		for _, theirs := range []string{"them", "mine and more", "min", ""} {
			b, _, m, _ = patient(Options{}, fault.Fault{Op: fault.Save})
			m.Put(config, []byte(theirs))
			if err := b.Save(t.Context(), config, strings.NewReader("mine")); !errors.Is(err, backend.ErrExist) {
				t.Errorf("save of a config where %q is: %v", theirs, err)
			}
		}
		b, _, m, _ = patient(Options{})
		m.Put(config, []byte("mine"))
		if err := b.Save(t.Context(), config, strings.NewReader("mine")); !errors.Is(err, backend.ErrExist) {
			t.Errorf("first attempt to save a config that is there: %v", err)
		}
		if err := b.Remove(t.Context(), pack); !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("first attempt to remove what is not there: %v", err)
		}
	})
}

func TestList_doesNotRepeatNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		var want []string
		for i := range 20 {
			h := backend.Handle{Type: backend.KeyFile, Name: fmt.Sprintf("%064x", i)}
			m.Put(h, []byte("x"))
			want = append(want, h.Name)
		}
		b := New(&flaky{Backend: m, calls: map[string]int{}}, Options{})
		var got []string
		err := b.List(t.Context(), backend.KeyFile, func(f backend.FileInfo) error { got = append(got, f.Name); return nil })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %d names, %v; want %d", len(got), err, len(want))
		}
	})
}

// slowly gives a byte each second.
type slowly struct{ r io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.r.Read(p[:min(1, len(p))])
}

// slow is a store that does everything slowly but moves.
type slow struct{ backend.Backend }

func (s slow) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return s.Backend.Load(ctx, h, offset, length, func(r io.Reader) error { return fn(slowly{r}) })
}

func (s slow) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	var all bytes.Buffer
	if _, err := io.Copy(&all, slowly{io.NewSectionReader(data, 0, data.Size())}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Backend.Save(ctx, h, bytes.NewReader(all.Bytes()))
}

func (s slow) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	return s.Backend.List(ctx, t, func(f backend.FileInfo) error { time.Sleep(time.Second); return fn(f) })
}

// The watchdog looks at progress, not at length, and at the store alone.
func TestStall_slowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := strings.Repeat("0123456789", 100)
		m := memory.New()
		for i := range 100 {
			m.Put(backend.Handle{Type: backend.LockFile, Name: fmt.Sprintf("%064x", i)}, []byte("x"))
		}
		var events []Event
		b := New(slow{m}, Options{Stall: 3 * time.Second, Report: func(e Event) { events = append(events, e) }})
		start := time.Now()
		if err := b.Save(t.Context(), pack, strings.NewReader(content)); err != nil {
			t.Errorf("save: %v", err)
		}
		if data, err := backend.ReadAll(t.Context(), b, pack, 1<<20); err != nil || string(data) != content {
			t.Errorf("load: %d bytes, %v", len(data), err)
		}
		if err := b.List(t.Context(), backend.LockFile, func(backend.FileInfo) error { return nil }); err != nil {
			t.Errorf("list: %v", err)
		}
		if took := time.Since(start); took < 2000*time.Second {
			t.Errorf("all of that took %v only: the test tests nothing", took)
		}

		b = New(m, b.o) // now we are slow
		pausing := func(backend.FileInfo) error { time.Sleep(time.Minute); return nil }
		if err := b.List(t.Context(), backend.LockFile, pausing); err != nil {
			t.Errorf("list with a slow fn: %v", err)
		}
		err := b.Load(t.Context(), pack, 0, 0, func(r io.Reader) error {
			time.Sleep(time.Minute)
			_, err := io.ReadAll(r)
			time.Sleep(time.Minute)
			return err
		})
		if err != nil {
			t.Errorf("load with a slow fn: %v", err)
		}
		m.Put(pack, nil)
		if err := b.Save(t.Context(), pack, sluggish{strings.NewReader(content)}); err != nil {
			t.Errorf("save of a slow content: %v", err)
		}
		if len(events) > 0 {
			t.Errorf("retries: %+v", events)
		}
	})
}

// sluggish is a content that takes its time.
type sluggish struct{ backend.Content }

func (s sluggish) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(time.Minute)
	return s.Content.ReadAt(p, off)
}

// stuck stands still in the middle of the first n loads and saves.
type stuck struct {
	backend.Backend
	n int
}

func (s *stuck) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return s.Backend.Load(ctx, h, offset, length, func(r io.Reader) error {
		if s.n--; s.n >= 0 {
			r = io.MultiReader(io.LimitReader(r, 5), waiting{ctx})
		}
		return fn(r)
	})
}

func (s *stuck) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if s.n--; s.n >= 0 {
		if _, err := data.ReadAt(make([]byte, 5), 0); err != nil {
			return err
		}
		<-ctx.Done()
		return errors.New("broken pipe") // some do not say why
	}
	return s.Backend.Save(ctx, h, data)
}

type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) { <-w.ctx.Done(); return 0, w.ctx.Err() }

func TestStall_inTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		s := &stuck{m, 2}
		b := New(s, Options{Stall: 10 * time.Second})
		start := time.Now()
		if err := b.Save(t.Context(), pack, strings.NewReader("0123456789")); err != nil {
			t.Errorf("save: %v", err)
		}
		if took := time.Since(start); took < 20*time.Second || took > 25*time.Second {
			t.Errorf("save took %v", took)
		}
		s.n = 2
		if data, err := backend.ReadAll(t.Context(), b, pack, 100); err != nil || string(data) != "0123456789" {
			t.Errorf("load: %q, %v", data, err)
		}
		if took := time.Since(start); took < 40*time.Second || took > 50*time.Second {
			t.Errorf("save and load took %v", took)
		}
		s.n = 1 << 30 // for ever
		_, err := backend.ReadAll(t.Context(), b, pack, 100)
		if stall := (*StallError)(nil); !errors.As(err, &stall) || stall.After != 10*time.Second || errors.Is(err, context.Canceled) {
			t.Errorf("load from a store that is stuck for ever: %v", err)
		}
		// Without a watchdog it is the caller who gives up.
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		if _, err := backend.ReadAll(ctx, New(s, Options{Stall: -1}), pack, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("load without a watchdog: %v", err)
		}
	})
}

func TestContextAndClose_endTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _, _ := patient(Options{First: time.Minute}, fault.Fault{Times: fault.Always})
		for name, operation := range operations(b) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if err := operation(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fault.ErrInjected.Error()) || time.Since(start) != time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			cancel()
		}
		go func() {
			time.Sleep(time.Second)
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}()
		start := time.Now()
		if _, err := b.Stat(t.Context(), pack); !errors.Is(err, fs.ErrClosed) || time.Since(start) != time.Second {
			t.Errorf("stat while it is being closed: %v after %v", err, time.Since(start))
		}
		if err := b.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

// An attempt that broke when the context ended says so.
func TestContextEndsInAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(&stuck{memory.New(), 1}, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Save(ctx, pack, strings.NewReader("0123456789")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUnwrap(t *testing.T) {
	b, _, m, _ := patient(Options{})
	if found, ok := backend.As[*memory.Backend](b); !ok || found != m {
		t.Error("the store behind is not to be found")
	}
}
