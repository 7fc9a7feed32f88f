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
			if !yield(root) { // programs have put pictures there, too
				return
			}
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
	folders map[string]*claimsIn
}

// claimsIn are those in one folder.
type claimsIn struct {
	names map[string]bool
	bases map[string]claim // names without their endings
}

// claim is what of a base name is an asset.
type claim struct{ still, live, raw bool }

func (c *claims) add(dir, name string, live bool) {
	in := c.folders[dir]
	if in == nil {
		in = &claimsIn{map[string]bool{}, map[string]claim{}}
		c.folders[dir] = in
	}
	in.names[name] = true
	k := in.bases[base(name)]
	if isRaw(name) {
		k.raw = true
	} else if kindOf(name) == "photo" {
		k.still = true
	}
	k.live = k.live || live
	in.bases[base(name)] = k
}

// claimed tells whether a file belongs to a row: it is an asset, or the film, the raw
// data or the recipe of one. It is what [folders.locate] gives to assets.
func (f *folders) claimed(c *claims, dir, name string) bool {
	in := c.folders[dir]
	if in == nil {
		return false
	}
	owned := func(name string) bool { return in.names[name] }
	k, known := in.bases[base(name)]
	switch {
	case owned(name):
		return true
	case isRecipe(name):
		return known || f.recipeOf(name, func(base string) bool { _, ok := in.bases[base]; return ok })
	case k.live && f.first(dir, filmNames(name)...) == path.Join(dir, name):
		return true
	case kindOf(name) == "video":
		return (k.still || k.raw) && f.unowned(dir, filmNames(name), owned) == path.Join(dir, name)
	}
	return isRaw(name) && k.still && f.unowned(dir, rawNames(name), owned) == path.Join(dir, name)
}

// recipeOf tells whether IMG_O0001.AAE belongs to an IMG_0001.
func (f *folders) recipeOf(name string, known func(base string) bool) bool {
	rest, ok := strings.CutPrefix(base(name), "IMG_O")
	return ok && known("IMG_"+rest)
}

// unowned gives the path of the first of names that is in a folder and no asset itself.
func (f *folders) unowned(dir string, names []string, owned func(string) bool) string {
	for _, n := range names {
		if f.has(dir, n) && !owned(n) {
			return path.Join(dir, n)
		}
	}
	return ""
}

// strays lists the pictures that no row of l stands for, in the order of q; l is nil
// where there is no library.
func (f *folders) strays(ctx context.Context, l *library, table string, newest bool) ([]*Photo, error) {
	c := &claims{folders: map[string]*claimsIn{}}
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
// for its Live Photo. What is neither picture nor film by its name is a file.
func (f *folders) straysIn(list []*Photo, dir string, c *claims, table string) []*Photo {
	var names []string
	still, any := map[string]bool{}, map[string]bool{}
	for _, n := range f.names(dir) {
		if strings.HasPrefix(n, ".") || f.claimed(c, dir, n) {
			continue
		}
		names = append(names, n)
		kind := kindOf(n)
		still[base(n)] = still[base(n)] || kind == "photo"
		any[base(n)] = any[base(n)] || kind != ""
	}
	for _, n := range names {
		kind := kindOf(n)
		switch {
		case kind == "video" && still[base(n)] && f.first(dir, filmNames(n)...) == path.Join(dir, n):
			continue
		case isRecipe(n) && (any[base(n)] || f.recipeOf(n, func(base string) bool { return any[base] })):
			continue
		case kind == "":
			kind = "file"
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
