package restore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// errReadOnly is the answer to a phone that wants to change what it restores.
var errReadOnly error = syscall.EROFS

// fsStore shows a file system to the phone as the folder that it asks for: the
// backup's UDID, though its owner may have renamed it. Nothing in it can be
// changed; a copy beside it can be made where there is a place for that.
type fsStore struct {
	fsys  fs.FS
	name  string              // the UDID
	place mobilebackup2.Store // everything but reading name; nil when there is none
	ahead readAhead
}

// inside gives the path in the file system of a path of the phone.
func (s *fsStore) inside(p string) (string, bool) {
	if p == s.name {
		return ".", true
	}
	rest, ok := strings.CutPrefix(p, s.name+"/")
	return rest, ok && fs.ValidPath(rest)
}

// Expect begins to read the files of the next request.
func (s *fsStore) Expect(ctx context.Context, paths []string) {
	s.ahead.start(ctx, paths, s.open)
}

// Close ends reading ahead.
func (s *fsStore) Close() { s.ahead.stop() }

func (s *fsStore) Open(ctx context.Context, p string) (io.ReadCloser, int64, error) {
	if r := s.ahead.take(p); r != nil {
		return r.await(ctx)
	}
	return s.open(ctx, p)
}

func (s *fsStore) open(ctx context.Context, p string) (io.ReadCloser, int64, error) {
	name, ok := s.inside(p)
	if !ok {
		if s.place != nil {
			return s.place.Open(ctx, p)
		}
		return nil, 0, missing("open", p)
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func (s *fsStore) ReadDir(ctx context.Context, p string) ([]mobilebackup2.Entry, error) {
	name, ok := s.inside(p)
	if !ok {
		if s.place != nil {
			return s.place.ReadDir(ctx, p)
		}
		return nil, missing("list", p)
	}
	entries, err := fs.ReadDir(s.fsys, name)
	if err != nil {
		return nil, err
	}
	list := make([]mobilebackup2.Entry, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			continue // no part of a backup
		}
		entry := mobilebackup2.Entry{Name: e.Name(), Dir: info.IsDir(), ModTime: info.ModTime()}
		if !entry.Dir {
			entry.Size = info.Size()
		}
		list = append(list, entry)
	}
	return list, nil
}

func (s *fsStore) Put(ctx context.Context, p string, r io.Reader) error {
	if s.writable(p) {
		return s.place.Put(ctx, p, r)
	}
	return errReadOnly
}

func (s *fsStore) Mkdir(ctx context.Context, p string) error {
	if s.writable(p) {
		return s.place.Mkdir(ctx, p)
	}
	if s.there(p) {
		return fs.ErrExist
	}
	return errReadOnly
}

func (s *fsStore) Rename(ctx context.Context, from, to string) error {
	switch {
	case s.writable(from) && s.writable(to):
		return s.place.Rename(ctx, from, to)
	case !s.writable(from) && !s.there(from):
		return missing("rename", from)
	}
	return errReadOnly
}

func (s *fsStore) Remove(ctx context.Context, p string) error {
	if s.writable(p) {
		return s.place.Remove(ctx, p)
	}
	if s.there(p) {
		return errReadOnly
	}
	return nil
}

// writable tells whether p lies beside the backup, where there is such a place.
func (s *fsStore) writable(p string) bool {
	_, own := s.inside(p)
	return s.place != nil && !own
}

func (s *fsStore) there(p string) bool {
	name, ok := s.inside(p)
	if !ok {
		return false
	}
	_, err := fs.Stat(s.fsys, name)
	return !errors.Is(err, fs.ErrNotExist)
}

func missing(op, p string) error { return &fs.PathError{Op: op, Path: p, Err: fs.ErrNotExist} }

// copyingStore can also copy the backup, which the phone asks for before it
// begins unless it is told not to (RestoreDontCopyBackup).
type copyingStore struct {
	*fsStore
	copier interface {
		mobilebackup2.Copier
		mobilebackup2.FreeSpacer
	}
}

func (s copyingStore) Copy(ctx context.Context, from, to string) error {
	return s.copier.Copy(ctx, from, to)
}

func (s copyingStore) FreeSpace(ctx context.Context) (int64, error) { return s.copier.FreeSpace(ctx) }
