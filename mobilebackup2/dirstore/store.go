package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// Options of Open. The zero value is right for backups.
type Options struct {
	// SyncEachFile makes every file durable as it arrives. It is slower by far
	// and there to measure what it costs.
	SyncEachFile bool
}

// Store is a folder of backups. It is used by one goroutine.
type Store struct {
	root    *os.Root
	opt     Options
	dirs    map[string]*dir
	open    int  // directory handles
	unsaved bool // file contents have been written since the last settle
	renamed bool // names have changed since then
	lock    *folderLock
	ahead   ahead
	top     *handle // of the folder itself
	lost    error   // of a flush: what was written may be gone, and nothing is promised any more
	kept    bool    // the last good backup is being kept: previous.go
	seen    bool    // it has been looked whether there is one to keep
	trace   trace
	shown   string // UDID whose last good backup is shown instead of its folder
}

var (
	_ mobilebackup2.Store      = (*Store)(nil)
	_ mobilebackup2.FreeSpacer = (*Store)(nil)
	_ mobilebackup2.Copier     = (*Store)(nil)
)

const (
	dirPerm  = 0o700 // a backup is private, even the names in it
	filePerm = 0o600

	// tempPrefix marks files that are being written; listings leave them out.
	tempPrefix = ".keepsake-"

	// maxHandles bounds the directories kept open: a backup writes into 256 of
	// them in turn, moves from those to 256 others, and what stood there to 256 more.
	maxHandles = 820
)

// Open opens the folder, which must exist.
func Open(folder string, opt Options) (*Store, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open backup folder: %w", err)
	}
	top, err := openDir(root, ".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open backup folder: %w", err), root.Close())
	}
	return &Store{root: root, opt: opt, dirs: map[string]*dir{}, top: top}, nil
}

// Close releases the folder and its lock. What is not durable yet stays so,
// which the lock file remembers; only where the system does not tell one start
// of the machine from the next, Close has to make it durable.
func (s *Store) Close() error {
	told := s.lost != nil
	err := s.ahead.wait(s)
	if told {
		err = nil
	}
	if s.lost == nil && s.lock != nil && !s.lock.shared && bootID() == "" {
		err = errors.Join(err, s.settle())
	}
	s.closeHandles()
	err = errors.Join(err, s.unlock())
	s.top.close()
	return errors.Join(err, s.root.Close())
}

// check refuses what is no path of a store. The phone's paths have been checked
// before; this catches our own mistakes.
func check(p string) error {
	if !fs.ValidPath(p) || p == "." {
		return fmt.Errorf("%w: path %q", fs.ErrInvalid, p)
	}
	return nil
}

func split(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return ".", p
	}
	return p[:i], p[i+1:]
}

// at gives the folder p with an open handle, made when missing if mk is set.
func (s *Store) at(p string, mk bool) (*dir, error) {
	d := s.dirs[p]
	if d != nil && d.handle != nil {
		return d, nil
	}
	if s.open >= maxHandles {
		s.closeHandles()
	}
	h, err := openDir(s.root, p)
	if isTooMany(err) {
		s.closeHandles()
		h, err = openDir(s.root, p)
	}
	fresh := false
	if mk && errors.Is(err, fs.ErrNotExist) {
		if err := s.mkdirAll(p); err != nil {
			return nil, err
		}
		fresh = true
		h, err = openDir(s.root, p)
	}
	if err != nil {
		return nil, err
	}
	if d == nil || fresh {
		d = s.entry(p)
	}
	d.handle = h
	s.open++
	return d, nil
}

func (s *Store) entry(p string) *dir {
	d := s.dirs[p]
	if d == nil {
		d = &dir{path: strings.Clone(p)}
		s.dirs[d.path] = d
	}
	return d
}

func (s *Store) closeHandles() {
	for _, d := range s.dirs {
		d.closeHandle()
	}
	s.open = 0
}

// mkdirAll makes p and what is missing above it; their listings are known to be
// empty from the start.
func (s *Store) mkdirAll(p string) error {
	err := s.root.Mkdir(p, dirPerm)
	if errors.Is(err, fs.ErrNotExist) {
		parent, _ := split(p)
		if parent == "." {
			return cause(err)
		}
		if err := s.mkdirAll(parent); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		err = s.root.Mkdir(p, dirPerm)
	}
	if err != nil {
		return cause(err)
	}
	s.renamed = true
	d := s.entry(p)
	d.learn()
	parent, name := split(p)
	if pd := s.dirs[parent]; pd != nil && pd.known {
		pd.add(mobilebackup2.Entry{Name: name, Dir: true, ModTime: time.Now()})
	}
	return nil
}

// Mkdir makes a folder; one that is there is fs.ErrExist.
func (s *Store) Mkdir(_ context.Context, p string) error {
	if err := check(p); err != nil {
		return err
	}
	if d := s.dirs[p]; d != nil && d.handle != nil {
		return fs.ErrExist
	}
	return s.mkdirAll(p)
}

// ReadDir lists a folder, from memory when it can.
func (s *Store) ReadDir(_ context.Context, p string) ([]mobilebackup2.Entry, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	if aside, ok := s.behind(p); ok {
		return s.readBoth(p, aside)
	}
	return s.list(p)
}

// list is ReadDir of one folder.
func (s *Store) list(p string) ([]mobilebackup2.Entry, error) {
	d := s.dirs[p]
	if d == nil || !d.known {
		// The listing is read into a new entry, so that a failure leaves no half.
		list, err := readDir(s.root, p)
		if err != nil {
			return nil, cause(err)
		}
		d = s.entry(p)
		d.learn()
		for _, e := range list {
			d.add(e)
		}
	}
	return d.entries(), nil
}

// Remove takes p away, with everything below when it is a folder.
func (s *Store) Remove(_ context.Context, p string) error {
	if err := check(p); err != nil {
		return err
	}
	if err := s.setAside(p); err != nil {
		return cause(err)
	}
	parent, name := split(p)
	if s.dirs[p] == nil {
		d, err := s.at(parent, false)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return cause(err)
		}
		err = d.handle.remove(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			s.gone(d, name)
			return nil
		}
	}
	s.forget(p)
	if err := s.root.RemoveAll(p); err != nil {
		return cause(err)
	}
	if d := s.dirs[parent]; d != nil {
		s.gone(d, name)
	}
	return nil
}

func (s *Store) gone(d *dir, name string) {
	s.renamed = true
	d.drop(name)
}

// forget drops what is remembered of p and of everything below it.
func (s *Store) forget(p string) {
	for key, d := range s.dirs {
		if key == p || strings.HasPrefix(key, p) && key[len(p)] == '/' {
			if d.handle != nil {
				d.closeHandle()
				s.open--
			}
			delete(s.dirs, key)
		}
	}
}

// Rename moves from to to, over what is there.
func (s *Store) Rename(ctx context.Context, from, to string) error {
	if err := errors.Join(check(from), check(to)); err != nil {
		return err
	}
	if from == to {
		return nil
	}
	if below(from, to) || below(to, from) {
		if !s.exists(from) {
			return fs.ErrNotExist
		}
		return fmt.Errorf("%w: move of a folder into itself or over itself", fs.ErrInvalid)
	}
	folder := s.dirs[from] != nil || s.dirs[to] != nil
	if s.unsaved && (folder || isIndex(to)) {
		if err := s.settle(); err != nil {
			return err
		}
	}
	if err := s.makeWay(ctx, from, to); err != nil {
		return cause(err)
	}
	fromDir, fromName := split(from)
	toDir, toName := split(to)
	if folder {
		s.forget(from)
		s.forget(to)
	}
	src, dst, err := s.both(fromDir, fromName, toDir)
	if err != nil {
		return cause(err)
	}
	if err := renameAt(s.root, src, fromName, dst, toName); err != nil {
		if errors.Is(err, fs.ErrNotExist) || !inTheWay(err) || !s.unlike(src, fromName, dst, toName) {
			return cause(err)
		}
		// A folder stands where a file goes, or the other way round.
		folder = true
		if err := s.root.RemoveAll(to); err != nil {
			return cause(err)
		}
		if err := renameAt(s.root, src, fromName, dst, toName); err != nil {
			return cause(err)
		}
	}
	s.renamed = true
	if folder {
		s.forget(from)
		s.forget(to)
	}
	s.carry(src, fromName, dst, toName)
	return nil
}

func below(p, folder string) bool { return strings.HasPrefix(p, folder+"/") }

// makeWay keeps what a move would take from the last good backup: what stands at
// to, and what goes away from its place.
func (s *Store) makeWay(ctx context.Context, from, to string) error {
	if _, keep := s.keeping(to); keep {
		// A move of nothing must not take the old file away.
		dir, name := split(from)
		src, err := s.at(dir, false)
		if err == nil {
			_, err = src.handle.stat(name)
		}
		if err != nil {
			return err
		}
	}
	if s.lock != nil && !s.lock.shared && from == s.lock.udid {
		return s.followPrevious(from, to) // the phone itself sets the whole backup aside
	}
	if err := s.setAside(to); err != nil {
		return err
	}
	aside, keep := s.keeping(from)
	if !keep || s.exists(aside) {
		return nil
	}
	if err := s.setAside(from); err != nil {
		return err
	}
	return s.Copy(ctx, aside, from)
}

// unlike tells whether one of the two is a folder and the other is not, or both
// are folders.
func (s *Store) unlike(src *dir, from string, dst *dir, to string) bool {
	a, err := src.handle.stat(from)
	if err != nil {
		return false
	}
	b, err := dst.handle.stat(to)
	return err == nil && (a.Dir || b.Dir)
}

// both opens two folders at once. The second is made when missing, but not for
// a file that is not there.
func (s *Store) both(fromDir, fromName, toDir string) (src, dst *dir, err error) {
	if src, err = s.at(fromDir, false); err != nil {
		return nil, nil, err
	}
	dst, err = s.at(toDir, false)
	if errors.Is(err, fs.ErrNotExist) {
		if src, err = s.at(fromDir, false); err == nil {
			_, err = src.handle.stat(fromName)
		}
		if err == nil {
			dst, err = s.at(toDir, true)
		}
	}
	if err == nil && src.handle == nil { // closed to make room for dst
		src, err = s.at(fromDir, false)
	}
	if err == nil && dst.handle == nil {
		dst, err = s.at(toDir, false)
	}
	return src, dst, err
}

// carry moves what the listings know.
func (s *Store) carry(src *dir, fromName string, dst *dir, toName string) {
	e, ok := src.get(fromName)
	src.drop(fromName)
	if s.unsaved {
		dst.noteUnsynced(toName)
	}
	if !dst.known {
		return
	}
	if !ok {
		var err error
		if e, err = dst.handle.stat(toName); err != nil {
			dst.unlearn() // read again when it is asked for
			return
		}
	}
	e.Name = toName
	dst.add(e)
}

// Open opens a file for reading.
func (s *Store) Open(_ context.Context, p string) (io.ReadCloser, int64, error) {
	if err := check(p); err != nil {
		return nil, 0, err
	}
	if aside, ok := s.behind(p); ok {
		r, size, err := s.openFile(aside)
		if !errors.Is(err, fs.ErrNotExist) {
			return r, size, err
		}
	}
	return s.openFile(p)
}

func (s *Store) openFile(p string) (io.ReadCloser, int64, error) {
	parent, name := split(p)
	d, err := s.at(parent, false)
	if err != nil {
		return nil, 0, cause(err)
	}
	r, size, err := d.handle.openRead(name)
	if err != nil {
		return nil, 0, cause(err)
	}
	return r, size, nil
}

// Copy copies a file, or a folder with everything in it, and makes it durable.
func (s *Store) Copy(ctx context.Context, from, to string) error {
	if err := errors.Join(check(from), check(to)); err != nil {
		return err
	}
	if to == from || below(to, from) {
		return fmt.Errorf("%w: copy of a folder into itself", fs.ErrInvalid)
	}
	err := s.copy(ctx, from, to)
	if aside, ok := s.behind(from); ok && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		if aerr := s.copy(ctx, aside, to); err != nil || !errors.Is(aerr, fs.ErrNotExist) {
			err = aerr
		}
	}
	if err != nil {
		return err
	}
	return s.settle()
}

func (s *Store) copy(ctx context.Context, from, to string) error {
	fsys := s.root.FS()
	return fs.WalkDir(fsys, from, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return cause(err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		target := path.Join(to, strings.TrimPrefix(p[len(from):], "/"))
		if e.IsDir() {
			if err := s.Mkdir(ctx, target); !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		}
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), tempPrefix) {
			return nil
		}
		f, err := fsys.Open(p)
		if err != nil {
			return cause(err)
		}
		defer f.Close()
		return s.Put(ctx, target, f)
	})
}

// FreeSpace is what the file system of the folder has left for this user, in bytes.
func (s *Store) FreeSpace(context.Context) (int64, error) { return freeSpace(s.top) }

// cause takes the operation and host path of the standard library off an
// error: callers name their own paths.
func cause(err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		return pathErr.Err
	case errors.As(err, &linkErr):
		return linkErr.Err
	}
	return err
}

// isIndex tells whether p is one of the files beside the folders of a backup.
func isIndex(p string) bool {
	_, name, ok := strings.Cut(p, "/")
	return ok && !strings.Contains(name, "/") && (strings.HasSuffix(name, ".plist") || strings.HasPrefix(name, "Manifest."))
}
