package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// idleView is how long a version that nobody looks at stays open. It holds a lock
// of the repository, so that nothing of it is pruned away under a download.
const idleView = 2 * time.Minute

// maxView bounds a property list that is read into memory, in bytes.
const maxView = 64 << 20

// view is a version that somebody looks into.
type view struct {
	key     viewKey
	ready   chan struct{}
	err     error
	session *repository.Session
	phone   *snapshot.Snapshot // nil of a media copy
	info    snapshot.Info
	apps    map[string]string // names by bundle ID
	release func()            // of the repository
	looking looking

	users int
	idle  time.Time
	gone  bool // no longer in views
}

type viewKey struct{ udid, version string }

// views are the versions that are open for looking.
type views struct {
	open func(ctx context.Context, v *view) error // fills a view
	now  func() time.Time

	mu     sync.Mutex
	all    map[viewKey]*view
	closed bool
}

// take gives a version; give it back with views.give.
func (vs *views) take(ctx context.Context, udid, version string) (*view, error) {
	k := viewKey{udid, version}
	vs.mu.Lock()
	if vs.closed {
		vs.mu.Unlock()
		return nil, errStopped
	}
	v, there := vs.all[k]
	if there && v.lost() {
		delete(vs.all, k)
		v.gone, there = true, false
	}
	if !there {
		if vs.all == nil {
			vs.all = map[viewKey]*view{}
		}
		v = &view{key: k, ready: make(chan struct{})}
		vs.all[k] = v
	}
	v.users++
	vs.mu.Unlock()
	if !there {
		// Not under the request's own context: others may wait for the same one.
		v.err = vs.open(context.WithoutCancel(ctx), v)
		close(v.ready)
	}
	select {
	case <-v.ready:
	case <-ctx.Done():
		vs.give(v)
		return nil, context.Cause(ctx)
	}
	if v.err != nil {
		vs.drop(v)
		vs.give(v)
		return nil, v.err
	}
	return v, nil
}

// lost tells whether the lock of an open view is lost.
func (v *view) lost() bool {
	select {
	case <-v.ready:
		return v.err != nil || v.session.Context().Err() != nil
	default:
		return false
	}
}

// give gives a view back.
func (vs *views) give(v *view) {
	vs.mu.Lock()
	v.users--
	v.idle = vs.now()
	shut := v.users == 0 && v.gone
	vs.mu.Unlock()
	if shut {
		v.close()
	}
}

// drop lets nobody else take the view; it is closed when nobody has it any more.
func (vs *views) drop(v *view) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.all[v.key] == v {
		delete(vs.all, v.key)
	}
	v.gone = true
}

// tidy closes the views that which chooses and nobody uses now. It returns how
// many of them are still in use; those end when they are given back.
func (vs *views) tidy(which func(viewKey, time.Time) bool) (busy int) {
	vs.mu.Lock()
	var shut []*view
	for k, v := range vs.all {
		if v.users > 0 {
			if which(k, time.Time{}) {
				busy++
			}
			continue
		}
		if which(k, v.idle) {
			delete(vs.all, k)
			v.gone = true
			shut = append(shut, v)
		}
	}
	vs.mu.Unlock()
	for _, v := range shut {
		v.close()
	}
	return busy
}

// tidyIdle closes what nobody has looked at for a while.
func (vs *views) tidyIdle() {
	vs.tidy(func(_ viewKey, idle time.Time) bool { return !idle.IsZero() && vs.now().Sub(idle) >= idleView })
}

// close closes all, those in use when they are given back, and opens no more.
func (vs *views) close() {
	vs.mu.Lock()
	vs.closed = true
	for k, v := range vs.all {
		if v.users > 0 {
			delete(vs.all, k)
			v.gone = true
		}
	}
	vs.mu.Unlock()
	vs.tidy(func(viewKey, time.Time) bool { return true })
}

// close gives back the lock and the repository. Nothing was written.
func (v *view) close() {
	if v.looking.source != nil {
		v.looking.source.Close()
	}
	if v.phone != nil {
		v.phone.Close()
	}
	if v.session != nil {
		v.session.Close()
	}
	if v.release != nil {
		v.release()
	}
}

// fs is what the version holds: a folder for each domain, or the media folder.
func (v *view) fs(ctx context.Context) (fs.FS, error) {
	if v.phone != nil {
		return v.phone.FS(ctx), nil
	}
	return fs.Sub(v.session.FS(ctx, *v.info.Tree), path.Join(v.info.UDID, "Media"))
}

// openSnapshot fills a view from a repository; the session and the repository are
// closed by view.close, also after an error.
func (v *view) openSnapshot(ctx context.Context, r *repository.Repository, wait time.Duration) error {
	var err error
	if v.session, err = r.Begin(ctx, repository.Shared, wait); err != nil {
		return err
	}
	if v.info, err = snapshot.Find(ctx, v.session, v.key.version); err != nil {
		if errors.Is(err, snapshot.ErrNotFound) {
			return fs.ErrNotExist
		}
		return err
	}
	if v.info.ID.String() != v.key.version || v.info.UDID != v.key.udid {
		return fs.ErrNotExist
	}
	if v.info.Kind == snapshot.Media {
		return nil
	}
	if v.phone, err = snapshot.Open(ctx, v.session, v.info.Snapshot); err != nil {
		return err
	}
	v.apps = v.appNames(ctx)
	return nil
}

// appNames reads what the apps of the phone are called. Without them their IDs are
// shown.
func (v *view) appNames(ctx context.Context) map[string]string {
	names := map[string]string{}
	info, err := v.infoPlist(ctx)
	if err != nil {
		return names
	}
	for _, app := range restore.AppsToFetch(info) {
		names[app.BundleID] = app.Name
	}
	return names
}

// infoPlist reads Info.plist of the version.
func (v *view) infoPlist(ctx context.Context) (itunesbackup.InfoPlist, error) {
	f, err := v.session.FS(ctx, *v.info.Tree).Open(path.Join(v.info.UDID, "_ios", "Info.plist"))
	if err != nil {
		return itunesbackup.InfoPlist{}, fmt.Errorf("read Info.plist: %w", err)
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxView))
	if err != nil {
		return itunesbackup.InfoPlist{}, fmt.Errorf("read Info.plist: %w", err)
	}
	return itunesbackup.ParseInfoPlist(data)
}
