package friendly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// failedName is the file that tells why a folder has no others.
const failedName = "Could not be read.txt"

// list lists a kind. With an error, what it gives has the reason in it.
func (f *FS) list(ctx context.Context, filer extract.Filer) ([]node, error) {
	b := &building{folders: map[string]string{}}
	var err error
	if branching, ok := filer.(Brancher); ok {
		err = branching.Branches(ctx, f.src, func(at []string, origin string) error {
			b.root.at(at).load = func(ctx context.Context) ([]node, error) { return f.branch(ctx, origin) }
			return nil
		})
	} else {
		err = filer.Files(ctx, f.src, b.add)
	}
	if errors.Is(err, extract.ErrAbsent) || errors.Is(err, extract.ErrStop) {
		err = nil
	}
	if err != nil {
		b.root.files = append(b.root.files, apology(err))
	}
	return b.root.finish(), err
}

// branch lists a folder of the source. Links are left out: most lead to places of the
// phone that are not here.
func (f *FS) branch(_ context.Context, dir string) ([]node, error) {
	entries, err := fs.ReadDir(f.src.FS, dir)
	b := &draft{}
	for _, e := range entries {
		switch sub := path.Join(dir, e.Name()); {
		case e.IsDir():
			b.at([]string{e.Name()}).load = func(ctx context.Context) ([]node, error) { return f.branch(ctx, sub) }
		case e.Type().IsRegular():
			b.files = append(b.files, node{name: e.Name(), in: dir, base: e.Name()})
		}
	}
	if err != nil {
		b.files = append(b.files, apology(err))
	}
	return b.finish(), err
}

// apology is the file that tells what went wrong.
func apology(err error) node {
	text := []byte(fmt.Sprintf("This could not be read from the backup:\r\n\r\n%v\r\n\r\nEverything else in the backup is not affected.\r\n", err))
	m := &making{write: func(_ context.Context, w io.Writer) error {
		_, err := w.Write(text)
		return err
	}}
	m.size.Store(int64(len(text)))
	return node{name: failedName, file: m}
}

// building is a kind that is being listed.
type building struct {
	root    draft
	folders map[string]string // of the source: each path is kept once
}

// draft is a folder that is being listed.
type draft struct {
	dirs  map[string]*draft
	files []node // names not escaped yet
	load  func(context.Context) ([]node, error)
}

// at gives the folder that names lead to.
func (d *draft) at(names []string) *draft {
	for _, name := range names {
		if d.dirs == nil {
			d.dirs = map[string]*draft{}
		}
		next := d.dirs[name]
		if next == nil {
			next = &draft{}
			d.dirs[strings.Clone(name)] = next
		}
		d = next
	}
	return d
}

// add puts a file where it belongs.
func (b *building) add(file extract.File) error {
	if len(file.Path) == 0 || (file.Origin == "") == (file.Make == nil) || file.Origin != "" && !fs.ValidPath(file.Origin) {
		return fmt.Errorf("list files: %q has no name, or not one source", file.Path)
	}
	last := len(file.Path) - 1
	n := node{name: file.Path[last]}
	if !file.Time.IsZero() {
		n.time = file.Time.UnixNano()
	}
	if file.Make != nil {
		n.file = &making{write: file.Make}
		n.file.size.Store(unknownSize)
		n.name = strings.Clone(n.name)
	} else {
		dir, base := path.Split(file.Origin)
		dir = path.Clean(dir)
		if _, ok := b.folders[dir]; !ok {
			b.folders[strings.Clone(dir)] = strings.Clone(dir)
		}
		n.in = b.folders[dir]
		n.base = strings.Clone(base)
		if n.name == base {
			n.name = n.base
		} else {
			n.name = strings.Clone(n.name)
		}
	}
	d := b.root.at(file.Path[:last])
	d.files = append(d.files, n)
	return nil
}

// finish gives the folder's files and folders, with names that are safe and differ.
func (d *draft) finish() []node {
	list := make([]node, 0, len(d.dirs)+len(d.files))
	used := make(names, len(d.dirs)+len(d.files))
	for _, name := range slices.Sorted(maps.Keys(d.dirs)) {
		sub := d.dirs[name]
		dir := &folder{load: sub.load}
		if sub.load == nil {
			dir.kids = sub.finish()
		}
		dir.name = used.free(safe(name))
		list = append(list, node{name: dir.name, dir: dir})
	}
	slices.SortStableFunc(d.files, func(a, b node) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.in, b.in), strings.Compare(a.base, b.base), cmp.Compare(a.time, b.time))
	})
	for _, n := range d.files {
		n.name = used.free(safe(n.name))
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b node) int { return strings.Compare(a.name, b.name) })
	return slices.Clip(list)
}

// safe is outtree.Escape, without another copy of a name that is safe as it is.
func safe(name string) string {
	if escaped := outtree.Escape(name); escaped != name {
		return escaped
	}
	return name
}
