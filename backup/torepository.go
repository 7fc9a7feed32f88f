package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

func toRepository(ctx context.Context, dev Phone, repo *repository.Repository, opt RepositoryOptions, rep progress.Reporter) (_ *RepositoryResult, err error) {
	j := newJob(dev, opt.Full, opt.Limits, rep)
	started := time.Now()
	if err := j.preflight(ctx); err != nil {
		return nil, err
	}
	f, err := newRunFolder(repo, j.udid, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.finishPending(ctx, rep); err != nil {
		return nil, err
	}
	var res *RepositoryResult
	err = f.within(ctx, func(ctx context.Context, session *repository.Session) error {
		r := &repositoryRun{f: f, session: session, job: j, rep: rep, started: started}
		res, err = r.run(ctx)
		return err
	})
	return res, err
}

// within works in a session of the repository.
func (f *runFolder) within(ctx context.Context, do func(ctx context.Context, session *repository.Session) error) error {
	session, err := f.repo.Begin(ctx, repository.Shared, f.opt.Wait)
	if err != nil {
		return err
	}
	err = do(session.Context(), session)
	if lost := context.Cause(session.Context()); err != nil && lost != nil && !errors.Is(err, lost) {
		err = fmt.Errorf("%w; then: %w", lost, err)
	}
	return errors.Join(err, session.Close())
}

// repositoryRun is one attempt to back a phone up, or to complete what a phone has
// finished, under one lock.
type repositoryRun struct {
	f       *runFolder
	session *repository.Session
	job     *job // nil without a phone
	rep     progress.Reporter
	started time.Time

	parent *snapshot.Snapshot // that the phone is shown; nil if there is none
	folder *snapshot.Folder   // of parent
	u      *unfinished
	in     *ingester
	kept   int64 // files of earlier runs
}

// run lets the phone do its work, and publishes the version.
func (r *repositoryRun) run(ctx context.Context) (_ *RepositoryResult, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if err := r.open(ctx, fail); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	s := &overlayStore{u: r.u, session: r.session, in: r.in}
	if r.folder != nil {
		s.parent = r.folder
	}
	room := r.room()
	s.space = func(context.Context) (int64, error) { return room.forPhone(!r.in.takesNow()) }
	var disk mobilebackup2.Store = s
	if r.f.opt.wrap != nil {
		disk = r.f.opt.wrap(s)
	}
	sum, st, err := r.job.serve(ctx, disk)
	if err != nil {
		return nil, r.failed(ctx, st, err)
	}
	if err := r.finished(sum, st); err != nil {
		return nil, err
	}
	return r.publish(ctx)
}

// failed explains why the phone's work came to no end.
func (r *repositoryRun) failed(ctx context.Context, st *store, err error) error {
	if cause := r.in.failure(); cause != nil {
		if errors.Is(err, cause) {
			return storeError(err)
		}
		err = fmt.Errorf("%w; then: %w", storeError(cause), err)
	}
	if st != nil && !st.begun && hopeless(err) {
		return errors.Join(err, r.startOver())
	}
	return err
}

// hopeless tells whether the phone cannot read what it is shown (protocol.md 4.13,
// step 4), and never will: not when only our own disk or network failed.
func hopeless(err error) bool {
	var refused *mobilebackup2.DeviceError
	if !errors.As(err, &refused) || refused.Code != mobilebackup2.CodeCorruptBackup {
		return false
	}
	var host *mobilebackup2.HostError
	var damage *repository.DamageError
	var missing *repository.MissingError
	return !errors.As(err, &host) || errors.As(err, &damage) || errors.As(err, &missing)
}

// startOver drops the run; the next one asks for everything.
func (r *repositoryRun) startOver() error {
	if err := r.f.wantFull(true); err != nil {
		return err
	}
	return r.f.discard(r.u.head)
}

// storeError makes what the repository reports an error of this computer's store,
// with its remedy, unless it has one.
func storeError(err error) error {
	var hint interface{ Hint() string }
	if errors.As(err, &hint) || errors.Is(err, repository.ErrLockLost) || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, backend.ErrFull) && !devicelink.NoSpace(err) {
		err = fmt.Errorf("%w: %w", err, syscall.ENOSPC)
	}
	return &mobilebackup2.HostError{Op: "write", Path: "repository", Err: err}
}

// open finds the last version and the run that lies on top of it, or begins one.
func (r *repositoryRun) open(ctx context.Context, fail context.CancelCauseFunc) error {
	latest, err := r.latest(ctx)
	if err != nil {
		return err
	}
	head, err := r.f.head()
	if err != nil {
		return err
	}
	if head != nil && !sameSnapshot(head.Parent, latest) {
		r.rep.Say(progress.Notice, "There is a newer version of this iPhone than the one that the last, interrupted run was based on: it begins anew.")
		if err := r.f.discard(head); err != nil {
			return err
		}
		head = nil
	}
	fresh := head == nil
	if fresh {
		if head, err = r.f.begin(idOf(latest)); err != nil {
			return err
		}
	}
	everything := r.job.full || latest == nil || latest.Meta().Encrypted != r.job.encrypted
	if r.f.wantsFull() {
		everything, r.job.full = true, true
	}
	if err := r.job.plan(ctx, room{repo: r.f.repo, spool: r.f.existing(head.Spool), left: r.f.limitLeft}, everything); err != nil {
		return err
	}
	waits := r.job.encrypted
	err = r.load(ctx, fail, head, latest, waits)
	if errors.Is(err, errContradiction) && !fresh {
		r.rep.Say(progress.Notice, "What is left of the interrupted run cannot be used: it begins anew.")
		if err := r.f.discard(head); err != nil {
			return err
		}
		if head, err = r.f.begin(idOf(latest)); err != nil {
			return err
		}
		err = r.load(ctx, fail, head, latest, waits)
	}
	return err
}

// limitLeft is what the limit of the spool allows before anything waits.
func (f *runFolder) limitLeft() int64 {
	if limit := spoolLimit(f.opt.SpoolLimit); limit > 0 {
		return limit
	}
	return 1<<63 - 1
}

// existing is the folder, or the first one above it that is there.
func (f *runFolder) existing(path string) string {
	for {
		_, err := os.Stat(path)
		up := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || up == path {
			return path
		}
		path = up
	}
}

// load reads the journal of head over parent and starts the ingester. What the
// repository no longer has is dropped, before anybody is shown it.
func (r *repositoryRun) load(ctx context.Context, fail context.CancelCauseFunc, head *runHead, parent *snapshot.Snapshot, waits bool) (err error) {
	r.parent, r.folder = parent, nil
	if parent != nil {
		if r.folder, err = parent.Folder(ctx); err != nil {
			return err
		}
	}
	tree := func() (*overlay.Tree, error) { return parentTree(ctx, r.f.udid, parent, r.folder) }
	for again := false; ; again = true {
		u, dropped, err := r.f.load(head, tree)
		if err != nil {
			return err
		}
		in, err := newIngester(ctx, fail, u, r.session, parent, r.f.opt, r.rep, waits)
		if err != nil {
			return errors.Join(storeError(err), u.Close())
		}
		gone := u.missing(func(id format.ID) bool { return in.w.Has(format.BlobHandle{ID: id, Type: format.DataBlob}) })
		err = u.lose(gone)
		if n := dropped + len(gone); n > 0 && err == nil {
			r.rep.Say(progress.Notice, fmt.Sprintf("%s of the interrupted run are gone and are received again.", progress.Count(int64(n), "file", "files")))
		}
		moving := u.moving
		if err == nil && dropped+len(gone) > 0 && moving >= 0 && !again {
			in.close()
			if err := errors.Join(u.Close(), r.f.rewind(head, moving)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			in.close()
			return errors.Join(err, u.Close())
		}
		r.u, r.in = u, in
		break
	}
	r.count()
	if !waits {
		r.in.push(r.u.unstored())
	}
	if r.u.committing() {
		r.in.begin()
	}
	return nil
}

// count looks how much earlier runs have received.
func (r *repositoryRun) count() {
	r.u.mu.Lock()
	defer r.u.mu.Unlock()
	r.kept = int64(len(r.u.placed()))
	if r.kept > 0 {
		r.rep.Say(progress.Detail, fmt.Sprintf("Continuing an interrupted backup: %s are here already.", progress.Count(r.kept, "file", "files")))
	}
}

func (r *repositoryRun) room() room {
	return room{repo: r.f.repo, spool: r.u.head.Spool, left: r.u.spool.Left}
}

func (r *repositoryRun) close() error {
	r.in.close()
	return r.u.Close()
}

// latest is the newest version of the phone that can be opened.
func (r *repositoryRun) latest(ctx context.Context) (*snapshot.Snapshot, error) {
	list, err := snapshot.List(ctx, r.session)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Kind != snapshot.Backup || list[i].UDID != r.f.udid {
			continue
		}
		p, err := snapshot.Open(ctx, r.session, list[i].Snapshot)
		if err == nil {
			_, err = p.Index(ctx)
		}
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.rep.Say(progress.Warn, fmt.Sprintf("The version %s cannot be read and is passed over: %v", list[i].ID.Short(), err))
	}
	return nil, nil
}

func idOf(p *snapshot.Snapshot) *format.ID {
	if p == nil {
		return nil
	}
	id := p.Info().ID
	return &id
}

func sameSnapshot(id *format.ID, p *snapshot.Snapshot) bool {
	other := idOf(p)
	return id == nil && other == nil || id != nil && other != nil && *id == *other
}
