package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// While the phone puts a new backup in place (the states "moving" and
// "removing"), the folder is neither the old backup nor the new one. So what is
// replaced or removed then is not deleted but moved to
//
//	DIR/.keepsake-<UDID>.previous/
//
// under its own path, with the Status.plist of the last good backup, and stays
// there until the new backup is finished. Laid over the folder it gives the
// last good backup, whatever happens to the run: see [Previous]. Nothing is
// copied but Status.plist; each file costs one more rename.

const finished = "finished"

func previousDir(udid string) string { return tempPrefix + udid + ".previous" }

// keeping tells whether p, of the locked backup, has to be set aside rather
// than lost, and where to.
func (s *Store) keeping(p string) (aside string, ok bool) {
	if !s.kept || s.lock == nil {
		return "", false
	}
	rest, ok := strings.CutPrefix(p, s.lock.udid+"/")
	if !ok || rest == "Snapshot" || strings.HasPrefix(rest, "Snapshot/") {
		return "", false
	}
	return previousDir(s.lock.udid) + "/" + rest, true
}

// setAside moves what stands at p to the last good backup, unless that has its
// own version already.
func (s *Store) setAside(p string) error {
	aside, ok := s.keeping(p)
	if !ok {
		return nil
	}
	fromDir, fromName := split(p)
	toDir, toName := split(aside)
	src, err := s.at(fromDir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e, err := src.handle.stat(fromName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dst, err := s.at(toDir, true)
	if err != nil {
		return err
	}
	if src.handle == nil { // closed to make room for dst
		if src, err = s.at(fromDir, false); err != nil {
			return err
		}
	}
	if _, err := dst.handle.stat(toName); err == nil {
		return nil // of the interrupted run before: what stands at p is new
	}
	if err := renameAt(s.root, src, fromName, dst, toName); err != nil {
		return err
	}
	if e.Dir {
		s.forget(p)
	}
	s.gone(src, fromName)
	return nil
}

// begin starts to keep the last good backup, if there is one: its Status.plist
// says "finished" and is about to be replaced.
func (s *Store) begin(udid string) error {
	if s.kept {
		return nil
	}
	state, err := s.snapshotState(udid)
	if err != nil || state != finished {
		return err
	}
	r, _, err := s.Open(context.Background(), udid+"/Status.plist")
	if err != nil {
		return err
	}
	defer r.Close()
	d, err := s.at(previousDir(udid), true)
	if err != nil {
		return err
	}
	const temp = tempPrefix + "Status.plist"
	if _, err := s.write(d, temp, r, true); err != nil {
		return err
	}
	if err := renameAt(s.root, d, temp, d, "Status.plist"); err != nil {
		return err
	}
	s.kept = true
	return d.handle.sync()
}

// resumeKeeping looks for what an interrupted run has kept.
func (s *Store) resumeKeeping(udid string) error {
	if !s.exists(previousDir(udid)) {
		return nil
	}
	state, err := s.snapshotState(udid)
	if err != nil {
		return err
	}
	if state == finished || !s.exists(previousDir(udid)+"/Status.plist") {
		return s.dropPrevious(udid) // cut off at its end, or before its start
	}
	s.kept = true
	return nil
}

// dropPrevious is for the moment when another backup is finished.
func (s *Store) dropPrevious(udid string) error {
	s.kept = false
	s.forget(previousDir(udid))
	if err := s.root.RemoveAll(previousDir(udid)); err != nil {
		return fmt.Errorf("remove what the backup before had: %w", cause(err))
	}
	return nil
}

// UsePrevious makes Open and ReadDir show the last good backup of udid when the
// run after it was interrupted, and tells whether they do. It is for a store
// that is only read.
func (s *Store) UsePrevious(udid string) (bool, error) {
	state, err := s.snapshotState(udid)
	if err != nil || state == finished || !s.exists(previousDir(udid)+"/Status.plist") {
		return false, err
	}
	s.shown = udid
	return true, nil
}

// behind gives the place of p in the previous backup when that is being shown.
func (s *Store) behind(p string) (string, bool) {
	if s.shown == "" {
		return "", false
	}
	rest, ok := strings.CutPrefix(p, s.shown)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return previousDir(s.shown) + rest, true
}

// readBoth lists a folder of the previous backup: what was set aside, and what
// still stands in its place.
func (s *Store) readBoth(p, aside string) ([]mobilebackup2.Entry, error) {
	now, err := s.list(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	old, oerr := s.list(aside)
	if oerr != nil && !errors.Is(oerr, fs.ErrNotExist) {
		return nil, oerr
	}
	if err != nil && oerr != nil {
		return nil, err
	}
	return union(old, now), nil
}

// union lists two folders as one; the first counts where both have a name.
func union(first, second []mobilebackup2.Entry) []mobilebackup2.Entry {
	byName := map[string]mobilebackup2.Entry{}
	for _, e := range slices.Concat(second, first) {
		byName[e.Name] = e
	}
	return slices.Collect(maps.Values(byName))
}

// Previous opens the backup in folder, DIR/<UDID>, as a file system. When the
// last run was interrupted after it had begun to change the backup before, that
// one is shown, whole and as it was, and previous is true. Files that only the
// interrupted run knows may show among the others. Close releases the folder.
func Previous(folder string) (fsys FS, previous bool, err error) {
	s, err := Open(filepath.Dir(folder), Options{})
	if err != nil {
		return FS{}, false, err
	}
	udid := filepath.Base(folder)
	if previous, err = s.UsePrevious(udid); err != nil {
		return FS{}, false, errors.Join(fmt.Errorf("look for an interrupted run: %w", err), s.Close())
	}
	return FS{s, udid}, previous, nil
}

// FS is a backup folder as an fs.FS.
type FS struct {
	s    *Store
	udid string
}

// Close releases the folder.
func (f FS) Close() error { return f.s.Close() }

// Open opens a file or folder.
func (f FS) Open(name string) (fs.File, error) {
	p, err := f.path("open", name)
	if err != nil {
		return nil, err
	}
	if aside, ok := f.s.behind(p); ok {
		switch info, err := f.s.root.Stat(aside); {
		case err == nil && !info.IsDir():
			p = aside
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, &fs.PathError{Op: "open", Path: name, Err: cause(err)}
		}
	}
	file, err := f.s.root.Open(p)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: cause(err)}
	}
	return file, nil
}

// ReadDir lists a folder.
func (f FS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := f.path("readdir", name)
	if err != nil {
		return nil, err
	}
	list, err := fs.ReadDir(f.s.root.FS(), p)
	if aside, ok := f.s.behind(p); ok {
		old, oerr := fs.ReadDir(f.s.root.FS(), aside)
		if oerr == nil {
			list, err = merge(old, list), nil
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: cause(err)}
	}
	return list, nil
}

func merge(first, second []fs.DirEntry) []fs.DirEntry {
	byName := map[string]fs.DirEntry{}
	for _, e := range slices.Concat(second, first) {
		byName[e.Name()] = e
	}
	list := slices.Collect(maps.Values(byName))
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

func (f FS) path(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return f.udid, nil
	}
	return f.udid + "/" + name, nil
}
