package notes

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Files implements extract.Filer: Folder/Title.md, and beside it the files of the note in
// a folder "Title files". Bodies are read when a file is.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	a, err := open(ctx, src)
	if err != nil {
		return err
	}
	heads, err := a.heads(ctx, extract.Query{}, silent{})
	if err != nil {
		return err
	}
	names := places(heads, src.Local())
	for _, h := range heads {
		if err := give(markdownFile(src, h, names[h.key])); err != nil {
			return extract.Done(err)
		}
	}
	for len(heads) > 0 {
		n := min(len(heads), batch)
		if err := mediaFiles(ctx, src, heads[:n], names, give); err != nil {
			return extract.Done(err)
		}
		heads = heads[n:]
	}
	return nil
}

// markdownFile is a note as a file.
func markdownFile(src *extract.Source, h *head, p place) extract.File {
	key := h.key
	return extract.File{Path: append(p.folders[:len(p.folders):len(p.folders)], p.name+".md"), Time: h.time(), Make: func(ctx context.Context, w io.Writer) error {
		found := false
		err := read(ctx, src, extract.Query{Key: key}, silent{}, func(n *Note) error {
			found = true
			n.files(func(a *Attachment) {
				if a.Path != "" && !a.Sealed && p.name != "" {
					a.File = path.Join(outtree.Escape(p.name+mediaSuffix), outtree.Escape(mediaName(a)))
				}
			})
			link := func(file string) string { return outtree.Link("note.md", file) }
			_, err := io.WriteString(w, markdownOf(n, link, nil))
			return err
		})
		if err == nil && !found {
			err = fmt.Errorf("note %s: %w", key, extract.ErrAbsent)
		}
		return err
	}}
}

// mediaName is what the file of an attachment is called among the files of its note: as
// in an export, and with the beginning of its key, for several are called image.jpg.
func mediaName(a *Attachment) string {
	name := fileName(a)
	ext := pathExt(name)
	return name[:len(name)-len(ext)] + " " + a.Key[:min(8, len(a.Key))] + ext
}

// mediaFiles gives the files of notes that are not locked.
func mediaFiles(ctx context.Context, src *extract.Source, heads []*head, names map[string]place, give func(extract.File) error) error {
	var open []*head
	var s *store
	for _, h := range heads {
		if lib, ok := h.lib.(*store); ok && !h.locked {
			s = lib
			open = append(open, h)
		}
	}
	if s == nil {
		return ctx.Err()
	}
	p := s.attachments(ctx, open, silent{})
	for _, h := range open {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := h.note()
		n.row = h.row
		r := &resolver{store: s, ctx: ctx, n: n, parts: p, open: &opener{}, done: map[string]*Attachment{}, quick: true}
		for _, a := range p.byNote[h.row] {
			if k := kindOf(a.uti, ""); a.deleted || a.inline || k == KindTable || k == KindGallery || k == KindLink || r.done[a.id] != nil {
				continue
			}
			at := r.attachment(a)
			if at.Path == "" {
				continue
			}
			place := names[h.key]
			f := extract.File{Path: append(place.folders[:len(place.folders):len(place.folders)], place.name+mediaSuffix, mediaName(at)), Time: h.time(), Origin: at.Path}
			if err := give(f); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}
