package friendly

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Brancher is a Filer that shows whole folders of the source, too many files to be
// listed one by one. Its Files is not called by this package.
type Brancher interface {
	extract.Filer
	// Branches gives every folder once: the names that lead to it as in
	// [extract.File], and its path in the source. An error of give ends it.
	Branches(ctx context.Context, src *extract.Source, give func(at []string, origin string) error) error
}

// FS is an fs.ReadDirFS and fs.StatFS. Its files are io.ReaderAts and io.Seekers. Its
// methods may be called concurrently.
type FS struct {
	src   *extract.Source
	kinds []*kind // by name
	made  *maker
}

// kind is a folder of the root.
type kind struct {
	reader extract.Filer
	folder *folder

	mu    sync.Mutex
	known bool
	there bool
}

// New shows those of readers that have files. The source must stay open as long as
// the FS is used.
func New(src *extract.Source, readers []extract.Extractor) *FS {
	f := &FS{src: src, made: newMaker(maxKept)}
	used := names{}
	for _, r := range readers {
		if filer, ok := r.(extract.Filer); ok {
			name := used.free(outtree.Escape(filer.Info().Title))
			f.kinds = append(f.kinds, &kind{reader: filer, folder: &folder{name: name, load: func(ctx context.Context) ([]node, error) { return f.list(ctx, filer) }}})
		}
	}
	slices.SortFunc(f.kinds, func(a, b *kind) int { return strings.Compare(a.folder.name, b.folder.name) })
	return f
}

// exists tells whether the source has anything of the kind, or what may be it.
func (k *kind) exists(ctx context.Context, src *extract.Source) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		k.there = slices.ContainsFunc(k.reader.Info().Paths, func(p string) bool { return matches(src.FS, ".", p) }) &&
			!errors.Is(k.reader.Read(ctx, src, extract.Query{Limit: 1}, first{}), extract.ErrAbsent)
		k.known = true
	}
	return k.there
}

// first wants one record only, and that only to see that it is there.
type first struct{}

func (first) Emit(extract.Record) error { return extract.ErrStop }
func (first) Report(*extract.Problem)   {} // whoever reads the kind will be told

// matches tells whether a path below dir matches a pattern; it stops at the first.
func matches(fsys fs.FS, dir, pattern string) bool {
	part, rest, more := strings.Cut(pattern, "/")
	if !strings.ContainsAny(part, `*?[\`) {
		p := path.Join(dir, part)
		if more {
			return matches(fsys, p, rest)
		}
		_, err := fs.Stat(fsys, p)
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid)
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) // what cannot be told is told by reading
	}
	for _, e := range entries {
		if ok, err := path.Match(part, e.Name()); err != nil || !ok {
			continue
		}
		if !more || matches(fsys, path.Join(dir, e.Name()), rest) {
			return true
		}
	}
	return false
}

// present lists the kinds that the source has.
func (f *FS) present(ctx context.Context) []*kind {
	there := make([]bool, len(f.kinds))
	var group errgroup.Group
	group.SetLimit(4)
	for i, k := range f.kinds {
		group.Go(func() error {
			there[i] = k.exists(ctx, f.src)
			return nil
		})
	}
	_ = group.Wait() // they give no errors
	var list []*kind
	for i, k := range f.kinds {
		if there[i] {
			list = append(list, k)
		}
	}
	return list
}

// found is what a name stands for: a folder or a file.
type found struct {
	name string
	dir  *folder // nil: a file
	file *node
}

// find looks a name up.
func (f *FS) find(op, name string) (found, error) {
	missing := &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	if !fs.ValidPath(name) {
		return found{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return found{name: ".", dir: &folder{name: "."}}, nil
	}
	top, rest, more := strings.Cut(name, "/")
	i := slices.IndexFunc(f.kinds, func(k *kind) bool { return k.folder.name == top })
	ctx := context.Background()
	if i < 0 || !f.kinds[i].exists(ctx, f.src) {
		return found{}, missing
	}
	at := found{name: top, dir: f.kinds[i].folder}
	for more {
		if at.dir == nil {
			return found{}, missing
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		nodes := at.dir.nodes(ctx)
		i, ok := slices.BinarySearchFunc(nodes, part, func(n node, name string) int { return strings.Compare(n.name, name) })
		if !ok {
			return found{}, missing
		}
		at = found{name: part, dir: nodes[i].dir, file: &nodes[i]}
	}
	return at, nil
}

// Open implements fs.FS.
func (f *FS) Open(name string) (fs.File, error) {
	at, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	if at.dir != nil {
		return &openFolder{fsys: f, path: name, info: f.folderInfo(at)}, nil
	}
	file, err := f.openFile(at.file)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: cause(err)}
	}
	return file, nil
}

// Stat implements fs.StatFS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	at, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	if at.dir != nil {
		return f.folderInfo(at), nil
	}
	info, err := f.statFile(at.file)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: cause(err)}
	}
	return info, nil
}

// ReadDir implements fs.ReadDirFS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	at, err := f.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if at.dir == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("it is a file")}
	}
	ctx := context.Background()
	if name == "." {
		var list []fs.DirEntry
		for _, k := range f.present(ctx) {
			list = append(list, entry{f, &node{name: k.folder.name, dir: k.folder}})
		}
		return list, nil
	}
	nodes := at.dir.nodes(ctx)
	list := make([]fs.DirEntry, len(nodes))
	for i := range nodes {
		list[i] = entry{f, &nodes[i]}
	}
	return list, nil
}

func (f *FS) folderInfo(at found) info {
	return info{name: at.name, mode: fs.ModeDir | 0o555, time: f.moment()}
}

// moment is when the backup was made.
func (f *FS) moment() time.Time { return f.src.Device.Time }

// cause leaves out the path in the source: people know the name here.
func cause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) && errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return err
}
