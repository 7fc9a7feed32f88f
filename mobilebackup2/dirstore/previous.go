package dirstore

import (
	"bytes"
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
//
// Another program that goes on with the run, or makes a backup of its own, sets
// nothing aside: then the two no longer belong together. A trace of what this
// package wrote last tells whether one was there: see trace.

const (
	finished     = "finished"
	infoName     = "Info.plist"
	manifestName = "Manifest.plist"
)

func previousDir(udid string) string { return tempPrefix + udid + ".previous" }

// keeping tells whether p, of the locked backup, has to be set aside rather
// than lost, and where to.
func (s *Store) keeping(p string) (aside string, ok bool) {
	if !s.kept || s.lock == nil {
		return "", false
	}
	rest, ok := inBackup(s.lock.udid, p)
	return previousDir(s.lock.udid) + rest, ok
}

// inBackup tells whether p is the folder of udid or in it, but not in Snapshot.
func inBackup(udid, p string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(p, udid)
	return rest, ok && (rest == "" || rest[0] == '/' && rest != "/Snapshot" && !strings.HasPrefix(rest, "/Snapshot/"))
}

// setAside moves what stands at p to the last good backup, unless that has its
// own version already.
func (s *Store) setAside(p string) error {
	if !s.seen && s.lock != nil && !s.lock.shared && p != s.lock.udid+"/"+infoName {
		if _, own := inBackup(s.lock.udid, p); own {
			// A phone that changes the backup before it says so in Status.plist.
			if err := s.begin(s.lock.udid); err != nil {
				return err
			}
		}
	}
	aside, ok := s.keeping(p)
	if !ok {
		return nil
	}
	if p == s.lock.udid {
		return s.setAllAside(p)
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
	if old, err := dst.handle.stat(toName); err == nil {
		if e.Dir && old.Dir {
			return s.setAllAside(p)
		}
		return nil // of the interrupted run before: what stands at p is new
	}
	if e.Dir {
		s.forget(p)
	}
	if err := renameAt(s.root, src, fromName, dst, toName); err != nil {
		return err
	}
	s.gone(src, fromName)
	return nil
}

// setAllAside is setAside for everything in the folder p.
func (s *Store) setAllAside(p string) error {
	list, err := s.list(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := s.setAside(p + "/" + e.Name); err != nil {
			return err
		}
	}
	if p != s.lock.udid {
		return nil
	}
	// The index goes with the folder, and that is our doing.
	s.trace.saw(statusName, nothing)
	s.trace.saw(infoName, nothing)
	return s.writeTrace()
}

// begin starts to keep the last good backup, if there is one: its Status.plist
// says "finished" and is about to be replaced.
func (s *Store) begin(udid string) error {
	s.seen = true
	if s.kept {
		return nil
	}
	data, err := s.status(udid)
	if err != nil || stateIn(data) != finished {
		return err
	}
	if err := s.startTrace(udid); err != nil {
		return err
	}
	if err := s.keepDurably(udid, statusName, data); err != nil {
		return err
	}
	s.kept = true
	return nil
}

// keepDurably puts a file into the folder of the last good backup.
func (s *Store) keepDurably(udid, name string, data []byte) error {
	fresh := !s.exists(previousDir(udid))
	d, err := s.at(previousDir(udid), true)
	if err != nil {
		return err
	}
	temp := tempPrefix + "new"
	if _, err := s.write(d, temp, bytes.NewReader(data), true); err != nil {
		return err
	}
	if err := renameAt(s.root, d, temp, d, name); err != nil {
		return err
	}
	if err := d.handle.sync(); err != nil || !fresh {
		return err
	}
	return s.top.sync()
}

// resumeKeeping looks for what an interrupted run has kept.
func (s *Store) resumeKeeping(udid string) error {
	if !s.exists(previousDir(udid)) {
		return nil
	}
	good, err := s.stillGood(udid)
	if err != nil {
		return err
	}
	if !good {
		// Finished since, cut off before it began, or another program was here.
		return s.dropPrevious(udid)
	}
	s.kept = true
	return s.startTrace(udid)
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

// followPrevious gives what was kept to the folder's new name.
func (s *Store) followPrevious(from, to string) error {
	s.seen = true
	if !s.kept {
		return nil
	}
	s.kept = false
	s.forget(previousDir(from))
	return s.root.Rename(previousDir(from), previousDir(to))
}

// UsePrevious makes Open and ReadDir show the last good backup of udid when the
// run after it was interrupted, and tells whether they do. It is for a store
// that is only read.
func (s *Store) UsePrevious(udid string) (bool, error) {
	good, err := s.stillGood(udid)
	if err != nil || !good {
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
	if aside, ok := f.s.behind(p); ok && errors.Is(err, fs.ErrNotExist) {
		file, err = f.s.root.Open(aside) // a folder that is set aside as a whole
	}
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
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), tempPrefix) }), nil
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
