package notes

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/keepsake-backup/keepsake/extract"
)

// maxPreview is the largest picture that is given, in bytes.
const maxPreview = 4 << 20

// enough is how many attachments of a note are tried for a picture.
const enough = 5

// Preview implements extract.Previewer: the first picture in a note that is not locked,
// the one that the phone keeps of it where there is one.
func (r *Reader) Preview(ctx context.Context, src *extract.Source, key string, size int) (extract.Preview, error) {
	out := extract.Preview{}
	err := read(ctx, src, extract.Query{Key: key}, silent{}, func(n *Note) error {
		tried := 0
		var failed error
		n.files(func(a *Attachment) {
			if out.Data != nil || failed != nil || tried >= enough || n.Locked != "" {
				return
			}
			for _, name := range []string{a.Preview, a.Path} {
				if name == "" || name == a.Path && a.Kind != KindImage && a.Kind != KindDrawing && a.Kind != KindVideo {
					continue
				}
				tried++
				p, err := r.picture(ctx, src, name, size)
				if err == nil {
					out = p
					return
				}
				if !errors.Is(err, extract.ErrNoPreview) {
					failed = err
				}
			}
		})
		return failed
	})
	if err != nil {
		return out, err
	}
	if out.Data == nil {
		return out, fmt.Errorf("note %s: %w", key, extract.ErrNoPreview)
	}
	return out, nil
}

// picture gives a file that is a small picture as it is, and makes one of others.
func (r *Reader) picture(ctx context.Context, src *extract.Source, name string, size int) (extract.Preview, error) {
	if data, err := src.ReadFile(name, 64<<10); err == nil {
		switch kind := http.DetectContentType(data); kind {
		case "image/jpeg", "image/png", "image/gif", "image/webp":
			return extract.Preview{Type: kind, Data: data}, nil
		}
	}
	p, err := r.maker.Make(ctx, src.FS, name, size)
	if err == nil && len(p.Data) > maxPreview {
		err = extract.ErrNoPreview
	}
	return p, err
}
