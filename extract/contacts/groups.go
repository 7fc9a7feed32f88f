package contacts

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// groups are the stores and the groups of the phone.
type groups struct {
	list    []*group // stores, each with its groups behind it
	store   map[int64]*group
	members map[int64][]*group // by ABPerson.ROWID, in the order of list
}

type group struct {
	id      int64
	store   int64 // of a group
	isStore bool
	key     string
	title   string
	detail  string
	parent  *group
	people  map[int64]bool // of a group
}

// Values of ABStore.Type: public constants of Apple's old AddressBook framework. A
// bit above them marks directories that are only searched.
const (
	storeLocal    = 0
	storeExchange = 1
	storeMobileMe = 2
	storeLDAP     = 3
	storeCardDAV  = 4
	storeMask     = 1<<24 - 1
)

func (g *groups) read(ctx context.Context, db *sqlitefs.DB) error {
	g.store, g.members = map[int64]*group{}, map[int64][]*group{}
	keys := map[string]bool{"": true}
	stores, err := readStores(ctx, db, keys)
	for _, s := range stores {
		g.store[s.id] = s
	}
	own, err2 := readGroups(ctx, db, keys)
	byID := map[int64]*group{}
	for _, o := range own {
		byID[o.id] = o
		o.parent = g.store[o.store]
	}
	err3 := readMembers(ctx, db, byID)
	g.arrange(stores, own)
	for _, o := range g.list {
		for id := range o.people {
			g.members[id] = append(g.members[id], o)
		}
	}
	return cmp.Or(err, err2, err3)
}

// arrange puts groups behind their stores; those of no store come last.
func (g *groups) arrange(stores, own []*group) {
	slices.SortFunc(own, func(a, b *group) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.title), strings.ToLower(b.title)), cmp.Compare(a.id, b.id))
	})
	for _, s := range stores {
		g.list = append(g.list, s)
		for _, o := range own {
			if o.store == s.id {
				g.list = append(g.list, o)
			}
		}
	}
	for _, o := range own {
		if g.store[o.store] == nil {
			g.list = append(g.list, o)
		}
	}
}

func readStores(ctx context.Context, db *sqlitefs.DB, keys map[string]bool) ([]*group, error) {
	if !db.Has("ABStore") {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ABStore s ORDER BY s.ROWID LIMIT %d",
		db.List("ABStore", "s", "ROWID", "Name", "Type", "ExternalIdentifier", "guid"), maxGroups))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	var list []*group
	for rows.Next() {
		var id, kind sqlitefs.Int
		var name, external, guid sqlitefs.Text
		if err := rows.Scan(&id, &name, &kind, &external, &guid); err != nil {
			return list, db.Err(ctx, err)
		}
		s := &group{id: id.Int, isStore: true, key: unique(keys, "store:"+cmp.Or(text(guid), strconv.FormatInt(id.Int, 10)), id.Int)}
		s.title, s.detail = storeTitle(text(name), kind, text(external))
		list = append(list, s)
	}
	return list, db.Err(ctx, rows.Err())
}

// storeTitle is what people call a store, and which of several it is.
func storeTitle(name string, kind sqlitefs.Int, external string) (title, detail string) {
	switch kind.Int & storeMask {
	case storeLocal:
		if kind.Valid {
			return cmp.Or(name, "On this phone"), ""
		}
	case storeExchange:
		return "Exchange", name
	case storeMobileMe:
		return "iCloud", name
	case storeLDAP:
		return cmp.Or(name, "LDAP"), ""
	case storeCardDAV:
		// Names of CardDAV stores are those that servers give: "Card", "Address Book".
		if strings.Contains(external, "/carddavhome/") {
			return "iCloud", ""
		}
		if rest, ok := strings.CutPrefix(external, "/carddav/v1/principals/"); ok {
			who, _, _ := strings.Cut(rest, "/")
			if plain, err := url.PathUnescape(who); err == nil {
				who = plain
			}
			return "Google", strings.ToValidUTF8(who, "\uFFFD")
		}
		return cmp.Or(name, "CardDAV"), ""
	}
	return cmp.Or(name, "Contacts"), ""
}

func readGroups(ctx context.Context, db *sqlitefs.DB, keys map[string]bool) ([]*group, error) {
	if !db.Has("ABGroup") {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ABGroup g ORDER BY g.ROWID LIMIT %d",
		db.List("ABGroup", "g", "ROWID", "Name", "StoreID", "guid", "ExternalUUID"), maxGroups))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	var list []*group
	for rows.Next() {
		var id, store sqlitefs.Int
		var name, guid, external sqlitefs.Text
		if err := rows.Scan(&id, &name, &store, &guid, &external); err != nil {
			return list, db.Err(ctx, err)
		}
		g := &group{id: id.Int, store: -1, title: cmp.Or(text(name), "Untitled Group"), people: map[int64]bool{}}
		if store.Valid {
			g.store = store.Int
		}
		g.key = unique(keys, cmp.Or(text(guid), text(external), "group:"+strconv.FormatInt(id.Int, 10)), id.Int)
		list = append(list, g)
	}
	return list, db.Err(ctx, rows.Err())
}

func unique(keys map[string]bool, key string, id int64) string {
	for keys[key] {
		key += "/" + strconv.FormatInt(id, 10)
	}
	keys[key] = true
	return key
}

func readMembers(ctx context.Context, db *sqlitefs.DB, byID map[int64]*group) error {
	if len(byID) == 0 || !db.Has("ABGroupMembers", "group_id", "member_id") {
		return nil
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ABGroupMembers m ORDER BY m.ROWID LIMIT %d",
		db.List("ABGroupMembers", "m", "group_id", "member_type", "member_id"), maxMembers))
	if err != nil {
		return db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var in, kind, member sqlitefs.Int
		if err := rows.Scan(&in, &kind, &member); err != nil {
			return db.Err(ctx, err)
		}
		g := byID[in.Int]
		switch {
		case g == nil:
		case kind.Int == 0:
			g.people[member.Int] = true
		case kind.Int == 1:
			if inner := byID[member.Int]; inner != nil && !inner.holds(g) {
				inner.parent = g
			}
		}
	}
	return db.Err(ctx, rows.Err())
}

// holds tells whether g is other or has it inside, so that other cannot hold g.
func (g *group) holds(other *group) bool {
	for n := 0; other != nil && n <= maxGroups; n++ {
		if other == g {
			return true
		}
		other = other.parent
	}
	return false
}

// contain gives a test of what is in the group of a key.
func (g *groups) contain(key string) func(*unit) bool {
	i := slices.IndexFunc(g.list, func(o *group) bool { return o.key == key })
	if i < 0 {
		return func(*unit) bool { return false }
	}
	o := g.list[i]
	return func(u *unit) bool {
		if o.isStore {
			return slices.Contains(u.stores, o.id)
		}
		return slices.ContainsFunc(u.cards, func(id int64) bool { return o.people[id] })
	}
}

// groupList is all groups with their counts. A store without anybody is left out
// unless a group refers to it.
func (b *book) groupList() []extract.Group {
	parents, counts, newest := map[*group]bool{}, map[*group]int{}, map[*group]time.Time{}
	for _, g := range b.groups.list {
		parents[g.parent] = true
	}
	for _, u := range b.units {
		for g := range b.groups.around(u) {
			counts[g]++
			if u.created.After(newest[g]) {
				newest[g] = u.created
			}
		}
	}
	var list []extract.Group
	for _, g := range b.groups.list {
		out := extract.Group{Key: g.key, Title: g.title, Detail: g.detail, Count: counts[g], Time: newest[g]}
		if g.parent != nil {
			out.Parent = g.parent.key
		}
		if out.Count > 0 || !g.isStore || parents[g] {
			list = append(list, out)
		}
	}
	return list
}

// around gives the stores and groups of a unit.
func (g *groups) around(u *unit) map[*group]bool {
	all := map[*group]bool{}
	for i, id := range u.cards {
		if s := g.store[u.stores[i]]; s != nil {
			all[s] = true
		}
		for _, o := range g.members[id] {
			all[o] = true
		}
	}
	return all
}
