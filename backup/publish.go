package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// publish makes a version of what the phone has finished: the rest is stored, the
// whole verified, the snapshot written, and the run forgotten.
func (r *repositoryRun) publish(ctx context.Context) (*RepositoryResult, error) {
	begun := time.Now()
	l, err := r.store(ctx)
	if err != nil {
		return nil, r.unpublished(err)
	}
	stored := time.Now()
	r.rep.Phase("publishing", "Checking and publishing the version")
	sn, err := r.build(ctx, l)
	if err != nil {
		return nil, r.unpublished(err)
	}
	done := r.u.done
	_, peak := r.u.spool.Used()
	res := &RepositoryResult{Snapshot: sn, UDID: r.f.udid, Name: l.props.LockdownText("DeviceName"), Full: done.Full, Encrypted: l.props.IsEncrypted,
		Sealed: l.sealed, Why: l.why, Files: done.Files, Bytes: done.Bytes, Kept: done.Kept, Removed: done.Removed,
		Added: r.in.w.Stats(), SpoolPeak: peak, Started: done.Started, Duration: done.Duration + time.Since(begun), Unread: done.Unread,
		Phases: append(done.Phases, PhaseTime{"storing", stored.Sub(begun)}, PhaseTime{"publishing", time.Since(stored)})}
	// The version is there. Should what follows fail, the next run finds another
	// version than the one below this run, and drops it.
	if err := errors.Join(r.f.discard(r.u.head), r.f.wantFull(false)); err != nil {
		r.rep.Say(progress.Warn, fmt.Sprintf("The version is there, but what was kept for it on this computer could not be removed: %v", err))
	}
	return res, nil
}

// unpublished deals with a version that could not be made. One that cannot be
// complete would be made again and again: the next run asks for everything.
func (r *repositoryRun) unpublished(err error) error {
	var incomplete *snapshot.IncompleteError
	if errors.As(err, &incomplete) {
		return errors.Join(&IncompleteError{incomplete}, r.startOver())
	}
	if cause := r.in.failure(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w; then: %w", cause, err)
	}
	return storeError(err)
}

// IncompleteError says that what the phone sent is not what its list says; the
// version was not published.
type IncompleteError struct{ *snapshot.IncompleteError }

func (e *IncompleteError) Error() string { return e.IncompleteError.Error() }
func (e *IncompleteError) Unwrap() error { return e.IncompleteError }

// Hint says what happens next.
func (e *IncompleteError) Hint() string {
	return "The last version is untouched. Start again: the next run receives every file anew. If it names the same files again, open them on the phone, or delete them there."
}

// store waits until every file is in the repository, in its final form.
func (r *repositoryRun) store(ctx context.Context) (*lists, error) {
	r.rep.Phase("storing", "Storing the last files")
	report := func(left int) {
		r.rep.Update(progress.Counters{Files: int64(len(r.u.objects)) - int64(left), FilesTotal: int64(len(r.u.objects))})
	}
	select {
	case <-r.in.settledChan():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	// Twice: what was stored as it came while the keys were looked for is judged
	// by the second.
	for range 2 {
		if err := r.in.wait(ctx, report); err != nil {
			return nil, err
		}
		if err := r.in.settle(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.in.wait(ctx, report); err != nil {
		return nil, err
	}
	return r.in.lists, nil
}

// build makes and publishes the snapshot.
func (r *repositoryRun) build(ctx context.Context, l *lists) (sn repository.Snapshot, err error) {
	in := snapshot.Input{Session: r.session, Parent: r.parent, Manifest: l.plain, ManifestSize: l.plainSize, ManifestPlist: l.plist,
		Keys: l.keys, Sealed: l.sealed, Contents: r.content, UDID: r.f.udid, Time: r.time(), Unread: r.unread()}
	if l.sealed {
		in.Manifest, in.ManifestSize, in.Stored = l.stored, l.stored.Size(), r.stored()
	} else if l.keys != nil && !l.keys.Manifest().IsZero() {
		in.ManifestStored, in.ManifestStoredSize = l.stored, l.stored.Size()
	}
	if in.InfoPlist, err = r.in.readList(ctx, itunesbackup.InfoName); err != nil {
		return sn, err
	}
	if in.StatusPlist, err = r.in.readList(ctx, itunesbackup.StatusName); err != nil {
		return sn, err
	}
	built, err := snapshot.Build(ctx, r.in.w, in, r.rep)
	if err != nil {
		return sn, err
	}
	return built.Commit(ctx, r.in.w)
}

// time is when the phone finished, but behind the last version: the newest version
// is the one of the latest time, and clocks are set back.
func (r *repositoryRun) time() time.Time {
	at := r.u.done.At
	if r.parent != nil {
		if last := r.parent.Info().Time; !at.After(last) {
			if last.Sub(at) > time.Minute {
				r.rep.Say(progress.Warn, fmt.Sprintf("The last version is of %s, which is later than the clock says now: this one is dated a second behind it. Look at the clock of this computer.", last.Local().Format("2 January 2006, 15:04:05")))
			}
			at = last.Add(time.Second)
		}
	}
	return at
}

// content is what this run has of a file.
func (r *repositoryRun) content(id itunesbackup.FileID) (c snapshot.Content, ok bool) {
	r.u.mu.Lock()
	defer r.u.mu.Unlock()
	f, ok := r.u.tree.Find("", id)
	if !ok || f.Object == 0 {
		return c, false
	}
	o := r.u.object(f.Object)
	if o.content == nil {
		return c, false // Build misses it, if the list has it
	}
	return snapshot.Content{Blobs: o.content.Blobs, Size: o.content.Size, Stored: o.size, SHA1: o.content.SHA1, Raw: o.content.Raw, ModTime: o.time}, true
}

// stored gives every file of the folder.
func (r *repositoryRun) stored() iter.Seq[itunesbackup.FileID] {
	return func(yield func(itunesbackup.FileID) bool) {
		var all []itunesbackup.FileID
		r.u.mu.Lock()
		r.u.tree.Files("", func(id overlay.ID, _ overlay.File) bool {
			all = append(all, id)
			return true
		})
		r.u.mu.Unlock()
		for _, id := range all {
			if !yield(id) {
				return
			}
		}
	}
}

// unread is what the phone could not read, by file.
func (r *repositoryRun) unread() map[itunesbackup.FileID]string {
	m := map[itunesbackup.FileID]string{}
	for _, u := range r.u.done.Unread {
		if id, err := itunesbackup.ParseFileID(u.FileID); err == nil {
			m[id] = u.Text
		}
	}
	return m
}
