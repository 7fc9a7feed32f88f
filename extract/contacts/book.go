package contacts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// What one address book may have; more is left out, and said.
const (
	maxCards   = 500_000
	maxLinked  = 100 // cards of one contact
	maxGroups  = 10_000
	maxMembers = 2_000_000
	maxName    = 1000 // letters of a name in the list
)

// book is the list of an address book: who is in it, in the phone's order, without
// what is known about them.
type book struct {
	db       *sqlitefs.DB
	units    []*unit
	groups   groups
	images   *images // nil = none
	problems []*extract.Problem
}

// unit is what is one contact for the phone.
type unit struct {
	key      string
	name     string
	cards    []int64 // ABPerson.ROWID, the preferred one first
	stores   []int64 // of each card
	image    int64   // the card whose picture is preferred; −1 = any
	created  time.Time
	modified time.Time
	sort     []byte
}

// row is a line of the list of cards.
type row struct {
	id, link, store   int64
	guid              string
	card              Card // names only
	fallback          string
	created, modified time.Time
}

// open gives the list, which is made once for each source.
func open(ctx context.Context, src *extract.Source, rep extract.Reporter) (*book, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b, err := extract.Memo(src, "contacts", func() (*book, error) { return list(ctx, src) })
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	for _, p := range b.problems {
		rep.Report(p)
	}
	return b, nil
}

func list(ctx context.Context, src *extract.Source) (*book, error) {
	db, err := src.Database(ctx, bookFile)
	if err != nil {
		return nil, err
	}
	if !db.Has("ABPerson") {
		return nil, fmt.Errorf("%s has no table of persons: %w", db.Name(), sqlitefs.ErrDamaged)
	}
	b := &book{db: db}
	rows, err := b.rows(ctx)
	if err != nil {
		return nil, err
	}
	preferred, err := b.links(ctx)
	b.doubt(ctx, "links between contacts", err)
	b.unite(rows, preferred)
	b.doubt(ctx, "contacts without a name", b.nameless(ctx))
	b.order()
	b.doubt(ctx, "groups of contacts", b.groups.read(ctx, db))
	b.images, err = openImages(ctx, src)
	b.doubt(ctx, "pictures of contacts", err)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return b, nil
}

// doubt keeps a problem that the rest can be read without.
func (b *book) doubt(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		b.problems = append(b.problems, &extract.Problem{What: what, Err: err})
	}
}

// rows reads the names of all cards. What a database gives before it turns out to be
// damaged is kept.
func (b *book) rows(ctx context.Context) ([]row, error) {
	q := "SELECT " + b.db.List("ABPerson", "p", "ROWID", "PersonLink", "StoreID", "Kind", "CreationDate", "ModificationDate")
	for _, c := range []string{"guid", "ExternalUUID", "Prefix", "First", "Middle", "Last", "Suffix", "Nickname", "Organization", "DisplayName", "CompositeNameFallback"} {
		q += ", " + bounded(b.db.Column("ABPerson", "p", c), maxName)
	}
	q += fmt.Sprintf(" FROM ABPerson p ORDER BY p.ROWID LIMIT %d", maxCards+1)
	rows, err := b.db.QueryContext(ctx, q)
	if err != nil {
		return nil, b.db.Err(ctx, err)
	}
	defer rows.Close()
	var list []row
	for rows.Next() {
		var id, link, store, kind sqlitefs.Int
		var created, modified sqlitefs.Real
		var t [11]sqlitefs.Text
		into := []any{&id, &link, &store, &kind, &created, &modified}
		for i := range t {
			into = append(into, &t[i])
		}
		if err := rows.Scan(into...); err != nil {
			b.doubt(ctx, "a contact", b.db.Err(ctx, err))
			continue
		}
		r := row{id: id.Int, link: -1, store: store.Int, guid: cmp.Or(text(t[0]), text(t[1])), created: extract.CocoaTime(created.Float), modified: extract.CocoaTime(modified.Float)}
		if link.Valid {
			r.link = link.Int
		}
		if !store.Valid {
			r.store = -1
		}
		r.card = Card{Organisation: kind.Int == 1, Prefix: text(t[2]), First: text(t[3]), Middle: text(t[4]), Last: text(t[5]), Suffix: text(t[6]), Nickname: text(t[7]), Organization: text(t[8])}
		r.fallback = cmp.Or(text(t[9]), text(t[10]))
		list = append(list, r)
	}
	switch err := b.db.Err(ctx, rows.Err()); {
	case err != nil && len(list) == 0:
		return nil, err
	case err != nil:
		b.doubt(ctx, "more contacts", err)
	case len(list) > maxCards:
		list = list[:maxCards]
		b.doubt(ctx, "more contacts", fmt.Errorf("%s has more than %d", b.db.Name(), maxCards))
	}
	return list, nil
}

// link is a row of ABPersonLink: which card gives the name, and which the picture.
type link struct{ name, image int64 }

func (b *book) links(ctx context.Context) (map[int64]link, error) {
	if !b.db.Has("ABPersonLink") {
		return nil, nil
	}
	rows, err := b.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ABPersonLink l LIMIT %d",
		b.db.List("ABPersonLink", "l", "ROWID", "PreferredNamePersonID", "PreferredImagePersonID"), maxCards))
	if err != nil {
		return nil, b.db.Err(ctx, err)
	}
	defer rows.Close()
	links := map[int64]link{}
	for rows.Next() {
		var id, name, image sqlitefs.Int
		if err := rows.Scan(&id, &name, &image); err != nil {
			return links, b.db.Err(ctx, err)
		}
		l := link{-1, -1}
		if name.Valid {
			l.name = name.Int
		}
		if image.Valid {
			l.image = image.Int
		}
		links[id.Int] = l
	}
	return links, b.db.Err(ctx, rows.Err())
}

// unite makes one unit of all cards with the same link.
func (b *book) unite(rows []row, preferred map[int64]link) {
	linked := map[int64][]*row{}
	for i := range rows {
		if r := &rows[i]; r.link >= 0 {
			linked[r.link] = append(linked[r.link], r)
		}
	}
	taken := make(map[string]bool, len(rows))
	for i := range rows {
		r := &rows[i]
		set, l := linked[r.link], link{-1, -1}
		switch {
		case r.link < 0 || len(set) < 2:
			set = []*row{r}
		case len(set) > maxLinked:
			if set[0] == r {
				b.problems = append(b.problems, &extract.Problem{What: "contact " + r.guid, Err: fmt.Errorf("%d cards are linked to it, shown one by one", len(set))})
			}
			set = []*row{r}
		case set[0] != r:
			continue // is there already
		default:
			if p, ok := preferred[r.link]; ok {
				l = p
			}
			if n := slices.IndexFunc(set, func(r *row) bool { return r.id == l.name }); n > 0 {
				set = slices.Concat(set[n:n+1], set[:n], set[n+1:])
			}
		}
		b.units = append(b.units, newUnit(set, l.image, taken))
	}
}

func newUnit(set []*row, image int64, taken map[string]bool) *unit {
	u := &unit{image: image}
	for _, r := range set {
		u.cards, u.stores = append(u.cards, r.id), append(u.stores, r.store)
		if r.guid != "" && (u.key == "" || r.guid < u.key) {
			u.key = r.guid
		}
		if u.created.IsZero() || !r.created.IsZero() && r.created.Before(u.created) {
			u.created = r.created
		}
		if r.modified.After(u.modified) {
			u.modified = r.modified
		}
	}
	if u.key == "" || taken[u.key] {
		u.key += "row:" + strconv.FormatInt(u.cards[0], 10)
	}
	taken[u.key] = true
	// The first card that has a name tells it.
	for _, r := range set {
		if u.name = r.card.ownName(); u.name != "" {
			u.sort = []byte(r.card.sortName())
			return u
		}
	}
	for _, r := range set {
		if u.name = r.fallback; u.name != "" {
			u.sort = []byte(u.name)
			break
		}
	}
	return u
}

// ownName is how the phone shows a card by the names in it.
func (c *Card) ownName() string {
	if c.Organisation && c.Organization != "" {
		return c.Organization
	}
	return cmp.Or(c.FullName(), strings.TrimSpace(c.Organization), strings.TrimSpace(c.Nickname))
}

// sortName is what a card with a name is sorted by.
func (c *Card) sortName() string {
	if c.Organisation && c.Organization != "" {
		return c.Organization
	}
	return cmp.Or(join(" ", c.Last, c.First, c.Middle), c.ownName())
}

// noName is what the phone shows when there is nothing else to show.
const noName = "No Name"

// nameless gives units without a name that of their first address or number.
func (b *book) nameless(ctx context.Context) error {
	cards := map[int64]*unit{}
	for _, u := range b.units {
		if u.name == "" {
			u.name = noName
			for _, id := range u.cards {
				cards[id] = u
			}
		}
	}
	if len(cards) == 0 || !b.db.Has("ABMultiValue", "record_id", "property", "value") {
		return nil
	}
	rows, err := b.db.QueryContext(ctx, fmt.Sprintf(`SELECT +v.record_id, +v.property, substr(v.value, 1, 500) FROM ABMultiValue v
		WHERE v.property IN (%d, %d) AND v.value <> '' ORDER BY v.property = %[2]d, v.record_id, v.ROWID`, propEmail, propPhone))
	if err != nil {
		return b.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, property sqlitefs.Int
		var value sqlitefs.Text
		if err := rows.Scan(&id, &property, &value); err != nil {
			return b.db.Err(ctx, err)
		}
		if u := cards[id.Int]; u != nil && u.name == noName && text(value) != "" {
			u.name = text(value)
		}
	}
	return b.db.Err(ctx, rows.Err())
}

// order sorts as the phone's list does: by the order of letters that all languages
// have in common, what does not begin with a letter at the end.
func (b *book) order() {
	c := collate.New(language.Und)
	var buf collate.Buffer
	for _, u := range b.units {
		name := string(u.sort)
		last := byte(0)
		if name == "" {
			name, last = u.name, 2
		} else if first := []rune(name)[0]; !unicode.IsLetter(first) {
			last = 1
		}
		if len(name) > 1000 {
			name = name[:1000]
		}
		u.sort = append([]byte{last}, c.KeyFromString(&buf, name)...)
		buf.Reset()
	}
	slices.SortFunc(b.units, func(x, y *unit) int {
		return cmp.Or(slices.Compare(x.sort, y.sort), strings.Compare(x.key, y.key))
	})
}

// choose gives the units that a query is for, in its order.
func (b *book) choose(q extract.Query) []*unit {
	if q.Table != "" && q.Table != tableName {
		return nil
	}
	var in func(*unit) bool
	if q.Group != "" {
		in = b.groups.contain(q.Group)
	}
	list := make([]*unit, 0, len(b.units))
	for _, u := range b.units {
		if (q.Key == "" || q.Key == u.key) && (in == nil || in(u)) {
			list = append(list, u)
		}
	}
	if q.Newest {
		slices.SortStableFunc(list, func(x, y *unit) int { return y.created.Compare(x.created) })
	}
	list = list[min(max(q.Skip, 0), len(list)):]
	if q.Limit > 0 {
		list = list[:min(q.Limit, len(list))]
	}
	return list
}

// text is a text of the database as UTF-8, without blanks around it.
func text(t sqlitefs.Text) string {
	return strings.TrimSpace(strings.ToValidUTF8(t.String, "\uFFFD"))
}

// allEastAsian tells of a name in scripts whose names have the family in front and no
// blank.
func allEastAsian(s string) bool {
	for _, r := range s {
		if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			return false
		}
	}
	return true
}
