package apps

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/friendly"
)

// Reader reads apps. It keeps nothing of any source.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

var (
	_ extract.Exporter  = (*Reader)(nil)
	_ extract.Previewer = (*Reader)(nil)
	_ friendly.Brancher = (*Reader)(nil)
)

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "apps", Title: "Apps", Tables: []extract.Table{
		{Name: tableApps, Title: "Apps", Columns: columns},
		{Name: tableSystem, Title: "Parts of the system", Columns: columns},
	}, Paths: []string{"*Domain", "*Domain*-*"}}
}

// Groups implements extract.Extractor: there are none.
func (*Reader) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }

// Read implements extract.Extractor. Apps come by name, then what is no app's. Only
// those that are asked for are counted.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	list, err := choose(ctx, src, q)
	if err != nil {
		return err
	}
	page := &extract.Page{Query: q}
	for _, a := range list {
		if page.Skip == 0 {
			if err := a.count(ctx, src, out); err != nil {
				return err
			}
		}
		if err := page.Emit(out, a); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// choose gives the apps that a query names.
func choose(ctx context.Context, src *extract.Source, q extract.Query) ([]*App, error) {
	list, err := scan(ctx, src)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(a *App) bool {
		return q.Group != "" || q.Table != "" && a.table != q.Table || q.Key != "" && a.Key != q.Key
	}), nil
}

var png = []byte("\x89PNG\r\n\x1a\n")

// Preview implements extract.Previewer: the icon, in the one size that there is.
func (*Reader) Preview(_ context.Context, src *extract.Source, key string, _ int) (extract.Preview, error) {
	for _, a := range src.Device.Apps {
		if a.ID == key && bytes.HasPrefix(a.Icon, png) {
			return extract.Preview{Type: "image/png", Data: a.Icon}, nil
		}
	}
	return extract.Preview{}, fmt.Errorf("icon of %s: %w", key, extract.ErrNoPreview)
}
