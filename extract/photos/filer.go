package photos

import (
	"context"

	"github.com/keepsake-backup/keepsake/extract"
)

// Files implements extract.Filer:
//
//	2026/2026-03/IMG_0001.HEIC, IMG_0001.MOV, IMG_0001 (edited).jpg
//	Albums/Travel/Lisboa/IMG_0001.HEIC …
//	Hidden/2026/… and Recently Deleted/2026/…
func (r *Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	f := &filing{src: src, give: give, names: namer{}}
	if l, err := openLibrary(ctx, src, cameraRoll); err == nil {
		if f.tree, err = l.albumTree(ctx); err != nil {
			f.tree = nil // the pictures are of more use than their albums
		}
	}
	return r.Read(ctx, src, extract.Query{}, f)
}

// filing gives the files of each photo that is read.
type filing struct {
	ignore
	src   *extract.Source
	tree  *albumTree
	names namer
	give  func(extract.File) error
}

// Emit implements extract.Emitter.
func (f *filing) Emit(rec extract.Record) error {
	p := rec.(*Photo)
	parts := p.parts()
	if len(parts) == 0 {
		return nil
	}
	dirs := [][]string{p.dateFolder(f.src.Local())}
	if f.tree != nil && !p.Hidden && !p.Deleted {
		for _, a := range p.Albums {
			dirs = append(dirs, append([]string{albumsFolder}, f.tree.path(a.Key)...))
		}
	}
	name, _ := p.exportName()
	for _, dir := range dirs {
		named := f.names.name(dir, name, p.Key)
		for _, part := range parts {
			path := append(dir[:len(dir):len(dir)], named+part.suffix)
			if err := f.give(extract.File{Path: path, Time: p.when(f.src.Local()), Origin: part.origin}); err != nil {
				return err
			}
		}
	}
	return nil
}
