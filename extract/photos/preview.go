package photos

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"io/fs"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// The backup's own small pictures: they are given as they are up to the size at which
// somebody would see how small they are.
const (
	ownSize  = 400     // pixels that are asked for
	maxOwn   = 4 << 20 // bytes
	maxOwnPx = 4096    // pixels of a side
)

// ownNames are the phone's small pictures, the larger one first (content-schemas.md 2).
var ownNames = []string{"5005.JPG", "5003.JPG"}

// Preview implements extract.Previewer. Small ones are the phone's own; larger ones,
// and those that the backup lacks, are made of the edited picture, else of the
// original.
func (r *Reader) Preview(ctx context.Context, src *extract.Source, key string, size int) (extract.Preview, error) {
	l, p, err := one(ctx, src, key)
	if err != nil {
		return extract.Preview{}, err
	}
	own := ownPreview(src, p)
	if own.Data != nil && size <= ownSize {
		return own, nil
	}
	f := newFolders(src, ignore{})
	if l != nil {
		f.locate(ctx, l, p)
	}
	err = extract.ErrNoPreview
	for _, at := range append(p.renderings(), p.File, p.Live) {
		if at == "" {
			continue
		}
		made, e := r.small.Make(ctx, src.FS, at, size)
		if e == nil {
			return made, nil
		}
		if ctx.Err() != nil {
			return extract.Preview{}, context.Cause(ctx)
		}
		if err == extract.ErrNoPreview { //nolint:errorlint // nothing was tried yet
			err = e
		}
	}
	if own.Data != nil {
		return own, nil
	}
	return extract.Preview{}, fmt.Errorf("photo %s: %w", key, err)
}

// one reads one record, without a look at its files: pages of hundreds of previews are
// asked for at once. The library is nil of a file that is in none.
func one(ctx context.Context, src *extract.Source, key string) (*library, *Photo, error) {
	if rel, ok := strings.CutPrefix(key, filePrefix); ok {
		p, err := oneFile(src, rel)
		return nil, p, err
	}
	s := cameraRoll
	if strings.HasPrefix(key, sharedPrefix) {
		s = sharedWithYou
	}
	l, err := openLibrary(ctx, src, s)
	if err != nil {
		return nil, nil, err
	}
	unknown := fmt.Errorf("photo %s: %w", key, extract.ErrNoPreview)
	if key == "" {
		return nil, nil, unknown
	}
	pks, _, err := l.choose(ctx, extract.Query{Key: key, Limit: 1})
	if err != nil {
		return nil, nil, err
	}
	list, err := l.read(ctx, pks, ignore{})
	if err == nil && len(list) == 0 {
		err = unknown
	}
	if err != nil {
		return nil, nil, err
	}
	return l, list[0], nil
}

// oneFile is a file that no row names, without a look at the others.
func oneFile(src *extract.Source, rel string) (*Photo, error) {
	at := path.Join(media, rel)
	known := fs.ValidPath(rel) && kindOf(rel) != ""
	inRoot := strings.HasPrefix(at, roots[0]+"/") || strings.HasPrefix(at, roots[1]+"/")
	if !known || !inRoot || !src.Has(at) {
		return nil, fmt.Errorf("photo %s: %w", filePrefix+rel, extract.ErrNoPreview)
	}
	return &Photo{Key: filePrefix + rel, table: tableFiles, File: at, folder: path.Dir(rel), fileName: path.Base(rel)}, nil
}

// ownPreview is what the backup has, if that is a JPEG at all.
func ownPreview(src *extract.Source, p *Photo) extract.Preview {
	if _, err := cameraRoll.folder(p.folder, p.fileName); err != nil || p.table == tableShared {
		return extract.Preview{}
	}
	dir := path.Join(thumbnails, p.folder, p.fileName)
	for _, name := range ownNames {
		data, err := src.ReadFile(path.Join(dir, name), maxOwn)
		if err != nil {
			continue // another one, or one that is made
		}
		if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width <= maxOwnPx && c.Height <= maxOwnPx {
			return extract.Preview{Type: "image/jpeg", Data: data}
		}
	}
	return extract.Preview{}
}
