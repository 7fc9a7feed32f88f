package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Mode is how a session shares the repository with others.
type Mode uint8

const (
	// Shared: others read and write beside us, nobody removes anything.
	Shared Mode = iota
	// Exclusive: nobody else works here.
	Exclusive
	// Unlocked: no lock is taken, for reading where nothing can be written. What
	// somebody prunes meanwhile is missing.
	Unlocked
)

// lockTimes are the times of restic-format.md 11. Tests have shorter ones.
type lockTimes struct {
	settle        time.Duration // between writing a lock and looking again
	refresh       time.Duration // a lock is written anew
	stale         time.Duration // others take a lock for abandoned
	expiry        time.Duration // without a refresh, work ends
	watch         time.Duration // how often the clock is looked at
	poll, pollMax time.Duration // pauses while waiting for a lock
	goodbye       time.Duration // for removing a lock when the work was cancelled
}

var resticTimes = lockTimes{
	settle: 200 * time.Millisecond, refresh: 5 * time.Minute, stale: 30 * time.Minute, expiry: 22*time.Minute + 30*time.Second,
	watch: 10 * time.Second, poll: 100 * time.Millisecond, pollMax: 2 * time.Second, goodbye: 30 * time.Second,
}

// LockInfo is a lock file.
type LockInfo struct {
	ID format.ID
	format.Lock
	// Stale: its holder is gone. Locks of other machines are stale by age alone,
	// those of this one, restic's too, when there is no such process.
	Stale bool
}

func (l LockInfo) String() string {
	kind := "lock"
	if l.Exclusive {
		kind = "exclusive lock"
	}
	return fmt.Sprintf("%s %s by process %d of %s on %s, since %s", kind, l.ID.Short(), l.PID, l.Username, l.Hostname,
		l.Time.Local().Format(time.DateTime))
}

// LockedError tells who is in the way.
type LockedError struct{ Locks []LockInfo }

func (e *LockedError) Error() string {
	text := make([]string, len(e.Locks))
	for i, l := range e.Locks {
		text[i] = l.String()
	}
	return ErrLocked.Error() + ": " + strings.Join(text, "; ")
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Hint says what to do.
func (e *LockedError) Hint() string {
	for _, l := range e.Locks {
		if l.Stale {
			return "if nothing works in the repository any more, run \"keepsake unlock\""
		}
	}
	return "wait until the other work has finished, or let this one wait with --retry-lock 10m"
}

// LockHost is the host name in our locks: "keepsake-" and a digest of this
// machine and of its list of processes, so that under equal names process
// numbers can be compared. Names of hosts alone are not enough: there are many
// machines called "raspberrypi", and each would take the other's locks for those
// of dead processes.
func LockHost() string {
	sum := sha256.New()
	host, _ := os.Hostname() // what one cannot tell, the others must
	fmt.Fprintf(sum, "%q", host)
	machine, _ := os.ReadFile("/etc/machine-id")
	fmt.Fprintf(sum, "%q", machine)
	namespace, _ := os.Readlink("/proc/self/ns/pid") // only Linux has them
	fmt.Fprintf(sum, "%q", namespace)
	fmt.Fprintf(sum, "%q", hardwareAddress())
	return fmt.Sprintf("keepsake-%x", sum.Sum(nil)[:6])
}

// hardwareAddress is the address of the first network card that bears one from
// its maker; those that software made up change.
func hardwareAddress() net.HardwareAddr {
	const locallyAdministered = 2
	cards, _ := net.Interfaces() // none is like one that cannot be told
	for _, c := range cards {
		if len(c.HardwareAddr) == 6 && c.HardwareAddr[0]&locallyAdministered == 0 && c.Flags&net.FlagLoopback == 0 {
			return c.HardwareAddr
		}
	}
	return nil
}

// heldLock is our lock. It lives until release.
type heldLock struct {
	r         *Repository
	exclusive bool

	id      format.ID                 // of the file now
	left    []format.ID               // files of before that could not be removed
	written atomic.Pointer[time.Time] // when

	stop func() // ends the refreshing and waits for it
}

// acquire takes a lock, waiting for up to wait until others are gone. The
// context that it returns ends when the lock is lost.
func (r *Repository) acquire(ctx context.Context, mode Mode, wait time.Duration) (*heldLock, context.Context, error) {
	deadline := time.Now().Add(wait)
	pause := r.times.poll
	for {
		l, err := r.tryLock(ctx, mode == Exclusive, deadline)
		if err == nil {
			return l, l.keep(ctx), nil
		}
		if !errors.Is(err, ErrLocked) || !time.Now().Add(pause).Before(deadline) {
			return nil, nil, err
		}
		// At random, so that two who met do not meet again.
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return nil, nil, err
		}
		pause = min(pause*2, r.times.pollMax)
	}
}

// tryLock writes a lock between two looks at those of others. One who wants to
// be alone and may wait keeps his lock in place until those who were there
// before are gone: it stops new ones from coming, so that his turn comes.
func (r *Repository) tryLock(ctx context.Context, exclusive bool, deadline time.Time) (*heldLock, error) {
	mayWait := exclusive && time.Now().Before(deadline)
	if err := r.conflict(ctx, exclusive && !mayWait, format.ID{}); err != nil {
		return nil, err
	}
	l := &heldLock{r: r, exclusive: exclusive}
	if err := l.write(ctx); err != nil {
		return nil, err
	}
	err := sleep(ctx, r.times.settle)
	if err == nil {
		err = r.conflict(ctx, false, l.id) // with others who are alone
	}
	if err == nil && exclusive {
		err = l.drain(ctx, deadline)
	}
	if err != nil {
		return nil, errors.Join(err, l.remove(ctx))
	}
	return l, nil
}

// drain waits until nobody else has a lock.
func (l *heldLock) drain(ctx context.Context, deadline time.Time) error {
	for pause := l.r.times.poll; ; pause = min(pause*2, l.r.times.pollMax) {
		if err := l.r.conflict(ctx, false, l.id); err != nil {
			return err // somebody else wants to be alone, too
		}
		err := l.r.conflict(ctx, true, l.id)
		if err == nil || !errors.Is(err, ErrLocked) || !time.Now().Add(pause).Before(deadline) {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if l.age() > l.r.times.refresh {
			if err := l.refresh(ctx); err != nil {
				return err
			}
		}
	}
}

// conflict tells who is in the way of one who wants to be alone, or of one who
// does not. Locks whose holders are known to be gone are removed. own, unless it
// is null, has to be there.
func (r *Repository) conflict(ctx context.Context, alone bool, own format.ID) error {
	locks, err := r.Locks(ctx)
	if err != nil {
		return err
	}
	var others []LockInfo
	arrived := own == format.ID{}
	for _, l := range locks {
		switch {
		case l.ID == own:
			arrived = true
		case !alone && !l.Exclusive:
		case l.Stale && l.Hostname == r.o.LockHost: // one clock, one list of processes: certain
			if err := r.removeLock(ctx, l.ID); err != nil {
				return err
			}
		default:
			others = append(others, l)
		}
	}
	if len(others) > 0 {
		return &LockedError{others}
	}
	if !arrived {
		return fmt.Errorf("look whether lock %v arrived: it is not there: %w", own, ErrLockLost)
	}
	return nil
}

// Locks lists the locks of all who work here.
func (r *Repository) Locks(ctx context.Context) ([]LockInfo, error) {
	const attempts = 20
	for range attempts {
		locks, vanished, err := r.readLocks(ctx)
		if err != nil {
			return nil, err
		}
		if !vanished {
			return locks, nil
		}
		// One who refreshed his lock between the listing and the reading has it
		// under a name that was not listed.
	}
	return nil, fmt.Errorf("read locks: they changed while they were read, %d times", attempts)
}

// readLocks reads the locks that a listing names, and tells whether one of them
// was gone by then.
func (r *Repository) readLocks(ctx context.Context) (locks []LockInfo, vanished bool, err error) {
	files, err := r.list(ctx, backend.LockFile)
	if err != nil {
		return nil, false, err
	}
	for id, size := range files {
		if size == 0 {
			continue // what a full disk leaves; restic passes over them, too
		}
		json, err := r.loadUnpacked(ctx, backend.LockFile, id)
		if errors.Is(err, backend.ErrNotExist) {
			vanished = true // refreshed or released meanwhile
			continue
		}
		if err != nil {
			return nil, false, fmt.Errorf("read locks: %w", err)
		}
		l, err := format.DecodeLock(json)
		if err != nil {
			return nil, false, fmt.Errorf("read lock %s: %w", id.Short(), err)
		}
		info := LockInfo{ID: id, Lock: *l}
		info.Stale = time.Since(l.Time) > r.times.stale || r.holderGone(l)
		locks = append(locks, info)
	}
	return locks, vanished, nil
}

// holderGone tells whether the process that took a lock on this machine has
// ended. restic writes the machine's name, which does not say whose process
// numbers they are: another container may have the name, too. So its locks go
// when somebody asks for that (Unlock), as with restic itself, and never by
// themselves.
func (r *Repository) holderGone(l *format.Lock) bool {
	if l.Hostname != r.o.LockHost {
		host, err := os.Hostname()
		if err != nil || l.Hostname != host {
			return false
		}
	}
	return l.PID != os.Getpid() && !processLives(l.PID)
}

// Unlock removes the locks whose holders are gone, or with all every lock, and
// returns those it removed. Work under a lock removed so ends at its next
// refresh.
func (r *Repository) Unlock(ctx context.Context, all bool) ([]LockInfo, error) {
	if all {
		return r.unlockAll(ctx)
	}
	locks, err := r.Locks(ctx)
	if err != nil {
		return nil, err
	}
	var removed []LockInfo
	for _, l := range locks {
		if !l.Stale {
			continue
		}
		if err := r.removeLock(ctx, l.ID); err != nil {
			return removed, err
		}
		removed = append(removed, l)
	}
	return removed, nil
}

// unlockAll removes locks that cannot be read, too.
func (r *Repository) unlockAll(ctx context.Context) ([]LockInfo, error) {
	files, err := r.list(ctx, backend.LockFile)
	if err != nil {
		return nil, err
	}
	var removed []LockInfo
	for id := range files {
		info := LockInfo{ID: id}
		if json, err := r.loadUnpacked(ctx, backend.LockFile, id); err == nil {
			if l, err := format.DecodeLock(json); err == nil {
				info.Lock = *l
			}
		}
		if err := r.removeLock(ctx, id); err != nil {
			return removed, err
		}
		removed = append(removed, info)
	}
	return removed, nil
}

func (r *Repository) removeLock(ctx context.Context, id format.ID) error {
	err := r.be.Remove(ctx, backend.Handle{Type: backend.LockFile, Name: id.String()})
	if errors.Is(err, backend.ErrNotExist) {
		return nil
	}
	return err
}

// age is how long ago the lock was written. By the wall clock, for a machine that
// slept has lost its lock; and by the other one, for the wall clock may be set
// back.
func (l *heldLock) age() time.Duration {
	written := *l.written.Load()
	return max(time.Since(written), time.Since(written.Round(0)))
}

// write stores the lock with the present time, as a new file.
func (l *heldLock) write(ctx context.Context) error {
	now := time.Now()
	lock := format.Lock{Time: now, Exclusive: l.exclusive, Hostname: l.r.o.LockHost, Username: "keepsake", PID: os.Getpid()}
	json, err := lock.Encode()
	if err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	id, err := l.r.saveUnpacked(ctx, backend.LockFile, json)
	if err != nil {
		err = fmt.Errorf("write lock: %w", err)
		// It may be there all the same, and nobody would remove it while we live.
		if id != (format.ID{}) {
			ctx, cancel := detached(ctx, l.r.times.goodbye)
			defer cancel()
			if gone := l.r.removeLock(ctx, id); gone != nil {
				err = fmt.Errorf("%w (and then: %v)", err, gone)
			}
		}
		return err
	}
	l.id = id
	l.written.Store(&now)
	return nil
}

// refresh writes the lock anew and removes the old file. If that is gone,
// somebody took the lock away.
func (l *heldLock) refresh(ctx context.Context) error {
	old := l.id
	if _, err := l.r.be.Stat(ctx, backend.Handle{Type: backend.LockFile, Name: old.String()}); errors.Is(err, backend.ErrNotExist) {
		return fmt.Errorf("%w: somebody removed it", ErrLockLost)
	} else if err != nil {
		return err
	}
	if err := l.write(ctx); err != nil {
		return err
	}
	// Also when the session ends just now: nobody else removes it while we live.
	ctx, cancel := detached(ctx, l.r.times.goodbye)
	defer cancel()
	err := l.r.removeLock(ctx, old)
	if err != nil {
		l.left = append(l.left, old)
	}
	return err
}

// keep refreshes the lock until release. The context that it returns ends when
// that fails for too long.
func (l *heldLock) keep(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(l.r.times.watch)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// The watch is kept while a refresh hangs, so the refresh has its own end.
			age := l.age()
			if age > l.r.times.expiry {
				cancel(fmt.Errorf("%w: it could not be refreshed for %v", ErrLockLost, age.Round(time.Second)))
				return
			}
			if age < l.r.times.refresh {
				continue
			}
			attempt, stop := context.WithTimeout(ctx, l.r.times.expiry-age)
			err := l.refresh(attempt)
			stop()
			if errors.Is(err, ErrLockLost) {
				cancel(err)
				return
			}
		}
	}()
	l.stop = func() {
		cancel(context.Canceled)
		<-done
	}
	return ctx
}

func (l *heldLock) release(ctx context.Context) error {
	l.stop()
	return l.remove(ctx)
}

// remove takes the lock away, even when ctx has ended.
func (l *heldLock) remove(ctx context.Context) error {
	ctx, cancel := detached(ctx, l.r.times.goodbye)
	defer cancel()
	for _, id := range append(l.left, l.id) {
		if err := l.r.removeLock(ctx, id); err != nil {
			return fmt.Errorf("remove lock: %w", err)
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
