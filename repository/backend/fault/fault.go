// Package fault makes a backend that does not do what it should: a store on a
// bad day, for tests of what stands above it. Its faults are data.
//
//	b := fault.New(memory.New(),
//		fault.Fault{Op: fault.Save, Type: backend.PackFile, Nth: 3, Err: backend.ErrFull},
//		fault.Fault{Op: fault.Load, Effect: fault.Flip, Offset: 17, Times: fault.Always},
//	)
//
// A fault waits for the Nth operation that it fits, takes effect Times times and
// is over. Several faults can meet in one operation; they take effect in the
// order they were given, until one of them ends it.
//
// # A machine that dies
//
// KillAfter lets n more operations through and refuses everything else, so that
// the store behind it stays as it was at that moment:
//
//	for n := 0; ; n++ {
//		store := memory.New()
//		b := fault.New(store)
//		b.KillAfterChanges(n)
//		err := run(b)
//		… open store: whatever n is, it has to be whole
//		if !b.Killed() {
//			break // the run came to its end
//		}
//	}
package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Op is a kind of operation.
type Op uint8

// Any is each of them.
const (
	Any Op = iota
	Save
	Load
	Stat
	List
	Remove
)

var opNames = [...]string{"any operation", "save", "load", "stat", "list", "remove"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

// Effect is what a fault does.
type Effect uint8

const (
	// FailBefore returns Err; nothing was done.
	FailBefore Effect = iota
	// FailAfter does what was asked and returns Err all the same: an answer that
	// got lost. Of a Load, fn has been called; of a List, for all files.
	FailAfter
	// Lose does nothing and returns nil: a Save or Remove that was promised only.
	Lose
	// Flip gives one bit of the file the wrong way round: Bit of the byte at
	// Offset, counted from the start of the file. Loads that do not read it are
	// right.
	Flip
	// Truncate lets a Load's reader give Bytes bytes and then Err, or
	// io.ErrUnexpectedEOF. With Err io.EOF the file seems to end there, and the
	// Load says nothing of it.
	Truncate
	// Resize adds Bytes to the sizes that Stat and List tell.
	Resize
	// Hide leaves files out of a List; for Stat and Load they do not exist.
	Hide
	// Slow waits for Delay before anything else, or until the context ends.
	Slow
	// Stall waits until the context ends.
	Stall
	// Full is a store with room for Bytes bytes: a Save of more than is left is
	// ErrFull; Remove makes room again.
	Full
	// KillBefore and KillAfter kill the machine: before the operation, or after it
	// took effect. Either way it returns ErrKilled, and so does all that follows.
	KillBefore
	KillAfter
)

// Always is for Fault.Times.
const Always = -1

// Fault is one thing that goes wrong. Which operations it fits: Op, Type and
// Name, of which the zero values fit all. Name is the beginning of a file's name.
// A List has no name.
type Fault struct {
	Op   Op
	Type backend.FileType
	Name string
	// Nth is the first operation that it strikes, of those that it fits; 0 and 1
	// are the first.
	Nth int
	// Times is how many it strikes; 0 is one.
	Times int

	Effect Effect
	Err    error // nil is ErrInjected, where an Effect needs an error
	Offset int64
	Bit    uint8
	Bytes  int64
	Delay  time.Duration
}

// ErrInjected is the error of a Fault that names none. Trying again may help.
var ErrInjected = errors.New("injected fault")

// ErrKilled is what every operation returns after the machine was killed. It is
// permanent.
var ErrKilled error = killed{}

type killed struct{}

func (killed) Error() string   { return "the machine was killed" }
func (killed) Permanent() bool { return true }

// ReadOnly are the faults of a store that takes nothing and gives nothing away.
func ReadOnly() []Fault {
	return []Fault{
		{Op: Save, Times: Always, Err: backend.ErrReadOnly},
		{Op: Remove, Times: Always, Err: backend.ErrReadOnly},
	}
}

// Event is an operation that was asked for, and how it ended.
type Event struct {
	Op     Op
	Handle backend.Handle // of a List, the type alone
	Err    error
}

// Backend is another backend with faults. It can be used concurrently.
type Backend struct {
	next backend.Backend

	mu        sync.Mutex
	faults    []*armed
	events    []Event
	alive     int // operations until the machine dies; negative: it lives on
	onlyCount func(Op) bool
	dead      bool
}

// armed is a fault that was given.
type armed struct {
	Fault
	seen int   // operations that it fits
	room int64 // of Full
}

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Unwrapper = (*Backend)(nil)
)

// New puts faults before next.
func New(next backend.Backend, faults ...Fault) *Backend {
	b := &Backend{next: next, alive: -1}
	b.Inject(faults...)
	return b
}

// Inject adds faults. They count from now on.
func (b *Backend) Inject(faults ...Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range faults {
		b.faults = append(b.faults, &armed{Fault: f, room: f.Bytes})
	}
}

// Clear takes all faults away. A killed machine stays dead.
func (b *Backend) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = nil
}

// KillAfter kills the machine after n more operations of any kind: those are
// done, everything after is ErrKilled. Operations that run at that moment come
// to their end.
func (b *Backend) KillAfter(n int) { b.killAfter(n, func(Op) bool { return true }) }

// KillAfterChanges is KillAfter, but counts only operations that change the
// store: Save and Remove.
func (b *Backend) KillAfterChanges(n int) {
	b.killAfter(n, func(op Op) bool { return op == Save || op == Remove })
}

// killAfter: the machine dies when an operation comes for which there is no
// life left, so that a run with exactly n of them comes to its end.
func (b *Backend) killAfter(n int, counts func(Op) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alive, b.onlyCount = max(n, 0), counts
}

// Kill kills the machine now.
func (b *Backend) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = true
}

// Killed tells whether an operation was refused because the machine is dead, or
// Kill was called.
func (b *Backend) Killed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead
}

// Count tells how many operations of a kind were asked for on files of a type,
// refused ones included; Any and 0 are all.
func (b *Backend) Count(op Op, t backend.FileType) int {
	n := 0
	for _, e := range b.Events() {
		if (op == Any || e.Op == op) && (t == 0 || e.Handle.Type == t) {
			n++
		}
	}
	return n
}

// Events gives all operations in the order in which they ended.
func (b *Backend) Events() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event(nil), b.events...)
}

// ResetEvents forgets the operations so far; faults count on.
func (b *Backend) ResetEvents() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = nil
}

// Unwrap gives the backend behind the faults.
func (b *Backend) Unwrap() backend.Backend { return b.next }

// Properties are those of the backend behind.
func (b *Backend) Properties() backend.Properties { return b.next.Properties() }

// Close closes the backend behind, even if the machine is dead: so do the files
// of a process that dies.
func (b *Backend) Close() error { return b.next.Close() }

// do finds the faults that strike and runs operation among them.
func (b *Backend) do(ctx context.Context, op Op, h backend.Handle, operation func(*plan) error) error {
	p, err := b.plan(op, h)
	if err == nil {
		err = b.run(ctx, p, operation)
	} else {
		err = p.fail(err)
	}
	b.mu.Lock()
	b.events = append(b.events, Event{op, h, err})
	b.mu.Unlock()
	return err
}

// plan is what strikes one operation.
type plan struct {
	op      Op
	h       backend.Handle
	strikes []*armed // Flip, Truncate, Resize, Hide, Full: the operation looks for them
	delays  []Fault
	before  error
	after   error
	lose    bool
	kill    bool
}

// fail names the operation in an error of ours; the backend behind does so itself.
func (p *plan) fail(err error) error { return fmt.Errorf("%v %v: %w", p.op, p.h, err) }

func (p *plan) has(e Effect) *armed {
	for _, s := range p.strikes {
		if s.Effect == e {
			return s
		}
	}
	return nil
}

// plan counts the operation and asks every fault.
func (b *Backend) plan(op Op, h backend.Handle) (*plan, error) {
	p := &plan{op: op, h: h}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dead && b.alive >= 0 && b.onlyCount(op) {
		if b.alive == 0 {
			b.dead = true
		} else {
			b.alive--
		}
	}
	if b.dead {
		return p, ErrKilled
	}
	for _, f := range b.faults {
		if !f.strikes(op, h) {
			continue
		}
		p.add(f)
		if f.Effect == KillBefore {
			b.dead = true
		}
		if p.before != nil || p.lose || p.kill {
			break // the faults behind it do not see the operation
		}
	}
	return p, nil
}

// strikes counts an operation and tells whether it is the fault's turn.
func (f *armed) strikes(op Op, h backend.Handle) bool {
	if f.Op != Any && f.Op != op || f.Type != 0 && f.Type != h.Type || len(f.Name) > len(h.Name) || h.Name[:len(f.Name)] != f.Name {
		return false
	}
	f.seen++
	first, times := max(f.Nth, 1), max(f.Times, 1)
	return f.seen >= first && (f.Times < 0 || f.seen < first+times)
}

func (p *plan) add(f *armed) {
	err := f.Err
	if err == nil {
		err = ErrInjected
	}
	switch f.Effect {
	case FailBefore:
		p.before = err
	case FailAfter:
		p.after = err
	case Lose:
		p.lose = true
	case Slow, Stall:
		p.delays = append(p.delays, f.Fault)
	case KillBefore:
		p.before = ErrKilled
	case KillAfter:
		p.kill = true
	default:
		p.strikes = append(p.strikes, f)
	}
}

func (b *Backend) run(ctx context.Context, p *plan, operation func(*plan) error) error {
	for _, d := range p.delays {
		if err := wait(ctx, d); err != nil {
			return p.fail(err)
		}
	}
	if p.before != nil {
		return p.fail(p.before)
	}
	if p.lose {
		return nil
	}
	err := operation(p)
	if p.kill {
		b.Kill()
		return p.fail(ErrKilled)
	}
	if err == nil && p.after != nil {
		return p.fail(p.after)
	}
	return err
}

func wait(ctx context.Context, f Fault) error {
	if f.Effect == Stall {
		<-ctx.Done()
		return ctx.Err()
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
