package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// finished notes, durably, that the phone is done: from here on it is not needed.
func (r *repositoryRun) finished(sum *mobilebackup2.Summary, st *store) error {
	done := finished{At: r.f.opt.now().UTC(), Started: r.started.UTC(), Full: st.wasFull, Encrypted: r.job.encrypted, Files: sum.Files, Bytes: sum.Bytes,
		Kept: r.kept, Removed: st.removed(sum), Phases: r.job.observer.times(), Unread: unread(sum), Duration: time.Since(r.started)}
	return r.u.finish(done)
}

// maxNoted bounds how many unreadable files are remembered.
const maxNoted = 1000

func (u *unfinished) finish(done finished) error {
	done.Unread = done.Unread[:min(len(done.Unread), maxNoted)]
	text, err := jsonText(done)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.append(journal.Record{Kind: journal.Finished, Time: done.At.Unix(), Text: text}); err != nil {
		return err
	}
	return u.sync()
}

// finishPending completes the run that the phone has finished, if there is one.
func (f *runFolder) finishPending(ctx context.Context, rep progress.Reporter) (res *RepositoryResult, err error) {
	head, err := f.head()
	if head == nil || err != nil {
		return nil, err
	}
	if done, err := f.isFinished(head); err != nil || !done {
		return nil, err
	}
	err = f.within(ctx, func(ctx context.Context, session *repository.Session) error {
		ctx, fail := context.WithCancelCause(ctx)
		defer fail(nil)
		r := &repositoryRun{f: f, session: session, rep: rep, started: time.Now()}
		res, err = r.complete(ctx, fail, head)
		return err
	})
	return res, err
}

// isFinished reads the journal for the phone's last word.
func (f *runFolder) isFinished(head *runHead) (bool, error) {
	file, err := f.root.OpenFile(journalName, os.O_RDWR, 0)
	if err != nil {
		return false, hostError("open", f.path, err)
	}
	done := false
	j, _, err := journal.Open(file, head.Key[:journal.KeySize], f.udid, func(r journal.Record) error {
		switch {
		case r.Kind == journal.Finished:
			done = true
		case r.Kind == journal.Put && r.Path == f.udid+"/"+itunesbackup.StatusName:
			done = false
		}
		return nil
	})
	if err != nil {
		file.Close()
		return false, hostError("read", f.path, err)
	}
	return done, j.Close()
}

// complete publishes what the phone has finished. If that is not possible any
// more, because the version below it is gone or a prune took its blobs, the run is
// left to the phone.
func (r *repositoryRun) complete(ctx context.Context, fail context.CancelCauseFunc, head *runHead) (_ *RepositoryResult, err error) {
	var parent *snapshot.Snapshot
	if head.Parent != nil {
		if parent, err = r.find(ctx, *head.Parent); err != nil {
			return nil, err
		}
		if parent == nil {
			r.rep.Say(progress.Notice, "The version that a finished backup was based on is gone: the iPhone has to be asked again.")
			return nil, r.f.discard(head)
		}
	}
	r.rep.Say(progress.Notice, "Completing a backup that the iPhone had finished.")
	if err := r.load(ctx, fail, head, parent, false); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if r.u.done == nil { // something was lost, and the run taken back
		return nil, nil
	}
	return r.publish(ctx)
}

// find opens a version by its ID; nil if there is none.
func (r *repositoryRun) find(ctx context.Context, id format.ID) (*snapshot.Snapshot, error) {
	list, err := r.session.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, sn := range list {
		if sn.ID == id {
			return snapshot.Open(ctx, r.session, sn)
		}
	}
	return nil, nil
}

func finishPending(ctx context.Context, repo *repository.Repository, opt RepositoryOptions, rep progress.Reporter) (list []*RepositoryResult, err error) {
	entries, err := os.ReadDir(filepath.Join(opt.State, repo.ID().String()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, hostError("list", opt.State, err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		res, err := finishOne(ctx, repo, e.Name(), opt, rep)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Name(), err))
		} else if res != nil {
			list = append(list, res)
		}
	}
	return list, errors.Join(errs...)
}

func finishOne(ctx context.Context, repo *repository.Repository, udid string, opt RepositoryOptions, rep progress.Reporter) (res *RepositoryResult, err error) {
	f, err := newRunFolder(repo, udid, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.finishPending(ctx, rep)
}
