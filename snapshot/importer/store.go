package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// store makes a snapshot of the folder: nothing shows before all of it is there.
func (r *run) store(ctx context.Context, src *source, one *Imported) (sn repository.Snapshot, err error) {
	x, err := r.openIndex(ctx, src, one)
	if err != nil {
		return sn, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	if x.notice != "" {
		one.Notices = append(one.Notices, x.notice)
	}
	w, err := r.session.Writer(ctx)
	if err != nil {
		return sn, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return r.storeWith(ctx, w, src, x, one)
}

// openIndex opens the index in clear, or as it is where that cannot be.
func (r *run) openIndex(ctx context.Context, src *source, one *Imported) (*indexFile, error) {
	if !src.backup.Unlocked() {
		one.Sealed = true
		return openSealedIndex(ctx, src)
	}
	x, err := openIndex(ctx, src.fsys, src.backup, src.Old)
	switch {
	case err == nil:
		return x, nil
	case errors.Is(err, errSecretCells) && r.original == nil:
		one.Sealed, one.Why = true, err.Error()
		return openSealedIndex(ctx, src)
	}
	return nil, &DamagedError{src.Path, []string{err.Error()}}
}

// storeWith stores contents, builds and publishes.
func (r *run) storeWith(ctx context.Context, w *repository.Writer, src *source, x *indexFile, one *Imported) (repository.Snapshot, error) {
	in := snapshot.Input{Session: r.session, UDID: src.UDID, Time: src.Date, Tags: r.tags, Original: r.original, Sealed: one.Sealed,
		Manifest: x, ManifestSize: x.size, ManifestStored: x.stored, ManifestStoredSize: x.storedSize,
		OldIndex: src.oldIndex, InfoPlist: src.info, ManifestPlist: src.manifest, StatusPlist: src.status}
	names, err := list(ctx, src.fsys, src.Old)
	if err != nil {
		return repository.Snapshot{}, &DamagedError{src.Path, []string{err.Error()}}
	}
	t := &intake{fsys: src.fsys, writer: w, workers: r.opts.Workers, rep: r.rep, total: int64(len(names.ids))}
	r.rep.Phase("store", "Storing "+src.Title())
	if in.Sealed {
		err = t.each(ctx, t.stored(names))
	} else {
		err = takeRows(ctx, src, t, names, &in)
	}
	if err == nil && r.original == nil {
		err = src.stays(ctx, t, names, x)
	}
	if err == nil {
		err = r.judge(src, t, one)
	}
	if err != nil {
		return repository.Snapshot{}, err
	}
	one.Files, one.Bytes = int64(len(t.contents)), t.bytes
	one.Notices = append(one.Notices, names.leftOut()...)
	in.Stored, in.Unread = slices.Values(names.ids), t.unread
	in.Contents = func(id itunesbackup.FileID) (snapshot.Content, bool) { c, ok := t.contents[id]; return c, ok }
	if in.Parent, err = r.parent(ctx, src); err != nil {
		return repository.Snapshot{}, err
	}
	r.rep.Phase("build", "Putting the snapshot together")
	built, err := snapshot.Build(ctx, w, in, nil)
	if err != nil {
		return repository.Snapshot{}, damage(src.Path, err)
	}
	if r.original != nil {
		if err := r.prove(ctx, w, built, src.fsys, t.contents); err != nil {
			return repository.Snapshot{}, err
		}
	}
	sn, err := built.Commit(ctx, w)
	one.Added = w.Stats().Stored
	return sn, err
}

// stays looks whether everything that was read is still what it was. Nothing keeps
// iTunes and Finder from backing up into the folder meanwhile; of most files the
// phone notes no digest, so that one of tomorrow would not be noticed otherwise.
func (src *source) stays(ctx context.Context, t *intake, names *listing, x *indexFile) error {
	for _, l := range []struct {
		name string
		read []byte
	}{{itunesbackup.StatusName, src.status}, {itunesbackup.ManifestListName, src.manifest}, {oldIndexName, src.oldIndex}} {
		if l.read == nil {
			continue
		}
		now, err := readBounded(src.fsys, l.name, maxOldIndex)
		if err != nil || !bytes.Equal(now, l.read) {
			return errors.Join(&ChangedError{src.Path, l.name}, err)
		}
	}
	if x.info != nil {
		now, err := fs.Stat(src.fsys, itunesbackup.ManifestName)
		if err != nil || now.Size() != x.info.Size() || !now.ModTime().Equal(x.info.ModTime()) {
			return errors.Join(&ChangedError{src.Path, itunesbackup.ManifestName}, err)
		}
	}
	for id, c := range t.contents {
		if err := ctx.Err(); err != nil {
			return err
		}
		now, err := fs.Stat(src.fsys, names.path(id))
		if err != nil || now.Size() != c.Stored || now.ModTime().Unix() != c.ModTime {
			return errors.Join(&ChangedError{src.Path, names.path(id)}, err)
		}
	}
	return nil
}

// judge decides what becomes of a folder in which something is missing or wrong.
func (r *run) judge(src *source, t *intake, one *Imported) error {
	if len(t.unread) == 0 {
		return nil
	}
	for _, it := range t.unreadItems {
		one.Unread = append(one.Unread, fmt.Sprintf("%s: %s", it.title, t.unread[it.id]))
	}
	slices.Sort(one.Unread)
	if !r.opts.SkipDamaged {
		return &DamagedError{src.Path, one.Unread}
	}
	return nil
}

// openSealedIndex opens the index as it lies in the folder.
func openSealedIndex(ctx context.Context, src *source) (*indexFile, error) {
	if src.Old { // not encrypted in any backup of that time
		return convertOldIndex(ctx, src.backup)
	}
	f, err := src.fsys.Open(itunesbackup.ManifestName)
	if err != nil {
		return nil, &DamagedError{src.Path, []string{fmt.Sprintf("%s %v", itunesbackup.ManifestName, missing(err))}}
	}
	x := &indexFile{closers: []func() error{f.Close}}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	at, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return nil, errors.Join(&DamagedError{src.Path, []string{itunesbackup.ManifestName + " is no regular file"}}, x.Close())
	}
	x.ReaderAt, x.size, x.info = at, info.Size(), info
	return x, nil
}

// takeRows takes what the index names, in clear.
func takeRows(ctx context.Context, src *source, t *intake, names *listing, in *snapshot.Input) error {
	if !src.Encrypted {
		return t.each(ctx, t.rows(ctx, src.backup, names, nil))
	}
	keys, err := snapshot.KeysOf(src.backup.Keybag(), src.backup.ManifestPlist().ManifestKey)
	if err != nil {
		return &DamagedError{src.Path, []string{err.Error()}}
	}
	in.Keys = &keys
	return t.each(ctx, t.rows(ctx, src.backup, names, keys.File))
}

// parent is the newest version of the phone before this one.
func (r *run) parent(ctx context.Context, src *source) (*snapshot.Snapshot, error) {
	var newest *snapshot.Info
	for i, info := range r.infos {
		if info.Kind == snapshot.Backup && info.UDID == src.UDID && info.Time.Before(src.Date) && (newest == nil || info.Time.After(newest.Time)) {
			newest = &r.infos[i]
		}
	}
	if newest == nil {
		return nil, nil
	}
	p, err := snapshot.Open(ctx, r.session, newest.Snapshot)
	if err != nil {
		return nil, fmt.Errorf("open the version before, %s: %w", newest.ID.Short(), err)
	}
	return p, nil
}

// damage tells what Build found wrong in words of a folder.
func damage(path string, err error) error {
	var incomplete *snapshot.IncompleteError
	if errors.As(err, &incomplete) {
		var list []string
		for _, f := range incomplete.Files {
			list = append(list, fmt.Sprintf("%s: %s", f.Path, f.What))
		}
		return &DamagedError{path, list}
	}
	return err
}
