package media

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// mediaFolder stands below the UDID: the root of AFC.
const mediaFolder = "Media"

// Options say how to copy. The zero value is good.
type Options struct {
	// State is this station's folder for what is unfinished; "" keeps nothing, and
	// an interrupted copy is begun anew.
	State string
	// Wait is how long to wait for others who work in the repository.
	Wait time.Duration
	// Now is the clock that dates copies; nil is time.Now.
	Now func() time.Time
	// Protected copies what is under FairPlay, too. It plays nowhere else.
	Protected bool
	// Full reads everything again.
	Full bool
	// Connections to the phone; 0 is 4.
	Connections int
	// ProgramVersion is stored in the snapshot, such as "keepsake 1.0".
	ProgramVersion string

	// A checkpoint is made after so many bytes or so long; 0 is 256 MiB and 30 s.
	checkpointBytes int64
	checkpointAge   time.Duration
}

// farewell bounds the checkpoint of a copy that is cut short.
const farewell = 30 * time.Second

// Copy copies the media of a phone into a snapshot of repo. What the phone does
// not let be read is told in Result.Problems and is no error. Errors are those of
// the connection (device.ErrLocked, device.ErrNoDevice, …), of the repository and
// of ctx; then there is no new snapshot, and what was stored is not read again
// next time. The phone asks nobody for anything.
func Copy(ctx context.Context, phone Phone, repo *repository.Repository, opt Options, rep progress.Reporter) (*Result, error) {
	began := time.Now()
	if opt.Now != nil {
		began = opt.Now()
	}
	p, l, release, err := connectAndList(ctx, phone, opt, rep)
	if err != nil {
		return nil, fmt.Errorf("copy media: %w", err)
	}
	defer release()
	defer p.close()
	r := &run{phone: phone, opt: opt, rep: rep, pool: p, l: l, began: began, counter: newCounter()}
	if err := r.do(ctx, repo); err != nil {
		return nil, fmt.Errorf("copy media: %w", err)
	}
	return &r.res, nil
}

// run is one Copy.
type run struct {
	phone Phone
	opt   Options
	rep   progress.Reporter
	pool  *pool
	l     *listing
	began time.Time

	s           *repository.Session
	w           *repository.Writer
	checkpoints *checkpoints
	parentID    *format.ID
	parent      *earlier // the newest media snapshot; nil if there is none
	res         Result
	counter     *counter
	matched     int64 // files that the parent has, too

	totalFiles, totalBytes int64 // to read
	shownFiles, shownBytes atomic.Int64
	readFiles              atomic.Int64
}

// do works in a session that outlives ctx for a moment: long enough to note what
// is stored.
func (r *run) do(ctx context.Context, repo *repository.Repository) (err error) {
	r.rep.Phase("media_index", "Looking at the repository")
	lasting, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	cut := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	if r.s, err = repo.Begin(lasting, repository.Shared, r.opt.Wait); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.s.Close()) }()
	if !cut() {
		return context.Cause(ctx)
	}
	work, stop := context.WithCancelCause(r.s.Context())
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(context.Cause(ctx)) })()

	state, err := openState(r.opt.State, repo.ID(), r.phone.UDID().String())
	if err != nil {
		return err
	}
	if err := r.compare(work, state); err != nil {
		return err
	}
	if r.empty() {
		return state.remove()
	}
	if r.w, err = r.s.Writer(r.s.Context()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.w.Close()) }()
	r.checkpoints.w = r.w
	if err := r.copyAndStore(work); err != nil {
		bounded, cancel := context.WithTimeout(r.s.Context(), farewell)
		defer cancel()
		return errors.Join(err, r.checkpoints.last(bounded))
	}
	return state.remove()
}

// compare finds out what need not be read.
func (r *run) compare(ctx context.Context, state state) error {
	unfinished, err := state.read()
	if err != nil {
		return err
	}
	r.checkpoints = &checkpoints{state: state, every: r.opt.checkpointBytes, age: r.opt.checkpointAge, since: time.Now()}
	if r.checkpoints.every == 0 {
		r.checkpoints.every = 256 << 20
	}
	if r.checkpoints.age == 0 {
		r.checkpoints.age = 30 * time.Second
	}
	media, backup, err := lineage(ctx, r.s, r.phone.UDID().String())
	if err != nil {
		return err
	}
	if media != nil {
		r.parentID = &media.ID
		if r.parent, err = r.load(ctx, media, "", r.phone.UDID().String(), mediaFolder); err != nil {
			return err
		}
		if err := r.reuse(ctx, r.parent, nil); err != nil {
			return err
		}
	}
	for _, tree := range unfinished {
		b, err := loadEarlier(ctx, r.s, tree, "")
		if notWhole(err) {
			continue // pruned
		}
		if err != nil {
			return err
		}
		r.checkpoints.trees = append(r.checkpoints.trees, tree)
		if err := r.reuse(ctx, b, &r.res.Resumed); err != nil {
			return err
		}
	}
	if backup == nil {
		return nil
	}
	b, err := r.load(ctx, backup, "DCIM", r.phone.UDID().String(), "CameraRollDomain", "Media", "DCIM")
	if err != nil || b == nil {
		return err
	}
	b.seconds = true
	return r.reuse(ctx, b, &r.res.FromBackup)
}

// load reads a folder of a snapshot to compare with. One that is damaged keeps
// nobody from copying.
func (r *run) load(ctx context.Context, sn *repository.Snapshot, root string, names ...string) (*earlier, error) {
	tree, ok, err := below(ctx, r.s, sn, names...)
	var b *earlier
	if err == nil && ok {
		b, err = loadEarlier(ctx, r.s, tree, root)
	}
	if notWhole(err) {
		r.rep.Say(progress.Warn, fmt.Sprintf("Snapshot %s is damaged, so that more is read than is new: %v", sn.ID.Short(), err))
		return nil, nil
	}
	return b, err
}

// reuse takes what it can from b, and counts it.
func (r *run) reuse(ctx context.Context, b *earlier, counted *int64) error {
	if b == nil || r.opt.Full {
		return nil
	}
	for e := range r.l.files {
		if e.node != nil {
			continue
		}
		n, err := b.unchanged(ctx, e)
		if err != nil {
			return err
		}
		if e.node = n; n != nil && counted != nil {
			*counted++
		}
	}
	return nil
}

// empty tells whether there is nothing to make a snapshot of.
func (r *run) empty() bool {
	if r.parentID != nil {
		return false
	}
	some := false
	r.l.root.all(func(e *entry) bool {
		some = e.err != nil || e.skip || e.info != nil && !e.info.IsDir()
		return !some
	})
	r.res.Problems = append(r.res.Problems, r.l.problems...)
	return !some && len(r.l.problems) == 0
}

// copyAndStore reads what is missing and makes the snapshot.
func (r *run) copyAndStore(ctx context.Context) error {
	items, bytes := r.items()
	for _, it := range items {
		r.totalFiles += int64(len(it))
	}
	r.totalBytes = bytes
	r.rep.Phase("media_copy", "Copying music, pictures and other media")
	if err := r.copyItems(ctx, items); err != nil {
		return err
	}
	r.rep.Phase("media_store", "Finishing the snapshot")
	return r.store(ctx)
}

// store makes the snapshot of what was found.
func (r *run) store(ctx context.Context) error {
	for _, p := range r.l.problems {
		r.problem(p)
	}
	top, err := r.saveFolder(ctx, r.l.root)
	if err != nil {
		return err
	}
	udid := r.phone.UDID().String()
	for _, name := range []string{mediaFolder, udid} {
		if top, err = r.w.SaveTree(ctx, &format.Tree{Nodes: []format.Node{folderNode(name, r.began, top)}}); err != nil {
			return err
		}
	}
	if err := r.w.Flush(ctx); err != nil {
		return err
	}
	r.tell()
	sn := &format.Snapshot{Time: r.began, Tree: &top, Paths: []string{"/" + udid + "/" + mediaFolder}, Hostname: snapshot.HostName, Parent: r.parentID,
		Tags: []string{snapshot.TagMedia, "udid:" + udid, "name:" + r.phone.Name()}, ProgramVersion: r.opt.ProgramVersion, Summary: r.summary()}
	id, err := r.w.Commit(ctx, sn)
	if err != nil {
		return err
	}
	r.res.Snapshot = repository.Snapshot{ID: id, Snapshot: *sn}
	return nil
}

// tell fills in what is known at the end.
func (r *run) tell() {
	r.res.Counts = r.counter.counts
	r.res.ReadFiles, r.res.ReadBytes = r.readFiles.Load(), r.shownBytes.Load()
	r.res.Removed = r.removed()
	r.res.Protected = r.l.leftOut()
	r.res.Added = r.w.Stats().DataAddedPacked
}

func (r *run) summary() *format.SnapshotSummary {
	added := r.w.Stats()
	return &format.SnapshotSummary{
		BackupStart: r.began, BackupEnd: time.Now(),
		FilesNew: uint64(r.res.New), FilesChanged: uint64(r.res.Changed), FilesUnmodified: uint64(r.res.Unchanged),
		DataBlobs: added.DataBlobs, TreeBlobs: added.TreeBlobs, DataAdded: uint64(added.DataAdded), DataAddedPacked: uint64(added.DataAddedPacked),
		TotalFilesProcessed: uint64(r.res.Files), TotalBytesProcessed: uint64(r.res.Bytes),
	}
}
