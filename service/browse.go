package service

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/snapshot"
)

// maxPage bounds a page of a folder, whatever was asked for.
const maxPage = 1000

// List lists a folder, "" is the top with one entry for each app and domain.
func (s *Service) List(ctx context.Context, who Who, udid, version, dir, after string, limit int) (Listing, error) {
	l := Listing{Path: dir}
	err := s.look(ctx, who, udid, version, func(v *view, fsys fs.FS, info Version) error {
		l.Version = info
		name := dir
		if name == "" {
			name = "."
		}
		if !fs.ValidPath(name) {
			return fs.ErrNotExist
		}
		entries, err := fs.ReadDir(fsys, name)
		if err != nil {
			return err
		}
		return l.fill(v, entries, dir, after, pageSize(limit))
	})
	return l, err
}

func pageSize(limit int) int {
	if limit <= 0 || limit > maxPage {
		return maxPage
	}
	return limit
}

// fill takes the page behind after. Entries are sorted by name, and so by path.
func (l *Listing) fill(v *view, entries []fs.DirEntry, dir, after string, limit int) error {
	for _, d := range entries {
		name := path.Join(dir, d.Name())
		if after != "" && name <= after {
			continue
		}
		if len(l.Entries) == limit {
			l.Next = l.Entries[limit-1].Path
			return nil
		}
		e, ok, err := v.entry(name, d)
		if err != nil {
			return err
		}
		if ok {
			l.Entries = append(l.Entries, e)
		}
	}
	return nil
}

// entry describes a file or folder; what is neither is not shown.
func (v *view) entry(name string, d fs.DirEntry) (Entry, bool, error) {
	if !d.IsDir() && !d.Type().IsRegular() {
		return Entry{}, false, nil
	}
	info, err := d.Info()
	if err != nil {
		return Entry{}, false, err
	}
	e := Entry{Path: name, Name: d.Name(), Dir: d.IsDir(), ModTime: info.ModTime()}
	if !e.Dir {
		e.Size = info.Size()
	}
	if !strings.Contains(name, "/") && v.phone != nil {
		e.Name, e.App = domainName(name, v.apps)
	}
	return e, true, nil
}

// Search finds names that contain text, in any case.
func (s *Service) Search(ctx context.Context, who Who, udid, version, text, after string, limit int) (Listing, error) {
	var l Listing
	err := s.look(ctx, who, udid, version, func(v *view, fsys fs.FS, info Version) error {
		l.Version = info
		if text = strings.ToLower(strings.TrimSpace(text)); text == "" {
			return nil
		}
		err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil || name == "." {
				return err
			}
			if skip, err := skipTo(name, after, d.IsDir()); skip {
				return err
			}
			return l.match(v, name, d, text, pageSize(limit))
		})
		if errors.Is(err, fs.SkipAll) {
			err = nil
		}
		return err
	})
	return l, err
}

// skipTo tells whether the walk has not come to what follows after yet. The walk
// goes through folders by name, so paths are compared part by part.
func skipTo(name, after string, dir bool) (bool, error) {
	if after == "" {
		return false, nil
	}
	c := slices.Compare(strings.Split(name, "/"), strings.Split(after, "/"))
	switch {
	case c > 0:
		return false, nil
	case dir && !strings.HasPrefix(after+"/", name+"/"):
		return true, fs.SkipDir
	}
	return true, nil
}

func (l *Listing) match(v *view, name string, d fs.DirEntry, text string, limit int) error {
	if !strings.Contains(strings.ToLower(d.Name()), text) {
		return nil
	}
	e, ok, err := v.entry(name, d)
	if !ok || err != nil {
		return err
	}
	if len(l.Entries) == limit {
		l.Next = l.Entries[limit-1].Path
		return fs.SkipAll
	}
	l.Entries = append(l.Entries, e)
	return nil
}

// Open opens one file; it can be sought.
func (s *Service) Open(ctx context.Context, who Who, udid, version, name string) (File, error) {
	v, fsys, _, err := s.enter(ctx, who, udid, version)
	if err != nil {
		return nil, err
	}
	f, err := openFile(fsys, name)
	if err != nil {
		s.views.give(v)
		return nil, pathless(err)
	}
	return &versionFile{File: f, seek: f.(io.Seeker), give: sync.OnceFunc(func() { s.views.give(v) })}, nil
}

func openFile(fsys fs.FS, name string) (fs.File, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, fs.ErrNotExist
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if _, ok := f.(io.Seeker); !ok && err == nil {
		err = errors.New("open file: it cannot be sought")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// versionFile is an open file of a view.
type versionFile struct {
	fs.File
	seek io.Seeker
	give func()
}

func (f *versionFile) Seek(offset int64, whence int) (int64, error) {
	return f.seek.Seek(offset, whence)
}

// Close gives the version back, too.
func (f *versionFile) Close() error {
	defer f.give()
	return f.File.Close()
}

// look lets fn look into a version.
func (s *Service) look(ctx context.Context, who Who, udid, version string, fn func(*view, fs.FS, Version) error) error {
	v, fsys, info, err := s.enter(ctx, who, udid, version)
	if err != nil {
		return err
	}
	defer s.views.give(v)
	return pathless(fn(v, fsys, info))
}

// enter opens a version for who.
func (s *Service) enter(ctx context.Context, who Who, udid, version string) (*view, fs.FS, Version, error) {
	if _, err := s.may(ctx, who, toOpen, udid); err != nil {
		return nil, nil, Version{}, err
	}
	info, err := s.version(ctx, udid, version)
	if err != nil {
		return nil, nil, Version{}, err
	}
	v, err := s.views.take(ctx, udid, version)
	if err != nil {
		return nil, nil, info, err
	}
	fsys, err := v.fs(ctx)
	if err == nil && info.Sealed {
		err = s.unseal(ctx, v)
	}
	if err != nil {
		s.views.give(v)
		return nil, nil, info, err
	}
	return v, fsys, info, nil
}

// unseal opens a sealed version with the password that is remembered for it.
func (s *Service) unseal(ctx context.Context, v *view) error {
	password, ok, err := s.recall(ctx, v.session, v.info)
	if err == nil && ok {
		if err = v.phone.Unlock(ctx, password); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &HintError{errors.Join(snapshot.ErrSealed, err), "it was stored as the phone encrypted it: type its backup password on the phone's page, and look again"}
}

// pathless makes of what a file system says the error that callers know.
func pathless(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return fs.ErrNotExist
	}
	return err
}
