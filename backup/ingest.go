package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

const (
	// A checkpoint makes what is in the repository durable, and the spool smaller.
	checkpointBytes = 256 << 20
	checkpointAge   = time.Minute
)

// ingester takes files out of the spool into the repository, behind the phone's
// back: at once what comes in clear, and what comes encrypted when the keys are
// there.
type ingester struct {
	ctx     context.Context
	cancel  context.CancelFunc
	fail    context.CancelCauseFunc // ends the whole run
	u       *unfinished
	session *repository.Session
	w       *repository.Writer
	parent  *snapshot.Snapshot
	opt     RepositoryOptions
	rep     progress.Reporter
	workers sync.WaitGroup
	step    int64 // bytes between checkpoints

	flushing sync.Mutex // one checkpoint at a time

	mu     sync.Mutex // guards what is below
	waits  bool       // for the keys: nothing is taken before
	queue  []task
	queued numbers // from the offer until it is durable
	active int
	ready  []stored // saved, and not durable yet
	bytes  int64    // of these
	since  time.Time
	moved  chan struct{} // closed and made anew when something was done
	work   chan struct{} // the same for new tasks
	err    error

	settled chan struct{} // closed when nobody looks for keys
	stale   bool          // what was found belongs to an earlier list
	lists   *lists        // what was found
}

// numbers is a set of objects: there may be half a million.
type numbers []bool

func (s numbers) has(n uint32) bool { return int(n) < len(s) && s[n] }

func (s *numbers) set(n uint32, in bool) {
	if more := int(n) + 1 - len(*s); more > 0 {
		*s = append(*s, make([]bool, more)...)
	}
	(*s)[n] = in
}

// task is an object to be stored.
type task struct {
	object uint32
	name   string // on the phone, or its extension: it helps to cut
	key    keybag.WrappedKey
	keys   *snapshot.Keys // that open key; nil: it stays as it came
}

// stored is an object that the repository has taken.
type stored struct {
	object  uint32
	content *journal.Content
}

// newIngester starts one. waits says that the phone encrypts.
func newIngester(ctx context.Context, fail context.CancelCauseFunc, u *unfinished, session *repository.Session, parent *snapshot.Snapshot, opt RepositoryOptions, rep progress.Reporter, waits bool) (*ingester, error) {
	w, err := session.Writer(ctx)
	if err != nil {
		return nil, err
	}
	in := &ingester{fail: fail, u: u, session: session, w: w, parent: parent, opt: opt, rep: rep, waits: waits,
		step: checkpointBytes, moved: make(chan struct{}), work: make(chan struct{}), settled: make(chan struct{})}
	close(in.settled)
	if limit := spoolLimit(opt.SpoolLimit); limit > 0 {
		in.step = min(in.step, limit/4)
	}
	in.ctx, in.cancel = context.WithCancel(ctx)
	for range max(4, 2*runtime.GOMAXPROCS(0)) {
		in.workers.Go(in.run)
	}
	return in, nil
}

// close stops everything; what is not durable yet stays in the spool.
func (in *ingester) close() {
	in.cancel()
	in.workers.Wait()
	<-in.settledChan()
	in.lists.close()
	_ = in.w.Close() // what ended it, if anything, was told to whoever used it
}

func (in *ingester) failure() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// broke notes the first error and ends the run.
func (in *ingester) broke(err error) {
	in.mu.Lock()
	if in.err == nil {
		in.err = err
	}
	in.tell()
	in.mu.Unlock()
	in.fail(err)
}

// tell wakes who waits for progress. in.mu is held.
func (in *ingester) tell() {
	close(in.moved)
	in.moved = make(chan struct{})
}

// progress gives a channel that is closed when something was done.
func (in *ingester) progress() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.moved
}

// idle tells whether there is nothing to do and nothing to be made durable.
func (in *ingester) idle() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue) == 0 && in.active == 0 && len(in.ready) == 0
}

// takesNow tells whether files go into the repository as they come.
func (in *ingester) takesNow() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.waits
}

// offer gives an object that has just arrived; name is where it is from.
func (in *ingester) offer(n uint32, name string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.waits {
		in.pushLocked(task{object: n, name: name})
	}
}

func (in *ingester) push(list []task) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, t := range list {
		in.pushLocked(t)
	}
}

func (in *ingester) pushLocked(t task) {
	if in.queued.has(t.object) {
		return
	}
	in.queued.set(t.object, true)
	in.queue = append(in.queue, t)
	close(in.work)
	in.work = make(chan struct{})
}

// next gives the next task, or false at the end.
func (in *ingester) next() (task, bool) {
	for {
		in.mu.Lock()
		if in.ctx.Err() == nil && len(in.queue) > 0 {
			t := in.queue[0]
			in.queue = in.queue[1:]
			in.active++
			in.mu.Unlock()
			return t, true
		}
		work := in.work
		in.mu.Unlock()
		select {
		case <-work:
		case <-in.ctx.Done():
			return task{}, false
		}
	}
}

func (in *ingester) run() {
	for {
		t, ok := in.next()
		if !ok {
			return
		}
		c, err := in.save(t)
		if err != nil && in.ctx.Err() == nil && !in.u.gone(t.object) {
			in.broke(err)
		}
		if in.finished(t, c, err) {
			if err := in.checkpoint(in.ctx); err != nil && in.ctx.Err() == nil {
				in.broke(err)
			}
		}
	}
}

// finished notes the end of a task, and tells whether a checkpoint is due.
func (in *ingester) finished(t task, c *journal.Content, err error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.active--
	if err != nil {
		in.queued.set(t.object, false)
	} else {
		if len(in.ready) == 0 {
			in.since = time.Now()
		}
		in.ready = append(in.ready, stored{t.object, c})
		in.bytes += c.Size
	}
	in.tell()
	return in.bytes >= in.step || len(in.ready) > 0 && time.Since(in.since) > checkpointAge
}

// save stores one object.
func (in *ingester) save(t task) (*journal.Content, error) {
	var key keybag.Key
	if t.keys != nil {
		var err error
		if key, err = t.keys.File(t.key); err != nil {
			return nil, err
		}
	}
	size, ok := in.u.size(t.object)
	if !ok {
		return nil, errGone
	}
	open := func() (io.ReadCloser, error) { return in.u.openObject(in.ctx, t.object, in.session) }
	name := t.name
	if name == "" || name[0] == '.' {
		name = fmt.Sprintf("file %d of the run%s", t.object, name)
	}
	c, err := snapshot.Save(in.ctx, in.w, name, key, open, size)
	if err != nil {
		return nil, explain(err)
	}
	return journalContent(c, key), nil
}

var errGone = errors.New("the file is not needed any more")

// explain makes an error of our own disk one.
func explain(err error) error {
	var damage *spool.DamageError
	if errors.As(err, &damage) {
		return hostError("read", "spool", err)
	}
	return err
}

func journalContent(c snapshot.Content, key keybag.Key) *journal.Content {
	j := &journal.Content{Size: c.Size, SHA1: c.SHA1, Raw: c.Raw, Blobs: c.Blobs}
	if !key.IsZero() && !c.Raw {
		j.Unsealed, j.KeyCheck = true, keyCheck(key)
	}
	return j
}

// gone tells whether nobody needs an object any more.
func (u *unfinished) gone(n uint32) bool {
	_, ok := u.size(n)
	return !ok
}

// size is an object's as it came, in bytes.
func (u *unfinished) size(n uint32) (int64, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.object(n)
	if o == nil || o.gone {
		return 0, false
	}
	return o.size, true
}

// checkpoint makes what was stored durable, notes it in the journal and gives the
// room in the spool back.
func (in *ingester) checkpoint(ctx context.Context) error {
	in.flushing.Lock()
	defer in.flushing.Unlock()
	in.mu.Lock()
	ready := in.ready
	in.ready, in.bytes = nil, 0
	in.mu.Unlock()
	if len(ready) == 0 {
		return nil
	}
	err := in.w.Flush(ctx)
	if err == nil {
		err = in.u.stored(ready)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.ready = append(ready, in.ready...)
	} else {
		for _, s := range ready {
			in.queued.set(s.object, false)
		}
	}
	in.tell()
	return err
}

// stored writes what is durable in the repository into the journal.
func (u *unfinished) stored(list []stored) error {
	const blobsPerFrame = 8 << 10
	u.mu.Lock()
	defer u.mu.Unlock()
	var records []journal.Record
	blobs := 0
	for i, s := range list {
		if o := u.object(s.object); o != nil && !o.gone {
			records = append(records, journal.Record{Kind: journal.Stored, Object: s.object, Content: s.content})
			blobs += len(s.content.Blobs) + 2
		}
		if blobs >= blobsPerFrame || i == len(list)-1 {
			if err := u.append(records...); err != nil {
				return err
			}
			records, blobs = records[:0], 0
		}
	}
	return nil
}

// press makes room when a part of what waits has been stored, or all of it.
func (in *ingester) press(ctx context.Context) error {
	in.mu.Lock()
	err := in.err
	due := len(in.ready) > 0 && (in.bytes >= in.step || len(in.queue) == 0 && in.active == 0)
	in.mu.Unlock()
	if err != nil || !due {
		return err
	}
	return in.checkpoint(ctx)
}

// storeSealed gives up waiting for the keys: from now on files are stored as they
// come, those that wait first.
func (in *ingester) storeSealed() {
	in.mu.Lock()
	waits := in.waits
	in.waits = false
	in.mu.Unlock()
	if !waits {
		return
	}
	in.rep.Say(progress.Notice, "There is no more room to wait for the phone's keys: files are stored as they come, and decrypted later if there is room.")
	in.push(in.u.unstored())
}

// unstored gives the files of the phone that are not in the repository yet, in
// the order in which they arrived.
func (u *unfinished) unstored() (list []task) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.placed() {
		if u.object(p.object).content == nil {
			list = append(list, task{object: p.object})
		}
	}
	return list
}

// wait waits until everything that was offered is durable in the repository.
func (in *ingester) wait(ctx context.Context, report func(left int)) error {
	for {
		progress := in.progress()
		in.mu.Lock()
		err, left := in.err, len(in.queue)+in.active
		in.mu.Unlock()
		if err != nil {
			return err
		}
		report(left)
		if left == 0 {
			return in.checkpoint(ctx)
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
