package photos

import (
	"context"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Since iOS 26 shared albums are rows of ZSHARE, and each of their pictures says in which
// it is; before, they are albums like others. Links to iCloud and the shared library are
// in ZSHARE, too, as other entities.
const (
	shareTable  = "ZSHARE"
	shareColumn = "ZCOLLECTIONSHARE"
	shareEntity = "CollectionShare"
	scopeShared = 0 // ZSCOPETYPE of an album, where entities have no names
)

// shares are the shared albums of a library.
type shares struct {
	list   []albumRow // pk is below zero, where other albums are above
	pks    []int64    // in their table
	broken error      // why there may be more
}

// readShares reads them, once for a source.
func (l *library) readShares(ctx context.Context, src *extract.Source) error {
	l.shares = &shares{}
	if !l.db.Has(shareTable, "Z_PK") || !l.db.Has(l.assets, shareColumn) {
		return nil
	}
	var err error
	l.shares, err = extract.Memo(src, "photos/shares/"+l.store.prefix, func() (*shares, error) {
		s := &shares{}
		err := s.read(ctx, l)
		if err != nil && ctx.Err() == nil {
			s.broken, err = err, nil
		}
		return s, err
	})
	return err
}

func (s *shares) read(ctx context.Context, l *library) error {
	is := fmt.Sprintf("coalesce(%s, 0) = %d", l.db.Column(shareTable, "s", "ZSCOPETYPE"), scopeShared)
	if l.db.Has("Z_PRIMARYKEY", "Z_ENT", "Z_NAME") && l.db.Has(shareTable, "Z_ENT") {
		var entity sqlitefs.Int
		if err := l.db.QueryRowContext(ctx, "SELECT max(Z_ENT) FROM Z_PRIMARYKEY WHERE Z_NAME = ?", shareEntity).Scan(&entity); err != nil {
			return l.db.Err(ctx, err)
		}
		if entity.Valid {
			is = fmt.Sprintf("s.Z_ENT = %d", entity.Int)
		}
	}
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s s WHERE %s AND s.Z_PK > 0 ORDER BY s.Z_PK LIMIT %d", l.db.List(shareTable, "s", "Z_PK", "ZTRASHEDSTATE"),
		l.text(shareTable, "s", "ZUUID"), l.text(shareTable, "s", "ZTITLE"), shareTable, is, maxAlbums))
	if err != nil {
		return l.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var pk, trashed sqlitefs.Int
		var uuid, title sqlitefs.Text
		if err := rows.Scan(&pk, &trashed, &uuid, &title); err != nil {
			return l.db.Err(ctx, err)
		}
		s.pks = append(s.pks, pk.Int)
		s.list = append(s.list, albumRow{pk: -pk.Int, kind: kindShared, key: uuid.String, title: title.String, trashed: trashed.Int == 1})
	}
	return l.db.Err(ctx, rows.Err())
}

// has tells whether a number is that of a shared album.
func (s *shares) has(pk int64) bool {
	_, found := slices.BinarySearch(s.pks, pk)
	return found
}

// inShares is the condition to be in one of some shared albums.
func (l *library) inShares(pks []int64) string {
	if len(pks) == 0 {
		return "0"
	}
	return l.truth(shareColumn, "IN ("+numbers(pks)+")")
}
