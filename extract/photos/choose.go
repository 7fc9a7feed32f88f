package photos

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Prefixes of keys of what has no UUID.
const (
	assetPrefix  = "asset/"
	filePrefix   = "file/"
	sharedPrefix = "shared/"
	twinMark     = "#" // between a UUID that others have, too, and the asset's number
	albumPrefix  = "album/"
	smartPrefix  = "smart/"
)

// The dates that are dates, as extract.CocoaTime has them: everything else is sorted
// as undated, behind.
const dated = "typeof(%[1]s) IN ('integer', 'real') AND %[1]s >= -3061152000 AND %[1]s < 63113904000 AND %[1]s <> 0"

// asked is a condition on assets "a", and what it is about.
type asked struct {
	where string
	args  []any
	none  bool  // nothing can match
	album int64 // the one album asked for, if its pictures are in an order of their own
}

// ask turns a query into a condition.
func (l *library) ask(ctx context.Context, q extract.Query) (asked, error) {
	a := asked{where: "1"}
	key, mine := strings.CutPrefix(q.Key, l.store.prefix)
	switch pk, numbered := strings.CutPrefix(key, assetPrefix); {
	case q.Key == "":
	case !mine || strings.HasPrefix(q.Key, filePrefix):
		return asked{none: true}, nil
	case numbered:
		n, err := strconv.ParseInt(pk, 10, 64)
		if err != nil {
			return asked{none: true}, nil
		}
		a.where, a.args = "a.Z_PK = ? AND coalesce("+l.db.Column(l.assets, "a", "ZUUID")+", '') = ''", []any{n}
	case l.db.Has(l.assets, "ZUUID"):
		a.where, a.args = l.named(key)
	default:
		return asked{none: true}, nil
	}
	if q.Group == "" {
		return a, nil
	}
	in, album, err := l.within(ctx, q.Group)
	if err != nil || in == "" {
		return asked{none: true}, err
	}
	a.where += " AND (" + in + ")"
	a.album = album
	return a, nil
}

// named is the condition to have a key that begins with a UUID.
func (l *library) named(key string) (where string, args []any) {
	if first, twin := l.twins[key]; twin {
		return "a.ZUUID = ? AND a.Z_PK = ?", []any{key, first}
	}
	if uuid, number, marked := strings.Cut(key, twinMark); marked {
		if _, twin := l.twins[uuid]; twin {
			return "a.ZUUID = ? AND a.Z_PK = ?", []any{uuid, number}
		}
	}
	return "a.ZUUID = ?", []any{key}
}

// within is the condition to be in a group; "" where there is no such group. album is
// the number of an album that has an order.
func (l *library) within(ctx context.Context, key string) (condition string, album int64, err error) {
	if strings.HasPrefix(key, smartPrefix) {
		for _, s := range l.smart() {
			if s.Key == key {
				return s.where, 0, nil
			}
		}
		return "", 0, nil
	}
	tree, err := l.albumTree(ctx)
	if err != nil {
		return "", 0, err
	}
	a, ok := tree.byKey[key]
	if !ok {
		return "", 0, nil
	}
	below := tree.below(a)
	if a.manual && a.kind != kindFolder && len(below) == 1 && l.albums.place != "" {
		album = a.pk
	}
	return l.inAlbums(below), album, nil
}

// inAlbums is the condition to be in one of some albums, and not in the bin.
func (l *library) inAlbums(albums []int64) string {
	var own, shared []int64
	for _, pk := range albums {
		if pk < 0 {
			shared = append(shared, -pk)
		} else {
			own = append(own, pk)
		}
	}
	in := l.inShares(shared)
	if l.albums.table != "" && len(own) > 0 {
		in += fmt.Sprintf(" OR a.Z_PK IN (SELECT j.%s FROM %s j WHERE j.%s IN (%s))", sqlitefs.Quote(l.albums.left), sqlitefs.Quote(l.albums.table), sqlitefs.Quote(l.albums.right), numbers(own))
	}
	return l.truth("ZTRASHEDSTATE", "<> 1") + " AND (" + in + ")"
}

func numbers(list []int64) string {
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

// choose gives the numbers (Z_PK) of the assets of a query in its order: oldest or
// newest first, what has no date behind; those of an album as they lie there, unless
// the newest are asked for. skipped is how many were left out in front.
func (l *library) choose(ctx context.Context, q extract.Query) (list []int64, skipped int, err error) {
	a, err := l.ask(ctx, q)
	if err != nil || a.none {
		return nil, 0, err
	}
	limit := -1
	if q.Limit > 0 {
		limit = q.Limit + q.Skip
	}
	if a.album != 0 && !q.Newest {
		query := fmt.Sprintf("SELECT a.Z_PK FROM %s a JOIN (SELECT +j.%s AS asset, min(+j.%s) AS place FROM %s j WHERE j.%s = %d GROUP BY 1) o ON o.asset = a.Z_PK WHERE %s ORDER BY o.place IS NULL, o.place, a.Z_PK LIMIT %d",
			l.assets, sqlitefs.Quote(l.albums.left), sqlitefs.Quote(l.albums.place), sqlitefs.Quote(l.albums.table), sqlitefs.Quote(l.albums.right), a.album, a.where, limit)
		if list, err = l.integers(ctx, nil, query, a.args...); err != nil {
			return nil, 0, err
		}
		skipped = min(q.Skip, len(list))
		return list[skipped:], skipped, nil
	}
	date, order := "NULL", "a.Z_PK"
	if l.db.Has(l.assets, "ZDATECREATED") {
		date, order = "a.ZDATECREATED", "a.ZDATECREATED, a.Z_PK"
	}
	if q.Newest {
		order = strings.ReplaceAll(order, ",", " DESC,") + " DESC"
	}
	isDated := fmt.Sprintf(dated, date)
	for _, part := range []struct{ where, order string }{{isDated, order}, {"NOT coalesce(" + isDated + ", 0)", "a.Z_PK"}} {
		if limit >= 0 && len(list) >= limit {
			break
		}
		rest := limit
		if limit >= 0 {
			rest -= len(list)
		}
		query := fmt.Sprintf("SELECT a.Z_PK FROM %s a WHERE %s AND (%s) ORDER BY %s LIMIT %d", l.assets, a.where, part.where, part.order, rest)
		if list, err = l.integers(ctx, list, query, a.args...); err != nil {
			return nil, 0, err
		}
	}
	skipped = min(q.Skip, len(list))
	return list[skipped:], skipped, nil
}

// integers appends the first column of all rows.
func (l *library) integers(ctx context.Context, list []int64, query string, args ...any) ([]int64, error) {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return list, l.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var n sqlitefs.Int
		if err := rows.Scan(&n); err != nil {
			return list, l.db.Err(ctx, err)
		}
		list = append(list, n.Int)
	}
	return list, l.db.Err(ctx, rows.Err())
}

// salvage gives what can still be read of a damaged table, in the order of a query:
// rows from the front up to the break, and from the back up to it.
func (l *library) salvage(ctx context.Context, q extract.Query) []int64 {
	a, err := l.ask(ctx, q)
	if err != nil || a.none {
		return nil
	}
	type row struct {
		pk   int64
		date float64
	}
	var list []row
	seen := map[int64]bool{}
	for _, direction := range []string{"ASC", "DESC"} {
		rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT a.Z_PK, %s FROM %s a NOT INDEXED WHERE %s ORDER BY a.Z_PK %s", l.db.Column(l.assets, "a", "ZDATECREATED"),
			l.assets, a.where, direction), a.args...)
		if err != nil {
			continue
		}
		for rows.Next() {
			var pk sqlitefs.Int
			var date sqlitefs.Real
			if rows.Scan(&pk, &date) != nil || seen[pk.Int] {
				break
			}
			seen[pk.Int] = true
			list = append(list, row{pk.Int, date.Float})
		}
		rows.Close()
	}
	slices.SortFunc(list, func(x, y row) int {
		n := cmp.Or(cmp.Compare(x.date, y.date), cmp.Compare(x.pk, y.pk))
		if q.Newest {
			n = -n
		}
		return n
	})
	var pks []int64
	for _, r := range list[min(q.Skip, len(list)):] {
		if q.Limit > 0 && len(pks) == q.Limit {
			break
		}
		pks = append(pks, r.pk)
	}
	return pks
}
