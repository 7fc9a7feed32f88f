package music

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// roots are where the media folder of a phone may be in a source.
var roots = []string{"MediaDomain/Media", "Media", "."}

const libraryDB = "iTunes_Control/iTunes/MediaLibrary.sqlitedb"

// mediaFolders have files of media, up to so many folders deep.
var mediaFolders = []struct {
	dir   string
	depth int
}{{"iTunes_Control/Music", 2}, {"iTunes_Control/Ringtones", 1}, {"Purchases", 2}, {"Podcasts", 2}, {"Books", 3}}

// maxFiles is the most files that are looked at beside the library.
const maxFiles = 1_000_000

// shelf is a media folder. Each folder in it is listed once.
type shelf struct {
	src   *extract.Source
	rep   extract.Reporter
	root  string
	lists map[string]map[string]fs.DirEntry
}

// openShelf finds the media folder, or says that there is none.
func openShelf(ctx context.Context, src *extract.Source, rep extract.Reporter) (*shelf, error) {
	for _, root := range roots {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		s := &shelf{src: src, rep: rep, root: root, lists: map[string]map[string]fs.DirEntry{}}
		if src.Has(s.path(libraryDB)) || s.any() {
			return s, nil
		}
	}
	return nil, fmt.Errorf("music: %w: synced music and other media are in no backup of an iPhone, only in a media copy", extract.ErrAbsent)
}

// path is where a file of the media folder lies in the source.
func (s *shelf) path(file string) string { return path.Join(s.root, file) }

var errFound = errors.New("found")

// any tells whether there is any file of media.
func (s *shelf) any() bool {
	return errors.Is(s.each(func(string, fs.DirEntry) error { return errFound }), errFound)
}

// list lists a folder. One that cannot be listed is reported, and empty.
func (s *shelf) list(dir string) map[string]fs.DirEntry {
	if entries, ok := s.lists[dir]; ok {
		return entries
	}
	entries, err := fs.ReadDir(s.src.FS, s.path(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.rep.Report(&extract.Problem{What: s.path(dir), Err: err})
	}
	names := make(map[string]fs.DirEntry, len(entries))
	for _, e := range entries {
		names[e.Name()] = e
	}
	s.lists[dir] = names
	return names
}

// find gives a file by its path in the media folder; nil where there is none.
func (s *shelf) find(file string) fs.DirEntry {
	if !fs.ValidPath(file) || strings.ContainsAny(file, "\x00\\") {
		return nil
	}
	dir, name := path.Split(file)
	return s.list(path.Clean(dir))[name]
}

// each gives the files of media, and folders that are one book, sorted.
func (s *shelf) each(give func(file string, e fs.DirEntry) error) error {
	for _, f := range mediaFolders {
		if err := s.below(f.dir, f.depth, give); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) below(dir string, depth int, give func(string, fs.DirEntry) error) error {
	entries := s.list(dir)
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e, file := entries[name], path.Join(dir, name)
		var err error
		switch {
		case strings.HasPrefix(name, "."):
		case e.IsDir() && isBundle(name):
			err = give(file, e)
		case e.IsDir() && depth > 1:
			err = s.below(file, depth-1, give)
		case e.Type().IsRegular() && endings[strings.ToLower(path.Ext(name))] != "":
			err = give(file, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// place fills in an item's file, if it is there.
func (s *shelf) place(ctx context.Context, m *Item) error {
	e := s.find(m.named)
	switch {
	case e == nil && m.named == "":
		m.Availability = InCloud
	case e == nil:
		m.Availability = Missing
	case !e.Type().IsRegular() && !(e.IsDir() && isBundle(m.named)):
		m.Availability = Missing // a link, or a folder of many things
	default:
		m.Availability = Here
		m.File = s.path(m.named)
		info, err := e.Info()
		if err != nil {
			s.rep.Report(&extract.Problem{What: m.File, Err: err})
			return nil
		}
		m.time = info.ModTime().UTC()
		if e.IsDir() {
			return s.bundle(ctx, m)
		}
		m.Bytes = info.Size()
	}
	return nil
}

// isBundle tells whether a folder of that name is one thing: a book, or a film.
func isBundle(name string) bool {
	kind := endings[strings.ToLower(path.Ext(name))]
	return kind == Book || kind == Film
}

// maxContents is the most files of a book.
const maxContents = 20_000

// bundle lists the files of a book that is a folder.
func (s *shelf) bundle(ctx context.Context, m *Item) error {
	return fs.WalkDir(s.src.FS, m.File, func(p string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && e.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil {
				if len(m.Contents) == maxContents {
					s.rep.Report(&extract.Problem{What: m.File, Err: fmt.Errorf("it has more than %d files", maxContents)})
					return fs.SkipAll
				}
				m.Contents = append(m.Contents, p)
				m.Bytes += info.Size()
			}
		}
		if err != nil {
			s.rep.Report(&extract.Problem{What: p, Err: err})
		}
		return nil
	})
}
