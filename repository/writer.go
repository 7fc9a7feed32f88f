package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/chunker"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// Writer is one run that adds to the repository. What it takes goes through a
// pipeline, each stage of which works in parallel:
//
//	read and cut → hash → look up → compress → seal → prove → pack → save → index
//
// A stage that is slower than the one before holds it up; so the source is read
// only as fast as the repository keeps. The first error ends everything: every
// call returns it, and nothing of the run is referenced. What is durable by then
// stays and is found by the next run.
//
// A Writer can be used concurrently. Close it.
type Writer struct {
	s      *Session
	ctx    context.Context
	cancel context.CancelCauseFunc
	index  *index.Index

	gate    sync.RWMutex // held for reading while a job is handed in, for writing by Flush
	jobs    chan job     // to the workers
	running tally        // jobs handed in and not yet done
	full    chan *pack   // to the savers
	saving  tally        // packs handed in and not yet saved
	group   *errgroup.Group

	packers    [2]packer // by blob type
	idle       chan *pack
	pending    pending
	checkpoint checkpoint
	chunkers   sync.Pool // cutters
	stats      writerStats
}

// job is a blob on its way.
type job struct {
	handle  format.BlobHandle
	known   bool   // handle.ID is set
	force   bool   // store even what is there already
	media   bool   // do not try to compress
	data    []byte // its plaintext, or
	encoded bool   // what another pack holds of it:
	length  uint32 // a zstd frame of so much plaintext, unless 0
	pooled  bool   // data belongs to the buffers
	content *Content
	number  int // of the piece in content
}

// size is that of the plaintext.
func (j job) size() int64 {
	if j.encoded && j.length > 0 {
		return int64(j.length)
	}
	return int64(len(j.data))
}

// WriterStats counts what a Writer did. Sizes are in bytes.
type WriterStats struct {
	DataBlobs, TreeBlobs int64 // new ones
	DataAdded            int64 // plaintext of new blobs
	DataAddedPacked      int64 // the same, as stored
	Known                int64 // plaintext of blobs that were there already
	Packs, Indexes       int64 // files
	Stored               int64 // bytes of packs and indexes
}

type writerStats struct {
	blobs                               [2]atomic.Int64
	added, packed, known, packs, stored atomic.Int64
	indexes                             atomic.Int64
}

// Stats is what was done so far.
func (w *Writer) Stats() WriterStats {
	s := &w.stats
	return WriterStats{s.blobs[format.DataBlob].Load(), s.blobs[format.TreeBlob].Load(), s.added.Load(), s.packed.Load(),
		s.known.Load(), s.packs.Load(), s.indexes.Load(), s.stored.Load()}
}

// Writer starts a run that adds to the repository. It ends with ctx, and with
// the session.
func (s *Session) Writer(ctx context.Context) (*Writer, error) {
	if err := s.alive(); err != nil {
		return nil, fmt.Errorf("write to repository: %w", err)
	}
	x, err := s.Index(ctx)
	if err != nil {
		return nil, fmt.Errorf("write to repository: %w", err)
	}
	return s.startWriter(ctx, x)
}

func (s *Session) startWriter(ctx context.Context, x *index.Index) (*Writer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	group, groupCtx := errgroup.WithContext(ctx)
	savers := 2 // one writes while another is being made durable
	if s.r.be.Properties().Remote {
		savers = min(max(savers, s.r.connections()), 5)
	}
	w := &Writer{
		s: s, ctx: groupCtx, cancel: cancel, index: x, group: group,
		jobs: make(chan job, s.r.o.Workers), full: make(chan *pack), idle: make(chan *pack, savers+openPacks),
	}
	w.pending.blobs = map[format.BlobHandle]struct{}{}
	w.checkpoint.w = w
	for i := range w.packers {
		w.packers[i].target = s.r.o.PackSize
	}
	for range s.r.o.Workers {
		e, err := s.r.newEncoder()
		if err != nil {
			cancel(err)
			return nil, err
		}
		group.Go(func() error { return w.work(e) })
	}
	for range savers {
		group.Go(w.save)
	}
	return w, nil
}

// work takes jobs until the writer ends.
func (w *Writer) work(e *encoder) error {
	for {
		select {
		case j := <-w.jobs:
			err := w.store(e, j)
			if err != nil {
				w.cancel(err) // before Flush hears that the job is done
			}
			w.finishJob(j)
			if err != nil {
				return err
			}
		case <-w.ctx.Done():
			return nil
		}
	}
}

func (w *Writer) save() error {
	for {
		select {
		case p := <-w.full:
			err := w.savePack(w.ctx, p)
			if err != nil {
				w.cancel(err) // before Flush hears that the pack is done
			}
			w.saving.Done()
			if err != nil {
				return err
			}
		case <-w.ctx.Done():
			return nil
		}
	}
}

func (w *Writer) finishJob(j job) {
	if j.pooled {
		w.s.r.buffers.Put(j.data)
	}
	w.running.Done()
}

// store encodes a blob that is not there yet and puts it into a pack.
func (w *Writer) store(e *encoder, j job) error {
	if !j.known {
		j.handle.ID = format.Hash(j.data)
	}
	mine := w.claim(j.handle, j.force)
	if j.content != nil { // behind claim: who knows a blob's name may ask Has
		j.content.set(j.number, j.handle.ID)
	}
	if !mine {
		w.stats.known.Add(j.size())
		return nil
	}
	var sealed []byte
	var err error
	length := j.length
	if j.encoded {
		sealed, err = e.seal(j.handle, j.data, length)
	} else {
		sealed, length, err = e.encode(j.handle, j.data, j.media)
	}
	if err != nil {
		return err
	}
	w.stats.blobs[j.handle.Type].Add(1)
	w.stats.packed.Add(int64(len(sealed)))
	w.stats.added.Add(j.size())
	if p := w.packers[j.handle.Type].add(j.handle, sealed, length, w.freshPack); p != nil {
		return w.handIn(p)
	}
	return nil
}

func (w *Writer) handIn(p *pack) error {
	w.saving.Add(1)
	select {
	case w.full <- p:
		return nil
	case <-w.ctx.Done():
		w.saving.Done()
		return context.Cause(w.ctx)
	}
}

func (w *Writer) freshPack() *pack {
	select {
	case p := <-w.idle:
		return p
	default:
		return &pack{data: make([]byte, 0, w.s.r.o.PackSize+1<<20)}
	}
}

// recycle keeps the memory of a saved pack, unless it grew beyond the usual.
func (w *Writer) recycle(p *pack) {
	if cap(p.data) > 2*w.s.r.o.PackSize {
		return
	}
	p.data, p.blobs = p.data[:0], p.blobs[:0]
	select {
	case w.idle <- p:
	default:
	}
}

// pending are the blobs of this run whose packs no index file names yet.
type pending struct {
	mu    sync.Mutex
	blobs map[format.BlobHandle]struct{}
}

// claim tells whether the caller is the one to store a blob.
func (w *Writer) claim(h format.BlobHandle, force bool) bool {
	w.pending.mu.Lock()
	defer w.pending.mu.Unlock()
	if _, ok := w.pending.blobs[h]; ok {
		return false
	}
	if _, ok := w.index.Lookup(h); ok && !force {
		return false
	}
	w.pending.blobs[h] = struct{}{}
	return true
}

// forgetPending is called when the blobs are in the index.
func (w *Writer) forgetPending(blobs []format.Blob) {
	w.pending.mu.Lock()
	defer w.pending.mu.Unlock()
	for _, b := range blobs {
		delete(w.pending.blobs, b.BlobHandle)
	}
}

// hand gives a job to the workers. The job's buffer is theirs, whatever is
// returned.
func (w *Writer) hand(ctx context.Context, j job) error {
	w.gate.RLock()
	defer w.gate.RUnlock()
	w.running.Add(1)
	if w.ctx.Err() != nil { // nobody takes jobs any more
		w.finishJob(j)
		return w.failure()
	}
	select {
	case w.jobs <- j:
		return nil
	case <-ctx.Done():
		w.finishJob(j)
		return context.Cause(ctx)
	case <-w.ctx.Done():
		w.finishJob(j)
		return w.failure()
	}
}

// failure is why the writer ended.
func (w *Writer) failure() error {
	if err := context.Cause(w.ctx); err != nil {
		return fmt.Errorf("write to repository: %w", err)
	}
	return errors.New("write to repository: the run has ended")
}

// Content is a file on its way into the repository.
type Content struct {
	mu   sync.Mutex
	ids  []format.ID
	left int           // pieces without an ID
	read bool          // all pieces are known
	done chan struct{} // closed when left is 0 and read
	size int64
	w    *Writer
}

// Size is how many bytes were read.
func (c *Content) Size() int64 { return c.size }

func (c *Content) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = append(c.ids, format.ID{})
	c.left++
	return len(c.ids) - 1
}

func (c *Content) set(i int, id format.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[i] = id
	c.left--
	if c.read && c.left == 0 {
		close(c.done)
	}
}

func (c *Content) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	if c.left == 0 {
		close(c.done)
	}
}

// IDs waits until every piece has been hashed and gives the blobs of the file in
// order: what Node.Content wants, [] and not nil for an empty file. It does not
// mean that they are durable: Flush and Commit do.
func (c *Content) IDs(ctx context.Context) ([]format.ID, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.w.ctx.Done():
		return nil, c.w.failure()
	}
	if c.ids == nil {
		return []format.ID{}, nil
	}
	return c.ids, nil
}

// cutters are chunkers of each kind for one file at a time.
type cutters map[chunker.Kind]chunker.Chunker

func (w *Writer) cutter(kind chunker.Kind) (chunker.Chunker, func(), error) {
	set, _ := w.chunkers.Get().(cutters)
	if set == nil {
		set = cutters{}
	}
	if set[kind] == nil {
		c, err := chunker.New(kind, uint64(w.s.r.config.ChunkerPolynomial), w.s.r.o.Chunks)
		if err != nil {
			return nil, nil, err
		}
		set[kind] = c
	}
	set[kind].Reset()
	return set[kind], func() { w.chunkers.Put(set) }, nil
}

// headSize is how much of a file's beginning decides how it is cut, in bytes.
const headSize = 512

// readHead reads the first bytes of a file, with io.EOF if there are no more.
// io.ReadFull would not tell a short file from one whose source broke off with
// io.ErrUnexpectedEOF.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, headSize)
	n, empty := 0, 0
	for n < len(head) {
		k, err := r.Read(head[n:])
		n += k
		if err != nil {
			return head[:n], err
		}
		if empty++; k > 0 {
			empty = 0
		} else if empty >= 100 {
			return head[:n], io.ErrNoProgress
		}
	}
	return head, nil
}

// SaveFile reads r to its end, cuts it and stores the pieces. name decides,
// with the first bytes, how it is cut; sizeHint is how many bytes are expected,
// or -1. It returns when all has been read, with an error of r wrapped; the
// pieces may still be on their way (Content.IDs).
func (w *Writer) SaveFile(ctx context.Context, r io.Reader, name string, sizeHint int64) (*Content, error) {
	c := &Content{w: w, done: make(chan struct{})}
	head, err := readHead(r)
	switch {
	case err == nil:
		r = io.MultiReader(bytes.NewReader(head), r)
	case err == io.EOF:
		r, sizeHint = bytes.NewReader(head), int64(len(head))
	default:
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	kind := chunker.Classify(name, head)
	cutter, release, err := w.cutter(kind)
	if err != nil {
		return nil, fmt.Errorf("cut %s: %w", name, err)
	}
	defer release()
	emit := func(piece []byte) error {
		return w.hand(ctx, job{handle: format.BlobHandle{Type: format.DataBlob}, media: kind == chunker.Media, data: piece, pooled: true,
			content: c, number: c.next()})
	}
	ctx, cancel := w.both(ctx)
	defer cancel()
	c.size, err = chunker.Split(ctx, r, cutter, sizeHint, w.s.r.buffers, emit)
	if err != nil {
		if w.ctx.Err() != nil {
			return nil, w.failure()
		}
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	c.end()
	return c, nil
}

// both ends with ctx and with the writer.
func (w *Writer) both(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// SaveBlob stores data as one blob, unless it is there. It may return before the
// blob is durable; data must not be changed until Flush or Commit. A blob of 0
// bytes cannot be stored.
func (w *Writer) SaveBlob(ctx context.Context, t format.BlobType, data []byte) (format.ID, error) {
	if len(data) == 0 {
		return format.ID{}, errors.New("save blob: it is empty")
	}
	h := format.BlobHandle{ID: format.Hash(data), Type: t}
	return h.ID, w.hand(ctx, job{handle: h, known: true, data: data})
}

// pass stores a blob as it came from a pack, there or from another repository,
// whose plaintext has been compared with its ID. payload is copied. With force
// it is stored even when it is there.
func (w *Writer) pass(ctx context.Context, h format.BlobHandle, payload []byte, length uint32, force bool) error {
	if w.s.r.config.Version < 2 && length > 0 {
		return fmt.Errorf("write %v to a repository of version 1: it is compressed", h)
	}
	both, cancel := w.both(ctx)
	defer cancel()
	buf, err := w.s.r.buffers.Get(both, len(payload))
	if err != nil {
		return err
	}
	copy(buf, payload)
	return w.hand(ctx, job{handle: h, known: true, force: force, data: buf, encoded: true, length: length, pooled: true})
}

// put stores a blob even when it is there: what is there is damaged. plain must
// not be changed.
func (w *Writer) put(ctx context.Context, h format.BlobHandle, plain []byte) error {
	return w.hand(ctx, job{handle: h, known: true, force: true, data: plain})
}

// SaveTree stores a folder, unless it is there. Its nodes must be sorted.
func (w *Writer) SaveTree(ctx context.Context, t *format.Tree) (format.ID, error) {
	data, err := t.Encode()
	if err != nil {
		return format.ID{}, fmt.Errorf("save tree: %w", err)
	}
	if len(data) > maxTree { // nobody could read it
		return format.ID{}, fmt.Errorf("save tree: a folder of %d bytes, more than %d: it has too many entries", len(data), maxTree)
	}
	return w.SaveBlob(ctx, format.TreeBlob, data)
}

// Has tells whether a blob is there, or on its way.
func (w *Writer) Has(h format.BlobHandle) bool {
	w.pending.mu.Lock()
	defer w.pending.mu.Unlock()
	_, ok := w.pending.blobs[h]
	if !ok {
		_, ok = w.index.Lookup(h)
	}
	return ok
}

// Flush makes everything durable that was handed in before, and indexed: a
// checkpoint, from which another run can go on.
func (w *Writer) Flush(ctx context.Context) error {
	w.gate.Lock() // no new jobs
	defer w.gate.Unlock()
	if err := w.wait(ctx, &w.running); err != nil {
		return err
	}
	for i := range w.packers {
		for _, p := range w.packers[i].rest() {
			if err := w.handIn(p); err != nil {
				return fmt.Errorf("write to repository: %w", err)
			}
		}
	}
	if err := w.wait(ctx, &w.saving); err != nil {
		return err
	}
	both, cancel := w.both(ctx)
	defer cancel()
	if err := w.checkpoint.write(both); err != nil {
		w.cancel(err)
		return err
	}
	return nil
}

// tally counts work under way. Unlike with a sync.WaitGroup, one may stop waiting
// while others go on adding.
type tally struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n is 0; nil if nobody waits
}

func (t *tally) Add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n += n
	if t.n == 0 && t.zero != nil {
		close(t.zero)
		t.zero = nil
	}
}

func (t *tally) Done() { t.Add(-1) }

// none gives a channel that is closed when nothing is under way.
func (t *tally) none() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.zero == nil {
		t.zero = make(chan struct{})
	}
	zero := t.zero
	if t.n == 0 {
		close(zero)
		t.zero = nil
	}
	return zero
}

// wait waits for work to be done, or for the end.
func (w *Writer) wait(ctx context.Context, work *tally) error {
	select {
	case <-work.none():
		if w.ctx.Err() != nil { // given up, not done
			return w.failure()
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.ctx.Done():
		return w.failure()
	}
}

// Commit makes everything durable, makes sure that the backend has it, and
// stores the snapshot that references it.
func (w *Writer) Commit(ctx context.Context, sn *format.Snapshot) (format.ID, error) {
	if err := w.Flush(ctx); err != nil {
		return format.ID{}, err
	}
	if sn.Tree == nil {
		return format.ID{}, errors.New("save snapshot: it has no tree")
	}
	if _, ok := w.index.Lookup(format.BlobHandle{ID: *sn.Tree, Type: format.TreeBlob}); !ok {
		return format.ID{}, errors.New("save snapshot: its tree is not in the repository")
	}
	both, cancel := w.both(ctx)
	defer cancel()
	if err := w.checkpoint.arrived(both); err != nil {
		w.cancel(err) // else another attempt would not look again
		return format.ID{}, err
	}
	return w.s.saveSnapshot(both, sn)
}

// Close ends the run. What is durable stays; what is not is dropped. It returns
// the error that ended the run before, if any.
func (w *Writer) Close() error {
	w.cancel(errClosed)
	err := w.group.Wait()
	w.gate.Lock()
	defer w.gate.Unlock()
	for len(w.jobs) > 0 { // handed in and never taken
		w.finishJob(<-w.jobs)
	}
	if errors.Is(err, errClosed) {
		return nil
	}
	return err
}

var errClosed = errors.New("the run was closed")
