package safari

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Special folders, by special_id (content-schemas.md 10).
const (
	specialBar       = 1
	specialMenu      = 2
	specialReading   = 3
	specialWebFilter = 4
)

// maxNodes bounds a tree; maxAttributes its property lists.
const (
	maxNodes      = 500_000
	maxAttributes = 1 << 20
)

// node is a row of a table of bookmarks, which Bookmarks.db and SafariTabs.db have.
type node struct {
	id, parent, special, subtype, order int64
	folder                              bool
	typed                               bool // its row says what it is
	root                                bool // has no parent, or is its own
	title, url, uuid                    string
	reading, read                       bool
	hidden, deleted                     bool
	changed                             time.Time
	extra, local                        attributes

	key      string
	children []*node
	up       *node
	seen     bool
}

// attributes are what is used of a node's property lists.
type attributes struct {
	preview                string
	added, viewed, visited time.Time
	private                bool
	title, url             string // of a tab, as this phone has loaded it
}

// readTree reads a table of bookmarks and gives its nodes in the order of the folders;
// those that lie in no folder that is there come last. Keys begin with label.
func readTree(ctx context.Context, db *sqlitefs.DB, label string) ([]*node, error) {
	if !db.Has("bookmarks", "id") {
		return nil, fmt.Errorf("%s has no table bookmarks: %w", db.Name(), sqlitefs.ErrDamaged)
	}
	rows, err := db.QueryContext(ctx, "SELECT "+db.List("bookmarks", "b", "id", "parent", "special_id", "subtype", "order_index", "type", "title", "url", "external_uuid", "read",
		"hidden", "deleted", "last_modified", "extra_attributes", "local_attributes")+fmt.Sprintf(" FROM bookmarks b ORDER BY b.id LIMIT %d", maxNodes))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	byID := map[int64]*node{}
	var all []*node
	keys := map[string]bool{}
	for rows.Next() {
		n, err := scanNode(rows.Scan)
		if err != nil {
			return nil, db.Err(ctx, err)
		}
		if n.key = n.uuid; n.key == "" || keys[n.key] {
			n.key = fmt.Sprintf("%s#%d", n.uuid, n.id)
		}
		keys[n.key], byID[n.id] = true, n
		n.key = joined("/", label, n.key)
		all = append(all, n)
	}
	if err := rows.Err(); err != nil {
		return nil, db.Err(ctx, err)
	}
	for _, n := range all { // a folder without a type is known by what lies in it
		if up := byID[n.parent]; up != nil && !n.root && !up.typed && up.url == "" {
			up.folder = true
		}
	}
	return inOrder(all, byID), nil
}

func scanNode(scan func(...any) error) (*node, error) {
	var id, parent, special, subtype, order, kind, read, hidden, deleted sqlitefs.Int
	var title, url, uuid sqlitefs.Text
	var changed sqlitefs.Real
	var extra, local sqlitefs.Blob
	if err := scan(&id, &parent, &special, &subtype, &order, &kind, &title, &url, &uuid, &read, &hidden, &deleted, &changed, &extra, &local); err != nil {
		return nil, err
	}
	return &node{id: id.Int, parent: parent.Int, root: !parent.Valid || parent.Int == id.Int, special: special.Int, subtype: subtype.Int, order: order.Int,
		folder: kind.Int == 1, typed: kind.Valid, title: title.String, url: url.String, uuid: uuid.String, reading: read.Valid, read: read.Bool(),
		hidden: hidden.Bool(), deleted: deleted.Bool(), changed: extract.UnixTime(changed.Float), extra: attributesOf(extra), local: attributesOf(local)}, nil
}

// attributesOf reads a property list; what it is not, or does not have, is zero.
func attributesOf(data []byte) (a attributes) {
	if len(data) == 0 || len(data) > maxAttributes {
		return a
	}
	var top map[string]any
	if plist.Unmarshal(data, &top) != nil {
		return a
	}
	list, _ := top["com.apple.ReadingList"].(map[string]any)
	a.preview, _ = list["PreviewText"].(string)
	a.added, a.viewed = date(list["DateAdded"]), date(list["DateLastViewed"])
	// Of tabs and groups of tabs (safari-raindrop-tabgroups, SAFARI_TABS_DB_SCHEMA.md).
	mark, _ := top["com.apple.Bookmark"].(map[string]any)
	a.added, a.viewed = firstDate(a.added, date(mark["DateAdded"])), firstDate(a.viewed, date(top["DateLastViewed"]))
	a.title, _ = top["LocalTitle"].(string)
	a.url, _ = top["LocalURL"].(string)
	a.visited = date(top["LastVisitTime"])
	for _, key := range []string{"Private", "IsPrivateWindow", "PrivateBrowsing"} {
		if is, _ := top[key].(bool); is {
			a.private = true
		}
	}
	return a
}

func firstDate(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// date reads a date, or seconds since 2001.
func date(v any) time.Time {
	switch v := v.(type) {
	case time.Time:
		if v.Year() < 1904 || v.Year() >= 4001 {
			return time.Time{}
		}
		return v.UTC()
	case float64:
		return extract.CocoaTime(v)
	case uint64:
		return extract.CocoaTime(float64(v))
	}
	return time.Time{}
}

// inOrder puts nodes into the order of a tree.
func inOrder(all []*node, byID map[int64]*node) []*node {
	var tops []*node
	for _, n := range all {
		if up := byID[n.parent]; !n.root && up != nil && up.folder {
			n.up = up
			up.children = append(up.children, n)
		} else {
			tops = append(tops, n)
		}
	}
	for _, n := range all {
		slices.SortStableFunc(n.children, func(a, b *node) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id)) })
	}
	ordered := make([]*node, 0, len(all))
	walk := func(from *node) {
		for stack := []*node{from}; len(stack) > 0; {
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if n.seen {
				continue
			}
			n.seen = true
			ordered = append(ordered, n)
			for _, c := range slices.Backward(n.children) {
				stack = append(stack, c)
			}
		}
	}
	for _, n := range tops {
		walk(n)
	}
	for _, n := range all { // folders that lie in each other
		if !n.seen {
			n.up = nil
			walk(n)
		}
	}
	return ordered
}

// above lists what a node lies in, the nearest first.
func (n *node) above() []*node {
	var list []*node
	seen := map[*node]bool{n: true}
	for up := n.up; up != nil && !seen[up]; up = up.up {
		seen[up] = true
		list = append(list, up)
	}
	return list
}

// isTop tells whether a node is the root of all, which is no folder for people.
func (n *node) isTop() bool {
	return n.folder && n.up == nil && n.special == 0 && (n.id == 0 || n.title == "Root")
}

// name is a folder's as people see it.
func (n *node) name() string {
	switch n.special {
	case specialBar:
		return "Favorites"
	case specialMenu:
		return "Bookmarks Menu"
	case specialReading:
		return "Reading List"
	}
	return named(strings.TrimSpace(n.title), "Folder")
}
