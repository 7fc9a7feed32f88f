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

// Kinds of albums (content-schemas.md 2.2).
const (
	kindAlbum       = 2
	kindShared      = 1505
	kindProject     = 1508
	kindDuplicates  = 1510
	kindProjectRoot = 3998
	kindRoot        = 3999
	kindFolder      = 4000
)

// maxAlbums bounds albums and folders.
const maxAlbums = 100_000

// albumRow is an album or a folder of albums.
type albumRow struct {
	pk, parent, kind, place int64
	key, title              string
	trashed                 bool
	shown                   bool // is one that a person sees
	manual                  bool // its pictures are in an order of their own
}

// albumTree are all albums, as they lie in folders.
type albumTree struct {
	list     []*albumRow // in the phone's order, folders before what is in them
	byPK     map[int64]*albumRow
	byKey    map[string]*albumRow
	children map[int64][]*albumRow
}

func (l *library) albumTree(ctx context.Context) (*albumTree, error) {
	t := &albumTree{byPK: map[int64]*albumRow{}, byKey: map[string]*albumRow{}, children: map[int64][]*albumRow{}}
	err := l.readAlbums(ctx, t)
	for _, a := range l.shares.list {
		t.add(&a)
	}
	t.arrange()
	return t, err
}

func (l *library) readAlbums(ctx context.Context, t *albumTree) error {
	const table = "ZGENERICALBUM"
	if !l.db.Has(table, "Z_PK") {
		return nil
	}
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s g ORDER BY g.Z_PK LIMIT %d", l.db.List(table, "g", "Z_PK", "ZPARENTFOLDER", "ZKIND", "Z_FOK_PARENTFOLDER", "ZTRASHEDSTATE", "ZCUSTOMSORTKEY"),
		l.text(table, "g", "ZUUID"), l.text(table, "g", "ZTITLE"), table, maxAlbums))
	if err != nil {
		return l.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var pk, parent, kind, place, trashed, sorted sqlitefs.Int
		var uuid, title sqlitefs.Text
		if err := rows.Scan(&pk, &parent, &kind, &place, &trashed, &sorted, &uuid, &title); err != nil {
			return l.db.Err(ctx, err)
		}
		t.add(&albumRow{pk: pk.Int, parent: parent.Int, kind: kind.Int, place: place.Int, key: uuid.String, title: title.String, trashed: trashed.Int == 1, manual: sorted.Int == 0})
	}
	return l.db.Err(ctx, rows.Err())
}

func (t *albumTree) add(a *albumRow) {
	if a.key == "" || t.byKey[a.key] != nil || strings.HasPrefix(a.key, smartPrefix) {
		a.key = albumPrefix + strconv.FormatInt(a.pk, 10)
	}
	switch a.kind {
	case kindAlbum, kindShared, kindProject, kindFolder:
		a.shown = true
		if a.title == "" {
			a.title = "Untitled"
		}
	case kindDuplicates, kindProjectRoot, kindRoot, 3571, 3572, 3573: // the phone's own
	default:
		a.shown = a.title != ""
	}
	t.byPK[a.pk], t.byKey[a.key] = a, a
}

// arrange brings albums in order and forgets parents that are none, or that lie in
// what they are the parent of.
func (t *albumTree) arrange() {
	var tops []*albumRow // all of them before any is changed: the order of a map is none
	for _, a := range t.byPK {
		if parent := t.byPK[a.parent]; parent == nil || parent.kind != kindFolder || t.circular(a) {
			tops = append(tops, a)
		}
	}
	for _, a := range tops {
		a.parent = 0
	}
	for _, a := range t.byPK {
		for up := t.byPK[a.parent]; up != nil; up = t.byPK[up.parent] {
			a.trashed = a.trashed || up.trashed
		}
	}
	for _, a := range t.byPK {
		t.children[a.parent] = append(t.children[a.parent], a)
	}
	for _, list := range t.children {
		slices.SortFunc(list, func(a, b *albumRow) int {
			return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.title, b.title), cmp.Compare(a.pk, b.pk))
		})
	}
	t.walk(0)
}

// circular tells whether a way up from an album never ends.
func (t *albumTree) circular(a *albumRow) bool {
	for range 32 {
		if a = t.byPK[a.parent]; a == nil {
			return false
		}
	}
	return true
}

func (t *albumTree) walk(parent int64) {
	for _, a := range t.children[parent] {
		t.list = append(t.list, a)
		t.walk(a.pk)
	}
}

// below gives the numbers of an album and of all that lies in it.
func (t *albumTree) below(a *albumRow) []int64 {
	list := []int64{a.pk}
	for _, c := range t.children[a.pk] {
		list = append(list, t.below(c)...)
	}
	return list
}

// path gives the titles from the outermost folder to an album.
func (t *albumTree) path(key string) []string {
	var list []string
	for a := t.byKey[key]; a != nil; a = t.byPK[a.parent] {
		list = append(list, a.title)
	}
	slices.Reverse(list)
	return list
}

// smartGroup is a group that the pictures themselves make.
type smartGroup struct {
	extract.Group
	where string
}

// smart gives the conditions of the groups that the phone shows beside its albums.
func (l *library) smart() []smartGroup {
	here := l.truth("ZTRASHEDSTATE", "<> 1")
	foreign := "(" + l.truth("ZSAVEDASSETTYPE", "IN ("+foreignTypes+")") + " OR " + l.truth("ZBUNDLESCOPE", "BETWEEN 1 AND 3") + " OR " + l.inShares(l.shares.pks) + ")"
	shown := here + " AND NOT " + foreign + " AND " + l.truth("ZHIDDEN", "= 0")
	subtype := func(n int) string { return shown + " AND " + l.truth("ZKINDSUBTYPE", fmt.Sprintf("= %d", n)) }
	group := func(key, title, where string) smartGroup {
		return smartGroup{extract.Group{Key: smartPrefix + key, Title: title}, where}
	}
	list := []smartGroup{
		group("favourites", "Favourites", shown+" AND "+l.truth("ZFAVORITE", "<> 0")),
		group("videos", "Videos", shown+" AND "+l.truth("ZKIND", "= 1")),
		group("live-photos", "Live Photos", subtype(2)),
		group("panoramas", "Panoramas", subtype(1)),
		group("time-lapse", "Time-lapse", subtype(102)),
		group("slow-motion", "Slow motion", subtype(101)),
		group("bursts", "Bursts", shown+" AND "+l.db.Column(l.assets, "a", "ZAVALANCHEUUID")+" IS NOT NULL"),
		group("screenshots", "Screenshots", shown+" AND ("+l.truth("ZKINDSUBTYPE", "= 10")+" OR "+l.truth("ZISDETECTEDSCREENSHOT", "<> 0")+")"),
		group("screen-recordings", "Screen recordings", subtype(103)),
		group("animated", "Animated", shown+" AND "+l.truth("ZPLAYBACKSTYLE", "= 2")),
		group("shared", "Shared", here+" AND "+foreign+" AND "+l.truth("ZHIDDEN", "= 0")),
		group("hidden", "Hidden", here+" AND "+l.truth("ZHIDDEN", "<> 0")),
		group("deleted", "Recently Deleted", l.truth("ZTRASHEDSTATE", "= 1")),
	}
	for i := range list {
		list[i].Deleted = list[i].Key == smartPrefix+"deleted"
	}
	return list
}

func (l *library) groups(ctx context.Context) ([]extract.Group, error) {
	tree, err := l.albumTree(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := l.albumCounts(ctx)
	if err != nil {
		return nil, err
	}
	var list []extract.Group
	for _, a := range tree.list {
		if !a.shown {
			continue
		}
		g := extract.Group{Key: a.key, Title: a.title, Deleted: a.trashed, Count: -1}
		if parent := tree.byPK[a.parent]; parent != nil {
			g.Parent = parent.key
		}
		if a.kind != kindFolder && len(tree.children[a.pk]) == 0 {
			c := counts[a.pk]
			g.Count, g.Time = int(c.n), extract.CocoaTime(c.newest)
		}
		list = append(list, g)
	}
	smart, err := l.smartGroups(ctx)
	return append(list, smart...), err
}

type albumCount struct {
	n      int64
	newest float64
}

func (l *library) albumCounts(ctx context.Context) (map[int64]albumCount, error) {
	counts := map[int64]albumCount{}
	date, here := l.db.Column(l.assets, "a", "ZDATECREATED"), l.truth("ZTRASHEDSTATE", "<> 1")
	var queries []string
	if l.albums.table != "" {
		queries = append(queries, fmt.Sprintf("SELECT j.%s, count(DISTINCT a.Z_PK), max(%s) FROM %s j JOIN %s a ON a.Z_PK = j.%s WHERE %s GROUP BY 1 LIMIT %d", sqlitefs.Quote(l.albums.right),
			date, sqlitefs.Quote(l.albums.table), l.assets, sqlitefs.Quote(l.albums.left), here, maxAlbums))
	}
	if len(l.shares.pks) > 0 {
		queries = append(queries, fmt.Sprintf("SELECT -a.%s, count(*), max(%s) FROM %s a WHERE %s AND %s GROUP BY 1", shareColumn, date, l.assets, here, l.inShares(l.shares.pks)))
	}
	for _, query := range queries {
		if err := l.countAlbums(ctx, query, counts); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func (l *library) countAlbums(ctx context.Context, query string, counts map[int64]albumCount) error {
	rows, err := l.db.QueryContext(ctx, query)
	if err != nil {
		return l.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var pk, n sqlitefs.Int
		var newest sqlitefs.Real
		if err := rows.Scan(&pk, &n, &newest); err != nil {
			return l.db.Err(ctx, err)
		}
		counts[pk.Int] = albumCount{n.Int, newest.Float}
	}
	return l.db.Err(ctx, rows.Err())
}

// smartGroups counts all of them in one pass; those without a picture are left out.
func (l *library) smartGroups(ctx context.Context) ([]extract.Group, error) {
	all := l.smart()
	var list []string
	var into []any
	counts, newest := make([]sqlitefs.Int, len(all)), make([]sqlitefs.Real, len(all))
	date := l.db.Column(l.assets, "a", "ZDATECREATED")
	for i, s := range all {
		list = append(list, "total("+s.where+")", "max(CASE WHEN "+s.where+" THEN "+date+" END)")
		into = append(into, &counts[i], &newest[i])
	}
	if err := l.db.QueryRowContext(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+l.assets+" a").Scan(into...); err != nil {
		return nil, l.db.Err(ctx, err)
	}
	var groups []extract.Group
	for i, s := range all {
		if counts[i].Int > 0 {
			s.Count, s.Time = int(counts[i].Int), extract.CocoaTime(newest[i].Float)
			groups = append(groups, s.Group)
		}
	}
	return groups, nil
}
