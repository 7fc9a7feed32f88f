package contacts

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Preview implements extract.Previewer: the person's picture, made small.
func (r *Reader) Preview(ctx context.Context, src *extract.Source, key string, size int) (extract.Preview, error) {
	b, err := open(ctx, src, quiet{})
	if err != nil {
		return extract.Preview{}, err
	}
	none := fmt.Errorf("contact %s: %w", key, extract.ErrNoPreview)
	if b.images == nil || key == "" {
		return extract.Preview{}, none
	}
	for _, u := range b.choose(extract.Query{Key: key}) {
		full, small := b.images.of(u)
		for _, ref := range []imageRef{full, small} {
			if ref.kind == "" {
				continue
			}
			data, err := b.images.data(ctx, ref)
			if err == nil {
				var made extract.Preview
				if made, err = r.small.Make(ctx, picture(data), "picture", size); err == nil {
					return made, nil
				}
			}
			if ctx.Err() != nil {
				return extract.Preview{}, context.Cause(ctx)
			}
			none = fmt.Errorf("show the picture of contact %s: %w", key, err)
		}
	}
	return extract.Preview{}, none
}

// picture is a file system of one file.
type picture []byte

// Open implements fs.FS.
func (p picture) Open(name string) (fs.File, error) {
	if name != "picture" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &pictureFile{bytes.NewReader(p), int64(len(p))}, nil
}

type pictureFile struct {
	*bytes.Reader
	size int64
}

func (f *pictureFile) Stat() (fs.FileInfo, error) { return pictureInfo(f.size), nil }

// Close implements fs.File.
func (*pictureFile) Close() error { return nil }

type pictureInfo int64

func (pictureInfo) Name() string       { return "picture" }
func (i pictureInfo) Size() int64      { return int64(i) }
func (pictureInfo) Mode() fs.FileMode  { return 0o400 }
func (pictureInfo) ModTime() time.Time { return time.Time{} }
func (pictureInfo) IsDir() bool        { return false }
func (pictureInfo) Sys() any           { return nil }
