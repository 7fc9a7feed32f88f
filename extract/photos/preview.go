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

// Preview implements extract.Previewer. Small ones are the phone's own; larger ones,
// and those that the backup lacks, are made of the edited picture, else of the
// original.
func (r *Reader) Preview(ctx context.Context, src *extract.Source, key string, size int) (extract.Preview, error) {
	p, err := r.one(ctx, src, key)
	if err != nil {
		return extract.Preview{}, err
	}
	f := newFolders(src, ignore{})
	own := ownPreview(src, f, p)
	if own.Data != nil && size <= ownSize {
		return own, nil
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

// one reads one record.
func (r *Reader) one(ctx context.Context, src *extract.Source, key string) (*Photo, error) {
	if rel, ok := strings.CutPrefix(key, filePrefix); ok {
		return oneFile(src, rel)
	}
	if key == "" {
		return nil, fmt.Errorf("photo: %w", extract.ErrNoPreview)
	}
	c := &collector{}
	if err := r.Read(ctx, src, extract.Query{Key: key, Table: tablePhotos}, c); err != nil {
		return nil, err
	}
	if len(c.list) == 0 {
		return nil, fmt.Errorf("photo %s: %w", key, extract.ErrNoPreview)
	}
	return c.list[0], nil
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

type collector struct {
	ignore
	list []*Photo
}

func (c *collector) Emit(r extract.Record) error {
	c.list = append(c.list, r.(*Photo))
	return nil
}

// ownPreview is what the backup has, if that is a JPEG at all.
func ownPreview(src *extract.Source, f *folders, p *Photo) extract.Preview {
	at := f.thumbnail(p.folder, p.fileName)
	if at == "" {
		return extract.Preview{}
	}
	data, err := src.ReadFile(at, maxOwn)
	if err != nil {
		return extract.Preview{}
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width > maxOwnPx || c.Height > maxOwnPx {
		return extract.Preview{}
	}
	return extract.Preview{Type: "image/jpeg", Data: data}
}
