package photos

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

// folders knows which files there are. Every folder is listed once; that takes less
// than asking for each file, and some sources must look far to tell about one.
type folders struct {
	src  *extract.Source
	rep  extract.Reporter
	list map[string][]string        // names in it, sorted; nil where there is no such folder
	own  map[*store]map[string]bool // paths of films and raw files with a row of their own; nil = not known yet
}

func newFolders(src *extract.Source, rep extract.Reporter) *folders {
	return &folders{src: src, rep: rep, list: map[string][]string{}, own: map[*store]map[string]bool{}}
}

// names lists a folder. A folder that cannot be listed is reported, and empty.
func (f *folders) names(dir string) []string {
	if names, ok := f.list[dir]; ok {
		return names
	}
	var names []string
	if fs.ValidPath(dir) {
		entries, err := fs.ReadDir(f.src.FS, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.rep.Report(&extract.Problem{What: dir, Err: err})
		}
		names = make([]string, 0, len(entries))
		for _, e := range entries {
			names = append(names, e.Name())
		}
		slices.Sort(names)
	}
	f.list[dir] = names
	return names
}

func (f *folders) has(dir, name string) bool {
	_, ok := slices.BinarySearch(f.names(dir), name)
	return ok
}

// first gives the path of the first of names that is in a folder.
func (f *folders) first(dir string, names ...string) string {
	for _, n := range names {
		if f.has(dir, n) {
			return path.Join(dir, n)
		}
	}
	return ""
}

var errPath = errors.New("the library names a folder or file that is none")

// folder is where an asset's file lies; an error for what leads elsewhere.
func (s *store) folder(folder, name string) (string, error) {
	if folder == "" || name == "" || name == "." || !fs.ValidPath(folder) || !fs.ValidPath(name) || strings.ContainsAny(name, "/\x00") || strings.Contains(folder, "\x00") {
		return "", fmt.Errorf("%w: %.100q in %.100q", errPath, name, folder)
	}
	return path.Join(s.media, folder), nil
}

// locate fills in which files a photo of the library has.
func (f *folders) locate(ctx context.Context, l *library, p *Photo) {
	p.Availability = Missing
	dir, err := l.store.folder(p.folder, p.fileName)
	if err != nil {
		f.rep.Report(&extract.Problem{What: "photo " + p.Key, Err: err})
		return
	}
	p.File = f.first(dir, p.fileName)
	owned := func(name string) bool { return f.owned(ctx, l, path.Join(dir, name)) }
	switch {
	case p.Subtype == LivePhoto:
		p.Live = f.first(dir, filmNames(p.fileName)...)
	case kindOf(p.fileName) == "photo": // a Live Photo that was switched off keeps its film
		p.Live = f.unowned(dir, filmNames(p.fileName), owned)
	}
	p.Sidecars = f.sidecars(dir, p.fileName)
	if kindOf(p.fileName) == "photo" && !isRaw(p.fileName) {
		p.Raw = f.unowned(dir, rawNames(p.fileName), owned)
	}
	p.Edits = f.edits(l.store, p.folder, p.fileName)
	p.Edited = p.Edited || len(p.Edits) > 0
	switch {
	case p.File != "":
		p.Availability = Original
	case l.store.thumbnails != "" && f.has(path.Join(l.store.thumbnails, p.folder), p.fileName):
		p.Availability = ThumbnailOnly
		p.Small = f.first(path.Join(l.store.thumbnails, p.folder, p.fileName), ownNames...)
	}
}

func base(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// filmNames are what the film of a Live Photo may be called.
func filmNames(still string) []string {
	b := base(still)
	return []string{b + ".MOV", b + ".mov", b + ".MP4", b + ".mp4"}
}

// sidecars are IMG_0001.AAE, and IMG_O0001.AAE for what was done before.
func (f *folders) sidecars(dir, name string) []string {
	b := base(name)
	names := []string{b + ".AAE", b + ".aae"}
	if rest, ok := strings.CutPrefix(b, "IMG_"); ok {
		names = append(names, "IMG_O"+rest+".AAE")
	}
	var list []string
	for _, n := range names {
		if n != name && f.has(dir, n) {
			list = append(list, path.Join(dir, n))
		}
	}
	return list
}

// raws are endings of a camera's raw data.
var raws = []string{".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}

func isRaw(name string) bool { return slices.Contains(raws, strings.ToLower(path.Ext(name))) }

func isRecipe(name string) bool { return strings.EqualFold(path.Ext(name), ".aae") }

// rawNames are what the raw data beside a picture may be called.
func rawNames(still string) []string {
	names := make([]string, 0, 2*len(raws))
	for _, ending := range raws {
		names = append(names, base(still)+strings.ToUpper(ending), base(still)+ending)
	}
	return names
}

// owned tells whether a film or raw file is an asset of its own. It is asked only
// where there is such a file beside another picture, which is seldom.
func (f *folders) owned(ctx context.Context, l *library, at string) bool {
	own := f.own[l.store]
	if own == nil {
		var err error
		own, err = extract.Memo(f.src, "photos/own/"+l.store.prefix, func() (map[string]bool, error) {
			own := map[string]bool{}
			where := " WHERE lower(substr(a.ZFILENAME, -4)) IN ('.mov', '.mp4'"
			for _, ending := range raws {
				where += ", '" + ending + "'"
			}
			err := l.eachPath(ctx, where+")", func(dir, name string, _ bool) { own[path.Join(dir, name)] = true })
			return own, err
		})
		if err != nil {
			f.rep.Report(&extract.Problem{What: "films and raw files in " + l.store.db, Err: err})
		}
		if own == nil {
			own = map[string]bool{}
		}
		f.own[l.store] = own
	}
	return own[at]
}

// edits are what was made of an original, the whole picture first.
func (f *folders) edits(s *store, folder, name string) []string {
	at := path.Join(s.mutations, folder)
	if s.mutations == "" || !f.has(at, base(name)) {
		return nil
	}
	at = path.Join(at, base(name), "Adjustments")
	var whole, others []string
	for _, n := range f.names(at) {
		switch {
		case kindOf(n) == "":
		case strings.EqualFold(base(n), "FullSizeRender"):
			whole = append(whole, path.Join(at, n))
		default:
			others = append(others, path.Join(at, n))
		}
	}
	// The still before the film that belongs to it.
	slices.SortStableFunc(whole, func(a, b string) int { return strings.Compare(kindOf(a), kindOf(b)) })
	return append(whole, others...)
}

// eachPath gives the folder (in the Source) and name of every asset, and whether it is
// a still to which a film may belong. Of a damaged table it gives what can be read
// from both ends, and the error.
func (l *library) eachPath(ctx context.Context, where string, give func(dir, name string, live bool)) error {
	if where != "" && !l.db.Has(l.assets, "ZFILENAME") {
		return nil
	}
	err := l.paths(ctx, where, give)
	if err != nil && ctx.Err() == nil {
		// A second error is the same one, met from behind.
		_ = l.paths(ctx, where+" ORDER BY a.Z_PK DESC", give)
	}
	return err
}

func (l *library) paths(ctx context.Context, where string, give func(dir, name string, live bool)) error {
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s a NOT INDEXED%s", l.text(l.assets, "a", "ZDIRECTORY"), l.text(l.assets, "a", "ZFILENAME"),
		l.db.Column(l.assets, "a", "ZKINDSUBTYPE"), l.assets, where))
	if err != nil {
		return l.db.Err(ctx, err)
	}
	defer rows.Close()
	var c cells
	for rows.Next() {
		if err := rows.Scan(&c.folder, &c.name, &c.subtype); err != nil {
			return l.db.Err(ctx, err)
		}
		if dir, err := l.store.folder(c.folder.String, c.name.String); err == nil {
			give(dir, c.name.String, subtypes[c.subtype.Int] == LivePhoto)
		}
	}
	return l.db.Err(ctx, rows.Err())
}
