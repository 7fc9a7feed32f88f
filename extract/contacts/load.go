package contacts

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Values of ABMultiValue.property (content-schemas.md 1).
const (
	propPhone   = 3
	propEmail   = 4
	propAddress = 5
	propDate    = 12
	propMessage = 13
	propURL     = 22
	propRelated = 23
	propSocial  = 46
)

// What one card may have, and what is in memory of a chunk of them.
const (
	maxValues = 5000    // of everything together
	maxText   = 1 << 20 // letters of one text
	maxChunk  = 64 << 20
)

// load reads contacts whole, in the order of units.
func (b *book) load(ctx context.Context, units []*unit, rep extract.Reporter) ([]*Contact, error) {
	ids := make([]string, 0, len(units))
	for _, u := range units {
		for _, id := range u.cards {
			ids = append(ids, strconv.FormatInt(id, 10))
		}
	}
	l := &loader{book: b, ctx: ctx, in: strings.Join(ids, ","), cards: make(map[int64]*Card, len(ids)), me: map[int64]bool{}}
	if err := l.persons(); err != nil {
		return nil, err
	}
	for what, err := range map[string]error{"numbers and addresses of contacts": l.values(), "own card": l.owner()} {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			rep.Report(&extract.Problem{What: what, Err: err})
		}
	}
	if l.cut {
		rep.Report(&extract.Problem{What: "large contacts", Err: fmt.Errorf("%s has one with more than %d values, or more than %d bytes for %d of them: the rest is left out", b.db.Name(), maxValues, maxChunk, len(units))})
	}
	list := make([]*Contact, 0, len(units))
	for _, u := range units {
		if c := l.contact(u); c != nil {
			list = append(list, c)
		} else {
			rep.Report(&extract.Problem{What: "contact " + u.name, Err: fmt.Errorf("%s does not give it: %w", b.db.Name(), sqlitefs.ErrDamaged)})
		}
	}
	return list, nil
}

// loader reads the cards of a chunk.
type loader struct {
	*book
	ctx   context.Context
	in    string // their ROWIDs
	cards map[int64]*Card
	me    map[int64]bool
	bytes int  // of texts so far
	cut   bool // something was left out, there being too much
}

// text takes a text in. When there is more than any address book has, only the
// beginnings of the rest are kept.
func (l *loader) text(t sqlitefs.Text) string {
	const beginning = 256
	if s := text(t); l.bytes+len(s) <= maxChunk || len(s) <= beginning {
		l.bytes += len(s)
		return s
	}
	l.cut = true
	return strings.ToValidUTF8(strings.Clone(t.String[:beginning]), "")
}

// short is a list of results of texts, each no longer than maxText.
func (l *loader) short(table, alias string, columns ...string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = bounded(l.db.Column(table, alias, c), maxText)
	}
	return strings.Join(list, ", ")
}

// query asks and gives each row's scanner.
func (l *loader) query(q string, row func(scan func(...any) error) error) error {
	rows, err := l.db.QueryContext(l.ctx, q)
	if err != nil {
		return l.db.Err(l.ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return l.db.Err(l.ctx, err)
		}
	}
	return l.db.Err(l.ctx, rows.Err())
}

func (l *loader) persons() error {
	names := []string{"guid", "Prefix", "First", "Middle", "Last", "Suffix", "Nickname", "PreviousFamilyName",
		"FirstPhonetic", "MiddlePhonetic", "LastPhonetic", "OrganizationPhonetic", "FirstPronunciation", "MiddlePronunciation", "LastPronunciation", "OrganizationPronunciation",
		"Organization", "Department", "JobTitle", "Note", "Birthday", "AlternateBirthday", "ImageType"}
	return l.query("SELECT "+l.db.List("ABPerson", "p", "ROWID", "StoreID", "Kind", "CreationDate", "ModificationDate")+", "+l.short("ABPerson", "p", names...)+
		" FROM ABPerson p WHERE p.ROWID IN ("+l.in+")", func(scan func(...any) error) error {
		var id, store, kind sqlitefs.Int
		var created, modified sqlitefs.Real
		var birthday sqlitefs.Text
		c := &Card{}
		texts := []*string{&c.GUID, &c.Prefix, &c.First, &c.Middle, &c.Last, &c.Suffix, &c.Nickname, &c.PreviousFamily,
			&c.PhoneticFirst, &c.PhoneticMiddle, &c.PhoneticLast, &c.PhoneticOrganization, &c.SpokenFirst, &c.SpokenMiddle, &c.SpokenLast, &c.SpokenOrganization,
			&c.Organization, &c.Department, &c.JobTitle, &c.Note, &birthday.String, &c.AlternateBirthday, &c.PictureKind}
		raw := make([]sqlitefs.Text, len(texts))
		into := []any{&id, &store, &kind, &created, &modified}
		for i := range raw {
			into = append(into, &raw[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		for i := range raw {
			*texts[i] = l.text(raw[i])
		}
		c.Birthday, c.Organisation = dateOf(birthday.String), kind.Int == 1
		c.Created, c.Modified = extract.CocoaTime(created.Float), extract.CocoaTime(modified.Float)
		if s := l.groups.store[store.Int]; s != nil && store.Valid {
			c.Account = s.title
			if s.detail != "" {
				c.Account += " (" + s.detail + ")"
			}
		}
		for _, g := range l.groups.members[id.Int] {
			c.Groups = append(c.Groups, g.title)
		}
		l.cards[id.Int] = c
		return nil
	})
}

// owner finds the owner's card.
func (l *loader) owner() error {
	if !l.db.Has("ABStore", "MeIdentifier") {
		return nil
	}
	return l.query(fmt.Sprintf("SELECT +s.MeIdentifier FROM ABStore s WHERE s.MeIdentifier >= 0 LIMIT %d", maxGroups), func(scan func(...any) error) error {
		var id sqlitefs.Int
		if err := scan(&id); err != nil {
			return err
		}
		l.me[id.Int] = true
		return nil
	})
}

// bounded is an expression for a text of at most n bytes or, when it is longer, letters.
// (The function substr alone would end every text at a NUL.)
func bounded(column string, n int) string {
	return fmt.Sprintf("iif(octet_length(%[1]s) > %[2]d, substr(%[1]s, 1, %[2]d), %[1]s)", column, n)
}

// values reads ABMultiValue, and of those that have parts their entries.
func (l *loader) values() error {
	if !l.db.Has("ABMultiValue", "record_id", "property") {
		return nil
	}
	parts, err := l.entries()
	label, join := "NULL", ""
	if l.db.Has("ABMultiValueLabel", "value") && l.db.Has("ABMultiValue", "label") {
		label, join = bounded("+l.value", maxName), " LEFT JOIN ABMultiValueLabel l ON l.rowid = v.label"
	}
	type row struct {
		record, property, order int64
		label                   Label
		value                   string
		parts                   map[string]string
	}
	var list []row
	counts := map[int64]int{}
	err2 := l.query("SELECT "+l.db.List("ABMultiValue", "v", "UID", "record_id", "property", "identifier")+", "+l.short("ABMultiValue", "v", "value")+", "+label+
		" FROM ABMultiValue v"+join+" WHERE v.record_id IN ("+l.in+") ORDER BY v.record_id, v.ROWID",
		func(scan func(...any) error) error {
			var uid, record, property, order sqlitefs.Int
			var value, label sqlitefs.Text
			if err := scan(&uid, &record, &property, &order, &value, &label); err != nil {
				return err
			}
			if counts[record.Int]++; counts[record.Int] > maxValues {
				l.cut = true
				return nil
			}
			list = append(list, row{record.Int, property.Int, order.Int, labelOf(l.text(label)), l.text(value), parts[uid.Int]})
			return nil
		})
	// The index is in the order of rows; the phone's is that of identifiers.
	slices.SortStableFunc(list, func(a, b row) int { return cmp.Or(cmp.Compare(a.record, b.record), cmp.Compare(a.order, b.order)) })
	for _, r := range list {
		if c := l.cards[r.record]; c != nil {
			c.add(r.property, r.label, r.value, r.parts)
		}
	}
	return cmp.Or(err, err2)
}

// entries gives the parts of the values of this chunk, by ABMultiValue.UID.
func (l *loader) entries() (map[int64]map[string]string, error) {
	all := map[int64]map[string]string{}
	if !l.db.Has("ABMultiValueEntry", "parent_id", "key", "value") || !l.db.Has("ABMultiValueEntryKey", "value") || !l.db.Has("ABMultiValue", "UID") {
		return all, nil
	}
	err := l.query(fmt.Sprintf(`SELECT +e.parent_id, %s, %s FROM ABMultiValue v JOIN ABMultiValueEntry e ON e.parent_id = v.UID
		JOIN ABMultiValueEntryKey k ON k.rowid = e.key WHERE v.record_id IN (%s) LIMIT %d`, bounded("+k.value", maxName), bounded("+e.value", maxText), l.in, chunk*maxValues),
		func(scan func(...any) error) error {
			var parent sqlitefs.Int
			var key, value sqlitefs.Text
			if err := scan(&parent, &key, &value); err != nil {
				return err
			}
			p := all[parent.Int]
			if p == nil {
				p = map[string]string{}
				all[parent.Int] = p
			}
			if v := l.text(value); v != "" && len(p) < 100 {
				p[l.text(key)] = v
			}
			return nil
		})
	return all, err
}

// bare is the one label of the phone's own that has no wrapper.
const bare = "iPhone"

// labelOf takes the phone's own labels out of their wrapper.
func labelOf(s string) Label {
	if inner, ok := strings.CutPrefix(s, "_$!<"); ok {
		if inner, ok = strings.CutSuffix(inner, ">!$_"); ok {
			return Label{Label: inner}
		}
	}
	return Label{Label: s, Own: s != "" && s != bare}
}

// add takes a value into a card.
func (c *Card) add(property int64, label Label, value string, parts map[string]string) {
	v := Value{label, value}
	into := map[int64]*[]Value{propPhone: &c.Phones, propEmail: &c.Emails, propURL: &c.URLs, propRelated: &c.Related}[property]
	switch {
	case into != nil && value != "":
		*into = append(*into, v)
	case property == propAddress && len(parts) > 0:
		c.Addresses = append(c.Addresses, addressOf(label, parts))
	case property == propDate && dateOf(value) != Date{}:
		c.Dates = append(c.Dates, LabeledDate{label, dateOf(value)})
	case property == propMessage && len(parts) > 0:
		c.Messaging = append(c.Messaging, profileOf(label, parts))
	case property == propSocial && len(parts) > 0:
		c.Social = append(c.Social, profileOf(label, parts))
	case value != "" || len(parts) > 0:
		c.Other = append(c.Other, OtherValue{label, property, value, parts})
	}
}

func addressOf(label Label, parts map[string]string) Address {
	a := Address{Label: label}
	for key, value := range parts {
		switch key {
		case "Street":
			a.Street = value
		case "SubLocality":
			a.SubLocality = value
		case "City":
			a.City = value
		case "SubAdministrativeArea":
			a.District = value
		case "State":
			a.State = value
		case "ZIP":
			a.ZIP = value
		case "Country":
			a.Country = value
		case "CountryCode":
			a.CountryCode = value
		}
	}
	return a
}

// profileOf reads the parts of a profile, whose keys differ in their letters between
// the two kinds.
func profileOf(label Label, parts map[string]string) Profile {
	p := Profile{Label: label}
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		value := parts[key]
		switch strings.ToLower(key) {
		case "service":
			p.Service = value
		case "username":
			p.User = value
		case "url", "urlstring":
			p.URL = value
		case "identifier", "useridentifier":
			p.Identifier = value
		case "displayname":
			p.Shown = value
		case "bundleidentifiers":
			p.Bundle = value
		}
	}
	return p
}

// contact puts a unit together from its cards; nil when none could be read.
func (l *loader) contact(u *unit) *Contact {
	c := &Contact{Key: u.key, Name: u.name}
	var cards []Card
	for _, id := range u.cards {
		if card := l.cards[id]; card != nil {
			cards = append(cards, *card)
		}
		c.Me = c.Me || l.me[id]
	}
	switch len(cards) {
	case 0:
		return nil
	case 1:
		c.Card = cards[0]
	default:
		c.Card, c.Parts = unify(cards), cards
	}
	for _, g := range l.groups.list {
		if l.groups.around(u)[g] && (c.groupKey == "" || !g.isStore) {
			c.groupKey = g.key
			if !g.isStore {
				break
			}
		}
	}
	if l.images != nil {
		c.picture, c.thumbnail = l.images.of(u)
		c.Picture = cmp.Or(c.picture.kind, c.thumbnail.kind)
	}
	return c
}
