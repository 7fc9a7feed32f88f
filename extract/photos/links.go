package photos

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// maxLinks bounds what is kept of one join table: a hundred albums for each of a
// hundred thousand photos are fewer.
const maxLinks = 4 << 20

var errTooMany = errors.New("more entries than are believed")

// beside fills in what other tables say about photos: albums, keywords and people.
// With a failing table the photos stay without.
type beside struct {
	l      *library
	rep    extract.Reporter
	all    bool // photos are many: every table is read once
	tree   *albumTree
	people map[int64]string
	words  map[int64]string
	// of all photos, where all is set
	inAlbums, hasWords, hasPeople map[int64][]int64
	failed                        map[string]bool
}

func newBeside(ctx context.Context, l *library, rep extract.Reporter, all bool) *beside {
	b := &beside{l: l, rep: rep, all: all, failed: map[string]bool{}}
	var err error
	if b.tree, err = l.albumTree(ctx); err != nil {
		b.report(ctx, "albums", err)
	}
	if l.shares.broken != nil {
		b.report(ctx, "shared albums", l.shares.broken)
	}
	if l.words.table != "" {
		b.words = b.names(ctx, "ZKEYWORD", l.text("ZKEYWORD", "t", "ZTITLE"))
	}
	if l.faces.table != "" {
		full, short := l.text("ZPERSON", "t", "ZFULLNAME"), l.text("ZPERSON", "t", "ZDISPLAYNAME")
		b.people = b.names(ctx, "ZPERSON", "coalesce(nullif("+full+", ''), "+short+")")
		b.merge(ctx)
	}
	if all {
		b.inAlbums = b.links(ctx, "albums", l.albums, nil)
		b.hasWords = b.links(ctx, "keywords", l.words, nil)
		b.hasPeople = b.links(ctx, "people", l.faces, nil)
	}
	return b
}

func (b *beside) report(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !b.failed[what] {
		b.failed[what] = true
		b.rep.Report(&extract.Problem{What: what + " in " + b.l.store.db, Err: err})
	}
}

// names reads a table of names, by Z_PK.
func (b *beside) names(ctx context.Context, table, expression string) map[int64]string {
	list := map[int64]string{}
	if !b.l.db.Has(table, "Z_PK") {
		return list
	}
	rows, err := b.l.db.QueryContext(ctx, fmt.Sprintf("SELECT t.Z_PK, %s FROM %s t LIMIT %d", expression, table, maxLinks/16))
	if err != nil {
		b.report(ctx, table, b.l.db.Err(ctx, err))
		return list
	}
	defer rows.Close()
	for rows.Next() {
		var pk sqlitefs.Int
		var name sqlitefs.Text
		if err := rows.Scan(&pk, &name); err != nil {
			break
		}
		if name.String != "" {
			list[pk.Int] = name.String
		}
	}
	if err := rows.Err(); err != nil {
		b.report(ctx, table, b.l.db.Err(ctx, err))
	}
	return list
}

// maxMerges is how often a person is believed to have become another one.
const maxMerges = 10

// merge gives people who were found to be somebody else that one's name: their faces
// stay theirs.
func (b *beside) merge(ctx context.Context) {
	if !b.l.db.Has("ZPERSON", "Z_PK", "ZMERGETARGETPERSON") {
		return
	}
	into := b.links(ctx, "merged people", join{table: "ZPERSON", left: "Z_PK", right: "ZMERGETARGETPERSON"}, nil)
	for pk := range into {
		last := pk
		for range maxMerges {
			to := into[last]
			if len(to) == 0 {
				break
			}
			last = to[0]
		}
		if name := b.people[last]; name != "" && len(into[last]) == 0 {
			b.people[pk] = name
		}
	}
}

// links reads a join table, whole or for some rows on the left.
func (b *beside) links(ctx context.Context, what string, j join, left []int64) map[int64][]int64 {
	list := map[int64][]int64{}
	if j.table == "" || b.failed[what] {
		return list
	}
	l, r := "j."+sqlitefs.Quote(j.left), "j."+sqlitefs.Quote(j.right)
	query := fmt.Sprintf("SELECT %s, %s FROM %s j WHERE %s IS NOT NULL AND %s IS NOT NULL", l, r, sqlitefs.Quote(j.table), l, r)
	if left != nil {
		query += fmt.Sprintf(" AND %s IN (%s)", l, numbers(left))
	}
	if b.l.db.Has(j.table, "ZHIDDEN") { // a face that the owner said is none
		query += " AND coalesce(j.ZHIDDEN, 0) = 0"
	}
	rows, err := b.l.db.QueryContext(ctx, query+fmt.Sprintf(" ORDER BY %s, %s LIMIT %d", l, r, maxLinks+1))
	if err != nil {
		b.report(ctx, what, b.l.db.Err(ctx, err))
		return list
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var from, to sqlitefs.Int
		if err := rows.Scan(&from, &to); err != nil {
			break
		}
		if n++; n > maxLinks {
			b.report(ctx, what, errTooMany)
			return list
		}
		list[from.Int] = append(list[from.Int], to.Int)
	}
	if err := rows.Err(); err != nil {
		b.report(ctx, what, b.l.db.Err(ctx, err))
	}
	return list
}

// fill completes photos.
func (b *beside) fill(ctx context.Context, photos []*Photo) {
	albums, words, people := b.inAlbums, b.hasWords, b.hasPeople
	if !b.all {
		pks, attributes := make([]int64, len(photos)), make([]int64, len(photos))
		for i, p := range photos {
			pks[i], attributes[i] = p.pk, p.attributes
		}
		albums = b.links(ctx, "albums", b.l.albums, pks)
		words = b.links(ctx, "keywords", b.l.words, attributes)
		people = b.links(ctx, "people", b.l.faces, pks)
	}
	for _, p := range photos {
		in := albums[p.pk]
		if p.share != 0 {
			in = append(slices.Clip(in), -p.share)
		}
		for _, pk := range in {
			if a := b.tree.byPK[pk]; a != nil && a.shown && !a.trashed {
				p.Albums = append(p.Albums, Album{a.key, a.title})
			}
		}
		p.Keywords = distinct(b.words, words[p.attributes])
		p.People = distinct(b.people, people[p.pk])
	}
}

// distinct gives the names of numbers, each name once.
func distinct(names map[int64]string, pks []int64) []string {
	var list []string
	seen := map[string]bool{}
	for _, pk := range pks {
		if name := names[pk]; name != "" && !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}
