package photos

import (
	"cmp"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// roots are the folders of folders that pictures lie in.
var roots = []string{media + "/DCIM", media + "/PhotoData/CPLAssets"}

// hasFiles tells whether there is any picture at all.
func hasFiles(src *extract.Source) bool {
	f := newFolders(src, ignore{})
	for dir := range f.pictureFolders() {
		if slices.ContainsFunc(f.names(dir), func(n string) bool { return kindOf(n) != "" }) {
			return true
		}
	}
	return false
}

type ignore struct{}

func (ignore) Report(*extract.Problem) {}

// pictureFolders gives the folders that pictures lie in.
func (f *folders) pictureFolders() func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, root := range roots {
			for _, n := range f.names(root) {
				if !strings.HasPrefix(n, ".") && !yield(path.Join(root, n)) {
					return
				}
			}
		}
	}
}

// claims are the files that the rows of a library stand for.
type claims struct {
	names map[string]map[string]bool // by folder: names, and "base." of Live Photos
}

func (c *claims) add(dir, name string, live bool) {
	names := c.names[dir]
	if names == nil {
		names = map[string]bool{}
		c.names[dir] = names
	}
	names[name] = true
	if live {
		names[base(name)+"."] = true
	}
}

// claimed tells whether a file belongs to a row: it is an asset, the film of a Live
// Photo, or the raw data of an asset.
func (c *claims) claimed(dir, name string) bool {
	names := c.names[dir]
	if names[name] || kindOf(name) == "video" && names[base(name)+"."] {
		return true
	}
	if !strings.EqualFold(path.Ext(name), ".dng") {
		return false
	}
	for ending := range stills {
		if names[base(name)+ending] || names[base(name)+strings.ToUpper(ending)] {
			return true
		}
	}
	return false
}

// strays lists the pictures that no row of l stands for, in the order of q; l is nil
// where there is no library.
func (f *folders) strays(ctx context.Context, l *library, table string, newest bool) ([]*Photo, error) {
	c := &claims{names: map[string]map[string]bool{}}
	if l != nil {
		if err := l.eachPath(ctx, "", c.add); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			f.rep.Report(&extract.Problem{What: "the list of files in " + l.store.db, Err: err})
		}
	}
	var list []*Photo
	for dir := range f.pictureFolders() {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		list = f.straysIn(list, dir, c, table)
	}
	slices.SortFunc(list, func(a, b *Photo) int {
		n := cmp.Or(a.Modified.Compare(b.Modified), strings.Compare(a.Key, b.Key))
		if newest {
			n = -n
		}
		return n
	})
	return list, nil
}

// straysIn appends what is in one folder. A film beside a still of its name is taken
// for its Live Photo.
func (f *folders) straysIn(list []*Photo, dir string, c *claims, table string) []*Photo {
	names := f.names(dir)
	still := map[string]bool{}
	for _, n := range names {
		if kindOf(n) == "photo" && !c.claimed(dir, n) {
			still[base(n)] = true
		}
	}
	for _, n := range names {
		kind := kindOf(n)
		if kind == "" || c.claimed(dir, n) || kind == "video" && still[base(n)] {
			continue
		}
		if p := f.stray(dir, n, kind, table); p != nil {
			list = append(list, p)
		}
	}
	return list
}

func (f *folders) stray(dir, name, kind, table string) *Photo {
	at := path.Join(dir, name)
	info, err := fs.Stat(f.src.FS, at)
	if err != nil {
		f.rep.Report(&extract.Problem{What: at, Err: err})
		return nil
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	rel := strings.TrimPrefix(dir, media+"/")
	p := &Photo{
		table: table, Key: filePrefix + path.Join(rel, name), Name: name, Kind: kind, Subtype: map[string]string{"photo": Still, "video": Video}[kind],
		Size: info.Size(), Modified: info.ModTime().UTC(), Availability: Original, File: at, folder: rel, fileName: name,
		Sidecars: f.sidecars(dir, name), Edits: f.edits(cameraRoll, rel, name),
	}
	if kind == "photo" {
		if p.Live = f.first(dir, filmNames(name)...); p.Live != "" {
			p.Subtype = LivePhoto
		}
	}
	p.Edited = len(p.Edits) > 0
	return p
}
