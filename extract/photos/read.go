package photos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Read implements extract.Extractor. The order is that of the moments at which the
// pictures were taken, the undated behind, and in an album its own; then what the library does not know, by
// the time of the file; then what others have shared.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	page := &extract.Page{Query: q}
	f := newFolders(src, out)
	err := readCameraRoll(ctx, f, q, page, out)
	absent, damaged := isAbsent(err), errors.Is(err, sqlitefs.ErrDamaged)
	if err != nil && !absent && !damaged {
		return extract.Done(err)
	}
	shared, sharedErr := openLibrary(ctx, src, sharedWithYou)
	if damaged {
		if sharedErr != nil {
			return err
		}
		out.Report(&extract.Problem{What: libraryDB, Err: err})
	}
	switch {
	case sharedErr == nil && wants(q, tableShared, sharedPrefix):
		return extract.Done(readLibrary(ctx, shared, f, page, out))
	case sharedErr == nil || isAbsent(sharedErr) && !absent:
		return nil
	case isAbsent(sharedErr):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case absent:
		return sharedErr
	}
	out.Report(&extract.Problem{What: sharedWithYou.db, Err: sharedErr})
	return nil
}

// wants tells whether a query asks for a table whose keys have a prefix, and whose
// records lie in no group.
func wants(q extract.Query, table, prefix string) bool {
	return q.Group == "" && (q.Table == "" || q.Table == table) && (q.Key == "" || strings.HasPrefix(q.Key, prefix))
}

// readCameraRoll emits what is in the library of the phone's own pictures, and the
// files beside.
func readCameraRoll(ctx context.Context, f *folders, q extract.Query, page *extract.Page, out extract.Emitter) error {
	l, err := openLibrary(ctx, f.src, cameraRoll)
	if err != nil {
		return withoutLibrary(ctx, f, q, page, out, err)
	}
	if q.Table == "" || q.Table == tablePhotos {
		if err := readLibrary(ctx, l, f, page, out); err != nil {
			return err
		}
	}
	if !wants(q, tableFiles, filePrefix) {
		return nil
	}
	return emitStrays(ctx, f, l, tableFiles, q, page, out)
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
		why = fmt.Errorf("the files are listed without what the phone knows about them: %w", why)
	}
	out.Report(&extract.Problem{What: libraryDB, Err: why})
	if !wants(q, tablePhotos, filePrefix) {
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

// readLibrary emits the photos that a library knows. What is left to skip is skipped
// there, unread.
func readLibrary(ctx context.Context, l *library, f *folders, page *extract.Page, out extract.Emitter) error {
	q := page.Query
	pks, skipped, err := l.page(ctx, f.src, q)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		out.Report(&extract.Problem{What: l.store.db, Err: err})
		pks, skipped = l.salvage(ctx, q), q.Skip
	}
	page.Skip -= skipped // they are left out already
	b := newBeside(ctx, l, out, len(pks) > wholesale)
	for portion := firstPortion; len(pks) > 0; portion = min(4*portion, lastPortion) {
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
