package music

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Reader reads music and other media. It keeps nothing of any source.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

var (
	_ extract.Exporter = (*Reader)(nil)
	_ extract.Filer    = (*Reader)(nil)
)

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	info := extract.Info{Kind: "music", Title: "Music", Groups: "playlists, artists and albums", Needs: "a media copy", Tables: []extract.Table{
		{Name: tableMedia, Title: "Music and other media", Columns: columns},
		{Name: tableFiles, Title: "Files that the library does not know", Columns: columns},
	}}
	for _, root := range roots {
		info.Paths = append(info.Paths, path.Join(root, libraryDB), path.Join(root, libraryDB+"-wal"))
		for _, f := range mediaFolders {
			for depth := 1; depth <= f.depth; depth++ {
				info.Paths = append(info.Paths, path.Join(root, f.dir, strings.Repeat("*/", depth-1)+"*.*"))
			}
		}
	}
	return info
}

// Groups implements extract.Extractor. Without a library there are none.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	s, err := openShelf(ctx, src, quiet{})
	if err != nil {
		return nil, err
	}
	l, err := openLibrary(ctx, src, s)
	if err != nil {
		if ctx.Err() == nil && s.any() {
			return nil, nil // Read tells what is wrong with it
		}
		return nil, err
	}
	return l.groups(ctx)
}

// quiet leaves problems to be told by Read.
type quiet struct{}

func (quiet) Report(*extract.Problem) {}

// Read implements extract.Extractor. Items of the library come by artist, album and
// track, those of a playlist in its order; then what the library does not know, by
// path.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	s, err := openShelf(ctx, src, out)
	if err != nil {
		return err
	}
	l, err := openLibrary(ctx, src, s)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return extract.Done(s.withoutLibrary(ctx, q, out, err))
	}
	given := 0
	if q.Table == "" || q.Table == tableMedia {
		err := l.read(ctx, q, func(m *Item) error {
			given++
			if err := s.place(ctx, m); err != nil {
				return err
			}
			return out.Emit(m)
		})
		if err != nil && (errors.Is(err, extract.ErrStop) || ctx.Err() != nil || q.Key != "" || given > 0 || !s.any()) {
			return extract.Done(err)
		}
		if err != nil { // nothing of it could be read, but there are files
			out.Report(&extract.Problem{What: s.path(libraryDB), Err: err})
			if q.Group != "" {
				return nil
			}
			return extract.Done(s.strays(ctx, tableMedia, nil, q, out))
		}
	}
	if q.Table != "" && q.Table != tableFiles || q.Group != "" || q.Limit > 0 && given >= q.Limit || q.Key != "" && !strings.HasPrefix(q.Key, fileKey) {
		return nil
	}
	rest := q
	if q.Limit > 0 {
		rest.Limit = q.Limit - given
	}
	if rest.Skip > 0 && q.Table != tableFiles {
		total, err := l.count(ctx)
		if err != nil {
			return err
		}
		rest.Skip = max(rest.Skip-total, 0)
	}
	known, err := l.files(ctx)
	if err != nil {
		return err
	}
	return extract.Done(s.strays(ctx, tableFiles, known, rest, out))
}

// count is how many items the library has.
func (l *library) count(ctx context.Context) (n int, err error) {
	err = l.db.QueryRowContext(ctx, "SELECT count(*) FROM item").Scan(&n)
	return n, l.db.Err(ctx, err)
}

// withoutLibrary lists the files where the library cannot be had, and says why.
func (s *shelf) withoutLibrary(ctx context.Context, q extract.Query, out extract.Emitter, why error) error {
	if !s.any() {
		return why
	}
	if !errors.Is(why, extract.ErrAbsent) {
		out.Report(&extract.Problem{What: s.path(libraryDB), Err: why})
	}
	if q.Group != "" || q.Table != "" && q.Table != tableMedia {
		return nil
	}
	return s.strays(ctx, tableMedia, nil, q, out)
}

const fileKey = "file:"

// stray is a file that no library names.
type stray struct {
	file string
	time time.Time
}

// strays emits files by what they say of themselves.
func (s *shelf) strays(ctx context.Context, table string, known map[string]bool, q extract.Query, out extract.Emitter) error {
	list, err := s.listStrays(ctx, known, q)
	if err != nil {
		return err
	}
	tones := s.ringtones()
	page := &extract.Page{Query: q}
	for _, f := range list {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		m := &Item{Key: fileKey + f.file, table: table, named: f.file, Kind: kindOfFile(f.file), Protected: fairPlay(f.file), time: f.time}
		if page.Skip == 0 {
			if err := s.describe(ctx, m, tones); err != nil {
				return err
			}
		}
		if err := page.Emit(out, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) listStrays(ctx context.Context, known map[string]bool, q extract.Query) ([]stray, error) {
	var list []stray
	err := s.each(func(file string, e fs.DirEntry) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if known[file] || q.Key != "" && q.Key != fileKey+file {
			return nil
		}
		if len(list) == maxFiles {
			return fmt.Errorf("list media: more than %d files", maxFiles)
		}
		f := stray{file: file}
		if q.Newest {
			if info, err := e.Info(); err == nil { // else placing it will tell
				f.time = info.ModTime().UTC()
			}
		}
		list = append(list, f)
		return nil
	})
	if q.Newest {
		slices.SortStableFunc(list, func(a, b stray) int { return cmp.Or(b.time.Compare(a.time), strings.Compare(a.file, b.file)) })
	}
	return list, err
}
