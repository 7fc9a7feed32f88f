package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance_withoutFaults(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend { return New(memory.New()) })
}

// A fault that never strikes changes nothing.
func TestConformance_waitingFaults(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		b := New(memory.New(), Fault{Op: Save, Nth: 1 << 30}, Fault{Effect: Full, Bytes: 1 << 40, Times: Always}, Fault{Effect: Slow, Times: Always})
		b.KillAfter(1 << 30)
		return b
	})
}

func handle(t backend.FileType, digit string) backend.Handle {
	return backend.Handle{Type: t, Name: strings.Repeat(digit, 64)}
}

var (
	packA  = handle(backend.PackFile, "a")
	packB  = handle(backend.PackFile, "b")
	indexC = handle(backend.IndexFile, "c")
)

const text = "0123456789"

// acts gives what the errors of some operations are: one word each.
func act(t *testing.T, b *Backend, what string) string {
	t.Helper()
	ctx := t.Context()
	op, file, _ := strings.Cut(what, " ")
	h := map[string]backend.Handle{"A": packA, "B": packB, "C": indexC}[file]
	var err error
	switch op {
	case "save":
		err = b.Save(ctx, h, strings.NewReader(text))
	case "load":
		var data []byte
		data, err = backend.ReadAll(ctx, b, h, 100)
		if err == nil && string(data) != text {
			return fmt.Sprintf("%q", data)
		}
	case "stat":
		var info backend.FileInfo
		info, err = b.Stat(ctx, h)
		if err == nil && info.Size != int64(len(text)) {
			return fmt.Sprint(info.Size)
		}
	case "remove":
		err = b.Remove(ctx, h)
	case "list":
		var names []string
		err = b.List(ctx, h.Type, func(f backend.FileInfo) error {
			names = append(names, fmt.Sprintf("%c%d", f.Name[0], f.Size))
			return nil
		})
		if err == nil {
			return strings.Join(names, ",")
		}
	default:
		t.Fatalf("%q is no act", what)
	}
	for _, known := range []struct {
		err  error
		word string
	}{{backend.ErrNotExist, "missing"}, {ErrInjected, "injected"}, {ErrKilled, "killed"}, {backend.ErrFull, "full"}, {backend.ErrReadOnly, "read-only"}, {io.ErrUnexpectedEOF, "short"}} {
		if errors.Is(err, known.err) {
			if !strings.Contains(err.Error(), op) {
				t.Errorf("%q does not name the operation %s", err, op)
			}
			if strings.Count(err.Error(), op+" ") > 1 {
				t.Errorf("%q names the operation twice", err)
			}
			return known.word
		}
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []Fault
		acts   []string // "act: outcome"
	}{
		{"the third save fails", []Fault{{Op: Save, Nth: 3}},
			[]string{"save A: ok", "load A: ok", "save B: ok", "save C: injected", "stat C: missing", "save C: ok"}},
		{"saves of packs fail twice", []Fault{{Op: Save, Type: backend.PackFile, Nth: 2, Times: 2}},
			[]string{"save C: ok", "save A: ok", "save B: injected", "save C: ok", "save B: injected", "save B: ok"}},
		{"for ever, by name", []Fault{{Name: "bb", Times: Always}},
			[]string{"save A: ok", "save B: injected", "stat B: injected", "load B: injected", "list A: a10"}},
		{"the answer gets lost", []Fault{{Op: Save, Effect: FailAfter}, {Op: Remove, Effect: FailAfter}},
			[]string{"save A: injected", "load A: ok", "remove A: injected", "stat A: missing"}},
		{"any error", []Fault{{Op: Load, Err: backend.ErrReadOnly}},
			[]string{"save A: ok", "load A: read-only", "load A: ok"}},
		{"lost writes", []Fault{{Op: Save, Effect: Lose}, {Op: Remove, Effect: Lose, Nth: 2}},
			[]string{"save A: ok", "stat A: missing", "save A: ok", "remove A: ok", "save A: ok", "remove A: ok", "stat A: ok"}},
		{"a flipped bit", []Fault{{Op: Load, Effect: Flip, Offset: 3, Bit: 2}},
			[]string{"save A: ok", `load A: "0127456789"`, "load A: ok"}},
		{"two flipped bits", []Fault{{Effect: Flip, Offset: 0, Times: Always}, {Effect: Flip, Offset: 9, Times: Always}},
			[]string{"save A: ok", `load A: "1123456788"`, "stat A: ok"}},
		{"a broken reading", []Fault{{Op: Load, Effect: Truncate, Bytes: 4}, {Op: Load, Effect: Truncate, Bytes: 4, Err: io.EOF, Nth: 2}, {Op: Load, Effect: Truncate, Bytes: 2, Err: ErrInjected, Nth: 3}},
			[]string{"save A: ok", "load A: short", `load A: "0123"`, "load A: injected", "load A: ok"}},
		{"wrong sizes", []Fault{{Op: Stat, Effect: Resize, Bytes: 5}, {Op: List, Effect: Resize, Bytes: -3}, {Op: List, Effect: Resize, Name: "b", Bytes: -100, Times: Always}},
			[]string{"save A: ok", "save B: ok", "stat A: 15", "stat A: ok", "list A: a7,b0", "list A: a10,b0"}},
		{"hidden files", []Fault{{Op: List, Effect: Hide, Name: "a"}, {Op: Stat, Effect: Hide}, {Op: Load, Effect: Hide}},
			[]string{"save A: ok", "save B: ok", "list A: b10", "list A: a10,b10", "stat A: missing", "stat A: ok", "load A: missing", "load A: ok"}},
		{"a read-only store", ReadOnly(), []string{"save A: read-only", "remove A: read-only", "stat A: missing", "list A: "}},
		{"a full store", []Fault{{Effect: Full, Bytes: 25, Times: Always}},
			[]string{"save A: ok", "save B: ok", "save A: ok", "save C: full", "stat C: missing", "remove A: ok", "save C: ok", "save A: full", "remove A: missing", "save A: full"}},
		{"killed before", []Fault{{Op: Save, Nth: 2, Effect: KillBefore}},
			[]string{"save A: ok", "load A: ok", "save B: killed", "load A: killed", "list A: killed", "stat A: killed", "remove A: killed"}},
		{"killed after", []Fault{{Op: Save, Nth: 2, Effect: KillAfter}}, []string{"save A: ok", "save B: killed", "stat B: killed"}},
		{"first come, first served", []Fault{{Op: Save, Err: backend.ErrFull}, {Op: Save}},
			[]string{"save A: full", "save A: injected", "save A: ok"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			b := New(memory.New(), c.faults...)
			for i, a := range c.acts {
				what, want, _ := strings.Cut(a, ": ")
				if got := act(t, b, what); got != want {
					t.Errorf("act %d, %s: got %q, want %q", i, what, got, want)
				}
			}
		})
	}
}

func TestKill(t *testing.T) {
	for _, c := range []struct {
		kill  func(*Backend)
		acts  []string
		state int // files of the store behind
	}{
		{func(b *Backend) { b.KillAfter(0) }, []string{"stat A: killed"}, 0},
		{func(b *Backend) { b.KillAfter(2) }, []string{"save A: ok", "stat A: ok", "save B: killed", "save C: killed"}, 1},
		{func(b *Backend) { b.KillAfterChanges(2) }, []string{"save A: ok", "stat A: ok", "load A: ok", "save B: ok", "list A: a10,b10", "save C: killed", "stat A: killed"}, 2},
		{func(b *Backend) { b.Kill() }, []string{"save A: killed"}, 0},
	} {
		m := memory.New()
		b := New(m)
		c.kill(b)
		for _, a := range c.acts {
			if b.Killed() != strings.HasSuffix(a, "killed") && b.Killed() {
				t.Errorf("dead before %q", a)
			}
			what, want, _ := strings.Cut(a, ": ")
			if got := act(t, b, what); got != want {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		if !b.Killed() || len(m.Handles()) != c.state {
			t.Errorf("killed: %v, %d files; want %d", b.Killed(), len(m.Handles()), c.state)
		}
		b.Clear()
		if got := act(t, b, "save B"); got != "killed" {
			t.Errorf("after Clear: %s", got)
		}
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if b := New(memory.New()); b.Killed() || !backend.IsPermanent(ErrKilled) {
		t.Error("ErrKilled is worth another try, or a new machine is dead")
	}
	// A run that needs exactly as much as is left comes to its end.
	b := New(memory.New())
	b.KillAfterChanges(1)
	if act(t, b, "save A") != "ok" || b.Killed() {
		t.Error("killed by its last operation")
	}
}

func TestEvents(t *testing.T) {
	m := memory.New()
	b := New(m, Fault{Op: Save, Type: backend.IndexFile})
	for _, a := range []string{"save A", "save C", "save C", "load A", "list A"} {
		act(t, b, a)
	}
	var got []string
	for _, e := range b.Events() {
		got = append(got, fmt.Sprintf("%v %v %v", e.Op, e.Handle.Type, e.Err == nil))
	}
	want := []string{"save pack true", "save index false", "save index true", "load pack true", "list pack true"}
	if !slices.Equal(got, want) {
		t.Errorf("events: got %q, want %q", got, want)
	}
	for _, c := range []struct {
		op   Op
		typ  backend.FileType
		want int
	}{{Any, 0, 5}, {Save, 0, 3}, {Save, backend.IndexFile, 2}, {Any, backend.PackFile, 3}, {Remove, 0, 0}} {
		if got := b.Count(c.op, c.typ); got != c.want {
			t.Errorf("count of %v, %v: got %d, want %d", c.op, c.typ, got, c.want)
		}
	}
	if b.ResetEvents(); b.Count(Any, 0) != 0 {
		t.Error("events after a reset")
	}
	if found, ok := backend.As[*memory.Backend](b); !ok || found != m {
		t.Error("the store behind is not to be found")
	}
}

// Flips and ranges: the offset is the file's.
func TestFlip_ranges(t *testing.T) {
	m := memory.New()
	data := bytes.Repeat([]byte{0}, 1000)
	m.Put(packA, data)
	for _, c := range []struct {
		offset, length, flip int64
		at                   int
	}{{0, 0, 500, 500}, {500, 100, 500, 0}, {400, 101, 500, 100}, {400, 100, 500, -1}, {501, 0, 500, -1}} {
		b := New(m, Fault{Effect: Flip, Offset: c.flip})
		err := b.Load(t.Context(), packA, c.offset, c.length, func(r io.Reader) error {
			got, err := io.ReadAll(io.MultiReader(io.LimitReader(r, 7), r))
			if at := bytes.IndexByte(got, 1); at != c.at {
				t.Errorf("%+v: flipped at %d", c, at)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	// A reader that broke is an error even if fn does not look.
	b := New(m, Fault{Op: Load, Effect: Truncate, Bytes: 10})
	err := b.Load(t.Context(), packA, 0, 0, func(r io.Reader) error { io.Copy(io.Discard, r); return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("load of a truncated file: %v", err)
	}
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(memory.New(), Fault{Op: Save, Effect: Slow, Delay: time.Minute, Times: 2}, Fault{Op: Stat, Effect: Stall})
		start := time.Now()
		if got := act(t, b, "save A"); got != "ok" || time.Since(start) != time.Minute {
			t.Errorf("slow save: %s after %v", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Save(ctx, packB, strings.NewReader(text)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("slow save with less time: %v", err)
		}
		if got := act(t, b, "load B"); got != "missing" {
			t.Errorf("it was saved: %s", got)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start = time.Now()
		if _, err := b.Stat(ctx, packA); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("stalled stat: %v after %v", err, time.Since(start))
		}
	})
}
