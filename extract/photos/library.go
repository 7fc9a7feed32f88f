package photos

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// library is an open Photos.sqlite and what its schema is.
type library struct {
	store  *store
	db     *sqlitefs.DB
	assets string // table of assets
	// reached tells by table how assets find their row in it: true by a number of their
	// own, false by the row's. It is not in the map where there is no way.
	reached map[string]bool
	albums  join // asset, album
	shares  *shares
	words   join // additional attributes, keyword
	faces   join // asset, person
	alone   bool // only the table of assets is read
	// twins are UUIDs that several assets have, with the number of the first of them.
	twins map[string]int64
}

// join is a table that connects rows of two others; its zero value is none.
type join struct {
	table, left, right string
	place              string // column of the order among those on the left, "" if there is none
}

// errNoAssets is said of a database that is no photo library.
var errNoAssets = fmt.Errorf("%w: it has no table of assets", sqlitefs.ErrDamaged)

func isAbsent(err error) bool { return errors.Is(err, extract.ErrAbsent) }

func openLibrary(ctx context.Context, src *extract.Source, s *store) (*library, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := src.Database(ctx, s.db)
	if err != nil {
		return nil, err
	}
	l := &library{store: s, db: db}
	for _, t := range []string{"ZASSET", "ZGENERICASSET"} {
		if db.Has(t, "Z_PK") {
			l.assets = t
			break
		}
	}
	if l.assets == "" {
		return nil, fmt.Errorf("read %s: %w", db.Name(), errNoAssets)
	}
	if err := l.reach(ctx); err != nil {
		return nil, err
	}
	// Where the table is damaged, reading it tells; its keys are as they are then.
	l.twins, _ = extract.Memo(src, "photos/twins/"+s.prefix, func() (map[string]int64, error) { return l.findTwins(ctx) })
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s == cameraRoll {
		l.albums = findJoin(db, albumTable, "ASSETS", "ALBUMS")
	}
	if err := l.readShares(ctx, src); err != nil {
		return nil, err
	}
	l.words = findJoin(db, keywordTable, "ASSETATTRIBUTES", "KEYWORDS")
	for _, c := range [][2]string{{"ZASSETFORFACE", "ZPERSONFORFACE"}, {"ZASSET", "ZPERSON"}} {
		if db.Has("ZDETECTEDFACE", c[:]...) {
			l.faces = join{table: "ZDETECTEDFACE", left: c[0], right: c[1]}
			break
		}
	}
	return l, nil
}

// findTwins looks for UUIDs that are none. No phone is known to have any; libraries that
// somebody put together may, and two photos of one key would be one. It is not looked for
// where that would take long.
func (l *library) findTwins(ctx context.Context) (map[string]int64, error) {
	if !l.db.Has(l.assets, "ZUUID") {
		return nil, nil
	}
	var quick sqlitefs.Int
	if err := l.db.QueryRowContext(ctx, fmt.Sprintf(`SELECT EXISTS (SELECT 1 FROM pragma_index_list('%s') l, pragma_index_info(l.name) c WHERE c.seqno = 0 AND c.name = 'ZUUID')
		OR (SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)) < %d`, l.assets, l.assets, fewAssets, fewAssets)).Scan(&quick); err != nil || !quick.Bool() {
		return nil, l.db.Err(ctx, err)
	}
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT a.ZUUID, min(a.Z_PK) FROM %s a WHERE a.ZUUID <> '' GROUP BY 1 HAVING count(*) > 1 LIMIT %d", l.assets, maxTwins))
	if err != nil {
		return nil, l.db.Err(ctx, err)
	}
	defer rows.Close()
	var twins map[string]int64
	for rows.Next() {
		var uuid sqlitefs.Text
		var pk sqlitefs.Int
		if err := rows.Scan(&uuid, &pk); err != nil {
			return nil, l.db.Err(ctx, err)
		}
		if twins == nil {
			twins = map[string]int64{}
		}
		twins[uuid.String] = pk.Int
	}
	return twins, l.db.Err(ctx, rows.Err())
}

const (
	maxTwins  = 100_000
	fewAssets = 20_000 // so many are sorted at once; phones have an index
)

// attributeTables are those with more about an asset: its column for their number, and
// their column for its.
var attributeTables = []struct{ table, column, back string }{
	{"ZADDITIONALASSETATTRIBUTES", "ZADDITIONALATTRIBUTES", "ZASSET"},
	{"ZEXTENDEDATTRIBUTES", "ZEXTENDEDATTRIBUTES", "ZASSET"},
}

// reach finds out how the tables beside are reached. Core Data keeps both directions;
// where one is not there, or empty, the other is taken.
func (l *library) reach(ctx context.Context) error {
	l.reached = map[string]bool{}
	for _, t := range attributeTables {
		if !l.db.Has(t.table, "Z_PK") {
			continue
		}
		forth, back := l.db.Has(l.assets, t.column), l.db.Has(t.table, t.back)
		if forth && back {
			var any sqlitefs.Int
			err := l.db.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s IS NOT NULL)", l.assets, t.column)).Scan(&any)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			forth = err != nil || any.Bool() // of a damaged table more is not to be learned
		}
		if forth || back {
			l.reached[t.table] = forth
		}
	}
	return nil
}

var (
	albumTable   = regexp.MustCompile(`(?i)^Z_[0-9]+ASSETS$`)
	keywordTable = regexp.MustCompile(`(?i)^Z_[0-9]+KEYWORDS$`)
	orderColumn  = regexp.MustCompile(`(?i)^Z_FOK_[0-9]+([A-Z]+)$`)
	entityColumn = regexp.MustCompile(`(?i)^Z_[0-9]+([A-Z]+)$`)
)

// findJoin finds the table of that name with one column for each of two ends; the
// numbers in the names are those of entities and differ between versions
// (content-schemas.md 2.1).
func findJoin(db *sqlitefs.DB, name *regexp.Regexp, left, right string) join {
	tables := db.Tables()
	slices.Sort(tables)
	for _, t := range tables {
		if !name.MatchString(t) {
			continue
		}
		j := join{table: t}
		columns := db.Columns(t)
		slices.Sort(columns)
		for _, c := range columns {
			m := entityColumn.FindStringSubmatch(c)
			switch {
			case m == nil:
			case strings.EqualFold(m[1], left):
				j.left = c
			case strings.EqualFold(m[1], right):
				j.right = c
			}
			if m := orderColumn.FindStringSubmatch(c); m != nil && strings.EqualFold(m[1], left) {
				j.place = c
			}
		}
		if j.left != "" && j.right != "" {
			return j
		}
	}
	return join{}
}

// Sizes that no honest library comes near, in bytes: a caption may be long, all else is
// a name.
const (
	maxCaption = 64 << 10
	maxText    = 4 << 10
)

// text names a text column in a list of results, cut to maxText.
func (l *library) text(table, alias string, columns ...string) string {
	return short(l.db.Column(table, alias, columns...), maxText)
}

// short cuts a text that is too long; one that is not is left alone, for substr ends
// at a NUL.
func short(expression string, most int) string {
	return fmt.Sprintf("iif(octet_length(%[1]s) <= %[2]d, %[1]s, substr(%[1]s, 1, %[3]d))", expression, most, most/4)
}

// truth is a condition on a column of assets; a missing column is 0.
func (l *library) truth(column, condition string) string {
	return "coalesce(" + l.db.Column(l.assets, "a", column) + ", 0) " + condition
}
