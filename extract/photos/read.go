package photos

import (
	"context"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// Read implements extract.Extractor. The order is that of the moments at which the
// pictures were taken, the undated behind; then what the library does not know, by
// the time of the file.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	f := newFolders(src, out)
	page := &extract.Page{Query: q}
	l, err := openLibrary(ctx, src)
	if err != nil {
		return extract.Done(withoutLibrary(ctx, f, q, page, out, err))
	}
	if q.Table == "" || q.Table == tablePhotos {
		if err := readLibrary(ctx, l, f, q, page, out); err != nil {
			return extract.Done(err)
		}
	}
	ofFiles := q.Key == "" || strings.HasPrefix(q.Key, filePrefix)
	if !ofFiles || q.Group != "" || q.Table != "" && q.Table != tableFiles {
		return nil
	}
	return extract.Done(emitStrays(ctx, f, l, tableFiles, q, page, out))
}

// withoutLibrary lists the files where Photos.sqlite cannot be had, and says why.
func withoutLibrary(ctx context.Context, f *folders, q extract.Query, page *extract.Page, out extract.Emitter, why error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !hasFiles(f.src) {
		return why
	}
	if isAbsent(why) {
		why = fmt.Errorf("%w: the files are listed without what the phone knows about them", why)
	}
	out.Report(&extract.Problem{What: libraryDB, Err: why})
	if q.Group != "" || q.Table != "" && q.Table != tablePhotos {
		return nil
	}
	return emitStrays(ctx, f, nil, tablePhotos, q, page, out)
}

func emitStrays(ctx context.Context, f *folders, l *library, table string, q extract.Query, page *extract.Page, out extract.Emitter) error {
	list, err := f.strays(ctx, l, table, q.Newest)
	if err != nil {
		return err
	}
	for _, p := range list {
		if q.Key != "" && p.Key != q.Key {
			continue
		}
		if err := page.Emit(out, p); err != nil {
			return err
		}
	}
	return nil
}

// readLibrary emits the photos that the library knows.
func readLibrary(ctx context.Context, l *library, f *folders, q extract.Query, page *extract.Page, out extract.Emitter) error {
	pks, skipped, err := l.choose(ctx, q)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		out.Report(&extract.Problem{What: libraryDB, Err: err})
		pks, skipped = l.salvage(ctx, q), q.Skip
	}
	page.Skip -= skipped // they are left out already
	b := newBeside(ctx, l, out, len(pks) > lastPortion)
	for portion := firstPortion; len(pks) > 0; portion = min(2*portion, lastPortion) {
		n := min(portion, len(pks))
		photos, err := l.read(ctx, pks[:n], out)
		if err != nil {
			return err
		}
		pks = pks[n:]
		b.fill(ctx, photos)
		for _, p := range photos {
			f.locate(ctx, l, p)
			if err := page.Emit(out, p); err != nil {
				return err
			}
		}
	}
	return nil
}
